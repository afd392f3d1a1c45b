/** What is in the cluster for a team, compared with what the agent remembers (R24, R25). Looks, never changes. Pure but for the one look. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { ContainerState, Drift, ObservedTarget, TargetHealth, TargetMemory } from '../core/engine.ts';
import { baselineOf, driftOfObject, isBaseline, type Baseline } from './baseline.ts';
import { isReady } from './judge.ts';
import { CLAIM } from './kinds.ts';
import type { Pod } from './live.ts';
import { isManaged } from './managed-fields.ts';
import { LABEL, workloadName } from './objects/labels.ts';
import { objectKey, targetObjects } from './objects/target-objects.ts';
import { podsOf, presentPods, stateOf } from './pods.ts';
import type { ClusterView, ManagedObject, Picture } from './view.ts';

/** The picture right after a success. */
export async function takeBaseline(view: ClusterView, spec: TargetSpec, signal: AbortSignal): Promise<Baseline> {
  const { objects } = await view.listed(spec.prefix, signal);
  // What was pruned may stay for a while.
  const ours = objects.filter((one) => one.metadata.labels?.[LABEL.prefix] === spec.prefix && isManaged(one.metadata.managedFields ?? []) && one.metadata.deletionTimestamp === undefined);
  return { version: 1, pins: pinsNow(spec, ours), objects: Object.fromEntries(ours.map((one) => [objectKey(one), baselineOf(one)])) };
}

interface Template {
  readonly template?: { readonly spec?: { readonly containers?: readonly Named[]; readonly initContainers?: readonly Named[] } };
}
interface Named {
  readonly name: string;
  readonly image?: string;
}

function containersOf(spec: unknown): readonly Named[] {
  const pod = (spec as Template | undefined)?.template?.spec;
  return [...(pod?.containers ?? []), ...(pod?.initContainers ?? [])];
}

/** By reference, the text that the workloads have for it. */
function pinsNow(spec: TargetSpec, objects: readonly ManagedObject[]): Record<string, string> {
  const plain = targetObjects({ spec, attemptId: 0n, reference: (image) => image, opened: undefined, logins: [], monitors: false });
  const pins: Record<string, string> = {};
  for (const { name, object } of plain.workloads) {
    const live = objects.find((one) => one.kind === object.kind && one.metadata.labels?.[LABEL.image] === name);
    for (const container of containersOf(object['spec'])) {
      const applied = containersOf(live?.spec).find((one) => one.name === container.name)?.image;
      if (container.image !== undefined && applied !== undefined) pins[container.image] = applied;
    }
  }
  return pins;
}

export async function observeTeam(view: ClusterView, team: string, memories: ReadonlyMap<string, TargetMemory>, signal: AbortSignal): Promise<readonly ObservedTarget[]> {
  const picture = await view.picture(signal);
  // A claim that was kept is no target.
  const prefixes = new Set([...memories.keys(), ...picture.objects.filter((one) => one.kind !== CLAIM.kind).map((one) => one.metadata.labels?.[LABEL.prefix] ?? '')]);
  prefixes.delete('');
  return [...prefixes].sort().map((prefix) => observeTarget(team, prefix, memories.get(prefix), picture));
}

function observeTarget(team: string, prefix: string, memory: TargetMemory | undefined, picture: Picture): ObservedTarget {
  const objects = picture.objects.filter((one) => one.metadata.namespace === prefix && one.metadata.labels?.[LABEL.prefix] === prefix && isManaged(one.metadata.managedFields ?? []));
  const pods = picture.pods.filter((pod) => pod.metadata.namespace === prefix);
  const newest = objects.map((one) => one.metadata.labels?.[LABEL.attempt] ?? '').filter((text) => /^\d{1,19}$/.test(text)).map(BigInt).reduce((a, b) => (a > b ? a : b), 0n);
  const looks = memory === undefined ? { states: presentPods(pods, prefix).map((pod) => stateOf(pod, '', undefined)), problems: [] } : lookAt(memory.spec, objects, pods);
  const drift = memory === undefined ? [] : driftOf(memory, objects);
  const { health, reason } = judgeTarget(looks.states, looks.problems);
  return {
    team,
    deployment: memory?.spec.deployment ?? objects[0]?.metadata.labels?.[LABEL.deployment] ?? '',
    prefix,
    containers: [...looks.states].sort((a, b) => (a.name < b.name ? -1 : 1)),
    drift: drift.sort((a, b) => (`${a.container} ${a.field}` < `${b.container} ${b.field}` ? -1 : 1)),
    attemptId: memory?.attemptId ?? newest,
    health,
    healthReason: reason,
  };
}

