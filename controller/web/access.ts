/** Who asks, and what they may see (SPEC §5: without a token only health, readiness and schemas answer). */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { NextFunction, Request, Response } from 'express';
import { TagboatError } from '../errors.ts';
import { Secret } from '../secret.ts';
import type { Visible } from '../store/views/teams.ts';

export interface Caller {
  /** `public`: nobody signed in, and the controller is configured to show everything. */
  readonly kind: 'operator' | 'public';
  readonly teams: Visible;
}

export interface AccessOptions {
  readonly operatorToken: Secret;
  /** Everybody may read. */
  readonly public: boolean;
}

/** Who the request comes from; null: nobody who may read. A wrong token is nobody, also where everybody may read. */
export function authenticate(request: Request, options: AccessOptions): Caller | null {
  const header = request.get('authorization');
  if (header === undefined) return options.public ? { kind: 'public', teams: 'all' } : null;
  const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
  return token !== undefined && sameSecret(token, options.operatorToken.reveal()) ? { kind: 'operator', teams: 'all' } : null;
}

/** Lets nobody pass without a caller; handlers find it with `callerOf`. */
export function requireCaller(options: AccessOptions) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const caller = authenticate(request, options);
    if (caller === null) {
      response.set('WWW-Authenticate', 'Bearer realm="tagboat"');
      throw new TagboatError('Unauthorized', request.get('authorization') === undefined ? 'this needs a token' : 'the token is not valid', {
        hint: 'Send it as `Authorization: Bearer …`; the operator\'s token is in the file operator.token of the controller\'s data directory.',
      });
    }
    response.locals['caller'] = caller;
    next();
  };
}

export function callerOf(response: Response): Caller {
  return response.locals['caller'] as Caller;
}

/** Operations change something; being allowed to read is not enough, also where reading is public. */
export function requireOperator(response: Response): void {
  if (callerOf(response).kind !== 'operator') throw new TagboatError('Unauthorized', 'this operation needs the operator\'s token', { hint: 'Set TAGBOAT_TOKEN or pass --token.' });
}

export function maySee(caller: Caller, team: string): boolean {
  return caller.teams === 'all' || caller.teams.includes(team);
}

/** The operator's token; made at first start, mode 0600. Replicas that start at once on one directory agree on one token. */
export async function loadOrCreateOperatorToken(path: string): Promise<Secret> {
  const existing = await readToken(path);
  if (existing !== undefined) return existing;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, `tgo_${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    // A link appears whole or not at all, and never replaces a file that is there.
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await unlink(draft);
  }
  const made = await readToken(path);
  if (made === undefined) throw new TagboatError('ConfigInvalid', `the operator's token in ${path} vanished while it was made`);
  return made;
}

async function readToken(path: string): Promise<Secret | undefined> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new TagboatError('ConfigInvalid', `the operator's token in ${path} cannot be read`, { cause: error });
  }
  if (text.length < 16) throw new TagboatError('ConfigInvalid', `the operator's token in ${path} is shorter than 16 characters`, { hint: 'Delete the file to have a new one made, or write a longer token.' });
  // A file that was copied about may have become readable for others; on some file systems that cannot be mended.
  await chmod(path, 0o600).catch(() => undefined);
  return new Secret(text);
}

/** Constant time whatever the lengths: digests are compared. */
function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}
