/**
 * An agent in a pod of its own Deployment exchanges itself. What follows one change of that Deployment is the cluster's work: a pod with the new image starts beside the old
 * one, which stays until the new one is ready, and it is ready when the controller has taken it. Who dies, is deleted or moved to another machine at any moment comes back
 * and finds on the Deployment what it is (record.ts).
 *
 * Who does not serve does not write the state: its directory stands back (state-keeper.ts) from before the change until the verdict, and whoever serves next takes anew what the one
 * before has kept. There is one verdict, because the API server takes one change of a resourceVersion, and nobody acts as the agent before it was made.
 */
import { join } from 'node:path';
import { AgentError } from '../../core/errors.ts';
import { FailureFile } from '../../core/exchange.ts';
import type { Exchange, Failure, Role, WantedAgent } from '../../core/exchange.ts';
import { pause } from '../../core/pool.ts';
import { ApiFailure } from '../api-failure.ts';
import { KubeApi } from '../api.ts';
import { Connection } from '../connect.ts';
import type { ConnectOptions } from '../connect.ts';
import { Guard, interrupted, vanishing } from './guard.ts';
import type { GuardOptions } from './guard.ts';
import { OwnDeployment } from './own-deployment.ts';
import type { Place, Sight } from './own-deployment.ts';
import { accepting, beginning, ending, forgetting, isCurrent, obstacle, recordOf, roleOf, stands } from './record.ts';
import type { Deployment, ExchangeRecord } from './record.ts';

const LOOK_EVERY_MS = 1_000;
const AGAIN_MS = 3_000;

interface PodExchangeOptions extends Omit<GuardOptions, 'noteFailure'> {
  readonly directory: string;
  /** `pod` comes from the cluster and not from a guess: when it is not there, this process is what a kubelet has not ended yet. */
  readonly certain: boolean;
}

export class PodExchange implements Exchange {
  readonly #options: PodExchangeOptions;
  readonly #failure: FailureFile;
  #prepared: WantedAgent | undefined;
  #trial: ExchangeRecord | undefined;
  #settled: Promise<void> = Promise.resolve();

  constructor(options: PodExchangeOptions) {
    this.#options = options;
    // Beside the identity, so that it is kept with the state.
    this.#failure = new FailureFile(join(options.directory, 'update-failure.json'));
  }

  async role(version: string, signal: AbortSignal): Promise<Role> {
    const { keeper, certain } = this.#options;
    const sight = await this.#lookPatiently(signal);
    if (signal.aborted) return 'agent';
    const deployment = sight?.deployment;
    if (certain && deployment !== undefined && (sight?.own === undefined || sight.own.metadata.deletionTimestamp !== undefined)) {
      keeper.standBack();
      return 'loser';
    }
    const record = deployment === undefined ? undefined : recordOf(deployment);
    if (deployment === undefined || record === undefined) {
      keeper.resume();
      return 'agent';
    }
    const role = roleOf(deployment, sight?.own);
    if (role !== 'agent') keeper.standBack();
    if (role === 'trial') {
      if (version !== record.version) throw new AgentError('UpdateLost', `The image ${record.image} holds version ${version} and not ${record.version}`);
      this.#trial = record;
    }
    if (role === 'agent') {
      keeper.resume();
      if (!stands(record, deployment) && version !== record.version) this.noteFailure(record.version, interrupted(record.version));
      this.#settled = this.settle(signal);
    }
    return role;
  }

  async prepare(wanted: WantedAgent, signal: AbortSignal): Promise<void> {
    const { own, pod } = this.#options;
    await this.#settled;
    try {
      const sight = await own.look(signal);
      const { deployment } = sight;
      const why = obstacle(deployment, sight.own, pod);
      if (deployment === undefined || why !== null) throw unsupported(why ?? '');
      const { record, change } = this.#beginning(deployment, wanted);
      if (record.from === wanted.image) throw new AgentError('UpdateFailed', `${wanted.image} is the image that runs here, and it does not hold version ${wanted.version}`);
      await own.change(change, { dryRun: true });
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      if (error.status === 403) throw unsupported(error.message, error);
      // Some who watch over changes cannot do so without doing them; they get the real one.
      if (error.status !== 400) throw new AgentError('UpdateFailed', `version ${wanted.version} cannot be tried: ${error.message}`, { cause: error });
    }
    this.#prepared = wanted;
  }

