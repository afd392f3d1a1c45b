/**
 * An agent in a container of its own engine exchanges itself: the new version is made beside the old one, on the same directory, and started when the old one
 * has stopped to act. Until the controller takes it, it has no restart policy, and the old one, which has, stays as its guard. Who dies at
 * any moment finds in the directory what it is (exchange-files.ts); the engine brings back whoever has to come back.
 */
import type Docker from 'dockerode';
import type { ContainerInspectInfo } from 'dockerode';
import { change, look } from '../../containers/calls.ts';
import { AgentError } from '../../core/errors.ts';
import type { Exchange, Failure, Role, WantedAgent } from '../../core/exchange.ts';
import { pause } from '../../core/pool.ts';
import { isStatus } from '../docker-errors.ts';
import { DockerRuntime } from '../docker-runtime.ts';
import type { DockerRuntimeOptions } from '../docker-runtime.ts';
import { ExchangeFiles } from './exchange-files.ts';
import type { ExchangeRecord } from './exchange-files.ts';
import { fetchImage } from './fetch-image.ts';
import { obstacle, successorOptions } from './successor.ts';
import type { ImageDefaults } from './successor.ts';

const LOOK_EVERY_MS = 500;
const AGAIN_MS = 5_000;
const LINES_SHOWN = 6;
const TEXT_SHOWN = 1_200;
const GRACE_SECONDS = 15;

interface ContainerRecord extends ExchangeRecord {
  /** What the new one is called in the end, and how it is restarted. */
  readonly name: string;
  readonly restart: { readonly Name: string; readonly MaximumRetryCount?: number };
}

export interface ContainerExchangeOptions extends DockerRuntimeOptions {
  /** The container that this process is in. */
  readonly ownId: string;
  /** The agent's, inside. */
  readonly directory: string;
  /** How long the new one has to be taken by the controller, from its start. */
  readonly deadlineMs: number;
  readonly log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
}

export class ContainerExchange implements Exchange {
  readonly #options: ContainerExchangeOptions;
  readonly #docker: Docker;
  readonly #runtime: DockerRuntime;
  readonly #files: ExchangeFiles<ContainerRecord>;
  #prepared: ContainerRecord | undefined;

  constructor(options: ContainerExchangeOptions) {
    this.#options = options;
    this.#docker = options.docker;
    this.#runtime = new DockerRuntime(options);
    this.#files = new ExchangeFiles(options.directory);
  }

  async role(version: string, signal: AbortSignal): Promise<Role> {
    const { ownId, log } = this.#options;
    const record = this.#files.record;
    if (record === undefined) return 'agent';
    if (record.from === ownId) return 'guard';
    if (record.to === ownId) {
      const verdict = this.#files.verdict(record);
      if (verdict?.accepted === false) return 'loser';
      if (verdict?.accepted === true) {
        void this.settle(signal);
        return 'agent';
      }
      if (version !== record.version) throw new AgentError('UpdateLost', `The image ${record.image} holds version ${version} and not ${record.version}`);
      return 'trial';
    }
    // Somebody has put another container in the place of the old one.
    log.warn({ to: record.version }, 'an exchange for another version was cut off by another container; its new one is removed');
    await this.#runtime.remove(record.to, change());
    this.#files.end(record);
    return 'agent';
  }

