/** Waits for workloads: watches them, their pods and the events of the namespace, and asks the judge whenever something changed. */
import { setMaxListeners } from 'node:events';
import type { TargetImage } from '../../schemas/gen/types.ts';
import { AttemptFailure } from '../core/attempt-failure.ts';
import { milliseconds } from '../core/duration.ts';
import { pause } from '../core/pool.ts';
import { ApiFailure, isMissing } from './api-failure.ts';
import type { KubeApi } from './api.ts';
import { evidenceOf } from './evidence.ts';
import { Informer } from './informer.ts';
import { judge, type Scene, type Verdict } from './judge.ts';
import { EVENT, POD, pathOf, WORKLOADS } from './kinds.ts';
import { trimEvent, trimPod, trimWorkload, type LiveEvent, type LiveWorkload, type Pod } from './live.ts';
import { LABEL } from './objects/labels.ts';
import { objectKey, type Workload } from './objects/target-objects.ts';
import { settleSeconds } from './objects/workload.ts';
import { stuckPods } from './stuck.ts';

/** Certainty also comes with time alone. */
const LOOK_AGAIN_MS = 500;
const GATHER_MS = 20;
/** How often a pod of one name is removed in one wait: one that comes again as it was is not helped by more. */
const REMOVALS = 5;

export interface AppliedWorkload extends Workload {
  readonly image: TargetImage;
  /** That the API server gave to what was applied. */
  readonly generation: number;
  /** When it was about to be applied, in milliseconds since 1970. */
  readonly appliedAt: number;
}

/** What happens in one namespace, as long as an attempt needs it. */
export class NamespaceWatch {
  readonly #api: KubeApi;
  readonly #prefix: string;
  readonly #tell: (step: string, text: string) => void;
  /** By uid and by name, what was removed because it held a rollout up. */
  readonly #removed = new Map<string, number>();
  readonly #stop = new AbortController();
  readonly #workloads: readonly Informer<LiveWorkload>[];
  readonly #pods: Informer<Pod>;
  readonly #events: Informer<LiveEvent>;
  #wake: (() => void) | undefined;

