/** What handlers share, and the small checks that all of them make before they read anything. */
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import type { DatabasePool } from 'slonik';
import { TagboatError } from '../errors.ts';
import type { AuditFilter } from '../store/audit.ts';
import type { Metrics } from '../metrics.ts';
import type { TeamView } from '../store/views/teams.ts';
import { findTeam } from '../store/views/teams.ts';
import { callerOf, maySee, noTeam } from './access.ts';
import type { ChangeFeed } from './change-feed.ts';

/** The first look at each team's repository, as the poll loop knows it. */
export interface Readiness {
  teams(): readonly TeamReadiness[];
}

export interface TeamReadiness {
  readonly name: string;
  /** `ready`: polled once with success. `failed`: polled, and this is why not. */
  readonly state: 'pending' | 'ready' | 'failed';
  /** '' unless failed. */
  readonly reason: string;
}

export interface MintedEnrolment {
  /** The single-use secret. */
  readonly token: string;
  readonly expiresAt: Date;
  /** What the agent is given: address, authority's fingerprint and token in one word. */
  readonly join: string;
  /** The one line to paste on the host: it installs the agent. */
  readonly command: string;
  /** The same for a host that has Tagboat. */
  readonly agentCommand: string;
  /** YAML for `kubectl apply -f -`; null for a node that is no cluster. */
  readonly manifest: string | null;
}

/** The only operations that HTTP offers; who implements it writes the audit rows (R26). */
export interface NodeAdministration {
  /** What `/install.sh` answers to anybody. */
  readonly installScript: string;
  /** Throws `NodeUnknown`. */
  mintEnrolment(team: string, node: string, actor: string): Promise<MintedEnrolment>;
  /** Cuts its connection at once (R4). Throws `NodeUnknown`. */
  revoke(team: string, node: string, actor: string): Promise<void>;
}

export interface LogLine {
  readonly at: Date;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

/** Logs as the agents send them, as fast as they are read and no faster. */
export interface NodeLogs {
  /** Throws `AgentUnreachable` or `NotFound`, at the first line or later. Ends when the signal aborts. */
  read(of: { readonly team: string; readonly node: string; readonly prefix: string; readonly container: string; readonly tail: number; readonly follow: boolean }, signal: AbortSignal): AsyncIterable<LogLine>;
}

export interface WebContext {
  readonly pool: DatabasePool;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly nodes: NodeAdministration;
  readonly logs: NodeLogs;
  readonly changes: ChangeFeed;
  /** Does the configuration of this team have a notification URL of that name? */
  readonly hasNotificationUrl: (team: string, name: string) => boolean;
  /** Aborts when the controller stops: answers that go on end then. */
  readonly closing: AbortSignal;
  /** Of Tagboat, for the foot of pages. */
  readonly version: string;
}

/** A named part of the path; Express has decoded it. */
export function parameter(request: Request, name: string): string {
  const value: unknown = request.params[name];
  return typeof value === 'string' ? value : '';
}

/** The team of the path. One that the caller may not see answers as one that is not there (R1, R2). */
export async function teamOf({ pool }: WebContext, request: Request, response: Response): Promise<TeamView> {
  const name = parameter(request, 'team');
  const team = maySee(callerOf(response), name) ? await findTeam(pool, name) : null;
  if (team === null) throw noTeam(name);
  return team;
}

/** A positive whole number of the query, or `UsageError`; an empty one counts as left out, as a form sends it. */
export function positive(request: Request, name: string, maximum: number): number | undefined {
  const text: unknown = request.query[name];
  if (text === undefined || text === '') return undefined;
  const value = typeof text === 'string' && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 1 && value <= maximum)) throw new TagboatError('UsageError', `${name} must be a whole number from 1 to ${String(maximum)}`, { hint: `Leave ${name} out, or correct it.` });
  return value;
}

/** A word of the query, '' when it is not there; `UsageError` when it is there twice or longer than a name can be. */
export function word(request: Request, name: string): string {
  const text: unknown = request.query[name] ?? '';
  if (typeof text !== 'string' || text.length > 200 || text.includes('\0')) throw new TagboatError('UsageError', `${name} must be given once, with at most 200 characters`, { hint: `Leave ${name} out, or correct it.` });
  return text.trim();
}

/** One of the words that the query knows, '' when it is not there. */
export function oneOf<T extends string>(request: Request, name: string, words: readonly T[]): T | '' {
  const text = word(request, name);
  const known = words.find((one) => one === text);
  if (known === undefined && text !== '') throw new TagboatError('UsageError', `${name} must be ${words.join(', ')}`, { hint: `Leave ${name} out, or correct it.` });
  return known ?? '';
}

/** A day (`2026-01-31`, UTC) or a moment in ISO 8601; of a day its beginning, or with `end` the beginning of the next. */
function moment(request: Request, name: string, end?: 'end'): Date | undefined {
  const text = word(request, name);
  if (text === '') return undefined;
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const at = day || /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/.test(text) ? new Date(text) : new Date(Number.NaN);
  if (Number.isNaN(at.getTime())) throw new TagboatError('UsageError', `${name} must be a day such as 2026-01-31, or a moment such as 2026-01-31T12:00:00Z`, { hint: `Leave ${name} out, or correct it.` });
  return day && end !== undefined ? new Date(at.getTime() + 86_400_000) : at;
}

/** Which rows of the audit log a request asks for: `actor`, `action`, `object`, `result` (parts of them), `from`, `to`, `before`, `limit`. */
export function auditQuery(request: Request): AuditFilter & { readonly before: number | undefined; readonly limit: number } {
  const [actor, action, object, result] = [word(request, 'actor'), word(request, 'action'), word(request, 'object'), word(request, 'result')];
  return { actor, action, object, result, from: moment(request, 'from'), to: moment(request, 'to', 'end'), before: positive(request, 'before', Number.MAX_SAFE_INTEGER), limit: positive(request, 'limit', 1_000) ?? 100 };
}

export function noDeployment(team: string, name: string): TagboatError {
  return new TagboatError('NotFound', `team ${team} has no deployment ${name}`, { hint: `GET /api/v1/teams/${encodeURIComponent(team)}/deployments lists them.` });
}
