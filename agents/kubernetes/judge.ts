/**
 * Is a workload where it should be, on its way, or certain not to get there? One look at the workload, the pods of its newest template
 * and their events; no I/O, the clock passed in. What is certain is said at once, not at the deadline. Pure.
 */
import type { TargetImage } from '../../schemas/gen/types.ts';
import { milliseconds } from '../core/duration.ts';
import type { FailureCode } from '../core/engine.ts';
import type { ContainerStatus, LiveEvent, LiveWorkload, Pod } from './live.ts';
import { judgeImage } from './judge-image.ts';
import { LABEL } from './objects/labels.ts';
import { readinessOf, seconds } from './objects/probes.ts';

export type Verdict =
  | { readonly is: 'good' }
  | { readonly is: 'waiting'; readonly why: string }
  | { readonly is: 'failed'; readonly code: FailureCode; readonly reason: string; readonly pod?: Pod; readonly container?: string };

export interface Scene {
  readonly name: string;
  readonly image: TargetImage;
  /** Of the template that was applied. */
  readonly hash: string;
  /** Generation that the API server gave to what was applied. */
  readonly live: LiveWorkload | undefined;
  /** Of the whole target. */
  readonly pods: readonly Pod[];
  readonly events: readonly LiveEvent[];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** When the wait for this workload began. */
  readonly since: number;
  /** When it was about to be applied. */
  readonly appliedAt: number;
  /** Of this very rollout: how often the image of a pod could not be pulled, by pod. */
  readonly settleMs: number;
}

/** A scheduler, a quota or a kubelet that catches up within this time has only been slow. */
const UNSCHEDULABLE_MS = 15_000;
const REFUSED_MS = 5_000;
const CONFIG_MS = 5_000;
/** Within this time the cluster takes away what it does not want any more, first of all what is not ready. */
const LEAVING_MS = 15_000;
/** Kubelets ask a little later than they should. */
const PROBE_SLACK_MS = 2_000;

export function judge(scene: Scene): Verdict {
  const { live, name } = scene;
  if (live === undefined) return { is: 'waiting', why: `${name} is not seen yet` };
  const pods = scene.pods.filter((pod) => pod.metadata.labels?.[LABEL.hash] === scene.hash && pod.metadata.deletionTimestamp === undefined);
  if (live.kind === 'Job') return judgeJob(scene, pods);
  const failed = pods.filter((pod) => !mayLeave(scene, pod)).map((pod) => judgePod(scene, pod)).find((verdict) => verdict !== undefined) ?? judgeRefused(scene, live, pods);
  if (failed !== undefined) return failed;
  if (arrived(scene, live, pods)) return { is: 'good' };
  if (live.paused) return { is: 'failed', code: 'ObjectConflict', reason: `${name}: somebody has paused its rollouts (kubectl rollout pause); resume them, or say kubernetes.forceConflicts (or selfHeal) in the manifest` };
  return { is: 'waiting', why: progressOf(scene, live, pods) };
}

/** A pod of before: it may be of a template that somebody changed by hand, or one too many, which it does not say of itself. */
function mayLeave({ now, since, appliedAt }: Scene, { metadata }: Pod): boolean {
  // Kubernetes tells whole seconds.
  return now - since < LEAVING_MS && Date.parse(metadata.creationTimestamp ?? '') < appliedAt - (appliedAt % 1000);
}

function arrived({ settleMs, now }: Scene, { kind, metadata, status, replicas }: LiveWorkload, pods: readonly Pod[]): boolean {
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 1)) return false;
  const updated = status.updatedReplicas ?? 0;
  if (kind === 'Deployment') return updated === replicas && (status.replicas ?? 0) === updated && (status.availableReplicas ?? 0) === replicas;
  const settled = pods.filter((pod) => isReady(pod) && now - startedAt(pod, now) >= settleMs).length;
  return status.currentRevision === status.updateRevision && (status.readyReplicas ?? 0) === replicas && (status.replicas ?? 0) === replicas && settled === replicas;
}

function progressOf({ name, image, hash, pods: all }: Scene, { status, replicas }: LiveWorkload, pods: readonly Pod[]): string {
  const waiting = pods.flatMap((pod) => [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])]).find((one) => one.state?.waiting?.reason !== undefined);
  const old = all.filter((pod) => pod.metadata.labels?.[LABEL.image] === image.name && pod.metadata.labels[LABEL.hash] !== hash).length;
  const why = waiting === undefined ? '' : ` (${waiting.name}: ${waiting.state?.waiting?.reason}${waiting.state?.waiting?.message === undefined ? '' : `, ${waiting.state.waiting.message}`})`;
  return `${name}: ${status.updatedReplicas ?? 0} of ${replicas} pods are new, ${status.availableReplicas ?? status.readyReplicas ?? 0} available${why}${old === 0 ? '' : `, ${old} of before still there`}`;
}