  constructor(api: KubeApi, prefix: string, tell: (step: string, text: string) => void) {
    this.#api = api;
    this.#prefix = prefix;
    this.#tell = tell;
    setMaxListeners(0, this.#stop.signal);
    const common = { api, namespace: prefix, onChange: () => this.#wake?.() };
    const labelSelector = `${LABEL.prefix}=${prefix}`;
    this.#workloads = WORKLOADS.map((kind) => new Informer({ ...common, kind, labelSelector, trim: trimWorkload(kind.kind) }));
    this.#pods = new Informer({ ...common, kind: POD, labelSelector, trim: trimPod });
    this.#events = new Informer({ ...common, kind: EVENT, trim: trimEvent });
    for (const informer of [...this.#workloads, this.#pods, this.#events]) void informer.run(this.#stop.signal);
  }

  get pods(): readonly Pod[] {
    return [...this.#pods.items];
  }

  close(): void {
    this.#stop.abort();
  }

  /**
   * Until all of them are good. Throws AttemptFailure with evidence as soon as one of them certainly will not be, and what `safe`
   * throws; `limit` is how long each may take.
   */
  async untilGood(workloads: readonly AppliedWorkload[], healthTimeout: string, safe: () => void, ended: AbortSignal): Promise<void> {
    const since = Date.now();
    let open = [...workloads];
    const seen = new Set<string>();
    for (;;) {
      const scenes = open.map((one) => ({ one, scene: this.#scene(one, since) }));
      for (const { one, scene } of scenes) {
        if (scene.live !== undefined) seen.add(one.name);
        else if (seen.has(one.name)) throw new AttemptFailure('ObjectConflict', `somebody has removed ${objectKey(one.object)} while it was waited for`);
      }
      for (const { scene } of scenes) for (const pod of stuckPods(scene)) await this.#remove(pod);
      const verdicts = scenes.map(({ one, scene }) => ({ one, verdict: judge(scene) }));
      const failed = verdicts.find(({ verdict }) => verdict.is === 'failed');
      if (failed?.verdict.is === 'failed') throw await this.#failure(failed.verdict);
      open = verdicts.filter(({ verdict }) => verdict.is !== 'good').map(({ one }) => one);
      if (open.length === 0) return;
      safe();
      for (const { one, verdict } of verdicts) if (verdict.is === 'waiting' && Date.now() - since > limitOf(one.image, healthTimeout)) throw await this.#late(one, verdict.why, healthTimeout);
      await this.#change(ended);
    }
  }

  #scene(one: AppliedWorkload, since: number): Scene {
    const name = one.object.metadata.name;
    const found = this.#workloads.flatMap((informer) => [...informer.items]).find((live) => live.kind === one.object.kind && live.metadata.name === name);
    // What was seen before the apply is about another template.
    const live = found !== undefined && (found.metadata.generation ?? 0) >= one.generation ? found : undefined;
    const template = (one.object['spec'] as { readonly template: { readonly metadata: { readonly labels: Readonly<Record<string, string>> } } }).template;
    const events = [...this.#events.items].sort((a, b) => Date.parse(a.lastTimestamp ?? '') - Date.parse(b.lastTimestamp ?? ''));
    return { name: one.name, image: one.image, hash: template.metadata.labels[LABEL.hash] ?? '', live, pods: this.pods, events, now: Date.now(), since, appliedAt: one.appliedAt, settleMs: settleSeconds(one) * 1000 };
  }

  /** A failure is no reason to stop: without it the rollout is as it was. */
  async #remove({ metadata: { name, uid } }: Pod): Promise<void> {
    const times = this.#removed.get(name) ?? 0;
    if (this.#removed.has(uid) || times >= REMOVALS) return;
    this.#removed.set(uid, 1).set(name, times + 1);
    this.#tell('pod', `removes the pod ${name}, which is stuck, so that one comes anew`);
    try {
      await this.#api.call({ method: 'DELETE', path: pathOf(POD, this.#prefix, name), body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid } } });
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      if (!isMissing(error) && error.status !== 409) this.#tell('pod', `the pod ${name} could not be removed: ${error.message}`);
    }
  }

  async #failure(verdict: Extract<Verdict, { is: 'failed' }>): Promise<AttemptFailure> {
    const { pod } = verdict;
    const evidence = pod === undefined ? [] : [await evidenceOf(this.#api, pod, verdict.container ?? pod.mainContainer, [...this.#events.items])];
    return new AttemptFailure(verdict.code, verdict.reason, { evidence });
  }

  async #late(one: Workload & { readonly image: TargetImage }, why: string, healthTimeout: string): Promise<AttemptFailure> {
    const exits = one.image.config.expectedState?.state === 'exited';
    const pod = this.pods.filter((found) => found.metadata.labels?.[LABEL.image] === one.name).sort((a, b) => (a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? 1 : -1)[0];
    const evidence = pod === undefined ? [] : [await evidenceOf(this.#api, pod, pod.mainContainer, [...this.#events.items])];
    const text = `${one.name} did not ${exits ? 'end' : 'come up'} within ${Math.round(limitOf(one.image, healthTimeout) / 1000)} s: ${why}`;
    return new AttemptFailure(exits ? 'ExpectedStateNotReached' : 'HealthCheckFailed', text, { evidence });
  }

  async #change(ended: AbortSignal): Promise<void> {
    const changed = new AbortController();
    this.#wake = () => changed.abort();
    await pause(LOOK_AGAIN_MS, AbortSignal.any([changed.signal, ended]));
    this.#wake = undefined;
    // Changes come in bursts.
    await pause(GATHER_MS, ended);
  }
}

function limitOf(image: TargetImage, healthTimeout: string): number {
  return milliseconds(image.config.expectedState?.timeout, healthTimeout);
}
