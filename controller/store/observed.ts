/** What agents see on their engines. One writer: the session of the node. */
import { sql } from 'slonik';
import type { CommonQueryMethods } from 'slonik';
import { z } from 'zod';
import type { TargetKey } from '../plan/types.ts';
import { targetKey } from '../plan/types.ts';

export interface TargetObservation {
  readonly prefix: string;
  readonly deployment: string;
  readonly health: 'healthy' | 'progressing' | 'degraded' | 'missing' | 'unknown';
  readonly healthReason: string;
  readonly containers: readonly unknown[];
  readonly drift: readonly unknown[];
  /** The attempt whose success the agent compared with; 0 when it remembers none. */
  readonly attemptId: number;
}

/**
 * Stores the observation under the target's owner of today (agents know the name that it was laid down with, and an adoption
 * changes no container); returns the deployments whose health or drift changed, so that only those are planned again.
 * `complete`: targets not named are gone from the engine.
 */
export async function saveObservation(connection: CommonQueryMethods, team: string, node: string, targets: readonly TargetObservation[], complete: boolean): Promise<readonly string[]> {
  const changed = z.object({ deployment: z.string() });
  const names: string[] = [];
  for (const target of targets) {
    const rows = await connection.any(sql.type(changed)`
      insert into observed (team, node, prefix, deployment, health, health_reason, containers, drift, attempt_id)
      values (${team}, ${node}, ${target.prefix},
              coalesce((select t.deployment from target t where t.team = ${team} and t.node = ${node} and t.prefix = ${target.prefix}), ${target.deployment}), ${target.health}, ${target.healthReason}, ${JSON.stringify(target.containers)}::jsonb, ${JSON.stringify(target.drift)}::jsonb, ${target.attemptId})
      on conflict (team, node, prefix) do update set deployment = excluded.deployment, health = excluded.health, health_reason = excluded.health_reason,
        containers = excluded.containers, drift = excluded.drift, attempt_id = excluded.attempt_id, observed_at = now()
      where (observed.health, observed.health_reason, observed.containers, observed.drift, observed.attempt_id)
        is distinct from (excluded.health, excluded.health_reason, excluded.containers, excluded.drift, excluded.attempt_id)
      returning deployment`);
    names.push(...rows.map((row) => row.deployment));
  }
  if (complete) {
    const rows = await connection.any(sql.type(changed)`
      update observed set health = 'missing', health_reason = 'nothing of it is on the node', containers = '[]', drift = '[]', attempt_id = 0, observed_at = now()
      where team = ${team} and node = ${node} and health <> 'missing' and not (prefix = any(${sql.array(targets.map((target) => target.prefix), 'text')}))
      returning deployment`);
    names.push(...rows.map((row) => row.deployment));
  }
  return names;
}

/**
 * Drift by target, for the plan. A target that should serve and of which nothing is left counts as drifted. What was seen
 * before the last success is old news: an attempt that has just mended it must not be followed by another (R24).
 */
export async function loadDrift(connection: CommonQueryMethods, team: string): Promise<Map<TargetKey, readonly { container: string; field: string }[]>> {
  const rows = await connection.any(sql.type(z.object({ node: z.string(), prefix: z.string(), health: z.string(), drift: z.array(z.object({ container: z.string(), field: z.string() })) }))`
    select o.node, o.prefix, o.health, o.drift from observed o
    join target t on t.team = o.team and t.node = o.node and t.prefix = o.prefix
    left join lateral (
      select max(a.id) filter (where a.outcome = 'succeeded' and a.kind <> 'remove') as succeeded, max(a.finished_at) as finished_at
      from attempt a where a.team = o.team and a.node = o.node and a.prefix = o.prefix and a.state = 'done') last on true
    where o.team = ${team} and t.live_record_id is not null and (o.drift <> '[]' or o.health = 'missing')
      and (o.attempt_id = last.succeeded or last.finished_at is null or o.observed_at > last.finished_at)`);
  return new Map(rows.map((row) => [targetKey(row.node, row.prefix), row.drift.length > 0 ? row.drift : [{ container: row.prefix, field: 'container' }]]));
}
