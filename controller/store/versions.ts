/** Products and versions: what branches and tags say, and what was frozen (R5–R9). */
import { sql } from 'slonik';
import type { CommonQueryMethods } from 'slonik';
import { z } from 'zod';
import type { VersionContent } from '../plan/types.ts';
import { id, nothing, versionKindRow } from './rows.ts';

export interface DeclaredProduct {
  readonly name: string;
  readonly type: 'simple' | 'complex';
  readonly description: string;
}

export async function saveProducts(tx: CommonQueryMethods, team: string, products: readonly DeclaredProduct[]): Promise<void> {
  const rows = products.map((product) => [product.name, product.type, product.description]);
  if (rows.length > 0) {
    await tx.query(sql.type(nothing)`
      insert into product (team, name, type, description) select ${team}, u.* from ${sql.unnest(rows, ['text', 'text', 'text'])} as u(name, type, description)
      on conflict (team, name) do update set type = excluded.type, description = excluded.description, declared = true
      where (product.type, product.description, product.declared) is distinct from (excluded.type, excluded.description, true)`);
  }
  await tx.query(sql.type(nothing)`
    update product set declared = false where team = ${team} and declared and not (name = any(${sql.array(products.map((product) => product.name), 'text')}))`);
}

/** A version as the refs have it now. `parent` is a version name of the same product and kind (R7). */
export interface RefVersion {
  readonly product: string;
  readonly kind: 'rolling' | 'incremental';
  readonly name: string;
  readonly ref: string;
  readonly commit: string;
  readonly tagObject: string | null;
  readonly parent: string | null;
  readonly tagger: string | null;
  readonly message: string | null;
}

/**
 * Brings the version table up to what the refs say. A frozen version keeps its commit, whatever its tag says now (R8);
 * a version whose ref is gone keeps its row (R9). `unread`: products whose refs nobody could look at; nothing of them is gone.
 */
export async function saveVersions(tx: CommonQueryMethods, team: string, versions: readonly RefVersion[], unread: ReadonlySet<string> = new Set()): Promise<void> {
  const rows = versions.map((v) => [v.product, v.kind, v.name, v.ref, v.commit, v.tagObject, v.tagger, v.message]);
  if (rows.length > 0) {
    await tx.query(sql.type(nothing)`
      insert into version (team, product, kind, name, ref, commit_id, tag_object, tagger, tag_message)
      select ${team}, u.* from ${sql.unnest(rows, ['text', 'text', 'text', 'text', 'text', 'text', 'text', 'text'])}
        as u(product, kind, name, ref, commit_id, tag_object, tagger, tag_message)
      on conflict (team, product, kind, name) do update set
        ref = excluded.ref, ref_gone = false,
        commit_id = case when version.frozen is null then excluded.commit_id else version.commit_id end,
        tag_object = case when version.frozen is null then excluded.tag_object else version.tag_object end,
        tagger = case when version.frozen is null then excluded.tagger else version.tagger end,
        tag_message = case when version.frozen is null then excluded.tag_message else version.tag_message end
      where version.ref_gone or version.ref <> excluded.ref or version.frozen is null
        and (version.commit_id, version.tag_object, version.tagger, version.tag_message)
          is distinct from (excluded.commit_id, excluded.tag_object, excluded.tagger, excluded.tag_message)`);
    // A frozen version's parent is history and does not follow a tag that was moved or deleted since.
    const links = versions.filter((v) => v.kind === 'incremental').map((v) => [v.product, v.name, v.parent]);
    if (links.length > 0) {
      await tx.query(sql.type(nothing)`
        update version v set parent_id = p.id
        from ${sql.unnest(links, ['text', 'text', 'text'])} as u(product, name, parent)
        left join version p on p.team = ${team} and p.product = u.product and p.kind = 'incremental' and p.name = u.parent
        where v.team = ${team} and v.product = u.product and v.kind = 'incremental' and v.name = u.name
          and v.parent_id is distinct from p.id and (v.frozen is null or v.parent_id is null)`);
    }
  }
  const present = versions.map((v) => `${v.product}\n${v.kind}\n${v.name}`);
  await tx.query(sql.type(nothing)`
    update version set ref_gone = true where team = ${team} and not ref_gone and not (product = any(${sql.array([...unread], 'text')}))
      and not (product || E'\n' || kind || E'\n' || name = any(${sql.array(present, 'text')}))`);
}

export interface StoredVersion {
  readonly id: number;
  readonly product: string;
  readonly kind: 'rolling' | 'incremental';
  readonly name: string;
  readonly commit: string;
  readonly tagObject: string | null;
  readonly frozen: VersionContent | null;
}

/** Frozen versions with their content, by `product/name`: what a rollback needs when the tag is gone (R9). */
export async function loadFrozenVersions(connection: CommonQueryMethods, team: string): Promise<Map<string, StoredVersion>> {
  const rows = await connection.any(
    sql.type(z.object({ id, product: z.string(), kind: versionKindRow, name: z.string(), commit: z.string(), tagObject: z.string().nullable(), frozen: z.unknown() }))`
      select id, product, kind, name, commit_id as commit, tag_object as "tagObject", frozen from version where team = ${team} and frozen is not null`,
  );
  return new Map(rows.map((row) => [`${row.product}/${row.name}`, { ...row, frozen: row.frozen as VersionContent }]));
}
