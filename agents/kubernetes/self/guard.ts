/** The one that handed over: it does not serve and writes no state, it watches the one on trial, and is the agent again if that fails. */
import { pause } from '../../core/pool.ts';
import type { StateKeeper } from '../state-keeper.ts';
import type { OwnDeployment, Sight } from './own-deployment.ts';
import { ending, forgetting, givingUp, isCurrent, recordOf, roleOf } from './record.ts';
import type { Deployment, ExchangeRecord, OwnPod } from './record.ts';
import { judgeTrial, podOnTrial } from './trial.ts';

const LOOK_EVERY_MS = 1_000;
/** For a pod that has nothing to say any more; it cannot act, so nothing but tidiness waits for it. */
const VANISH_MS = 60_000;

export interface GuardOptions {
  readonly own: OwnDeployment;
  /** The pod of this process. */
  readonly pod: string;
  readonly keeper: StateKeeper;
  /** How long the new one has to be taken by the controller, from its start. */
  readonly deadlineMs: number;
  readonly log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
  noteFailure(version: string, reason: string): void;
}

export class Guard {
  readonly #options: GuardOptions;
  /** Since when it looks without a break, and since when it has seen a container run, by its id. */
  #since: number | undefined;
  readonly #running = new Map<string, number>();
  readonly #gone = vanishing();
  /** What is to be noted when it is the agent again. */
  #due: { readonly version: string; readonly reason: string } | undefined;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** As `Exchange.guard`. */
  async run(signal: AbortSignal): Promise<'agent' | 'loser'> {
    const { own, log } = this.#options;
    let complained = false;
    while (!signal.aborted) {
      try {
        const next = await this.#watch(await own.look(signal), signal);
        if (next !== undefined) return next;
        complained = false;
      } catch (error) {
        // What happened meanwhile nobody saw, so nobody is blamed for the time.
        this.#since = undefined;
        this.#running.clear();
        if (!complained && !signal.aborted) log.warn({ err: error }, 'the new version cannot be watched; it is tried again');
        complained = true;
      }
      await pause(LOOK_EVERY_MS, signal);
    }
    return 'loser';
  }

  /** One look. Undefined: it goes on like this. */
  async #watch({ deployment, pods, own: pod }: Sight, signal: AbortSignal): Promise<'agent' | 'loser' | undefined> {
    const { log } = this.#options;
    // A Deployment that was deleted takes its pods along; one that is on its way out is told by a signal.
    if (deployment === undefined || pod?.metadata.deletionTimestamp !== undefined) return undefined;
    const record = recordOf(deployment);
    if (pod === undefined) return 'loser';
    if (record === undefined) return isCurrent(deployment, pod) ? this.#takeUp(signal) : 'loser';
    this.#due ??= { version: record.version, reason: interrupted(record.version) };
    const others = pods.filter(({ metadata }) => metadata.name !== pod.metadata.name);
    const { verdict } = record;
    switch (roleOf(deployment, pod)) {
      case 'guard':
        if (verdict === undefined) await this.#judge(deployment, record, pods, signal);
        if (verdict?.accepted !== false || !this.#gone(others)) return undefined;
        log.warn({ version: record.version, reason: verdict.reason }, 'the new version of the agent has failed; this one goes on');
        this.#due = { version: record.version, reason: verdict.reason };
        return this.#takeUp(signal, ending(deployment));
      case 'agent':
        return this.#gone(others) ? this.#takeUp(signal, forgetting(deployment)) : undefined;
      default:
        log.info({ to: record.version }, 'another manifest was applied, of which this pod is none');
        return 'loser';
    }
  }

  async #judge(deployment: Deployment, record: ExchangeRecord, pods: readonly OwnPod[], signal: AbortSignal): Promise<void> {
    const { own, deadlineMs } = this.#options;
    const now = Date.now();
    this.#since ??= now;
    const trial = podOnTrial(pods, record);
    const status = trial?.status.containerStatuses?.find(({ name }) => name === record.container);
    if (status?.state?.running !== undefined && status.containerID !== undefined && !this.#running.has(status.containerID)) this.#running.set(status.containerID, now);
    const events = trial !== undefined && status?.state?.waiting !== undefined ? await own.eventsOf(trial, signal) : [];
    const failed = judgeTrial({ deployment, record, pods, events, now, since: this.#since, running: this.#running, deadlineMs });
    if (failed === undefined) return;
    const said = failed.log === undefined ? '' : `: ${await own.lastLines(failed.log.pod, record.container, failed.log.previous, signal)}`;
    await own.change(givingUp(deployment, record, `version ${record.version} (${record.image}) was tried and ${failed.reason}${said}`));
  }

  /** The state as whoever served last has kept it; then the record goes. Undefined where somebody else has changed it. */
  async #takeUp(signal: AbortSignal, change?: object): Promise<'agent' | undefined> {
    const { own, keeper, noteFailure } = this.#options;
    await keeper.restore(signal);
    if (signal.aborted || (change !== undefined && !(await own.change(change)))) return undefined;
    if (this.#due !== undefined) noteFailure(this.#due.version, this.#due.reason);
    keeper.resume();
    return 'agent';
  }
}

export function interrupted(version: string): string {
  return `version ${version} was on trial when another manifest was applied to the Deployment of this agent`;
}

/** Tells whether all others are gone, or have been waited for since it was first asked for long enough. */
export function vanishing(): (others: readonly OwnPod[]) => boolean {
  let since: number | undefined;
  return (others) => {
    since ??= Date.now();
    return !others.some(isLeft) || Date.now() - since > VANISH_MS;
  };
}

/** What is on its way out and does not run is as good as gone, however long it is listed. */
function isLeft({ metadata, status }: OwnPod): boolean {
  if (metadata.deletionTimestamp !== undefined) return status.containerStatuses?.some(({ state }) => state?.running !== undefined) === true;
  return status.phase !== 'Failed' && status.phase !== 'Succeeded';
}