  async prepare({ version, image }: WantedAgent, signal: AbortSignal): Promise<void> {
    const { ownId, directory } = this.#options;
    const own = await this.#inspect(ownId);
    if (own === undefined) throw new AgentError('UpdateUnsupported', 'this agent does not find its own container');
    const why = obstacle(own, directory);
    if (why !== null) throw new AgentError('UpdateUnsupported', `this agent cannot exchange itself: ${why}. Run the line of tagboat node enroll on its host`);
    const source = await fetchImage(this.#runtime, image, signal);
    const name = own.Name.replace(/^\//, '');
    try {
      const next = `${name}-next`;
      const left = await this.#inspect(next);
      if (left !== undefined) await this.#runtime.remove(left.Id, change());
      const { Config: defaults } = await this.#docker.getImage(own.Image).inspect();
      const made = await this.#docker.createContainer({ ...successorOptions(own, defaults as ImageDefaults, source, next), abortSignal: change() });
      const first = own.HostConfig.NetworkMode ?? 'default';
      for (const network of Object.keys(own.NetworkSettings.Networks)) {
        if (network !== first && first !== 'host') await this.#docker.getNetwork(network).connect({ Container: made.id });
      }
      this.#prepared = { version, image: source, from: ownId, to: made.id, name, restart: { Name: own.HostConfig.RestartPolicy?.Name ?? 'unless-stopped' } };
    } catch (error) {
      throw new AgentError('UpdateFailed', `the container of version ${version} could not be made: ${textOf(error)}`, { cause: error });
    }
  }

  handOver(): Promise<'guard' | 'agent'> {
    const prepared = this.#prepared;
    if (prepared === undefined) return Promise.resolve('agent');
    try {
      this.#files.begin(prepared);
      return Promise.resolve('guard');
    } catch (error) {
      this.noteFailure(prepared.version, `the exchange could not be written down: ${textOf(error)}`);
      return Promise.resolve('agent');
    }
  }

  async guard(signal: AbortSignal): Promise<'agent'> {
    const { log } = this.#options;
    while (!signal.aborted) {
      const record = this.#files.record;
      if (record === undefined) break;
      try {
        if (await this.#watch(record, signal)) break;
      } catch (error) {
        log.warn({ err: error, to: record.version }, 'the new version cannot be watched; it is tried again');
        await pause(AGAIN_MS, signal);
      }
    }
    return 'agent';
  }

  accept(): Promise<boolean> {
    const record = this.#files.record;
    return Promise.resolve(record !== undefined && record.to === this.#options.ownId && this.#files.decide(record, { accepted: true, reason: '' }));
  }

  async settle(signal: AbortSignal): Promise<void> {
    const { ownId, log } = this.#options;
    while (!signal.aborted) {
      const record = this.#files.record;
      if (record === undefined || record.to !== ownId) return;
      try {
        const own = this.#docker.getContainer(ownId);
        await own.update({ RestartPolicy: record.restart, abortSignal: change() });
        await this.#runtime.stop(record.from, GRACE_SECONDS, change(GRACE_SECONDS * 1_000));
        await this.#runtime.remove(record.from, change());
        if ((await this.#inspect(ownId))?.Name !== `/${record.name}`) await this.#runtime.rename(ownId, record.name, change());
        this.#files.failure.forget();
        this.#files.end(record);
        log.info({ version: record.version, image: record.image }, 'this version is the agent now; the container of the one before is gone');
        return;
      } catch (error) {
        log.warn({ err: error }, 'the container of the version before could not be removed yet');
        await pause(AGAIN_MS, signal);
      }
    }
  }

  lastFailure(): Failure | undefined {
    return this.#files.failure.last;
  }

  noteFailure(version: string, reason: string): void {
    this.#files.failure.note(version, reason);
  }

  /** One look, and a moment's rest. True when the new one has failed and is gone. */
  async #watch(record: ContainerRecord, signal: AbortSignal): Promise<boolean> {
    const { deadlineMs, log } = this.#options;
    const verdict = this.#files.verdict(record);
    const next = await this.#inspect(record.to);
    if (verdict?.accepted === false) {
      await this.#runtime.remove(record.to, change());
      log.warn({ version: record.version, reason: verdict.reason }, 'the new version of the agent has failed; this one goes on');
      this.noteFailure(record.version, verdict.reason);
      this.#files.end(record);
      return true;
    }
    if (verdict?.accepted === true) {
      if (next === undefined) {
        this.#files.end(record);
        return true;
      }
      // It dies before it could see to its own return: that is for its guard.
      if (!next.State.Running) await this.#runtime.start(record.to, change());
    } else if (next === undefined) this.#fail(record, 'its container was removed');
    else if (next.State.Status === 'created') await this.#runtime.start(record.to, change()).catch((error: unknown) => this.#fail(record, `its container did not start: ${textOf(error)}`));
    else if (!next.State.Running) this.#fail(record, `it ended with exit code ${next.State.ExitCode}: ${await this.#lastLines(record.to)}`);
    else if (Date.now() > Date.parse(next.State.StartedAt) + deadlineMs) this.#fail(record, `the controller had not taken it after ${Math.round(deadlineMs / 1_000)} s: ${await this.#lastLines(record.to)}`);
    await pause(LOOK_EVERY_MS, signal);
    return false;
  }

  #fail({ version, ...record }: ContainerRecord, reason: string): void {
    this.#files.decide({ version, ...record }, { accepted: false, reason: `version ${version} (${record.image}) was tried and ${reason}` });
  }

  async #inspect(id: string): Promise<ContainerInspectInfo | undefined> {
    try {
      return await this.#docker.getContainer(id).inspect({ abortSignal: look() });
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  }

  async #lastLines(id: string): Promise<string> {
    const lines: string[] = [];
    try {
      for await (const { text } of this.#runtime.logs(id, { tail: LINES_SHOWN, follow: false }, look())) lines.push(text);
    } catch {
      return 'it said nothing';
    }
    return lines.join(' | ').slice(-TEXT_SHOWN) || 'it said nothing';
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
