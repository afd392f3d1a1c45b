/** Who asks, and what they may see (SPEC §5, R2). What a route needs is said in routes.ts and enforced here. */
import type { Request, Response } from 'express';
import type { DatabasePool } from 'slonik';
import { TagboatError } from '../errors.ts';
import { atLeast, weaker } from '../model/role.ts';
import type { Role } from '../model/role.ts';
import type { Secret } from '../secret.ts';
import { hashSecret, recogniseToken, tokenId } from '../store/access-tokens.ts';
import type { Visible } from '../store/views/teams.ts';
import { findSession } from '../store/web-sessions.ts';
import { isFormToken, readCookie, sameText } from './cookies.ts';
import type { Refusals } from './refusals.ts';
import type { Need } from './routes.ts';

export interface Caller {
  /** `public`: nobody signed in, and the controller is configured to show everything. */
  readonly kind: 'operator' | 'profile' | 'public';
  /** An e-mail address; null for the operator and for nobody. */
  readonly profile: string | null;
  readonly teams: Visible;
  /** Of a profile, by team: what it has now, and not more than its token allows. */
  readonly roles: ReadonlyMap<string, Role>;
  /** The access token behind it, for the audit log. */
  readonly token: string | null;
  /** The cookie of a browser; '' for everybody else. */
  readonly session: string;
}

export interface AccessOptions {
  readonly pool: DatabasePool;
  readonly operatorToken: Secret;
  /** Everybody may read. */
  readonly public: boolean;
  /** The public address is https. */
  readonly secure: boolean;
  readonly refusals: Refusals;
}

const CALLER = 'caller';
const AGAIN = 'admit again';
const OPERATOR: Caller = { kind: 'operator', profile: null, teams: 'all', roles: new Map(), token: null, session: '' };
const PUBLIC: Caller = { ...OPERATOR, kind: 'public' };

/** Who the request comes from; null: nobody who may read. A wrong token is nobody, also where everybody may read. */
export async function authenticate(request: Request, options: AccessOptions): Promise<Caller | null> {
  const header = request.get('authorization');
  if (header !== undefined) return bearer(/^Bearer +(\S+)$/i.exec(header)?.[1] ?? '', request, options);
  const cookie = readCookie(request, 'session', options.secure);
  const session = cookie === '' ? null : await findSession(options.pool, cookie);
  if (session !== null) {
    if (session.profile !== null) return profileCaller(options, session.profile, session.roles, session.token, cookie);
    // An operator's session ends with the token that opened it.
    if (session.operatorHash === hashSecret(options.operatorToken.reveal())) return { ...OPERATOR, session: cookie };
  }
  return options.public ? PUBLIC : null;
}

async function bearer(text: string, request: Request, options: AccessOptions): Promise<Caller | null> {
  if (sameText(text, options.operatorToken.reveal())) return OPERATOR;
  const known = await recogniseToken(options.pool, text);
  if (known?.state === 'active') return profileCaller(options, known.profile, known.roles, known, '');
  const object = `token/${known?.id ?? tokenId(text) ?? 'unknown'}`;
  await options.refusals.note({ team: known?.team ?? '', actor: known?.profile ?? `address:${request.ip ?? 'unknown'}`, action: 'access.refused', object, reason: known === null ? 'the token is unknown' : `the token is ${known.state}` });
  return null;
}

function profileCaller(options: AccessOptions, profile: string, roles: Readonly<Record<string, Role>>, token: { readonly id: string; readonly team: string | null; readonly role: Role } | null, session: string): Caller {
  const bounded = Object.entries(roles)
    .filter(([team]) => token === null || token.team === null || token.team === team)
    .map(([team, role]) => [team, token === null ? role : weaker(role, token.role)] as const);
  return { kind: 'profile', profile, teams: options.public ? 'all' : bounded.map(([team]) => team), roles: new Map(bounded), token: token?.id ?? null, session };
}

/** Lets nobody pass whom the route does not want; handlers find the caller with `callerOf`. */
export async function admit(options: AccessOptions, need: Need, request: Request, response: Response): Promise<void> {
  if (need === 'anybody' || need === 'signature') return;
  const caller = await authenticate(request, options);
  if (caller === null) throw nobody(request, response);
  response.locals[CALLER] = caller;
  response.locals[AGAIN] = () => authenticate(request, options).then((now) => now !== null && objection(now, need, request) === null);
  const refused = objection(caller, need, request);
  if (refused !== null) {
    const { error, team } = refused;
    if (caller.kind === 'profile') await options.refusals.note({ team, actor: caller.profile ?? '', action: 'access.refused', object: `${request.method} ${String((request.route as { path?: unknown } | undefined)?.path ?? '')}${team === '' ? ` ${teamIn(request)}` : ''}`.trim(), reason: error.code });
    throw error;
  }
  // A browser sends its cookie wherever a form leads; what changes something has to come from a page of ours.
  if (caller.session !== '' && request.method !== 'GET' && request.method !== 'HEAD' && !isFormToken(request.get('x-csrf-token') ?? (request.body as Record<string, unknown> | undefined)?.['csrf'], caller.session)) {
    throw new TagboatError('Forbidden', 'the form did not come from this session', { hint: 'Load the page again, then send the form.' });
  }
}

/** What is wrong with this caller at this route, and the team whose audit log is to know; null: nothing. */
function objection(caller: Caller, need: Need, request: Request): { readonly error: TagboatError; readonly team: string } | null {
  if (need === 'anybody' || need === 'signature' || need === 'reader') return null;
  if (need === 'operator') return caller.kind === 'operator' ? null : { error: refusal(caller, 'this needs the operator\'s token'), team: '' };
  const team = teamIn(request);
  const role = roleIn(caller, team);
  if (role === null) return { error: noTeam(team), team: '' };
  return atLeast(role, need) ? null : { error: refusal(caller, `this needs the role ${need} in team ${team}`), team };
}

export function callerOf(response: Response): Caller {
  return response.locals[CALLER] as Caller;
}

/** For answers that go on: is the caller still whom the route wants? A token may be revoked, a member removed meanwhile. */
export async function stillAdmitted(response: Response): Promise<boolean> {
  return (response.locals[AGAIN] as (() => Promise<boolean>) | undefined)?.() ?? true;
}

export function maySee(caller: Caller, team: string): boolean {
  return roleIn(caller, team) !== null;
}

/** Null where the caller may see nothing of the team. */
export function roleIn(caller: Caller, team: string): Role | null {
  if (caller.kind === 'operator') return 'owner';
  return caller.roles.get(team) ?? (caller.teams === 'all' ? 'user' : null);
}

/** The same answer for a team that is not there and for one that the caller may not see (R1, R2). */
export function noTeam(name: string): TagboatError {
  return new TagboatError('NotFound', `there is no team ${name}`, { hint: 'GET /api/v1/teams lists the teams that you may see.' });
}

/** How audit rows name the caller (R26). The operator may say who it is; holding the token is the proof. */
export function actorOf(request: Request, response: Response): string {
  const { profile } = callerOf(response);
  if (profile !== null) return profile;
  const user = request.get('x-tagboat-user') ?? '';
  return /^[A-Za-z0-9._@-]{1,64}$/.test(user) ? `cli:${user}` : 'cli:operator';
}

function teamIn(request: Request): string {
  return typeof request.params['team'] === 'string' ? request.params['team'] : '';
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