interface Looks {
  readonly states: readonly ContainerState[];
  /** Too few pods of an image. */
  readonly problems: readonly { readonly is: 'missing' | 'progressing'; readonly text: string }[];
}

function lookAt(spec: TargetSpec, objects: readonly ManagedObject[], pods: readonly Pod[]): Looks {
  const states: ContainerState[] = [];
  const problems: Looks['problems'][number][] = [];
  for (const image of spec.images) {
    const { expectedState, replicas } = image.config;
    const exits = expectedState?.state === 'exited';
    const own = podsOf(pods, spec, image.name);
    const found = own.map((pod) => stateOf(pod, image.image, exits ? (expectedState.exitCode ?? 0) : undefined));
    const workload = objects.find((one) => one.metadata.labels?.[LABEL.container] === workloadName(image) && ['Deployment', 'StatefulSet', 'Job'].includes(one.kind));
    const wanted = exits ? 0 : (replicas ?? 1);
    if (workload === undefined || (own.length === 0 && wanted > 0)) {
      const text = workload === undefined ? 'its workload is missing' : 'it has no pod';
      states.push({ name: workloadName(image), imageName: image.name, image: image.image, digest: image.digest ?? '', state: 'missing', health: 'none', exitCode: 0, restarts: 0, id: '', detail: text });
    } else {
      states.push(...found);
      const ready = own.filter(isReady).length;
      if (ready < wanted) problems.push({ is: 'progressing', text: `${image.name}: ${ready} of ${wanted} pods are ready` });
    }
  }
  return { states, problems };
}

function driftOf(memory: TargetMemory, objects: readonly ManagedObject[]): Drift[] {
  if (!isBaseline(memory.baseline)) return [];
  const known = memory.baseline.objects;
  const present = new Map(objects.map((one) => [objectKey(one), one]));
  const missing = Object.keys(known).filter((key) => !present.has(key)).map((key): Drift => ({ container: key, field: 'object', expected: 'present', actual: 'missing' }));
  const rest = [...present].flatMap(([key, object]) => {
    const before = known[key];
    const leaving = object.metadata.deletionTimestamp !== undefined;
    if (before !== undefined) return leaving ? [{ container: key, field: 'object', expected: 'present', actual: 'is being removed' }] : driftOfObject(key, before, object);
    return object.kind === CLAIM.kind || leaving ? [] : [{ container: key, field: 'object', expected: 'missing', actual: 'extra' }];
  });
  return [...missing, ...rest];
}

function judgeTarget(states: readonly ContainerState[], problems: Looks['problems']): { health: TargetHealth; reason: string } {
  const missing = states.filter((one) => one.state === 'missing');
  if (missing.length > 0 && missing.length === states.length) return { health: 'missing', reason: `${missing[0]?.name}: ${missing[0]?.detail}` };
  const bad = states.find((one) => one.state === 'missing' || one.health === 'unhealthy' || one.detail !== '');
  if (bad !== undefined) return { health: 'degraded', reason: `${bad.name}: ${bad.detail}` };
  const starting = problems[0]?.text ?? (states.some((one) => one.health === 'starting' || one.state === 'created') ? 'pods are starting' : undefined);
  return starting === undefined ? { health: 'healthy', reason: '' } : { health: 'progressing', reason: starting };
}
