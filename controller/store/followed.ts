/** Digests behind followed tags, as the nodes' agents told them. One writer: the session of the node. */
import { sql } from 'slonik';
import type { CommonQueryMethods, DatabasePool } from 'slonik';
import { z } from 'zod';
import type { FollowedDigest } from '../plan/types.ts';
import { targetKey } from '../plan/types.ts';
import { appendAudit } from './audit.ts';
import { nothing } from './rows.ts';

const MOST_IMAGES = 500;

/** By target, then in the order of the images' names. */
export async function loadFollowed(connection: CommonQueryMethods, team: string): Promise<Map<string, readonly FollowedDigest[]>> {
  const rows = await connection.any(sql.type(z.object({ node: z.string(), prefix: z.string(), name: z.string(), image: z.string(), digest: z.string() }))`
    select node, prefix, name, image, digest from followed_digest where team = ${team} order by node, prefix, name`);
  const followed = new Map<string, FollowedDigest[]>();
  for (const { node, prefix, ...found } of rows) followed.set(targetKey(node, prefix), [...(followed.get(targetKey(node, prefix)) ?? []), found]);
  return followed;
}

/** Notes what changed, with one audit row for each tag that moved. What is not a digest, or of a target that the node does not have, is left out. */
export async function saveFollowed(pool: DatabasePool, team: string, node: string, prefix: string, digests: readonly FollowedDigest[]): Promise<void> {
  const valid = digests.filter(({ digest, name, image }) => /^sha256:[0-9a-f]{64}$/.test(digest) && name.length <= 63 && image.length <= 512).slice(0, MOST_IMAGES);
  const rows = [...new Map(valid.map((one) => [one.name, one])).values()].map(({ name, image, digest }) => [name, image, digest]);
  if (rows.length === 0) return;
  await pool.transaction(async (tx) => {
    const moved = await tx.any(sql.type(z.object({ name: z.string(), image: z.string(), digest: z.string() }))`
      insert into followed_digest (team, node, prefix, name, image, digest)
      select ${team}, ${node}, ${prefix}, u.name, u.image, u.digest from ${sql.unnest(rows, ['text', 'text', 'text'])} as u(name, image, digest)
      where exists (select 1 from target t where t.team = ${team} and t.node = ${node} and t.prefix = ${prefix})
      on conflict (team, node, prefix, name) do update set image = excluded.image, digest = excluded.digest, seen_at = now()
      where (followed_digest.image, followed_digest.digest) is distinct from (excluded.image, excluded.digest)
      returning name, image, digest`);
    for (const one of moved) await appendAudit(tx, { team, actor: `agent:${node}`, action: 'image.seen', object: `target/${node}/${prefix}`, result: 'accepted', detail: { ...one } });
  });
}

/** What is not followed any more is forgotten: whoever follows it again begins with what the tags mean then. `kept`: targets, as `node/prefix`. */
export async function forgetFollowed(connection: CommonQueryMethods, team: string, kept: readonly string[]): Promise<void> {
  await connection.query(sql.type(nothing)`delete from followed_digest where team = ${team} and not (node || '/' || prefix = any(${sql.array([...kept], 'text')}))`);
}
