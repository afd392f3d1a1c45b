/** Has the one on trial failed? What its pod says, as early as it is certain. PURE. */
import { judgeImage } from '../judge-image.ts';
import type { LiveEvent } from '../live.ts';
import type { Deployment, ExchangeRecord, OwnPod } from './record.ts';

/** Somebody who adds machines, or room in a quota, gets so long. */
const ROOM_MS = 60_000;
/** For everything before its start: a place, the image. */
const START_MS = 10 * 60_000;
const STUCK = new Set(['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']);

export interface TrialScene {
  readonly deployment: Deployment;
  readonly record: ExchangeRecord;
  /** Of the Deployment, all. */
  readonly pods: readonly OwnPod[];
  /** Of the one on trial. */
  readonly events: readonly LiveEvent[];
  readonly now: number;
  /** Since when it is watched without a break. */
  readonly since: number;
  /** Since when the container is seen to run, by its id: on the watcher's clock, because machines differ. */
  readonly running: ReadonlyMap<string, number>;
  /** How long the controller may take, from there. */
  readonly deadlineMs: number;
}

export interface Failed {
  readonly reason: string;
  /** Whose log says more: of this run of its container, or of the one before. */
  readonly log?: { readonly pod: string; readonly previous: boolean };
}

/** The newest pod that has the new image and is to stay. */
export function podOnTrial(pods: readonly OwnPod[], { container, image }: ExchangeRecord): OwnPod | undefined {
  const found = pods.filter((pod) => pod.images[container] === image && pod.metadata.deletionTimestamp === undefined && pod.status.reason !== 'Evicted' && pod.status.reason !== 'Shutdown');
  return found.sort((a, b) => ((a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? 1 : -1))[0];
}

/** Undefined while it may still be accepted. */
export function judgeTrial(scene: TrialScene): Failed | undefined {
  const { record, pods, now, since, deadlineMs } = scene;
  const waited = now - since;
  const pod = podOnTrial(pods, record);
  if (pod === undefined) return judgeMissing(scene, waited);
  const status = pod.status.containerStatuses?.find(({ name }) => name === record.container);
  const log = (previous: boolean): NonNullable<Failed['log']> => ({ pod: pod.metadata.name, previous });
  const { terminated, waiting, running } = status?.state ?? {};
  const ended = terminated ?? status?.lastState?.terminated;
  if (ended !== undefined) return { reason: `it ended with exit code ${ended.exitCode}${ended.reason === undefined || ended.reason === 'Error' ? '' : ` (${ended.reason}${ended.message === undefined ? '' : `: ${ended.message}`})`}`, log: log(terminated === undefined) };
  if (running !== undefined) {
    const ran = now - (scene.running.get(status?.containerID ?? '') ?? now);
    return ran > deadlineMs || waited > START_MS + deadlineMs ? { reason: `the controller had not taken it after ${Math.round(Math.max(ran, deadlineMs) / 1_000)} s`, log: log(false) } : undefined;
  }
  const image = status === undefined ? undefined : judgeImage(status, pod, scene.events);
  if (image !== undefined) return { reason: image.text };
  const why = waiting?.reason === undefined ? '' : `: ${waiting.reason}${waiting.message === undefined ? '' : ` (${waiting.message})`}`;
  if (waiting?.reason !== undefined && STUCK.has(waiting.reason) && waited > ROOM_MS / 6) return { reason: `its container could not be started${why}` };
  const homeless = pod.status.conditions?.find(({ type, status: is, reason }) => type === 'PodScheduled' && is === 'False' && reason === 'Unschedulable');
  if (homeless !== undefined && waited > ROOM_MS) return { reason: `no node takes its pod: ${homeless.message ?? ''}` };
  return waited > START_MS ? { reason: `it had not started after ${START_MS / 60_000} minutes${why}` } : undefined;
}

function judgeMissing({ deployment }: TrialScene, waited: number): Failed | undefined {
  const refused = deployment.status?.conditions?.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True');
  if (refused !== undefined && waited > ROOM_MS / 4) return { reason: `the cluster refuses its pod: ${refused.message ?? ''}` };
  return waited > ROOM_MS * 2 ? { reason: `no pod of it had come after ${(ROOM_MS * 2) / 60_000} minutes` } : undefined;
}
