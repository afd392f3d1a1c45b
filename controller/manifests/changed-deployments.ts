/** What a new commit usually changes: some deployments, and nothing else. */
import type { Kind, Manifest, ManifestSet } from '../model/manifest.ts';

const MADE_OF = ['Product', 'Node', 'Version', 'ConfigBundle', 'Registry'] as const satisfies readonly Kind[];

/**
 * Names of the deployments that are not the same objects in both sets. Undefined where deployments came, went or stand in another order, or where
 * anything that they are made of is another object: then nothing can be taken over from `before`. Compares identities only.
 */
export function changedDeployments(before: ManifestSet, after: ManifestSet): readonly string[] | undefined {
  if (MADE_OF.some((kind) => before.byKind[kind] !== after.byKind[kind])) return undefined;
  const { Deployment } = after.byKind;
  if (before.byKind.Deployment === Deployment) return [];
  if (before.byKind.Deployment.size !== Deployment.size) return undefined;
  const changed: string[] = [];
  const others = before.byKind.Deployment.values();
  for (const deployment of Deployment.values()) {
    const other = others.next().value as Manifest<'Deployment'>;
    if (other === deployment) continue;
    if (other.name !== deployment.name) return undefined;
    changed.push(deployment.name);
  }
  return changed;
}
