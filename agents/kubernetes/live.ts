/** Objects of the cluster as far as anybody here reads them. */
import type { ObjectHead } from './informer.ts';
import { LABEL } from './objects/labels.ts';

export interface ContainerStatus {
  readonly name: string;
  readonly ready?: boolean;
  readonly started?: boolean;
  readonly restartCount?: number;
  readonly image?: string;
  readonly imageID?: string;
  readonly containerID?: string;
  readonly state?: ContainerLife;
  readonly lastState?: ContainerLife;
}

interface ContainerLife {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: { readonly exitCode: number; readonly reason?: string; readonly message?: string; readonly startedAt?: string; readonly finishedAt?: string };
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export interface Pod extends ObjectHead {
  readonly probed: boolean;
  /** It ended and was to run for ever: the cluster has given it up, after an eviction or with its node, and made another one. */
  readonly givenUp: boolean;
  /** The container that the image is for, and its image as it was asked for. */
  readonly mainContainer: string;
  readonly mainImage: string;
  readonly status: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface LiveWorkload extends ObjectHead {
  readonly kind: string;
  readonly replicas: number;
  /** Somebody holds its rollouts back. */
  readonly paused: boolean;
  readonly status: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
    readonly readyReplicas?: number;
    readonly currentRevision?: string;
    readonly updateRevision?: string;
    readonly conditions?: readonly Condition[];
  };
}

export interface LiveEvent extends ObjectHead {
  readonly involvedObject: { readonly kind?: string; readonly name?: string; readonly uid?: string };
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTimestamp?: string | null;
}

interface RawPod extends ObjectHead {
  readonly spec?: { readonly restartPolicy?: string; readonly containers?: readonly { readonly name: string; readonly image?: string; readonly readinessProbe?: unknown }[] };
  readonly status?: Pod['status'];
}

function head({ metadata }: ObjectHead): ObjectHead['metadata'] {
  const { name, namespace, uid, resourceVersion, generation, labels, annotations, deletionTimestamp, creationTimestamp } = metadata;
  return {
    name,
    uid,
    ...(namespace !== undefined && { namespace }),
    ...(resourceVersion !== undefined && { resourceVersion }),
    ...(generation !== undefined && { generation }),
    ...(labels !== undefined && { labels }),
    ...(annotations !== undefined && { annotations }),
    ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    ...(creationTimestamp !== undefined && { creationTimestamp }),
  };
}

export function trimPod(object: unknown): Pod {
  const pod = object as RawPod;
  const { phase, reason, message, conditions, containerStatuses, initContainerStatuses } = pod.status ?? {};
  const containers = pod.spec?.containers ?? [];
  // Others may have put theirs before it, a mesh its proxy for example.
  const main = containers.find((one) => one.name === pod.metadata.labels?.[LABEL.container]) ?? containers[0];
  return {
    metadata: head(pod),
    probed: main?.readinessProbe !== undefined,
    givenUp: pod.spec?.restartPolicy === 'Always' && (phase === 'Failed' || phase === 'Succeeded'),
    mainContainer: main?.name ?? '',
    mainImage: main?.image ?? '',
    status: {
      ...(phase !== undefined && { phase }),
      ...(reason !== undefined && { reason }),
      ...(message !== undefined && { message }),
      ...(conditions !== undefined && { conditions: conditions.filter((one) => one.type === 'Ready' || one.type === 'PodScheduled') }),
      ...(containerStatuses !== undefined && { containerStatuses }),
      ...(initContainerStatuses !== undefined && { initContainerStatuses }),
    },
  };
}

export function trimWorkload(kind: string): (object: unknown) => LiveWorkload {
  return (object) => {
    const live = object as ObjectHead & { readonly spec?: { readonly replicas?: number; readonly paused?: boolean }; readonly status?: LiveWorkload['status'] };
    return { kind, metadata: head(live), replicas: live.spec?.replicas ?? 1, paused: live.spec?.paused === true, status: live.status ?? {} };
  };
}

export function trimEvent(object: unknown): LiveEvent {
  const event = object as LiveEvent;
  const { involvedObject, type, reason, message, lastTimestamp } = event;
  return {
    metadata: head(event),
    involvedObject,
    ...(type !== undefined && { type }),
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && { message: message.slice(0, 2000) }),
    ...(lastTimestamp !== undefined && { lastTimestamp }),
  };
}
