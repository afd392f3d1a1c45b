/** Teams: what the controller watches and how far it got. */
import { sql } from 'slonik';
import type { CommonQueryMethods } from 'slonik';
import type { Problem } from '../model/problem.ts';
import { nothing } from './rows.ts';

export interface TeamSettings {
  readonly name: string;
  readonly repository: string;
  readonly branch: string;
  readonly directory: string;
}

/** The configuration wins over what was stored; `repository` comes without credentials. */
export async function saveTeam(connection: CommonQueryMethods, team: TeamSettings): Promise<void> {
  await connection.query(sql.type(nothing)`
    insert into team (name, repository, branch, directory) values (${team.name}, ${team.repository}, ${team.branch}, ${team.directory})
    on conflict (name) do update set repository = excluded.repository, branch = excluded.branch, directory = excluded.directory
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

/** What was planned last: the commit, a digest of the watched refs, the people (R2, R26; null leaves them). */
export async function saveSynced(connection: CommonQueryMethods, team: string, commit: string, refsDigest: string, members: unknown): Promise<void> {
  const people = members === null ? null : JSON.stringify(members);
  await connection.query(sql.type(nothing)`
    update team set commit_id = ${commit}, refs_digest = ${refsDigest}, members = coalesce(${people}::jsonb, members), synced_at = now()
    where name = ${team}`);
}

/** Keeps a plan that was carried out, for comparison with reviews; the same plan at the same commit is one row. */
export async function savePlan(connection: CommonQueryMethods, team: string, plan: { readonly hash: string; readonly commit: string }): Promise<void> {
  await connection.query(sql.type(nothing)`
    insert into plan (team, hash, commit_id, plan) values (${team}, ${plan.hash}, ${plan.commit}, ${JSON.stringify(plan)}::jsonb) on conflict do nothing`);
}
