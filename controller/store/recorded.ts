/** Reads the `recorded` value of a plan: targets, their records, open attempts, the version graph. */
import { sql } from 'slonik';
import type { CommonQueryMethods } from 'slonik';
import { z } from 'zod';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { Recorded, RecordedRecord, RecordedTarget, TargetKey } from '../plan/types.ts';
import { targetKey } from '../plan/types.ts';
import { attemptKindRow, id, statusRow, versionKindRow } from './rows.ts';

const targetRow = z.object({
  node: z.string(),
  prefix: z.string(),
  deployment: z.string(),
  protected: z.boolean(),
  removeVolumes: z.boolean(),
  liveRecordId: id.nullable(),
  liveSpec: z.unknown(),
  recentHeals: z.number(),
  restored: z.boolean().nullable(),
  openId: id.nullable(),
  openKind: attemptKindRow.nullable(),
  openState: z.enum(['queued', 'running']).nullable(),
  openRecordId: id.nullable(),
  openKey: z.string().nullable(),
  openCancelled: z.boolean().nullable(),
});

const recordRow = z.object({
  node: z.string(),
  prefix: z.string(),
  id,
  product: z.string(),
  versionId: id,
  version: z.string(),
  versionKind: versionKindRow,
  status: statusRow,
  restingStatus: z.enum(['obsolete', 'downgraded']).nullable(),
  specHash: z.string(),
  overridesHash: z.string(),
  goodSpecHash: z.string().nullable(),
  attemptKey: z.string(),
  failures: z.number(),
});

const versionRow = z.object({ id, product: z.string(), kind: versionKindRow, name: z.string(), parentId: id.nullable() });

/** Heals older than this do not count against the bound (R24). */
const HEAL_WINDOW = '1 hour';

/** Limits a reading to some deployments; `claims` are `node/prefix`, and of `nodes` every target counts that serves with a port or an address. */
export interface RecordedScope {
  readonly deployments: readonly string[];
  readonly claims: readonly string[];
  readonly nodes: readonly string[];
  readonly products: readonly string[];
}

/** Wider than `holdingsOf`, which decides. */
const HOLDS_OF_NODE = '$.images[*].config ? (exists(@.ports[*].external) || exists(@.portRanges) || exists(@.expose))';

/**
 * Everything recorded for a team, or for the given deployments only: their targets (old ones too), the targets that
 * their manifests claim (`claims`, as `node/prefix`) and what may have something that they take.
 */
export async function loadRecorded(
  connection: CommonQueryMethods,
  team: string,
  scope?: RecordedScope,
): Promise<Recorded> {
  const within = scope
    ? sql.fragment`and (t.deployment = any(${sql.array([...scope.deployments], 'text')}) or t.node || '/' || t.prefix = any(${sql.array([...scope.claims], 'text')})
        or (t.node = any(${sql.array([...scope.nodes], 'text')}) and jsonb_path_exists(live.good_spec, ${HOLDS_OF_NODE}::jsonpath)))`
    : sql.fragment``;
  const targets = await connection.any(sql.type(targetRow)`
    select t.node, t.prefix, t.deployment, d.protected, d.remove_volumes as "removeVolumes",
           t.live_record_id as "liveRecordId", live.good_spec as "liveSpec",
           case when t.heal_window_at > now() - ${HEAL_WINDOW}::interval then t.heals else 0 end as "recentHeals",
           (select a.restored from attempt a where a.team = t.team and a.node = t.node and a.prefix = t.prefix
              and a.state = 'done' and a.outcome not in ('superseded') order by a.id desc limit 1) as restored,
           o.id as "openId", o.kind as "openKind", case when o.id is null then null else o.state end as "openState",
           o.record_id as "openRecordId", r.attempt_key as "openKey", o.cancel_reason is not null as "openCancelled"
    from target t
    join deployment d on d.team = t.team and d.name = t.deployment
    left join record live on live.id = t.live_record_id
    left join attempt o on o.team = t.team and o.node = t.node and o.prefix = t.prefix and o.state <> 'done'
    left join record r on r.id = o.record_id
    where t.team = ${team} ${within}`);
  const keys = targets.map((target) => targetKey(target.node, target.prefix));
  const records = keys.length === 0 ? [] : await connection.any(sql.type(recordRow)`
    select node, prefix, id, product, version_id as "versionId", version, version_kind as "versionKind", status, resting_status as "restingStatus",
           spec_hash as "specHash", overrides_hash as "overridesHash", good_spec_hash as "goodSpecHash", attempt_key as "attemptKey", failures
    from record where team = ${team} ${scope ? sql.fragment`and node || '/' || prefix = any(${sql.array(keys, 'text')})` : sql.fragment``}
    order by id`);
  const byTarget = new Map<TargetKey, RecordedRecord[]>();
  for (const { node, prefix, ...record } of records) {
    const key = targetKey(node, prefix);
    const list = byTarget.get(key);
    if (list) list.push(record);
    else byTarget.set(key, [record]);
  }
  const versions = await connection.any(sql.type(versionRow)`
    select id, product, kind, name, parent_id as "parentId" from version
    where team = ${team} ${scope ? sql.fragment`and product = any(${sql.array([...scope.products], 'text')})` : sql.fragment``}`);
  const goodSpecs = await loadGoodSpecs(connection, records.filter((record) => record.status !== 'successful' && record.goodSpecHash !== null && record.versionKind === 'incremental').map((record) => record.id));
  return {
    targets: new Map(
      targets.map((row): [TargetKey, RecordedTarget] => [
        targetKey(row.node, row.prefix),
        {
          node: row.node,
          prefix: row.prefix,
          deployment: row.deployment,
          protected: row.protected,
          removeVolumes: row.removeVolumes,
          liveRecordId: row.liveRecordId,
          liveSpec: (row.liveSpec ?? null) as TargetSpec | null,
          records: byTarget.get(targetKey(row.node, row.prefix)) ?? [],
          openAttempt:
            row.openId === null || row.openKind === null || row.openState === null
              ? null
              : { id: row.openId, kind: row.openKind, state: row.openState, recordId: row.openRecordId, attemptKey: row.openKey, cancelRequested: row.openCancelled ?? false },
          restored: row.restored ?? true,
          recentHeals: row.recentHeals,
        },
      ]),
    ),
    versions: versions.map(({ parentId: _parentId, ...version }) => version),
    parents: new Map(versions.map((version) => [version.id, version.parentId])),
    goodSpec: (recordId) => goodSpecs.get(recordId) ?? null,
  };
}

async function loadGoodSpecs(connection: CommonQueryMethods, ids: readonly number[]): Promise<ReadonlyMap<number, TargetSpec>> {
  if (ids.length === 0) return new Map();
  const rows = await connection.any(sql.type(z.object({ id, spec: z.unknown() }))`
    select id, good_spec as spec from record where id = any(${sql.array([...ids], 'int8')})`);
  return new Map(rows.map((row) => [row.id, row.spec as TargetSpec]));
}
