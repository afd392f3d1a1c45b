/** The recorded and observed values as JSON, so that a plan against what is live can be made elsewhere. Pure. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { maskSecrets } from './mask.ts';
import type { Observed, Recorded, RecordedTarget, RecordedVersion } from './types.ts';
import { targetKey } from './types.ts';

/** Secrets are masked. */
export interface LiveState {
  readonly targets: readonly RecordedTarget[];
  readonly versions: readonly (RecordedVersion & { readonly parent: number | null })[];
  /** What can be rolled back to, by record (R18). */
  readonly goodSpecs: Readonly<Record<string, TargetSpec>>;
  readonly nodes: Readonly<Record<string, { readonly status: 'connected' | 'unreachable' | 'enrolling' | 'revoked'; readonly simulated: boolean }>>;
  readonly drift: Readonly<Record<string, readonly { readonly container: string; readonly field: string }[]>>;
}

export function toLiveState(recorded: Recorded, observed: Observed): LiveState {
  const specs = [...recorded.targets.values()].flatMap(({ records }) => records.flatMap(({ id }): [string, TargetSpec][] => {
    const spec = recorded.goodSpec(id);
    return spec === null ? [] : [[String(id), maskSecrets(spec)]];
  }));
  return {
    targets: [...recorded.targets.values()].map((target) => ({ ...target, liveSpec: maskSecrets(target.liveSpec) })),
    versions: recorded.versions.map((version) => ({ ...version, parent: recorded.parents.get(version.id) ?? null })),
    goodSpecs: Object.fromEntries(specs),
    nodes: Object.fromEntries([...observed.nodes].map(([name, { status, simulated }]) => [name, { status, simulated }])),
    drift: Object.fromEntries(observed.drift),
  };
}

/** The way back. Desired values that are planned against it must be masked, too. */
export function fromLiveState(state: LiveState): { readonly recorded: Recorded; readonly observed: Observed } {
  return {
    recorded: {
      targets: new Map(state.targets.map((target) => [targetKey(target.node, target.prefix), target])),
      versions: state.versions,
      parents: new Map(state.versions.map(({ id, parent }) => [id, parent])),
      goodSpec: (id) => state.goodSpecs[String(id)] ?? null,
    },
    observed: { nodes: new Map(Object.entries(state.nodes)), drift: new Map(Object.entries(state.drift)) as Observed['drift'] },
  };
}
