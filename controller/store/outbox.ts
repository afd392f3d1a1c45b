/** The outbox: what Git hosts are to be told about reviews. Written with the review, delivered under the team's lease. */
import { sql } from 'slonik';
import type { CommonQueryMethods } from 'slonik';
import { z } from 'zod';
import { hashOf } from '../model/canonical.ts';
import { fencedBy } from './lease.ts';
import type { Queryable } from './pool.ts';
import { nothing } from './rows.ts';

const statusPayload = z.object({ kind: z.literal('status'), commit: z.string(), state: z.enum(['success', 'failure']), context: z.string(), description: z.string(), url: z.string() });
const commentPayload = z.object({ kind: z.literal('comment'), number: z.number().nullable(), branch: z.string().nullable(), body: z.string() });
const payload = z.discriminatedUnion('kind', [statusPayload, commentPayload]);
export type OutboxPayload = z.infer<typeof payload>;

/** Things that change in quick succession are told together. */
const SETTLE = '2 seconds';
/** A comment that was just told is left for so long, however often its review changes. */
const BETWEEN = '15 seconds';

/** Replaces what waits of that kind; nothing happens when the same was told or waits already. */
export async function enqueue(tx: CommonQueryMethods, team: string, ref: string, content: OutboxPayload): Promise<void> {
  await tx.query(sql.type(nothing)`
    insert into outbox (team, ref, kind, payload, content_hash, not_before)
    values (${team}, ${ref}, ${content.kind}, ${JSON.stringify(content)}::jsonb, ${hashOf(content)}, now() + ${SETTLE}::interval)
    on conflict (team, ref, kind) do update set payload = excluded.payload, content_hash = excluded.content_hash, state = 'waiting', tries = 0, last_error = null,
      not_before = greatest(excluded.not_before, coalesce(outbox.sent_at + ${BETWEEN}::interval, excluded.not_before))
    where outbox.content_hash <> excluded.content_hash`);
}

/** Of requests that are closed nothing more is told. */
export async function forgetOutbox(tx: CommonQueryMethods, team: string, refs: readonly string[]): Promise<void> {
  if (refs.length > 0) await tx.query(sql.type(nothing)`delete from outbox where team = ${team} and ref = any(${sql.array([...refs], 'text')})`);
}

const claimRow = z.object({ ref: z.string(), payload, contentHash: z.string(), tries: z.number(), unsure: z.boolean(), remoteId: z.string().nullable() });
export type Claimed = z.infer<typeof claimRow>;

/** The next thing that is due, marked as being told. `lease`: the team's, which the caller holds. Null: nothing is due, or the lease is lost. */
export async function claimOutbox(connection: Queryable, team: string, lease: { readonly name: string; readonly token: number }): Promise<Claimed | null> {
  return connection.maybeOne(sql.type(claimRow)`
    with due as (
      select ref, kind, calling as unsure from outbox where team = ${team} and state = 'waiting' and not_before <= now() and ${fencedBy(lease.name, lease.token)}
      order by not_before, ref, kind limit 1 for update skip locked)
    update outbox o set calling = true, tries = o.tries + 1 from due where o.team = ${team} and o.ref = due.ref and o.kind = due.kind
    returning o.ref, o.payload, o.content_hash as "contentHash", o.tries, due.unsure, o.remote_id as "remoteId"`);
}

/** It was told. What changed meanwhile goes on waiting. */
export async function noteSent(connection: Queryable, team: string, { ref, payload: { kind }, contentHash }: Claimed, remoteId: string | null): Promise<void> {
  await connection.query(sql.type(nothing)`
    update outbox set calling = false, remote_id = coalesce(${remoteId}, remote_id), sent_at = now(), tries = 0, last_error = null,
      state = case when content_hash = ${contentHash} then 'sent' else state end,
      not_before = case when content_hash = ${contentHash} then not_before else now() + ${BETWEEN}::interval end
    where team = ${team} and ref = ${ref} and kind = ${kind}`);
}

/** There is nowhere to tell it yet. */
export async function noteLater(connection: Queryable, team: string, { ref, payload: { kind } }: Claimed, inMs: number): Promise<void> {
  await connection.query(sql.type(nothing)`
    update outbox set calling = false, tries = 0, not_before = now() + ${inMs} * interval '1 millisecond' where team = ${team} and ref = ${ref} and kind = ${kind}`);
}

/** Puts a line above what was last said in a review's comment; where nothing is said, nothing happens. */
export async function amendComment(tx: CommonQueryMethods, team: string, ref: string, line: string): Promise<void> {
  const found = await tx.maybeOne(sql.type(z.object({ payload: commentPayload }))`select payload from outbox where team = ${team} and ref = ${ref} and kind = 'comment'`);
  if (found !== null) await enqueue(tx, team, ref, { ...found.payload, body: `${line}\n\n${found.payload.body}` });
}

/** It was refused. `heard`: the host may have heard it all the same. `retryInMs` null: for good. */
export async function noteFailed(connection: Queryable, team: string, { ref, payload: { kind }, contentHash }: Claimed, error: string, heard: boolean, retryInMs: number | null): Promise<void> {
  await connection.query(sql.type(nothing)`
    update outbox set calling = ${heard}, last_error = ${error}, state = case when content_hash = ${contentHash} and ${retryInMs === null} then 'failed' else state end,
      not_before = now() + ${retryInMs ?? 0} * interval '1 millisecond'
    where team = ${team} and ref = ${ref} and kind = ${kind}`);
}

/** What was given up gets another go: the host or the token may be right by now. */
export async function reviveOutbox(connection: Queryable, team: string): Promise<void> {
  await connection.query(sql.type(nothing)`update outbox set state = 'waiting', tries = 0, not_before = now() where team = ${team} and state = 'failed'`);
}

/** Milliseconds until the next thing is due; null when nothing waits. */
export async function nextOutboxMs(connection: Queryable, team: string): Promise<number | null> {
  return connection.oneFirst(sql.type(z.object({ ms: z.number().nullable() }))`
    select greatest(0, extract(epoch from min(not_before) - now()) * 1000)::float8 as ms from outbox where team = ${team} and state = 'waiting'`);
}