/** Of the pods of a Deployment, and a part of their names. */
const TEMPLATE = 'pod-template-hash';
/** The API server's own trouble, which its controllers wait out. */
const BUSY = /try again|timed? ?out|connection refused|too many requests/i;

/** A pod that cannot be made at all: quota, admission. The workload says so itself; a StatefulSet only in events. */
function judgeRefused({ name, events, now, since }: Scene, live: LiveWorkload, pods: readonly Pod[]): Verdict | undefined {
  // A StatefulSet that cannot make its pods does not say in older clusters what it has seen.
  if (live.kind === 'Deployment' && (live.status.observedGeneration ?? 0) < (live.metadata.generation ?? 1)) return undefined;
  const found = live.status.conditions?.find((one) => one.type === 'ReplicaFailure' && one.status === 'True');
  // The pods of before may be refused as well, which is what a correction comes to mend: while there are new ones, it has to be said of those.
  const condition = pods.length === 0 || pods.some((pod) => found?.message?.includes(`"${live.metadata.name}-${pod.metadata.labels?.[TEMPLATE]}-`)) ? found : undefined;
  const tries = events.filter((one) => (one.reason === 'FailedCreate' || one.reason === 'SuccessfulCreate') && one.involvedObject.uid === live.metadata.uid && Date.parse(one.lastTimestamp ?? '') >= since - 1000);
  const last = tries.at(-1);
  const event = last?.reason === 'FailedCreate' ? last : undefined;
  const message = condition?.message ?? event?.message;
  const seen = Date.parse(condition?.lastTransitionTime ?? event?.lastTimestamp ?? '');
  if (message === undefined || BUSY.test(message) || now - Math.max(seen, since) < REFUSED_MS) return undefined;
  const code = /exceeded quota|must specify (limits|requests|cpu|memory)/.test(message) ? 'QuotaExceeded' : 'ContainerCreateFailed';
  return { is: 'failed', code, reason: `${name}: the cluster refuses its pods: ${message}` };
}