  async handOver(signal: AbortSignal): Promise<'guard' | 'agent'> {
    const { own, pod, keeper, log } = this.#options;
    const wanted = this.#prepared;
    if (wanted === undefined) return 'agent';
    // The journal is closed: what is kept now is all that there is, and nothing is written over it from here.
    const kept = await keeper.save();
    keeper.standBack();
    let begun: ExchangeRecord | undefined;
    let why = kept ? undefined : 'the state of this agent could not be written to the cluster beforehand';
    while (why === undefined && !signal.aborted) {
      try {
        const sight = await own.look(signal);
        const { deployment } = sight;
        // Begun without an answer, perhaps even accepted since: the guard finds out.
        if (deployment !== undefined && begun !== undefined && (recordOf(deployment)?.startedAt === begun.startedAt || sight.own === undefined || !isCurrent(deployment, sight.own))) return 'guard';
        why = obstacle(deployment, sight.own, pod) ?? undefined;
        if (deployment === undefined || why !== undefined) break;
        const { record, change } = this.#beginning(deployment, wanted, begun?.startedAt);
        begun = record;
        if (await own.change(change)) return 'guard';
      } catch (error) {
        // Without an answer it may have been done: the one who would then be on trial must not meet another agent, so this one finds out first.
        if (!(error instanceof ApiFailure)) throw error;
        if (!error.passing) why = error.message;
        else log.warn({ err: error }, 'the exchange cannot be begun while the API server is away');
      }
      await pause(AGAIN_MS, signal);
    }
    if (signal.aborted) return 'agent';
    keeper.resume();
    this.noteFailure(wanted.version, `version ${wanted.version} could not be tried: ${why ?? ''}`);
    return 'agent';
  }

  guard(signal: AbortSignal): Promise<'agent' | 'loser'> {
    return new Guard({ ...this.#options, noteFailure: (version, reason) => this.noteFailure(version, reason) }).run(signal);
  }

  async accept(signal: AbortSignal): Promise<boolean> {
    const { own, keeper, log } = this.#options;
    while (!signal.aborted) {
      try {
        const sight = await own.look(signal);
        const { deployment } = sight;
        const record = deployment === undefined ? undefined : recordOf(deployment);
        if (deployment === undefined || sight.own === undefined || sight.own.metadata.deletionTimestamp !== undefined) return false;
        const role = record === undefined ? (isCurrent(deployment, sight.own) ? 'agent' : 'loser') : roleOf(deployment, sight.own);
        if (role === 'trial' && record?.startedAt !== this.#trial?.startedAt) return false;
        if (role !== 'trial' && role !== 'agent') return false;
        if (role === 'agent' || record === undefined || (await own.change(accepting(deployment, record)))) {
          keeper.resume();
          return true;
        }
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'the controller has taken this version, and the API server does not hear of it yet');
        await pause(LOOK_EVERY_MS, signal);
      }
    }
    return false;
  }

  settle(signal: AbortSignal): Promise<void> {
    this.#settled = this.#settle(signal);
    return this.#settled;
  }

  lastFailure(): Failure | undefined {
    return this.#failure.last;
  }

  noteFailure(version: string, reason: string): void {
    this.#failure.note(version, reason);
  }

  async #settle(signal: AbortSignal): Promise<void> {
    const { own, pod, log } = this.#options;
    const gone = vanishing();
    while (!signal.aborted) {
      try {
        const { deployment, pods } = await own.look(signal);
        const record = deployment === undefined ? undefined : recordOf(deployment);
        if (deployment === undefined || record === undefined) return;
        const mine = stands(record, deployment);
        if (mine && !gone(pods.filter(({ metadata }) => metadata.name !== pod))) {
          await pause(LOOK_EVERY_MS, signal);
          continue;
        }
        if (!(await own.change(mine ? ending(deployment) : forgetting(deployment)))) continue;
        if (mine) this.#failure.forget();
        log.info({ version: record.version, image: record.image }, mine ? 'this version is the agent now; the pod of the one before is gone' : 'an exchange for another version was cut off by another manifest');
        return;
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'the exchange is done, and not cleared away yet');
        await pause(AGAIN_MS, signal);
      }
    }
  }

  #beginning(deployment: Deployment, { version, image }: WantedAgent, startedAt?: string): { readonly record: ExchangeRecord; readonly change: object } {
    const { pod, directory } = this.#options;
    const probe = { exec: { command: ['test', '-e', join(directory, '.connected')] }, periodSeconds: 5, timeoutSeconds: 5 };
    return beginning(deployment, version, image, pod, probe, startedAt === undefined ? new Date() : new Date(startedAt));
  }

  async #lookPatiently(signal: AbortSignal): Promise<Sight | undefined> {
    const { own, log } = this.#options;
    for (let told = false; !signal.aborted; told = true) {
      try {
        return await own.look(signal);
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error;
        // Who may not look never began an exchange.
        if (!error.passing) return undefined;
        if (!told && !signal.aborted) log.warn({ err: error }, 'whether this agent is in an exchange for another version is not known yet');
        await pause(AGAIN_MS, signal);
      }
    }
    return undefined;
  }
}

/** With a way to the cluster of its own. Throws AgentError `ConfigInvalid`. */
export async function openPodExchange(options: Omit<PodExchangeOptions, 'own'> & Omit<Place, 'pod'> & ConnectOptions): Promise<PodExchange> {
  return new PodExchange({ ...options, own: new OwnDeployment(new KubeApi(await Connection.open(options)), options) });
}

function unsupported(why: string, cause?: unknown): AgentError {
  return new AgentError('UpdateUnsupported', `this agent cannot exchange itself: ${why}. Apply what tagboat node enroll prints`, { cause });
}
