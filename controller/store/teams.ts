/** Teams: what the controller watches and how far it got. */
import { sql } from 'slonik';
import type { CommonQueryMethods } from 'slonik';
import { z } from 'zod';
import type { Problem } from '../model/problem.ts';
import type { Trust } from '../model/trust.ts';
import { appendAudit } from './audit.ts';
import { nothing } from './rows.ts';

export interface TeamSettings {
  readonly name: string;
  readonly repository: string;
  readonly branch: string;
  readonly directory: string;
}

/** The configuration wins over what was stored; `repository` comes without credentials. In another place the first head is the first of all. */
export async function saveTeam(connection: CommonQueryMethods, team: TeamSettings): Promise<void> {
  await connection.query(sql.type(nothing)`
    insert into team (name, repository, branch, directory) values (${team.name}, ${team.repository}, ${team.branch}, ${team.directory})
    on conflict (name) do update set repository = excluded.repository, branch = excluded.branch, directory = excluded.directory, commit_id = null, trust = null
    where (team.repository, team.branch, team.directory) is distinct from (excluded.repository, excluded.branch, excluded.directory)`);
}

/** A poll that found nothing new moves only its time. */
export async function savePoll(connection: CommonQueryMethods, team: string, failures: number): Promise<void> {
  await connection.query(sql.type(nothing)`update team set polled_at = now(), poll_failures = ${failures} where name = ${team}`);
}

export async function saveProblems(connection: CommonQueryMethods, team: string, problems: readonly Problem[]): Promise<void> {
  const json = JSON.stringify(problems);
  await connection.query(sql.type(nothing)`update team set problems = ${json}::jsonb where name = ${team} and problems <> ${json}::jsonb`);
}

/** What was planned last: the commit, a digest of the watched refs, the people (R2, R26) and whom the next head is judged by; null leaves these two. */
export async function saveSynced(connection: CommonQueryMethods, team: string, commit: string, refsDigest: string, members: unknown, trust: Trust | null): Promise<void> {
  const people = members === null ? null : JSON.stringify(members);
  const judge = trust === null ? null : JSON.stringify(trust);
  await connection.query(sql.type(nothing)`
    update team set commit_id = ${commit}, refs_digest = ${refsDigest}, members = coalesce(${people}::jsonb, members), trust = coalesce(${judge}::jsonb, trust), synced_at = now()
    where name = ${team}`);
}

/** The head that was planned last and whom the next one is judged by; null before the first. */
export async function loadAccepted(connection: CommonQueryMethods, team: string): Promise<{ readonly commit: string; readonly trust: Trust | null } | null> {
  const row = await connection.maybeOne(sql.type(z.object({ commit: z.string(), trust: z.unknown() }))`select commit_id as commit, trust from team where name = ${team} and commit_id is not null`);
  return row === null ? null : { commit: row.commit, trust: row.trust as Trust | null };
}

/** Writes to the audit log, once, that this head was refused; null: the present one was not. */
export async function saveRefusal(tx: CommonQueryMethods, team: string, refused: { readonly commit: string; readonly problem: Problem } | null): Promise<void> {
  const commit = refused?.commit ?? null;
  const { rowCount } = await tx.query(sql.type(nothing)`update team set refused_commit = ${commit} where name = ${team} and refused_commit is distinct from ${commit}`);
  if (rowCount === 0 || refused === null) return;
  await appendAudit(tx, { team, actor: 'controller', action: 'commit.refused', object: `team/${team}`, commit, result: refused.problem.code, detail: { reason: refused.problem.message } });
}

/** Keeps a plan that was carried out, for comparison with reviews; the same plan at the same commit is one row. */
export async function savePlan(connection: CommonQueryMethods, team: string, plan: { readonly hash: string; readonly commit: string }): Promise<void> {
  await connection.query(sql.type(nothing)`
    insert into plan (team, hash, commit_id, plan) values (${team}, ${plan.hash}, ${plan.commit}, ${JSON.stringify(plan)}::jsonb) on conflict do nothing`);
}
