/** The versions that deployments name, as far as the clone at hand has their tags (R7). */
import git from 'isomorphic-git';
import * as fs from 'node:fs';
import type { VersionAt } from '../manifests/check-references.ts';
import type { ParseCache } from '../manifests/parse-cache.ts';
import { readManifests } from '../manifests/read-set.ts';
import { findRepository, resolveRevision, revisionSource } from '../manifests/source-revision.ts';
import type { LocalRepository } from '../manifests/source-revision.ts';
import type { Manifest, ManifestSet } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { tagVersions } from '../plan/tag-versions.ts';

export interface LocalVersions {
  /** What the content of this deployment's version is checked with. */
  at(deployment: Manifest<'Deployment'>): VersionAt;
  /** Of tags, at the products that they name. */
  readonly problems: readonly Problem[];
}

/** Reads each tag that a deployment of `set` names once. A version without a tag is still to be made: of the files at hand. */
export async function localVersions(directory: string, set: ManifestSet, cache: ParseCache): Promise<LocalVersions> {
  const repository = await findRepository(directory).catch(() => null);
  if (repository === null) return { at: () => ({ set, sure: true, only: true }), problems: [] };
  const at = { fs, gitdir: repository.gitdir };
  const { versions, problems } = tagVersions([...set.byKind.Product.values()].filter(({ spec }) => spec.source?.repository === undefined), await git.listTags(at));
  // A clone need not have the tags of where it came from.
  const sure = (await git.listRemotes(at)).length === 0;
  const named = new Set([...set.byKind.Deployment.values()].map(({ spec }) => `${spec.product}/${spec.version ?? ''}`));
  const read = new Map<string, VersionAt>();
  for (const { product, name, tag } of versions) {
    if (!named.has(`${product}/${name}`)) continue;
    const tagged = await readTag(repository, tag, cache);
    if (tagged !== undefined) read.set(`${product}/${name}`, { set: tagged, sure: true, tag });
  }
  return { at: ({ spec }) => (spec.version === undefined ? { set, sure: true } : (read.get(`${spec.product}/${spec.version}`) ?? { set, sure })), problems };
}

/** Undefined where the tag names no commit, or one without this directory. */
async function readTag(repository: LocalRepository, tag: string, cache: ParseCache): Promise<ManifestSet | undefined> {
  const commit = await resolveRevision(repository, `refs/tags/${tag}`).catch(() => undefined);
  const source = commit === undefined ? undefined : await revisionSource(repository, commit).catch(() => undefined);
  return source === undefined ? undefined : readManifests(source, cache);
}
