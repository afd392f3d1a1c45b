/** Products with their versions. */
import semver from 'semver';
import { sql } from 'slonik';
import { z } from 'zod';
import type { Queryable } from '../pool.ts';
import { statusRow, versionKindRow } from '../rows.ts';

const versionRow = z.object({
  name: z.string(), kind: z.enum(['rolling', 'incremental']), commit: z.string(), parent: z.string().nullable(), frozen: z.boolean(),
  frozenAt: z.date().nullable(), ref: z.string(), refGone: z.boolean(), tagObject: z.string().nullable(), tagger: z.string().nullable(), message: z.string().nullable(),
});
export type VersionView = z.infer<typeof versionRow>;

export interface ProductView {
  readonly name: string;
  readonly type: 'simple' | 'complex';
  readonly description: string;
  /** False once its manifest is gone. */
  readonly declared: boolean;
  /** Rolling ones first, then incremental ones, the highest number first. `parent` is a version's name (R7). */
  readonly versions: readonly VersionView[];
}

const productRow = z.object({ name: z.string(), type: z.enum(['simple', 'complex']), description: z.string(), declared: z.boolean() });

/** By name; two queries whatever the number of products. `name` finds one, also one that is gone from the repository. */
export async function listProducts(connection: Queryable, team: string, name?: string): Promise<readonly ProductView[]> {
  const products = await connection.any(sql.type(productRow)`
    select name, type, description, declared from product
    where team = ${team} and ${name === undefined ? sql.fragment`declared` : sql.fragment`name = ${name}`} order by name`);
  const versions = await connection.any(sql.type(versionRow.extend({ product: z.string() }))`
    select v.product, v.name, v.kind, v.commit_id as commit, p.name as parent, v.frozen is not null as frozen, v.frozen_at as "frozenAt",
      v.ref, v.ref_gone as "refGone", v.tag_object as "tagObject", v.tagger, v.tag_message as message
    from version v left join version p on p.id = v.parent_id and p.team = v.team
    where v.team = ${team} ${name === undefined ? sql.fragment`` : sql.fragment`and v.product = ${name}`}`);
  const byProduct = new Map<string, VersionView[]>();
  for (const { product, ...version } of versions) {
    const list = byProduct.get(product);
    if (list === undefined) byProduct.set(product, [version]);
    else list.push(version);
  }
  return products.map((product) => ({ ...product, versions: (byProduct.get(product.name) ?? []).sort(compareVersions) }));
}

const useRow = z.object({ kind: versionKindRow, version: z.string(), deployment: z.string(), node: z.string(), prefix: z.string(), status: statusRow, live: z.boolean() });
/** Where a version is or was deployed: its newest record on each target. */
export type VersionUse = z.infer<typeof useRow>;

export async function listVersionUses(connection: Queryable, team: string, product: string): Promise<readonly VersionUse[]> {
  return connection.any(sql.type(useRow)`
    select distinct on (r.version_kind, r.version, r.node, r.prefix) r.version_kind as kind, r.version, r.deployment, r.node, r.prefix, r.status, coalesce(t.live_record_id = r.id, false) as live
    from record r left join target t on t.team = r.team and t.node = r.node and t.prefix = r.prefix
    where r.team = ${team} and r.product = ${product}
    order by r.version_kind, r.version, r.node, r.prefix, (t.live_record_id = r.id) desc nulls last, r.id desc limit 5000`);
}

/** By product: how many deployments there are, and the versions that serve. */
export async function countProductUses(connection: Queryable, team: string): Promise<ReadonlyMap<string, { readonly deployments: number; readonly serves: readonly string[] }>> {
  const rows = await connection.any(sql.type(z.object({ product: z.string(), deployments: z.number(), serves: z.array(z.string()) }))`
    select d.product, count(distinct d.name)::int as deployments, coalesce(array_agg(distinct live.version) filter (where live.version is not null), '{}') as serves
    from deployment d left join target t on t.team = d.team and t.deployment = d.name left join record live on live.id = t.live_record_id and live.team = d.team
    where d.team = ${team} and d.product is not null and (d.declared or t.node is not null) group by 1`);
  return new Map(rows.map((row) => [row.product, row]));
}

/** A total order, for people: rolling first by name, then incremental by number, descending. */
function compareVersions(a: VersionView, b: VersionView): number {
  if (a.kind !== b.kind) return a.kind === 'rolling' ? -1 : 1;
  const byName = a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  if (a.kind === 'rolling' || semver.valid(a.name) === null || semver.valid(b.name) === null) return byName;
  return semver.rcompare(a.name, b.name) || byName;
}
