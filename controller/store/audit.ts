/**
 * The audit log (R26): who did what, when, on which object, from which commit, with what result. Append-only, one dense
 * chain of hashes a team; the team '' is the controller itself.
 */
import { sql } from 'slonik';
import { z } from 'zod';
import { canonicalJson, hashOf } from '../model/canonical.ts';
import { scrub } from '../scrub.ts';
import { storable } from '../storable.ts';
import type { Queryable } from './pool.ts';

export interface AuditEntry {
  readonly team: string;
  /** A profile's e-mail address, `agent:<node>`, `cli:<user>`, `controller`… */
  readonly actor: string;
  /** A verb with its object's kind, e.g. `deployment.start`. */
  readonly action: string;
  /** The object's name, e.g. `shop-production`. */
  readonly object: string;
  readonly commit?: string | null | undefined;
  /** `ok`, or what failed. */
  readonly result: string;
  /** Anything that JSON can hold. No secrets: `scrub` is applied, but it only knows the usual shapes. */
  readonly detail?: Readonly<Record<string, unknown>> | undefined;
}

export interface AuditRow {
  readonly team: string;
  /** 1, 2, 3… in each team, without gaps. */
  readonly id: number;
  /** ISO 8601 UTC with microseconds. */
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly object: string;
  readonly commit: string | null;
  readonly result: string;
  readonly detail: Readonly<Record<string, unknown>>;
  /** SHA-256 in hex of the row before; 64 zeros for the first. */
  readonly previousHash: string;
  readonly hash: string;
}

export const FIRST_PREVIOUS_HASH = '0'.repeat(64);

const headRow = z.object({ id: z.number(), hash: z.string(), at: z.string() });

export const auditRow = z.object({
  team: z.string(), id: z.number(), at: z.string(), actor: z.string(), action: z.string(), object: z.string(),
  commit: z.string().nullable(), result: z.string(), detail: z.record(z.unknown()), previousHash: z.string(), hash: z.string(),
});

/** All columns as `AuditRow` has them. */
export const auditColumns = sql.fragment`team, id, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at,
  actor, action, object, commit_id as commit, result, detail, previous_hash as "previousHash", hash`;

/**
 * Appends a row inside the caller's transaction, so that the deed and its row stand or fall together. Appends of one team
 * queue up until that transaction ends: append last, keep it short, and with several teams in one transaction go in the
 * order of their names. Called on the pool itself it is refused, for the chain would not be safe.
 */
export async function appendAudit(transaction: Queryable, entry: AuditEntry): Promise<AuditRow> {
  if ('connect' in transaction) throw new TypeError('appendAudit wants a transaction, not the pool');
  const head = await transaction.one(sql.type(headRow)`
    insert into audit_head (team, id, hash) values (${clean(entry.team)}, 0, ${FIRST_PREVIOUS_HASH})
    on conflict (team) do update set id = audit_head.id
    returning id, hash, to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`);
  const content = {
    team: clean(entry.team), id: head.id + 1, at: head.at, actor: clean(entry.actor), action: clean(entry.action), object: clean(entry.object),
    commit: entry.commit == null ? null : clean(entry.commit), result: clean(entry.result), detail: cleanDetail(entry.detail ?? {}), previousHash: head.hash,
  };
  const row: AuditRow = { ...content, hash: auditHash(content) };
  await transaction.query(sql.unsafe`
    with appended as (
      insert into audit_row (team, id, at, actor, action, object, commit_id, result, detail, previous_hash, hash)
      values (${row.team}, ${row.id}, ${row.at}::timestamptz, ${row.actor}, ${row.action}, ${row.object}, ${row.commit}, ${row.result},
        ${canonicalJson(row.detail)}::jsonb, ${row.previousHash}, ${row.hash})
      returning team, id, hash)
    update audit_head set id = appended.id, hash = appended.hash from appended where audit_head.team = appended.team`);
  return row;
}

export interface AuditFilter {
  /** Parts of the texts, whatever their case; '' and undefined mean any. */
  readonly actor?: string;
  readonly action?: string;
  readonly object?: string;
  readonly result?: string;
  /** From this moment on, and before that one. */
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
}

/** Newest first. `before`: only rows with a smaller id. `limit` is cut to 1…1,000; 100 unless told. */
export async function listAudit(connection: Queryable, team: string, options: AuditFilter & { readonly before?: number | undefined; readonly limit?: number | undefined } = {}): Promise<readonly AuditRow[]> {
  const { actor, action, object, result, from, to } = options;
  const contains = (column: ReturnType<typeof sql.fragment>, part: string | undefined): ReturnType<typeof sql.fragment> => (part === undefined || part === '' ? sql.fragment`` : sql.fragment`and position(lower(${clean(part)}) in lower(${column})) > 0`);
  const limit = Math.min(Math.max(Math.trunc(options.limit ?? 100), 1), 1_000);
  return await connection.any(sql.type(auditRow)`
    select ${auditColumns} from audit_row
    where team = ${team} and id < ${options.before ?? Number.MAX_SAFE_INTEGER}
      ${contains(sql.fragment`actor`, actor)} ${contains(sql.fragment`action`, action)} ${contains(sql.fragment`object`, object)} ${contains(sql.fragment`result`, result)}
      ${from === undefined ? sql.fragment`` : sql.fragment`and at >= ${from.toISOString()}::timestamptz`} ${to === undefined ? sql.fragment`` : sql.fragment`and at < ${to.toISOString()}::timestamptz`}
    order by id desc limit ${limit}`);
}

/** The row's own hash, over everything else in it. Part of the stored format: a test pins it. */
export function auditHash(row: Omit<AuditRow, 'hash'>): string {
  const { team, id, at, actor, action, object, commit, result, detail, previousHash } = row;
  return hashOf({ team, id, at, actor, action, object, commit, result, detail, previousHash });
}

/** What PostgreSQL can store of a text (no NUL, no half surrogates), without what looks like a secret. */
function clean(text: string): string {
  return scrub(storable(text));
}

function cleanDetail(detail: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  // By way of JSON: dates become text, undefined and functions vanish, as they would in the column.
  return cleanJson(JSON.parse(JSON.stringify(detail))) as Readonly<Record<string, unknown>>;
}

function cleanJson(value: unknown): unknown {
  if (typeof value === 'string') return clean(value);
  if (Array.isArray(value)) return value.map(cleanJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [clean(key), cleanJson(inner)]));
}
