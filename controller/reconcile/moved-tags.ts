/** A frozen version stays what was deployed, whatever its tag says now; that somebody moved the tag is told (R8). */
import type { ManifestSet } from '../model/manifest.ts';
import { objectName } from '../model/manifest.ts';
import type { Position, Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import type { RefVersion, StoredVersion } from '../store/versions.ts';

export function hasMoved(ref: RefVersion, frozen: StoredVersion): boolean {
  return ref.commit !== frozen.commit || (frozen.tagObject !== null && ref.tagObject !== frozen.tagObject);
}

export function tagMoved(ref: RefVersion, frozen: StoredVersion, at: Position, object: string): Problem {
  const tag = ref.ref.slice('refs/tags/'.length);
  const how = ref.commit === frozen.commit ? 'was written anew' : `was moved from ${frozen.commit.slice(0, 12)} to ${ref.commit.slice(0, 12)}`;
  return problem('TagMoved', at, `tag ${tag} ${how}; version ${ref.name} stays what was deployed`, { object, severity: 'warning' });
}

/** Of versions that no deployment names now; the others are told at their deployments. */
export function movedTags(set: ManifestSet, versions: readonly RefVersion[], frozen: ReadonlyMap<string, StoredVersion>): Problem[] {
  const moved = versions.flatMap((ref) => {
    const stored = ref.kind === 'incremental' ? frozen.get(`${ref.product}/${ref.name}`) : undefined;
    const product = set.byKind.Product.get(ref.product);
    return stored?.frozen == null || product === undefined || !hasMoved(ref, stored) ? [] : [{ ref, stored, product }];
  });
  if (moved.length === 0) return [];
  const named = new Set([...set.byKind.Deployment.values()].map(({ spec }) => `${spec.product}/${spec.version ?? ''}`));
  return moved.filter(({ ref }) => !named.has(`${ref.product}/${ref.name}`)).map(({ ref, stored, product }) => tagMoved(ref, stored, product.position('/metadata/name'), objectName(product)));
}
