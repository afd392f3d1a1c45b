/** The operator's token: one file, made at first start, for the person who runs the controller. */
import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TagboatError } from '../errors.ts';
import { Secret } from '../secret.ts';

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
