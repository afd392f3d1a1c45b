/**
 * Pods that hold a workload up and that only their removal moves on. Pure.
 *
 * A StatefulSet waits until each of its pods is ready before it goes on, also for one of an older template that never will be: neither a correction nor a restore gets past
 * it. And what was tried in vain for long is tried again minutes later only, although what it lacked may just have come with this attempt.
 */
import { isReady, type Scene } from './judge.ts';
import type { Pod } from './live.ts';
import { LABEL } from './objects/labels.ts';

const BACKS_OFF = new Set(['CrashLoopBackOff', 'ImagePullBackOff', 'ErrImagePull', 'InvalidImageName', 'ErrImageNeverPull', 'CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']);
/** What the cluster writes on the pods of a StatefulSet alone. */
const OF_A_SET = 'statefulset.kubernetes.io/pod-name';
/** One that is about to become ready is let be. */
const PATIENCE_MS = 15_000;

export function stuckPods(scene: Scene): readonly Pod[] {
  const { live, pods, hash, appliedAt } = scene;
  // Before its controller has seen what was applied, it would make the same pods again.
  if (live === undefined || live.kind === 'Job' || (live.status.observedGeneration ?? 0) < (live.metadata.generation ?? 1)) return [];
  const present = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined);
  const again = present.filter((pod) => pod.metadata.labels?.[LABEL.hash] === hash && backsOff(pod) && Date.parse(pod.metadata.creationTimestamp ?? '') < appliedAt - (appliedAt % 1000));
  return live.kind === 'StatefulSet' ? [...again, ...inTheWay(scene, present)] : again;
}

/**
 * Of an older template: the lowest one that will not become ready, and those above it. Alone it would come again as it was, for the cluster gives the older template to so many of the
 * lowest as there are pods of it.
 */
function inTheWay(scene: Scene, present: readonly Pod[]): readonly Pod[] {
  const { hash, image, live } = scene;
  const old = present.filter(({ metadata: { labels } }) => labels?.[OF_A_SET] !== undefined && labels[LABEL.image] === image.name && labels[LABEL.container] === live?.metadata.name && labels?.[LABEL.hash] !== hash);
  const lowest = Math.min(...old.filter((pod) => neverReady(scene, pod)).map(ordinalOf));
  return old.filter((pod) => ordinalOf(pod) >= lowest);
}

function neverReady({ now, since }: Scene, pod: Pod): boolean {
  if (isReady(pod)) return false;
  const changed = Date.parse(pod.status.conditions?.find((one) => one.type === 'Ready')?.lastTransitionTime ?? pod.metadata.creationTimestamp ?? '');
  return backsOff(pod) || now - Math.max(changed, since) > PATIENCE_MS;
}

function backsOff({ status }: Pod): boolean {
  return [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].some((one) => BACKS_OFF.has(one.state?.waiting?.reason ?? ''));
}

function ordinalOf({ metadata }: Pod): number {
  return Number(/-(\d+)$/.exec(metadata.name)?.[1] ?? 0);
}
