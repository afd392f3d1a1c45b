/** Attempts: claimed by the replica that holds the node's lease, ended exactly once (SPEC §4, R21, R22). */
import { sql } from 'slonik';
import type { CommonQueryMethods, DatabaseTransactionConnection } from 'slonik';
import { z } from 'zod';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { fencedBy } from './lease.ts';
import { attemptKindRow, id, nothing } from './rows.ts';

/** The lease that the holder of a node's session keeps; its token fences every command and every write. */
export function nodeLease(team: string, node: string): string {
  return `node:${team}/${node}`;
}

const commandRow = z.object({
  id,
  kind: attemptKindRow,
  deployment: z.string(),
  prefix: z.string(),
  spec: z.unknown(),
  removeVolumes: z.boolean(),
  recordId: id.nullable(),
  remainingMs: z.number(),
  cancelReason: z.string().nullable(),
});

/** What a session needs to command its agent. */
export interface AttemptCommand {
  readonly id: number;
  readonly kind: 'deploy' | 'remove' | 'heal';
  readonly deployment: string;
  readonly prefix: string;
  readonly spec: TargetSpec | null;
  readonly removeVolumes: boolean;
  readonly recordId: number | null;
  readonly remainingMs: number;
  readonly cancelReason: string | null;
}

const COLUMNS = sql.fragment`a.id, a.kind, a.deployment, a.prefix, a.spec, a.remove_volumes as "removeVolumes", a.record_id as "recordId",
  greatest(0, extract(epoch from a.deadline - now()) * 1000)::float8 as "remainingMs", a.cancel_reason as "cancelReason"`;

function command(row: z.infer<typeof commandRow>): AttemptCommand {
  return { ...row, spec: (row.spec ?? null) as TargetSpec | null, remainingMs: Math.round(row.remainingMs) };
}

/**
 * Starts up to `limit` attempts that are due: running, fenced, with a deadline; their records become in-progress. Two
 * replicas never start the same one: the lease is checked in the same statement.
 */
export async function startDue(tx: DatabaseTransactionConnection, team: string, node: string, token: number, limit: number): Promise<readonly AttemptCommand[]> {
  const rows = await tx.any(sql.type(commandRow)`
    update attempt a set state = 'running', started_at = now(), fencing_token = ${token}, deadline = now() + a.timeout_ms * interval '1 millisecond'
    where a.id in (
      select q.id from attempt q where q.team = ${team} and q.node = ${node} and q.state = 'queued' and q.not_before <= now()
      order by q.id limit ${limit} for update skip locked)
      and ${fencedBy(nodeLease(team, node), token)}
    returning ${COLUMNS}`);
  const records = rows.filter((row) => row.kind === 'deploy' && row.recordId !== null).map((row) => row.recordId!);
  if (records.length > 0) {
    await tx.query(sql.type(nothing)`
      update record set status = 'in-progress', resting_status = null, reason = '', started_at = now(), finished_at = null, updated_at = now()
      where id = any(${sql.array(records, 'int8')})`);
  }
  return rows.map(command);
}

/** The attempts that a node had in hand when its last session ended; the new session takes them over. */
export async function takeOverRunning(connection: CommonQueryMethods, team: string, node: string, token: number): Promise<readonly AttemptCommand[]> {
  const rows = await connection.any(sql.type(commandRow)`
    update attempt a set fencing_token = ${token}
    where a.team = ${team} and a.node = ${node} and a.state = 'running' and ${fencedBy(nodeLease(team, node), token)}
    returning ${COLUMNS}`);
  return rows.map(command);
}

/** Attempts of a node that are to be stopped. */
export async function cancelled(connection: CommonQueryMethods, team: string, node: string): Promise<readonly { id: number; reason: string }[]> {
  return connection.any(sql.type(z.object({ id, reason: z.string() }))`
    select id, cancel_reason as reason from attempt where team = ${team} and node = ${node} and state = 'running' and cancel_reason is not null`);
}

/** Milliseconds until the next queued attempt of the node is due; null when none is queued. */
export async function nextDueMs(connection: CommonQueryMethods, team: string, node: string): Promise<number | null> {
  return connection.oneFirst(sql.type(z.object({ ms: z.number().nullable() }))`
    select (extract(epoch from min(not_before) - now()) * 1000)::float8 as ms from attempt
    where team = ${team} and node = ${node} and state = 'queued'`);
}

/** Asks a running attempt to stop; the agent is told by whoever holds its session. */
export async function requestCancel(tx: CommonQueryMethods, attemptId: number, reason: string): Promise<void> {
  await tx.query(sql.type(nothing)`
    update attempt set cancel_reason = ${reason} where id = ${attemptId} and state = 'running' and cancel_reason is null`);
}

/** Ends a queued attempt that will not be needed. Its record is withdrawn, unless the new plan goes on with it. */
export async function withdrawQueued(tx: CommonQueryMethods, attemptId: number, reason: string, keepRecord: number | null): Promise<void> {
  const record = await tx.maybeOneFirst(sql.type(z.object({ recordId: id.nullable() }))`
    update attempt set state = 'done', outcome = 'superseded', reason = ${reason}, finished_at = now()
    where id = ${attemptId} and state = 'queued' returning record_id as "recordId"`);
  if (record !== null && record !== undefined && record !== keepRecord) await withdrawRecord(tx, record, reason);
}

/** A record that was prepared and never began: back to its frozen status, or failed (R11). */
export async function withdrawRecord(tx: CommonQueryMethods, recordId: number, reason: string): Promise<void> {
  await tx.query(sql.type(nothing)`
    update record set status = coalesce(resting_status, 'failed'), resting_status = null, reason = ${reason}, updated_at = now()
    where id = ${recordId} and status = 'preparing'`);
}

/** Withdraws every prepared record of a target but one; none is left waiting for ever (R22). */
export async function withdrawPrepared(tx: CommonQueryMethods, team: string, node: string, prefix: string, reason: string, keepRecord: number | null): Promise<void> {
  const rows = await tx.any(sql.type(z.object({ id }))`
    select id from record where team = ${team} and node = ${node} and prefix = ${prefix} and status = 'preparing' and id is distinct from ${keepRecord}`);
  for (const row of rows) await withdrawRecord(tx, row.id, reason);
}

/** Running attempts whose deadline (plus a grace for a result on its way) has passed, whoever started them (R22). */
export async function overdue(connection: CommonQueryMethods, graceMs: number): Promise<readonly { id: number; team: string; node: string }[]> {
  return connection.any(sql.type(z.object({ id, team: z.string(), node: z.string() }))`
    select id, team, node from attempt where state = 'running' and deadline + ${graceMs} * interval '1 millisecond' < now() order by id limit 100`);
}

/** Stores what an agent told while an attempt ran; telling it twice changes nothing. */
export async function saveEvent(connection: CommonQueryMethods, team: string, node: string, event: { attemptId: number; sequence: number; at: Date; step: string; text: string }): Promise<void> {
  await connection.query(sql.type(nothing)`
    insert into attempt_event (attempt_id, sequence, at, step, text)
    select a.id, ${event.sequence}, ${event.at.toISOString()}::timestamptz, ${event.step}, ${event.text}
    from attempt a where a.id = ${event.attemptId} and a.team = ${team} and a.node = ${node}
    on conflict do nothing`);
}
