/** The recorded value that would be if a desired one had just been carried out: what a plan without a controller compares with. */
import type { Desired, Recorded, RecordedTarget, RecordedVersion, TargetKey } from './types.ts';
import { targetKey } from './types.ts';

/** `parents` by version name, of incremental versions (R7). */
export interface VersionGraphEntry {
  readonly product: string;
  readonly kind: 'rolling' | 'incremental';
  readonly name: string;
  readonly parent: string | null;
}

export function asIfDeployed(desired: Desired, graph: readonly VersionGraphEntry[]): Recorded {
  const versions: RecordedVersion[] = [];
  const idOf = new Map<string, number>();
  const add = (product: string, kind: 'rolling' | 'incremental', name: string): number => {
    const key = `${kind} ${product}/${name}`;
    const known = idOf.get(key);
    if (known !== undefined) return known;
    const id = versions.length + 1;
    versions.push({ id, product, kind, name });
    idOf.set(key, id);
    return id;
  };
  for (const { product, kind, name } of graph) add(product, kind, name);
  const parents = new Map<number, number | null>(graph.map((entry) => [add(entry.product, entry.kind, entry.name), entry.parent === null ? null : add(entry.product, entry.kind, entry.parent)]));
  const targets = new Map<TargetKey, RecordedTarget>();
  for (const item of desired.deployments.values()) {
    const id = targets.size + 1;
    targets.set(targetKey(item.node, item.prefix), {
      node: item.node,
      prefix: item.prefix,
      deployment: item.name,
      protected: item.protected,
      removeVolumes: item.removeVolumes,
      liveRecordId: id,
      liveSpec: item.spec,
      records: [
        {
          id,
          product: item.product,
          versionId: add(item.product, item.version.kind, item.version.name),
          version: item.version.name,
          versionKind: item.version.kind,
          status: 'successful',
          restingStatus: null,
          specHash: item.specHash,
          overridesHash: item.overridesHash,
          goodSpecHash: item.specHash,
          attemptKey: item.attemptKey,
          failures: 0,
        },
      ],
      openAttempt: null,
      restored: true,
      recentHeals: 0,
    });
  }
  return { targets, versions, parents, goodSpec: () => null };
}