function judgePod(scene: Scene, pod: Pod): Verdict | undefined {
  const scheduled = pod.status.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False' && one.reason === 'Unschedulable');
  if (scheduled !== undefined) return judgeUnschedulable(scene, pod, scheduled.message ?? '', Date.parse(scheduled.lastTransitionTime ?? ''));
  for (const status of pod.status.initContainerStatuses ?? []) {
    const verdict = judgeContainer(scene, pod, status, true);
    if (verdict !== undefined) return verdict;
  }
  for (const status of pod.status.containerStatuses ?? []) {
    const verdict = judgeContainer(scene, pod, status, false) ?? judgeProbe(scene, pod, status);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

function judgeUnschedulable({ name, events, now, since }: Scene, pod: Pod, message: string, at: number): Verdict | undefined {
  // Somebody who adds nodes is at work.
  if (events.some((event) => event.involvedObject.uid === pod.metadata.uid && event.reason === 'TriggeredScaleUp')) return undefined;
  if (now - Math.max(Number.isNaN(at) ? since : at, since) < UNSCHEDULABLE_MS) return undefined;
  return { is: 'failed', code: 'Unschedulable', reason: `${name}: no node takes the pod ${pod.metadata.name}: ${message}`, pod };
}

function judgeContainer(scene: Scene, pod: Pod, status: ContainerStatus, init: boolean): Verdict | undefined {
  const { name, events, now, since } = scene;
  const what = init ? `${name} (${status.name}, which runs before the container)` : name;
  const failed = (code: FailureCode, text: string): Verdict => ({ is: 'failed', code, reason: `${what}: ${text}`, pod, container: status.name });
  const image = judgeImage(status, pod, events);
  if (image !== undefined) return failed(image.code, image.text);
  const { waiting } = status.state ?? {};
  // What runs now has got over how it ended before.
  const ended = status.state?.terminated ?? (status.state?.running === undefined ? status.lastState?.terminated : undefined);
  if (ended?.reason === 'ContainerCannotRun' || ended?.reason === 'StartError') return failed('ContainerStartFailed', `it cannot be started: ${ended.message ?? ended.reason}`);
  if (waiting?.reason === 'RunContainerError') return failed('ContainerStartFailed', `it cannot be started: ${waiting.message ?? waiting.reason}`);
  const created = Date.parse(pod.metadata.creationTimestamp ?? '');
  if ((waiting?.reason === 'CreateContainerConfigError' || waiting?.reason === 'CreateContainerError') && now - Math.max(created, since) > CONFIG_MS) {
    return failed('ContainerCreateFailed', `it cannot be created: ${waiting.message ?? waiting.reason}`);
  }
  const restarts = status.restartCount ?? 0;
  const probe = probeEvents(events, pod).find((event) => /^(Liveness|Startup) probe/.test(event.message ?? '') && !isOlder(event, since));
  if (!init && restarts > 0 && probe !== undefined) return failed('HealthCheckFailed', `the cluster stopped it: ${probe.message}`);
  if (waiting?.reason === 'CrashLoopBackOff') {
    const exit = ended === undefined ? '' : ` with exit code ${ended.exitCode}${ended.reason === undefined || ended.reason === 'Error' ? '' : ` (${ended.reason})`}`;
    return failed('ContainerExited', `it ends by itself${exit} and was restarted ${restarts} ${restarts === 1 ? 'time' : 'times'}; see its last log lines`);
  }
  return undefined;
}

/** Up, and for longer than its check may take not ready. */
function judgeProbe({ name, image, events, now, since }: Scene, pod: Pod, status: ContainerStatus): Verdict | undefined {
  const check = readinessOf(image.config.healthCheck);
  const running = Date.parse(status.state?.running?.startedAt ?? '');
  if (check === undefined || status.ready === true || Number.isNaN(running) || status.started === false) return undefined;
  const patience = milliseconds(check.startPeriod, '0s') + (check.retries ?? 3) * seconds(check.interval, '5s') * 1000 + PROBE_SLACK_MS;
  if (now - Math.max(running, since) < patience) return undefined;
  const last = probeEvents(events, pod).at(-1)?.message;
  // It was ready once and is not now: patience again, by the kubelet's own count.
  if (last === undefined && now - Math.max(running, since) < 2 * patience) return undefined;
  return { is: 'failed', code: 'HealthCheckFailed', reason: `${name} failed its health check ${check.retries ?? 3} times: ${last ?? 'the cluster does not say how'}`, pod, container: status.name };
}

function judgeJob(scene: Scene, pods: readonly Pod[]): Verdict {
  const { name, image, live } = scene;
  const code = image.config.expectedState?.exitCode ?? 0;
  const ends = pods.flatMap((pod) => (pod.status.containerStatuses ?? []).map((status) => ({ pod, status, end: status.state?.terminated })));
  if (ends.some(({ end }) => end?.exitCode === code)) return { is: 'good' };
  const given = live?.status.conditions?.find((one) => one.status === 'True' && (one.type === 'Failed' || one.type === 'Complete'));
  const stopped = pods.map((pod) => judgePod(scene, pod)).find((verdict) => verdict !== undefined);
  // One that may be tried again is tried again, whatever its first end was.
  const again = image.config.restartPolicy === 'on-failure' && given === undefined;
  if (stopped !== undefined && !(again && stopped.is === 'failed' && stopped.code === 'ContainerExited')) return stopped;
  const wrong = ends.find(({ end }) => end !== undefined);
  if (wrong?.end !== undefined && !again) {
    return { is: 'failed', code: 'ContainerExited', reason: `${name} ended with exit code ${wrong.end.exitCode}, expected ${code}; see its last log lines`, pod: wrong.pod, container: wrong.status.name };
  }
  if (given?.type === 'Complete') return { is: 'good' };
  if (given !== undefined) return { is: 'failed', code: 'ContainerExited', reason: `${name} did not end as expected: ${given.message ?? given.reason ?? 'failed'}`, ...(pods[0] !== undefined && { pod: pods[0] }) };
  return live === undefined ? { is: 'waiting', why: `${name} is not seen yet` } : (judgeRefused(scene, live, pods) ?? { is: 'waiting', why: `${name} has not ended yet` });
}

/** Of a time before this wait: the pod may be an old one, and its events are kept for an hour. */
function isOlder({ lastTimestamp }: LiveEvent, since: number): boolean {
  return Date.parse(lastTimestamp ?? '') < since - 1000;
}

/** In the order in which they came. */
export function probeEvents(events: readonly LiveEvent[], pod: Pod): readonly LiveEvent[] {
  return events.filter((event) => event.reason === 'Unhealthy' && event.involvedObject.uid === pod.metadata.uid);
}

export function isReady(pod: Pod): boolean {
  return pod.status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true;
}

function startedAt(pod: Pod, now: number): number {
  const at = Date.parse(pod.status.containerStatuses?.[0]?.state?.running?.startedAt ?? '');
  return Number.isNaN(at) ? now : at;
}
