/** The notifications of teams and their outbox. Rows come in by triggers (migrations/0013); here they are claimed, ended and shown. */
import { sql } from 'slonik';
import type { CommonQueryMethods, DatabaseTransactionConnection } from 'slonik';
import { z } from 'zod';
import { TagboatError } from '../errors.ts';
import type { Channel, DeclaredNotification, Happened, NotificationEvent } from '../model/notification.ts';
import { appendAudit } from './audit.ts';
import { CHANNELS } from './notify.ts';
import { id, nothing } from './rows.ts';

/** What Git says. `mayRemove`: nothing is broken, so what is not named is really gone (R20). */
export async function saveNotifications(tx: DatabaseTransactionConnection, team: string, wanted: readonly DeclaredNotification[], mayRemove: boolean): Promise<void> {
  for (const one of wanted) {
    const list = (names: readonly string[] | null) => (names === null ? sql.fragment`null` : sql.array([...names], 'text'));
    await tx.query(sql.type(nothing)`
      insert into notification (team, name, channel, url_from, events, deployments, nodes)
      values (${team}, ${one.name}, ${one.channel}, ${one.urlFrom}, ${sql.array([...one.events], 'text')}, ${list(one.deployments)}, ${list(one.nodes)})
      on conflict (team, name) do update set channel = excluded.channel, url_from = excluded.url_from, events = excluded.events, deployments = excluded.deployments, nodes = excluded.nodes`);
  }
  if (!mayRemove) return;
  const names = sql.array(wanted.map(({ name }) => name), 'text');
  await tx.query(sql.type(nothing)`delete from notification where team = ${team} and not (name = any(${names}))`);
  await tx.query(sql.type(nothing)`
    update notification_outbox set state = 'dropped', error = 'its manifest is gone', finished_at = now()
    where team = ${team} and state = 'pending' and not (notification = any(${names}))`);
}

export interface Claimed extends Happened {
  readonly notification: string;
  readonly channel: Channel;
  readonly urlFrom: string;
  /** This one included. */
  readonly tries: number;
}

const claimedRow = z.object({
  id, team: z.string(), notification: z.string(), event: z.string(), deployment: z.string().nullable(), node: z.string().nullable(), detail: z.record(z.unknown()), at: z.date(), tries: z.number(), channel: z.string(), urlFrom: z.string(),
});

/** How long one delivery may be in hand: more than its deadline. */
const CLAIM_S = 60;

/**
 * The next of each channel that is due, so that a channel hears in the order in which things happened; what waits on purpose holds
 * nobody up. Tests have a line of their own: whoever tries a channel that is broken wants to know how, not to wait behind what is stuck. Two replicas never get the same one: the row is checked again under its lock.
 */
export async function claimDue(connection: CommonQueryMethods, limit: number): Promise<readonly Claimed[]> {
  const rows = await connection.any(sql.type(claimedRow)`
    update notification_outbox o set claimed_until = now() + ${CLAIM_S} * interval '1 second', tries = o.tries + 1
    from notification n
    where n.team = o.team and n.name = o.notification and o.state = 'pending' and (o.claimed_until is null or o.claimed_until < now()) and o.next_at <= now()
      and o.id in (
        select first.id from (
          select distinct on (team, notification, event = 'test') id, next_at, claimed_until from notification_outbox
          where state = 'pending' and (tries > 0 or next_at <= now()) order by team, notification, event = 'test', id) first
        where first.next_at <= now() and (first.claimed_until is null or first.claimed_until < now()) order by first.id limit ${limit})
    returning o.id, o.team, o.notification, o.event, o.deployment, o.node, o.detail, o.created_at as at, o.tries, n.channel, n.url_from as "urlFrom"`);
  return rows as readonly Claimed[];
}

export type Delivery =
  | { readonly state: 'delivered' | 'failed'; readonly status: number | null; readonly error: string }
  | { readonly state: 'pending'; readonly status: number | null; readonly error: string; readonly delayMs: number };

/** Only the try that holds the row may end it. */
export async function finishDelivery(connection: CommonQueryMethods, claimed: Pick<Claimed, 'id' | 'tries'>, end: Delivery): Promise<void> {
  const delay = end.state === 'pending' ? end.delayMs : 0;
  await connection.query(sql.type(nothing)`
    update notification_outbox set state = ${end.state}, http_status = ${end.status}, error = ${end.error}, claimed_until = null,
      next_at = now() + ${delay} * interval '1 millisecond', finished_at = case when ${end.state} = 'pending' then null else now() end
    where id = ${claimed.id} and state = 'pending' and tries = ${claimed.tries}`);
}

