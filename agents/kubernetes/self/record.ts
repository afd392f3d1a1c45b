/**
 * What an exchange of a cluster's agent leaves on its own Deployment, so that whoever comes back finds out what it is, and the changes that begin, decide and end it. Every
 * change holds the resourceVersion of what it was made from: of two that decide at the same time one does, and the other finds out. PURE.
 */
import type { Role } from '../../core/exchange.ts';
import type { Condition, Pod } from '../live.ts';

export const EXCHANGE = 'tagboat.dev/exchange';
const ALONE = { type: 'Recreate', rollingUpdate: null };
const BESIDE = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };

interface ContainerTemplate {
  readonly name: string;
  readonly image?: string;
  readonly readinessProbe?: unknown;
}

/** As far as it is read here; the containers are whole, because they are written back. */
export interface Deployment {
  readonly metadata: { readonly name: string; readonly resourceVersion: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly replicas?: number;
    readonly paused?: boolean;
    readonly strategy?: { readonly type?: string };
    readonly selector: { readonly matchLabels?: Readonly<Record<string, string>>; readonly matchExpressions?: readonly unknown[] };
    readonly template: { readonly spec: { readonly containers: readonly ContainerTemplate[] } };
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface OwnPod extends Pod {
  /** By container, as it was asked for. */
  readonly images: Readonly<Record<string, string>>;
}

export interface ExchangeRecord {
  readonly version: string;
  readonly image: string;
  /** The image from before. */
  readonly from: string;
  /** The pod that handed over; another one of its image guards as well. */
  readonly guard: string;
  readonly container: string;
  /** To be put back. */
  readonly readinessProbe: unknown;
  /** ISO 8601; what tells two exchanges apart. */
  readonly startedAt: string;
  readonly verdict?: { readonly accepted: boolean; readonly reason: string };
}

/** What is not a record, because somebody else has written it, is none. */
export function recordOf({ metadata }: Deployment): ExchangeRecord | undefined {
  try {
    const record = JSON.parse(metadata.annotations?.[EXCHANGE] ?? 'null') as Partial<ExchangeRecord> | null;
    const whole = [record?.version, record?.image, record?.from, record?.container, record?.startedAt].every((one) => typeof one === 'string');
    return whole ? (record as ExchangeRecord) : undefined;
  } catch {
    return undefined;
  }
}

/** The only container, or the one that the printed manifest calls so. */
export function containerOf({ spec }: Deployment): ContainerTemplate | undefined {
  const { containers } = spec.template.spec;
  return containers.length === 1 ? containers[0] : containers.find(({ name }) => name === 'agent');
}

/** The pod is one of the template that the Deployment has now. */
export function isCurrent(deployment: Deployment, pod: OwnPod): boolean {
  const container = containerOf(deployment);
  return container !== undefined && pod.images[container.name] === container.image;
}

/** False where somebody has applied another manifest in the middle, who wins. */
export function stands({ image, from, verdict }: ExchangeRecord, deployment: Deployment): boolean {
  const beside = deployment.spec.strategy?.type === BESIDE.type;
  return verdict?.accepted === false ? !beside && containerOf(deployment)?.image === from : beside && containerOf(deployment)?.image === image;
}

/**
 * What a pod of this Deployment is. One that is gone from the API, or on its way out, never begins to act: a kubelet that does not know yet may still run it.
 * @param pod undefined: not found
 */
export function roleOf(deployment: Deployment, pod: OwnPod | undefined): Role {
  const record = recordOf(deployment);
  if (record === undefined) return 'agent';
  if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return 'loser';
  if (!stands(record, deployment)) return isCurrent(deployment, pod) ? 'agent' : 'loser';
  const image = pod.images[record.container];
  if (image === record.from) return 'guard';
  if (image !== record.image || record.verdict?.accepted === false) return 'loser';
  return record.verdict === undefined ? 'trial' : 'agent';
}

/** Why this agent cannot exchange itself; null if it can. */
export function obstacle(deployment: Deployment | undefined, pod: OwnPod | undefined, podName: string): string | null {
  if (deployment === undefined) return 'it does not find its Deployment, which has to have the name that --state says';
  const { replicas, paused, strategy, selector } = deployment.spec;
  if (selector.matchExpressions !== undefined || Object.keys(selector.matchLabels ?? {}).length === 0) return 'its Deployment selects pods by other than labels';
  if (pod === undefined) return `it does not find its pod ${podName} among those of its Deployment`;
  if (replicas !== 1) return `its Deployment has ${replicas ?? 'no'} replicas and not one`;
  if (paused === true) return 'its Deployment is paused';
  if (strategy?.type !== ALONE.type) return `the strategy of its Deployment is ${strategy?.type ?? 'unknown'} and not Recreate, so somebody else is about to change it, or two agents could serve at a time`;
  if (containerOf(deployment) === undefined) return 'its pod has several containers, and none is called agent';
  return isCurrent(deployment, pod) ? null : 'its pod does not have the image that its Deployment names';
}

export function beginning(deployment: Deployment, version: string, image: string, guard: string, probe: object, now: Date): { readonly record: ExchangeRecord; readonly change: object } {
  const container = containerOf(deployment);
  const record: ExchangeRecord = { version, image, from: container?.image ?? '', guard, container: container?.name ?? '', readinessProbe: container?.readinessProbe ?? null, startedAt: now.toISOString() };
  return { record, change: change(deployment, record, BESIDE, { image, readinessProbe: container?.readinessProbe ?? probe }) };
}

export function accepting(deployment: Deployment, record: ExchangeRecord): object {
  return change(deployment, { ...record, verdict: { accepted: true, reason: '' } });
}

/**
 * The verdict and the template of before in one: its pods are then the current ones, so the guard's stays and the other one's goes. `Recreate` takes the latter away although the
 * guard is not ready, which `RollingUpdate` would not.
 */
export function givingUp(deployment: Deployment, record: ExchangeRecord, reason: string): object {
  return change(deployment, { ...record, verdict: { accepted: false, reason } }, ALONE, { image: record.from, readinessProbe: record.readinessProbe });
}

export function ending(deployment: Deployment): object {
  return change(deployment, null, ALONE);
}

/** What somebody else has applied stays as it is. */
export function forgetting(deployment: Deployment): object {
  return change(deployment, null);
}

/** A JSON merge patch. */
function change(deployment: Deployment, record: ExchangeRecord | null, strategy?: object, container?: { readonly image: string; readonly readinessProbe: unknown }): object {
  const { containers } = deployment.spec.template.spec;
  const name = containerOf(deployment)?.name;
  return {
    metadata: { resourceVersion: deployment.metadata.resourceVersion, annotations: { [EXCHANGE]: record === null ? null : JSON.stringify(record) } },
    ...(strategy !== undefined && {
      spec: { strategy, ...(container !== undefined && { template: { spec: { containers: containers.map((one) => (one.name === name ? withoutNull({ ...one, ...container }) : one)) } } }) },
    }),
  };
}

function withoutNull(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}
