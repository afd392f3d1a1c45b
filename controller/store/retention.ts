/**
 * Forgetting what is old (`retention` of the configuration), a batch at a time. Records, versions and audit rows are never touched: a
 * rollback (R9) and the proof of the chain (R26) need them, and of attempts those stay that the state of a target is read from.
 */
import { sql } from 'slonik';
import type { DatabasePool, QuerySqlToken } from 'slonik';

export interface Retention {
  /** Milliseconds after the end of an attempt; plans go with their attempts. */
  readonly attemptsMs: number;
  /** Of the steps that agents told. */
  readonly eventsMs: number;
  /** Of enrolments, access tokens and certificates after they ended. Sessions go when they end. */
  readonly accessMs: number;
  /** Of deliveries of webhooks; of refused ones only the newest thousand of each team. */
  readonly deliveriesMs: number;
}

/** Rows that one statement deletes at most, so that none holds locks for long. */
export const RETENTION_BATCH = 500;

const KINDS = ['events', 'attempts', 'plans', 'enrolments', 'certificates', 'tokens', 'sessions', 'deliveries'] as const;
export type Forgotten = Readonly<Record<(typeof KINDS)[number], number>>;

/** One batch of each kind; replicas that do it at once take different rows. What comes back in full batches has more. */
export async function forgetOld(pool: DatabasePool, retention: Retention): Promise<Forgotten> {
  const statements = statementsFor(retention);
  const counts: Partial<Record<keyof Forgotten, number>> = {};
  for (const kind of KINDS) counts[kind] = (await pool.query(statements[kind])).rowCount;
  return counts as Forgotten;
}

function statementsFor({ attemptsMs, eventsMs, accessMs, deliveriesMs }: Retention): Readonly<Record<keyof Forgotten, QuerySqlToken>> {
  const before = (ms: number): ReturnType<typeof sql.fragment> => sql.fragment`now() - ${ms} * interval '1 millisecond'`;
  return {
    events: sql.unsafe`
      with old as (
        update attempt set events_kept = false where id in (
          select id from attempt where state = 'done' and events_kept and finished_at < ${before(eventsMs)} order by finished_at limit ${RETENTION_BATCH} for update skip locked)
        returning id)
      , gone as (delete from attempt_event where attempt_id in (select id from old))
      select id from old`,
    attempts: sql.unsafe`
      delete from attempt where id in (
        select a.id from attempt a
        where a.state = 'done' and a.finished_at < ${before(attemptsMs)}
          -- The last of its record, and those that tell how its target stands: the last one, the last that was no mere supersession, the last success.
          and (a.record_id is null or exists (select 1 from attempt b where b.record_id = a.record_id and b.id > a.id))
          and exists (select 1 from attempt b where b.team = a.team and b.node = a.node and b.prefix = a.prefix and b.id > a.id and b.state = 'done')
          and (a.outcome = 'superseded' or exists (
            select 1 from attempt b where b.team = a.team and b.node = a.node and b.prefix = a.prefix and b.id > a.id and b.state = 'done' and b.outcome <> 'superseded'))
          and (a.outcome <> 'succeeded' or a.kind = 'remove' or exists (
            select 1 from attempt b where b.team = a.team and b.node = a.node and b.prefix = a.prefix and b.id > a.id and b.outcome = 'succeeded' and b.kind <> 'remove'))
        order by a.finished_at limit ${RETENTION_BATCH} for update of a skip locked)`,
    plans: sql.unsafe`
      delete from plan where ctid = any(array(
        select p.ctid from plan p where p.created_at < ${before(attemptsMs)} and not exists (select 1 from attempt a where a.team = p.team and a.plan_hash = p.hash)
        order by p.created_at limit ${RETENTION_BATCH} for update skip locked))`,
    enrolments: sql.unsafe`
      delete from enrolment where id in (
        select id from enrolment where expires_at < ${before(accessMs)} order by expires_at limit ${RETENTION_BATCH} for update skip locked)`,
    certificates: sql.unsafe`
      delete from certificate where serial in (
        select serial from certificate where expires_at < ${before(accessMs)} order by expires_at limit ${RETENTION_BATCH} for update skip locked)`,
    tokens: sql.unsafe`
      delete from access_token where id in (
        select id from access_token where least(expires_at, revoked_at) < ${before(accessMs)} order by expires_at limit ${RETENTION_BATCH} for update skip locked)`,
    sessions: sql.unsafe`
      delete from web_session where hash in (
        select hash from web_session where expires_at < now() order by expires_at limit ${RETENTION_BATCH} for update skip locked)`,
    deliveries: sql.unsafe`
      delete from delivery where id in (
        select d.id from delivery d
        where d.at < ${before(deliveriesMs)}
          or d.outcome = 'refused' and d.id < (select r.id from delivery r where r.team = d.team and r.outcome = 'refused' order by r.id desc offset 999 limit 1)
        order by d.id limit ${RETENTION_BATCH} for update of d skip locked)`,
  };
}
