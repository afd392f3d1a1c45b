/** What is remembered of requests to merge. The team's loop writes what the refs show, webhooks what their host tells. */
import { sql } from 'slonik';
import type { CommonQueryMethods } from 'slonik';
import { z } from 'zod';
import type { Queryable } from './pool.ts';
import { nothing } from './rows.ts';

const row = z.object({
  ref: z.string(), head: z.string(), since: z.date().nullable(), branch: z.string().nullable(), strayedAt: z.date().nullable(),
  told: z.enum(['open', 'closed', 'merged']).nullable(), toldHead: z.string().nullable(), toldAt: z.date().nullable(),
});
export type RememberedRequest = Readonly<z.infer<typeof row>>;

/** `watched`: this is not the first look at the team's requests. */
export async function loadRequests(connection: CommonQueryMethods, team: string): Promise<{ readonly watched: boolean; readonly requests: ReadonlyMap<string, RememberedRequest> }> {
  const watched = await connection.maybeOneFirst(sql.type(z.object({ watched: z.boolean() }))`select requests_watched as watched from team where name = ${team}`);
  const rows = await connection.any(sql.type(row)`
    select ref, head, since, branch, strayed_at as "strayedAt", told, told_head as "toldHead", told_at as "toldAt" from request where team = ${team}`);
  return { watched: watched === true, requests: new Map(rows.map((one) => [one.ref, one])) };
}

/** What webhooks told is not touched. */
export async function saveRequests(tx: CommonQueryMethods, team: string, changed: readonly RememberedRequest[], gone: readonly string[]): Promise<void> {
  if (changed.length > 0) {
    const json = JSON.stringify(changed.map(({ ref, head, since, branch, strayedAt }) => ({ ref, head, since, branch, strayed_at: strayedAt })));
    await tx.query(sql.type(nothing)`
      insert into request (team, ref, head, since, branch, strayed_at)
      select ${team}, r.ref, r.head, r.since, r.branch, r.strayed_at from jsonb_to_recordset(${json}::jsonb) as r(ref text, head text, since timestamptz, branch text, strayed_at timestamptz)
      on conflict (team, ref) do update set head = excluded.head, since = excluded.since, branch = excluded.branch, strayed_at = excluded.strayed_at`);
  }
  if (gone.length > 0) await tx.query(sql.type(nothing)`delete from request where team = ${team} and ref = any(${sql.array([...gone], 'text')})`);
  await tx.query(sql.type(nothing)`update team set requests_watched = true where name = ${team} and not requests_watched`);
}

export interface ToldRequest {
  readonly ref: string;
  readonly state: 'open' | 'closed' | 'merged';
  /** Null where the payload does not say. */
  readonly head: string | null;
  /** When it became so, as the host says; null: now. */
  readonly at: Date | null;
}

/** Deliveries may overtake each other: the later word counts. */
export async function noteTold(connection: Queryable, team: string, { ref, state, head, at }: ToldRequest): Promise<void> {
  await connection.query(sql.type(nothing)`
    insert into request (team, ref, head, told, told_head, told_at) values (${team}, ${ref}, '', ${state}, ${head}, least(now(), coalesce(${at?.toISOString() ?? null}::timestamptz, now())))
    on conflict (team, ref) do update set told = excluded.told, told_head = excluded.told_head, told_at = excluded.told_at
    where request.told_at is null or request.told_at <= excluded.told_at`);
}
