/** Deployment manifests and the ownership of targets, as the database knows them. */
import { sql } from 'slonik';
import type { CommonQueryMethods, DatabaseTransactionConnection } from 'slonik';
import { z } from 'zod';
import type { BlockedDeployment, DesiredDeployment } from '../plan/types.ts';
import { nothing } from './rows.ts';

export type Sync = 'synced' | 'out-of-sync' | 'blocked';

/** Writes only when the state or its reason changed (R25). */
export async function setSync(tx: CommonQueryMethods, team: string, name: string, sync: Sync, reason: string): Promise<void> {
  await tx.query(sql.type(nothing)`
    update deployment set sync = ${sync}, sync_reason = ${reason}, updated_at = now()
    where team = ${team} and name = ${name} and (sync, sync_reason) is distinct from (${sync}, ${reason})`);
}

/** What Git says of each deployment; one statement whatever their number. */
export async function saveDesired(tx: CommonQueryMethods, team: string, commit: string, deployments: readonly DesiredDeployment[], blocked: readonly BlockedDeployment[]): Promise<void> {
  const rows = [
    ...deployments.map((d) => [d.name, d.product, d.version.name, d.version.kind, d.node, d.prefix, d.protected, d.removeVolumes]),
  ];
  if (rows.length > 0) {
    await tx.query(sql.type(nothing)`
      insert into deployment (team, name, product, version, version_kind, node, prefix, protected, remove_volumes, commit_id)
      select ${team}, u.*, ${commit} from ${sql.unnest(rows, ['text', 'text', 'text', 'text', 'text', 'text', 'bool', 'bool'])} as u(name, product, version, version_kind, node, prefix, protected, remove_volumes)
      on conflict (team, name) do update set product = excluded.product, version = excluded.version, version_kind = excluded.version_kind,
        node = excluded.node, prefix = excluded.prefix, protected = excluded.protected, remove_volumes = excluded.remove_volumes,
        declared = true, commit_id = excluded.commit_id, updated_at = now()
      where (deployment.product, deployment.version, deployment.version_kind, deployment.node, deployment.prefix, deployment.protected, deployment.remove_volumes, deployment.declared)
        is distinct from (excluded.product, excluded.version, excluded.version_kind, excluded.node, excluded.prefix, excluded.protected, excluded.remove_volumes, true)`);
  }
  for (const item of blocked) {
    await tx.query(sql.type(nothing)`
      insert into deployment (team, name, product, version, node, prefix, commit_id, sync, sync_reason)
      values (${team}, ${item.name}, ${item.product}, ${item.version}, ${item.node}, ${item.prefix}, ${commit}, 'blocked', ${item.problems[0]?.message ?? ''})
      on conflict (team, name) do update set declared = true where not deployment.declared`);
  }
}

/** Marks every deployment that is not named as gone from Git. Its protection is remembered as it was. */
export async function markUndeclared(tx: CommonQueryMethods, team: string, declared: readonly string[]): Promise<void> {
  await tx.query(sql.type(nothing)`
    update deployment set declared = false, updated_at = now()
    where team = ${team} and declared and not (name = any(${sql.array([...declared], 'text')}))`);
}

/** R10: the target, its records and its attempts go over to the manifest that now claims it; the old name is forgotten. */
export async function adoptTarget(tx: DatabaseTransactionConnection, team: string, from: string, wanted: DesiredDeployment): Promise<void> {
  const at = sql.fragment`team = ${team} and node = ${wanted.node} and prefix = ${wanted.prefix}`;
  await tx.query(sql.type(nothing)`update target set deployment = ${wanted.name} where ${at}`);
  await tx.query(sql.type(nothing)`update record set deployment = ${wanted.name} where ${at}`);
  await tx.query(sql.type(nothing)`update attempt set deployment = ${wanted.name} where ${at}`);
  await tx.query(sql.type(nothing)`update observed set deployment = ${wanted.name} where ${at}`);
  await tx.query(sql.type(nothing)`
    delete from deployment d where d.team = ${team} and d.name = ${from} and not d.declared
      and not exists (select 1 from target t where t.team = d.team and t.deployment = d.name)
      and not exists (select 1 from record r where r.team = d.team and r.deployment = d.name)`);
}

/** Who owns which target now: `node/prefix` → deployment (R10). */
export async function loadOwners(connection: CommonQueryMethods, team: string): Promise<Map<string, string>> {
  const rows = await connection.any(sql.type(z.object({ key: z.string(), deployment: z.string() }))`
    select node || '/' || prefix as key, deployment from target where team = ${team}`);
  return new Map(rows.map((row) => [row.key, row.deployment]));
}
