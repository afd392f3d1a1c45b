/** Pods in the words of the engine interface. Pure. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { ContainerState, ImageDigest } from '../core/engine.ts';
import { isReady } from './judge.ts';
import type { ContainerStatus, Pod } from './live.ts';
import { LABEL, selectorOf } from './objects/labels.ts';

/** Pods that are meant to be there: not those on their way out, nor those that were evicted or lost with their node, and replaced. */
export function presentPods(pods: readonly Pod[], prefix: string): Pod[] {
  const found = pods.filter((pod) => pod.metadata.labels?.[LABEL.prefix] === prefix && pod.metadata.deletionTimestamp === undefined && !pod.givenUp && pod.status.reason !== 'Evicted' && pod.status.reason !== 'Shutdown');
  return found.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

export function podsOf(pods: readonly Pod[], spec: TargetSpec, imageName: string): Pod[] {
  const image = spec.images.find((one) => one.name === imageName);
  if (image === undefined) return [];
  const selector = Object.entries(selectorOf(spec, image));
  return presentPods(pods, spec.prefix).filter((pod) => selector.every(([key, value]) => pod.metadata.labels?.[key] === value));
}

export function containerStates(spec: TargetSpec, pods: readonly Pod[]): ContainerState[] {
  return spec.images.flatMap((image) => podsOf(pods, spec, image.name).map((pod) => stateOf(pod, image.image, image.config.expectedState?.state === 'exited' ? (image.config.expectedState.exitCode ?? 0) : undefined)));
}

/** The digests that nodes really pulled, by image. */
export function digestsOf(spec: TargetSpec, pods: readonly Pod[]): ImageDigest[] {
  return spec.images.map((image) => {
    const found = podsOf(pods, spec, image.name).map((pod) => digestOf(mainStatus(pod), pod)).find((digest) => digest !== '');
    return { name: image.name, image: image.image, digest: found ?? image.digest ?? '' };
  });
}

function mainStatus(pod: Pod): ContainerStatus | undefined {
  return pod.status.containerStatuses?.find((one) => one.name === pod.mainContainer);
}

/** `docker-pullable://repository@sha256:…` or the like; an image that was made on the node has no repository digest. */
function digestOf(status: ContainerStatus | undefined, pod: Pod): string {
  return /@(sha256:[0-9a-f]{64})$/.exec(status?.imageID ?? '')?.[1] ?? /@(sha256:[0-9a-f]{64})$/.exec(pod.mainImage)?.[1] ?? '';
}

/** @param expectedExit the exit code that a job is to end with; undefined for what is to run. */
export function stateOf(pod: Pod, reference: string, expectedExit: number | undefined): ContainerState {
  const status = mainStatus(pod);
  const { state, exitCode, detail } = lifeOf(pod, status, expectedExit);
  const ready = isReady(pod);
  const health = state !== 'running' ? (detail === '' ? 'none' : 'unhealthy') : !pod.probed ? 'none' : ready ? 'healthy' : status?.started === false ? 'starting' : 'unhealthy';
  return {
    name: pod.metadata.name,
    imageName: pod.metadata.labels?.[LABEL.image] ?? '',
    image: reference === '' ? pod.mainImage : reference,
    digest: digestOf(status, pod),
    state,
    health,
    exitCode,
    restarts: status?.restartCount ?? 0,
    id: status?.containerID ?? pod.metadata.uid,
    detail: detail === '' && health === 'unhealthy' ? 'its readiness check fails' : detail,
  };
}

function lifeOf(pod: Pod, status: ContainerStatus | undefined, expectedExit: number | undefined): { readonly state: ContainerState['state']; readonly exitCode: number; readonly detail: string } {
  const { waiting, running, terminated } = status?.state ?? {};
  if (running !== undefined) return { state: 'running', exitCode: 0, detail: '' };
  if (terminated !== undefined) {
    const fine = expectedExit === terminated.exitCode;
    return { state: 'exited', exitCode: terminated.exitCode, detail: fine ? '' : `it ended with exit code ${terminated.exitCode}${expectedExit === undefined ? '' : `, expected ${expectedExit}`}` };
  }
  const init = pod.status.initContainerStatuses?.find((one) => one.state?.waiting?.reason !== undefined && one.state.waiting.reason !== 'PodInitializing');
  const reason = init?.state?.waiting?.reason ?? waiting?.reason ?? '';
  const message = init?.state?.waiting?.message ?? waiting?.message ?? '';
  const scheduled = pod.status.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False');
  if (scheduled !== undefined) return { state: 'created', exitCode: 0, detail: `no node takes it: ${scheduled.message ?? scheduled.reason ?? ''}` };
  const quiet = reason === '' || reason === 'ContainerCreating' || reason === 'PodInitializing';
  const last = status?.lastState?.terminated;
  return { state: reason === 'CrashLoopBackOff' ? 'restarting' : 'created', exitCode: last?.exitCode ?? 0, detail: quiet ? '' : `${reason}${message === '' ? '' : `: ${message}`}` };
}
