/** Which refs of a repository matter to products, and the versions that they are (R5–R7). One repository at a time: the team's or a product's. */
import type { Mirror, Want } from '../git/mirror.ts';
import type { RemoteRef } from '../git/refs.ts';
import { hashOf } from '../model/canonical.ts';
import type { Manifest } from '../model/manifest.ts';
import type { TagVersion } from '../plan/tag-versions.ts';
import { tagVersions } from '../plan/tag-versions.ts';
import type { RefVersion, StoredVersion } from '../store/versions.ts';
import type { Memory } from './memory.ts';

type Refs = ReadonlyMap<string, RemoteRef>;

/** Branches by product: those that its rolling versions follow. */
export type Followed = ReadonlyMap<string, ReadonlySet<string>>;

/** Short names of the tags of a listing. */
export function tagNames(refs: Refs): string[] {
  return [...refs.keys()].filter((ref) => ref.startsWith('refs/tags/')).map((ref) => ref.slice('refs/tags/'.length));
}

/** Full names, sorted: the branches that are followed and the tags of products. */
export function watchedRefs(products: readonly Manifest<'Product'>[], branches: Iterable<string>, refs: Refs): string[] {
  const names = new Set([...branches].map((branch) => `refs/heads/${branch}`));
  for (const { tag } of tagVersions(products, tagNames(refs)).versions) names.add(`refs/tags/${tag}`);
  return [...names].sort();
}

/** What has to be fetched for these refs, as far as they exist. */
export function wantsOf(names: readonly string[], refs: Refs): Want[] {
  return names.flatMap((ref) => {
    const found = refs.get(ref);
    return found === undefined ? [] : [{ ref, oid: found.oid }];
  });
}

/** Equal when nothing that matters has moved: name and object of each watched ref, null where it does not exist, and what is wrong with tags. */
export function stateOf(products: readonly Manifest<'Product'>[], branches: Iterable<string>, refs: Refs): unknown {
  const wrong = tagVersions(products, tagNames(refs)).problems.map(({ message }) => message);
  return [watchedRefs(products, branches, refs).map((name) => [name, refs.get(name)?.oid ?? null]), wrong];
}

/** R7: parents from the commit graph, deployed versions counted even where their tag is gone (R9). */
export async function incrementalVersions(mirror: Mirror, memory: Memory, tags: readonly TagVersion[], refs: Refs, frozen: ReadonlyMap<string, StoredVersion>): Promise<RefVersion[]> {
  const commits = new Map<string, Map<string, string[]>>();
  const mark = (product: string, commit: string, name: string): void => {
    const byCommit = commits.get(product) ?? new Map<string, string[]>();
    commits.set(product, byCommit);
    const names = byCommit.get(commit) ?? [];
    if (!names.includes(name)) byCommit.set(commit, [...names, name]);
  };
  for (const { product, name, tag } of tags) {
    const ref = refs.get(`refs/tags/${tag}`)!;
    mark(product, frozen.get(`${product}/${name}`)?.commit ?? ref.peeled ?? ref.oid, name);
  }
  for (const version of frozen.values()) mark(version.product, version.commit, version.name);
  const versions: RefVersion[] = [];
  for (const { product, name, tag } of tags) {
    const ref = refs.get(`refs/tags/${tag}`)!;
    const commit = ref.peeled ?? ref.oid;
    const key = `${product} ${name} ${ref.oid} ${hashOf([...(commits.get(product) ?? [])])}`;
    versions.push(
      await memory.once('version', `${product}/${name}`, key, async () => {
        const object = ref.peeled === undefined ? undefined : await mirror.tag(ref.oid);
        const [parent] = await mirror.nearestTaggedAncestors(commit, commits.get(product) ?? new Map());
        return {
          product,
          kind: 'incremental' as const,
          name,
          ref: `refs/tags/${tag}`,
          commit,
          tagObject: ref.oid,
          parent: parent ?? null,
          tagger: object?.tagger === undefined ? null : `${object.tagger.name} <${object.tagger.email}>`,
          message: object?.message ?? null,
        };
      }),
    );
  }
  return versions;
}

/** R6: a branch is a version while it exists. `heads` are commits that stand in for what the listing says. */
export function rollingVersions(followed: Followed, refs: Refs, heads: ReadonlyMap<string, string> = new Map()): RefVersion[] {
  return [...followed].flatMap(([product, branches]) =>
    [...branches].flatMap((name): RefVersion[] => {
      const commit = heads.get(name) ?? refs.get(`refs/heads/${name}`)?.oid;
      if (commit === undefined) return [];
      return [{ product, kind: 'rolling', name, ref: `refs/heads/${name}`, commit, tagObject: null, parent: null, tagger: null, message: null }];
    }),
  );
}
