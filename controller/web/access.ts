/** Who asks, and what they may see (SPEC §5, R2). What a route needs is said in routes.ts and enforced here. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request, Response } from 'express';
import { TagboatError } from '../errors.ts';
import { atLeast } from '../model/role.ts';
import type { Role } from '../model/role.ts';
import type { Secret } from '../secret.ts';
import type { Visible } from '../store/views/teams.ts';
import type { Need } from './routes.ts';

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
export async function authenticate(request: Request, options: AccessOptions): Promise<Caller | null> {
  const header = request.get('authorization');
  if (header === undefined) return options.public ? { kind: 'public', teams: 'all' } : null;
  const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
  return token !== undefined && sameSecret(token, options.operatorToken.reveal()) ? { kind: 'operator', teams: 'all' } : null;
}

/** Lets nobody pass whom the route does not want; handlers find the caller with `callerOf`. */
export async function admit(options: AccessOptions, need: Need, request: Request, response: Response): Promise<void> {
  if (need === 'anybody') return;
  const caller = await authenticate(request, options);
  if (caller === null) throw nobody(request, response);
  response.locals['caller'] = caller;
  if (need === 'reader') return;
  if (need === 'operator') {
    if (caller.kind !== 'operator') throw refusal(caller, 'this needs the operator\'s token');
    return;
  }
  const team = typeof request.params['team'] === 'string' ? request.params['team'] : '';
  const role = roleIn(caller, team);
  if (role === null) throw noTeam(team);
  if (!atLeast(role, need)) throw refusal(caller, `this needs the role ${need} in team ${team}`);
}

export function callerOf(response: Response): Caller {
  return response.locals['caller'] as Caller;
}

export function maySee(caller: Caller, team: string): boolean {
  return roleIn(caller, team) !== null;
}

/** The same answer for a team that is not there and for one that the caller may not see (R1, R2). */
export function noTeam(name: string): TagboatError {
  return new TagboatError('NotFound', `there is no team ${name}`, { hint: 'GET /api/v1/teams lists the teams that you may see.' });
}

function roleIn(caller: Caller, team: string): Role | null {
  if (caller.kind === 'operator') return 'owner';
  return caller.teams === 'all' || caller.teams.includes(team) ? 'user' : null;
}

function nobody(request: Request, response: Response): TagboatError {
  response.set('WWW-Authenticate', 'Bearer realm="tagboat"');
  return new TagboatError('Unauthorized', request.get('authorization') === undefined ? 'this needs a token' : 'the token is not valid', {
    hint: 'Send it as `Authorization: Bearer …`; the operator\'s token is in the file operator.token of the controller\'s data directory.',
  });
}

/** Who did not say who they are is asked to; who did is told that it is not enough. */
function refusal(caller: Caller, message: string): TagboatError {
  return new TagboatError(caller.kind === 'public' ? 'Unauthorized' : 'Forbidden', message);
}

/** Constant time whatever the lengths: digests are compared. */
function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}