/** Milliseconds until something may be due; null when nothing waits. */
export async function nextDueMs(connection: CommonQueryMethods): Promise<number | null> {
  return connection.oneFirst(sql.type(z.object({ ms: z.number().nullable() }))`
    select (extract(epoch from min(greatest(next_at, coalesce(claimed_until, next_at))) - now()) * 1000)::float8 as ms from notification_outbox where state = 'pending'`);
}

/** Bounded, so that it never holds the table for long. */
export async function pruneDeliveries(connection: CommonQueryMethods, olderThanMs: number): Promise<void> {
  await connection.query(sql.type(nothing)`
    delete from notification_outbox where id in (
      select id from notification_outbox where state <> 'pending' and finished_at < now() - ${olderThanMs} * interval '1 millisecond' limit 1000)`);
}

/** Puts a test before one channel. Throws `NotFound`. */
export async function queueTest(tx: DatabaseTransactionConnection, team: string, name: string, actor: string): Promise<number> {
  const queued = await tx.maybeOneFirst(sql.type(z.object({ id }))`
    insert into notification_outbox (team, notification, event, detail)
    select team, name, 'test', ${JSON.stringify({ actor })}::jsonb from notification where team = ${team} and name = ${name} returning id`);
  if (queued === null) throw new TagboatError('NotFound', `team ${team} has no notification ${name}`, { hint: 'Add a manifest of kind Notification, or correct the name.' });
  await tx.query(sql.type(nothing)`select from (select pg_notify(${CHANNELS.notifications}, ${team})) sent`);
  await appendAudit(tx, { team, actor, action: 'notification.test', object: `notification/${name}`, result: 'accepted' });
  return queued;
}

export interface DeliveryView {
  readonly id: number;
  readonly event: NotificationEvent;
  readonly deployment: string | null;
  readonly node: string | null;
  /** ISO 8601, like the other times. */
  readonly at: string;
  readonly state: 'pending' | 'delivered' | 'failed' | 'dropped';
  readonly tries: number;
  /** The last answer's HTTP status. */
  readonly status: number | null;
  readonly error: string;
  readonly nextAt: string | null;
  readonly finishedAt: string | null;
}

export interface NotificationView extends DeclaredNotification {
  readonly pending: number;
  readonly failed: number;
  /** The newest first, twenty at most. */
  readonly deliveries: readonly DeliveryView[];
}

const viewRow = z.object({
  name: z.string(), channel: z.string(), urlFrom: z.string(), events: z.array(z.string()), deployments: z.array(z.string()).nullable(), nodes: z.array(z.string()).nullable(), pending: z.number(), failed: z.number(), deliveries: z.array(z.unknown()),
});

export async function listNotifications(connection: CommonQueryMethods, team: string): Promise<readonly NotificationView[]> {
  const rows = await connection.any(sql.type(viewRow)`
    select n.name, n.channel, n.url_from as "urlFrom", n.events, n.deployments, n.nodes,
      (select count(*) from notification_outbox o where o.team = n.team and o.notification = n.name and o.state = 'pending')::int as pending,
      (select count(*) from notification_outbox o where o.team = n.team and o.notification = n.name and o.state = 'failed')::int as failed,
      coalesce((select jsonb_agg(to_jsonb(d) order by d.id desc) from (
        select o.id, o.event, o.deployment, o.node, ${iso(sql.fragment`o.created_at`)} as at, o.state, o.tries, o.http_status as status, o.error,
          case when o.state = 'pending' then ${iso(sql.fragment`o.next_at`)} end as "nextAt", ${iso(sql.fragment`o.finished_at`)} as "finishedAt"
        from notification_outbox o where o.team = n.team and o.notification = n.name order by o.id desc limit 20) d), '[]'::jsonb) as deliveries
    from notification n where n.team = ${team} order by n.name`);
  return rows as readonly NotificationView[];
}

export async function countPending(connection: CommonQueryMethods): Promise<readonly { readonly team: string; readonly count: number }[]> {
  return connection.any(sql.type(z.object({ team: z.string(), count: z.number() }))`
    select team, count(*)::int as count from notification_outbox where state = 'pending' group by team order by team`);
}

/** Times inside JSON as everywhere else: ISO 8601, UTC, whatever zone the server is in. */
function iso(column: ReturnType<typeof sql.fragment>): ReturnType<typeof sql.fragment> {
  return sql.fragment`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}
