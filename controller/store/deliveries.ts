/** Deliveries of webhooks: a log for people, and the memory that makes each count once. */
import { sql } from 'slonik';
import { z } from 'zod';
import { CHANNELS } from './notify.ts';
import type { Queryable } from './pool.ts';
import { id, nothing } from './rows.ts';

/** A repository of a team and its refs that matter. Null: not known before the first reading. */
export interface WatchedRepository {
  readonly url: string;
  readonly branches: readonly string[] | null;
  /** Patterns with one `*`. */
  readonly tags: readonly string[] | null;
}

const watchedRow = z.object({ url: z.string(), branches: z.array(z.string()).nullable(), tags: z.array(z.string()).nullable() });

/** The team's own repository first; null for a team that is not there. */
export async function loadWatched(connection: Queryable, team: string): Promise<readonly WatchedRepository[] | null> {
  const row = await connection.maybeOne(sql.type(z.object({ repository: z.string(), watched: z.array(watchedRow) }))`select repository, watched from team where name = ${team}`);
  if (row === null) return null;
  return row.watched[0]?.url === row.repository ? row.watched : [{ url: row.repository, branches: null, tags: null }];
}

/** Nothing changed, nothing written. */
export async function saveWatched(connection: Queryable, team: string, watched: readonly WatchedRepository[]): Promise<void> {
  const json = JSON.stringify(watched);
  await connection.query(sql.type(nothing)`update team set watched = ${json}::jsonb where name = ${team} and watched <> ${json}::jsonb`);
}

export interface NewDelivery {
  readonly team: string;
  readonly provider: string;
  readonly event: string;
  readonly deliveryId: string | null;
  /** SHA-256 of the payload in hex; null when it was not read. */
  readonly digest: string | null;
  readonly ref: string | null;
  readonly outcome: 'polled' | 'ignored' | 'refused';
  readonly status: number;
  readonly reason: string;
}

/**
 * Writes it down; `polled` also wakes the team's replica when the row is committed. What was polled or ignored before, by id or by
 * payload, is written as `duplicate` and wakes nobody.
 */
export async function recordDelivery(connection: Queryable, delivery: NewDelivery): Promise<{ readonly id: number; readonly outcome: NewDelivery['outcome'] | 'duplicate' }> {
  const first = await connection.maybeOneFirst(sql.type(z.object({ id }))`${insertion(delivery)} on conflict do nothing returning id`);
  if (first !== null) {
    if (delivery.outcome === 'polled') await connection.query(sql.type(nothing)`select from (select pg_notify(${CHANNELS.poll}, ${delivery.team})) sent`);
    return { id: first, outcome: delivery.outcome };
  }
  const again = await connection.oneFirst(sql.type(z.object({ id }))`${insertion({ ...delivery, outcome: 'duplicate', reason: 'it was delivered before' })} returning id`);
  return { id: again, outcome: 'duplicate' };
}

function insertion(delivery: Omit<NewDelivery, 'outcome'> & { readonly outcome: string }): ReturnType<typeof sql.fragment> {
  const { team, provider, event, deliveryId, digest, ref, outcome, status, reason } = delivery;
  return sql.fragment`insert into delivery (team, provider, event, delivery_id, digest, ref, outcome, status, reason)
    values (${team}, ${provider}, ${event}, ${deliveryId}, ${digest}, ${ref}, ${outcome}, ${status}, ${reason})`;
}

const deliveryRow = z.object({
  id, at: z.date(), provider: z.string(), event: z.string(), deliveryId: z.string().nullable(), ref: z.string().nullable(),
  outcome: z.enum(['polled', 'ignored', 'duplicate', 'refused']), status: z.number(), reason: z.string(),
});
export type DeliveryRow = z.infer<typeof deliveryRow>;

/** Newest first; `before`: only those with a smaller id. */
export async function listDeliveries(connection: Queryable, team: string, page: { readonly before?: number | undefined; readonly limit: number }): Promise<readonly DeliveryRow[]> {
  return connection.any(sql.type(deliveryRow)`
    select id, at, provider, event, delivery_id as "deliveryId", ref, outcome, status, reason from delivery
    where team = ${team} ${page.before === undefined ? sql.fragment`` : sql.fragment`and id < ${page.before}`} order by id desc limit ${page.limit}`);
}
