/**
 * Deployments as people see them: what Git says, what is recorded, what the agents saw, side by side (R25). One statement
 * for a whole team, whatever its size.
 */
import { sql } from 'slonik';
import { z } from 'zod';
import type { Queryable } from '../pool.ts';
import { explainDeployment } from './deployment-reason.ts';
import { deploymentRow, healthRow, syncRow } from './deployment-rows.ts';
import type { DeploymentView } from './deployment-rows.ts';
import { nodeStatus } from './nodes.ts';

/**
 * A deployment `d`, its own target `t` (the one that it names now; any that it still has once its manifest is gone), the
 * node `n`, what was observed `o` and the open attempt `a`.
 */
const source = sql.fragment`
  deployment d
  left join lateral (
    select t.* from target t where t.team = d.team and t.deployment = d.name
      and (d.node is null or not d.declared or (t.node = d.node and t.prefix = d.prefix))
    order by (t.node = d.node and t.prefix = d.prefix) desc nulls last, t.node, t.prefix limit 1) t on true
  left join node n on n.team = d.team and n.name = coalesce(t.node, d.node)
  left join observed o on o.team = t.team and o.node = t.node and o.prefix = t.prefix
  left join attempt a on a.team = t.team and a.node = t.node and a.prefix = t.prefix and a.state <> 'done'`;

/** What was seen counts only while the node is there to say it. */
const health = sql.fragment`case
  when n.name is null or n.revoked_at is not null or n.connected_by is null then 'unknown'
  when a.state = 'running' then 'progressing'
  else coalesce(o.health, 'unknown') end`;

export interface DeploymentFilter {
  /** Also one whose manifest and target are gone; its history is still there. */
  readonly name?: string;
  /** Only these, as far as they are listed. */
  readonly names?: readonly string[];
  readonly node?: string;
  readonly product?: string;
  /** Lists of a thousand deployments do without. */
  readonly containers?: false;
}

/** By name. Those gone from Git are listed while they have a target; one query. */
export async function listDeployments(connection: Queryable, team: string, filter: DeploymentFilter = {}): Promise<readonly DeploymentView[]> {
  const rows = await connection.any(sql.type(deploymentRow)`
    select d.name, coalesce(r.product, d.product) as product, coalesce(r.version, d.version) as version, coalesce(r.version_kind, d.version_kind) as "versionKind",
      coalesce(t.node, d.node) as node, coalesce(t.prefix, d.prefix) as prefix, coalesce(r.status, 'preparing') as status,
      d.sync, d.sync_reason as "syncReason", ${health} as health,
      coalesce(o.health_reason, '') as "observedReason", o.observed_at as "observedAt", r.id as "recordId", coalesce(r.reason, '') as "recordReason",
      coalesce(r.commit_id, d.commit_id) as commit, greatest(d.updated_at, r.updated_at) as "updatedAt", d.declared, d.protected,
      d.version as "wantedVersion", live.version as "liveVersion",
      case when n.name is null then null else ${nodeStatus} end as "nodeStatus", coalesce(n.simulated, false) as simulated,
      ${filter.containers === false ? sql.fragment`'[]'::jsonb` : sql.fragment`coalesce(o.containers, '[]')`} as containers, coalesce(o.drift, '[]') as drift,
      case when a.id is null then null else jsonb_build_object('id', a.id, 'state', a.state, 'kind', a.kind, 'step', e.step, 'text', e.text,
        'notBefore', ${iso(sql.fragment`a.not_before`)}, 'startedAt', ${iso(sql.fragment`a.started_at`)}, 'deadline', ${iso(sql.fragment`a.deadline`)},
        'stopping', a.cancel_reason is not null) end as attempt,
      coalesce(others.list, '[]') as leftovers
    from ${source}
    left join record r on r.id = coalesce(t.record_id, t.live_record_id) and r.team = d.team
    left join record live on live.id = t.live_record_id and live.team = d.team
    left join lateral (select step, text from attempt_event where attempt_id = a.id order by sequence desc limit 1) e on true
    left join lateral (
      select jsonb_agg(jsonb_build_object('node', x.node, 'prefix', x.prefix) order by x.node, x.prefix) as list
      from target x where x.team = d.team and x.deployment = d.name and (x.node, x.prefix) is distinct from (coalesce(t.node, d.node), coalesce(t.prefix, d.prefix))) others on true
    where d.team = ${team} and ${filter.name === undefined ? sql.fragment`(d.declared or t.node is not null)` : sql.fragment`d.name = ${filter.name}`}
      ${filter.names === undefined ? sql.fragment`` : sql.fragment`and d.name = any(${sql.array([...filter.names], 'text')})`}
      ${filter.node === undefined ? sql.fragment`` : sql.fragment`and coalesce(t.node, d.node) = ${filter.node}`}
      ${filter.product === undefined ? sql.fragment`` : sql.fragment`and coalesce(r.product, d.product) = ${filter.product}`}
    order by d.name`);
  return rows.map(explainDeployment);
}

/** Deployments by sync and health, for the metric and the list of teams. */
export async function countDeployments(connection: Queryable): Promise<readonly { readonly team: string; readonly sync: z.infer<typeof syncRow>; readonly health: z.infer<typeof healthRow>; readonly count: number }[]> {
  return connection.any(sql.type(z.object({ team: z.string(), sync: syncRow, health: healthRow, count: z.number() }))`
    select d.team, d.sync, ${health} as health, count(*)::int as count from ${source}
    where d.declared or t.node is not null group by 1, 2, 3 order by 1, 2, 3`);
}

function iso(column: ReturnType<typeof sql.fragment>): ReturnType<typeof sql.fragment> {
  return sql.fragment`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}
