/** The set that ran before an attempt, as something to go back to. */
import type { TargetImage, TargetSpec } from '../../schemas/gen/types.ts';
import type { ContainerState, SecretOpener, TargetMemory } from '../core/engine.ts';
import type { KubeApi } from './api.ts';
import { patiently } from './api.ts';
import { ownedPart } from './fields.ts';
import { isMissing } from './api-failure.ts';
import { CLAIM, MANAGED, WORKLOADS, pathOf, type Kind } from './kinds.ts';
import type { Pod } from './live.ts';
import { isManaged, ownFields, type ManagedEntry } from './managed-fields.ts';
import { LABEL, labelValue } from './objects/labels.ts';
import type { Workload } from './objects/target-objects.ts';
import type { KubeObject } from './objects/types.ts';
import { containerStates, presentPods, stateOf } from './pods.ts';
import { imageOf, previousObjects } from './sets.ts';

export interface Earlier {
  /** Everything but what runs, in the order in which it is applied. */
  readonly ground: readonly KubeObject[];
  /** Of it too, and left as it is. */
  readonly kept: readonly KubeObject[];
  readonly workloads: readonly (Workload & { readonly image: TargetImage })[];
  readonly edge: readonly KubeObject[];
  /** Overrule others, as the manifest of that set said. */
  readonly force: boolean;
  readonly healthTimeout: string;
  states(pods: readonly Pod[]): readonly ContainerState[];
}

export async function earlierOf(api: KubeApi, previous: TargetMemory, opener: SecretOpener, until: AbortSignal): Promise<Earlier> {
  const { spec } = previous;
  const objects = await previousObjects(api, previous, opener, until);
  return {
    ground: objects.ground,
    kept: objects.kept,
    workloads: objects.workloads.map((one) => ({ ...one, image: imageOf(spec, one) })),
    edge: objects.edge,
    force: spec.selfHeal,
    healthTimeout: spec.timeouts.health,
    states: (pods) => containerStates(spec, pods),
  };
}

type LiveObject = KubeObject & { readonly metadata: KubeObject['metadata'] & { readonly managedFields?: readonly ManagedEntry[] } };

/**
 * What the cluster itself says that Tagboat applied, for an agent that remembers nothing of the target (a new one, or one whose disk was
 * lost); undefined where nothing of ours is there.
 */
export async function snapshot(api: KubeApi, spec: TargetSpec, until: AbortSignal): Promise<Earlier | undefined> {
  const found = (await Promise.all(MANAGED.filter((kind) => kind !== CLAIM).map((kind) => owned(api, kind, spec, until)))).flat();
  if (found.length === 0) return undefined;
  const runs = new Set(WORKLOADS.map((kind) => kind.kind));
  const edge = new Set(['Ingress', 'ServiceMonitor']);
  return {
    ground: found.filter((one) => !runs.has(one.kind) && !edge.has(one.kind)),
    kept: [],
    workloads: found.filter((one) => runs.has(one.kind)).map((object) => ({ name: object.metadata.labels?.[LABEL.image] ?? object.metadata.name, dependsOn: [], object, image: unknownImage(object) })),
    edge: found.filter((one) => edge.has(one.kind)),
    force: false,
    healthTimeout: spec.timeouts.health,
    states: (pods) => presentPods(pods, spec.prefix).map((pod) => stateOf(pod, '', undefined)),
  };
}

async function owned(api: KubeApi, kind: Kind, { team, prefix }: TargetSpec, until: AbortSignal): Promise<KubeObject[]> {
  const labelSelector = `${LABEL.team}=${labelValue(team)},${LABEL.prefix}=${prefix}`;
  const { items = [] } = await patiently(`list ${kind.plural}`, until, () =>
    api.call<{ items?: LiveObject[] }>({ method: 'GET', path: pathOf(kind, prefix), query: { labelSelector } }).catch((error: unknown) => {
      if (isMissing(error)) return { items: [] };
      throw error;
    }),
  );
  return items.filter((one) => isManaged(one.metadata.managedFields ?? [])).map((one) => {
    const part = ownedPart(one, ownFields(one.metadata.managedFields ?? []) ?? {}) as { readonly metadata?: object };
    return { ...part, apiVersion: kind.apiVersion, kind: kind.kind, metadata: { ...part.metadata, name: one.metadata.name, namespace: prefix } };
  });
}

/** All that a wait has to know: its checks are in its pods. */
function unknownImage(object: KubeObject): TargetImage {
  const name = object.metadata.labels?.[LABEL.image] ?? object.metadata.name;
  return { name, image: name, dependsOn: [], config: object.kind === 'Job' ? { expectedState: { state: 'exited' } } : {}, strategy: 'start-first' };
}
