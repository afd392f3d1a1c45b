/**
 * Views: what pages and the API read. One file per group of queries, nothing is written here, and every query is keyed by
 * team, so that nothing of one team is read through another's name (R1).
 */
import { sql } from 'slonik';
import { z } from 'zod';
import type { Queryable } from '../pool.ts';

/** The teams that a caller may see: all, or these. */
export type Visible = 'all' | readonly string[];

const teamSummaryRow = z.object({
  name: z.string(), repository: z.string(), branch: z.string(), directory: z.string(), commit: z.string().nullable(),
  polledAt: z.date().nullable(), syncedAt: z.date().nullable(), pollFailures: z.number(),
  errors: z.number(), warnings: z.number(), nodes: z.number(), nodesConnected: z.number(),
});
export type TeamSummary = z.infer<typeof teamSummaryRow>;

/** By name. `errors` and `warnings` count problems. */
export async function listTeams(connection: Queryable, visible: Visible): Promise<readonly TeamSummary[]> {
  return connection.any(sql.type(teamSummaryRow)`
    select t.name, t.repository, t.branch, t.directory, t.commit_id as commit, t.polled_at as "polledAt", t.synced_at as "syncedAt", t.poll_failures as "pollFailures",
      (select count(*)::int from jsonb_array_elements(t.problems) p where p ->> 'severity' = 'error') as errors,
      (select count(*)::int from jsonb_array_elements(t.problems) p where p ->> 'severity' = 'warning') as warnings,
      (select count(*)::int from node n where n.team = t.name and n.declared) as nodes,
      (select count(*)::int from node n where n.team = t.name and n.declared and n.connected_by is not null and n.revoked_at is null) as "nodesConnected"
    from team t where ${visible === 'all' ? sql.fragment`true` : sql.fragment`t.name = any(${sql.array([...visible], 'text')})`}
    order by t.name`);
}

const problemRow = z.object({
  code: z.string(), severity: z.enum(['error', 'warning']), file: z.string(), line: z.number(), column: z.number(),
  message: z.string(), hint: z.string(), object: z.string().optional(),
});
export type ProblemView = z.infer<typeof problemRow>;

const teamRow = z.object({
  name: z.string(), repository: z.string(), branch: z.string(), directory: z.string(), commit: z.string().nullable(),
  polledAt: z.date().nullable(), syncedAt: z.date().nullable(), pollFailures: z.number(), problems: z.array(problemRow),
});
export type TeamView = z.infer<typeof teamRow>;

/** Null when there is no such team. */
export async function findTeam(connection: Queryable, name: string): Promise<TeamView | null> {
  return connection.maybeOne(sql.type(teamRow)`
    select name, repository, branch, directory, commit_id as commit, polled_at as "polledAt", synced_at as "syncedAt", poll_failures as "pollFailures", problems
    from team where name = ${name}`);
}

/** Audit rows by team, for the metric; the chain's head knows without counting. */
export async function countAuditRows(connection: Queryable): Promise<readonly { readonly team: string; readonly rows: number }[]> {
  return connection.any(sql.type(z.object({ team: z.string(), rows: z.number() }))`select team, id as rows from audit_head`);
}
