/**
 * An agent that systemd started exchanges itself: the version that its image holds is laid down in the agent's directory, and started as a process
 * below the one that systemd knows, which is its guard while it is on trial and its launcher ever after (launcher.ts). An agent that is such a process itself ends
 * when it hands over, so there are never more than two.
 */
import type Docker from 'dockerode';
import { AgentError } from '../../core/errors.ts';
import type { Exchange, Failure, Role, WantedAgent } from '../../core/exchange.ts';
import { pause } from '../../core/pool.ts';
import type { DockerConnection } from '../connect.ts';
import { connectDocker } from '../connect.ts';
import { DockerRuntime } from '../docker-runtime.ts';
import { fetchImage } from './fetch-image.ts';
import { takeOut } from './image-version.ts';
import type { LauncherOptions } from './launcher.ts';
import type { UnitFiles, UnitRecord } from './unit-files.ts';

const AGAIN_MS = 5_000;

export interface UnitExchangeOptions extends DockerConnection, Pick<LauncherOptions, 'log'> {
  readonly files: UnitFiles;
  /** Its own directory below `versions`; empty for the installed version. */
  readonly name: string;
  /** Undefined where it is not known, as this is not it. */
  readonly installed: string | undefined;
  /** This process is to stop to serve, and be what the files say. */
  leave(): void;
}

export class UnitExchange implements Exchange {
  readonly #options: UnitExchangeOptions;
  readonly #docker: Docker;
  readonly #runtime: DockerRuntime;
  #prepared: UnitRecord | 'installed' | undefined;

  constructor(options: UnitExchangeOptions) {
    this.#options = options;
    const connected = connectDocker(options);
    this.#docker = connected.docker;
    this.#runtime = new DockerRuntime(connected);
  }

  /** Never `guard`: that is for the process that systemd knows, before it loads all of this. */
  async role(version: string, signal: AbortSignal): Promise<Role> {
    const { files, name } = this.#options;
    const record = files.record;
    if (record === undefined || record.to !== name) return 'agent';
    const verdict = files.verdict(record);
    if (verdict?.accepted === false) return 'loser';
    if (verdict?.accepted === true) {
      void this.settle(signal);
      return 'agent';
    }
    if (version !== record.version) throw new AgentError('UpdateLost', `The directory ${name} holds version ${version} and not ${record.version}`);
    return 'trial';
  }

  async prepare({ version, image }: WantedAgent, signal: AbortSignal): Promise<void> {
    const { files, name, installed } = this.#options;
    if (installed === undefined) throw new AgentError('UpdateUnsupported', 'this agent does not know which version is installed on its host; restart the unit');
    if (version === installed) {
      this.#prepared = 'installed';
      return;
    }
    const source = await fetchImage(this.#runtime, image, signal);
    const to = await takeOut(this.#docker, source, version, files.versions, signal);
    this.#prepared = { version, image: source, from: name, to, installed };
  }

  handOver(): Promise<'guard' | 'agent'> {
    const { files } = this.#options;
    const prepared = this.#prepared;
    if (prepared === undefined) return Promise.resolve('agent');
    try {
      files.versions.isSteady();
      // The installed one has served here before, so it needs no trial.
      if (prepared === 'installed') files.versions.current = undefined;
      else files.begin(prepared);
      return Promise.resolve('guard');
    } catch (error) {
      if (prepared !== 'installed') this.noteFailure(prepared.version, `the exchange could not be written down: ${error instanceof Error ? error.message : String(error)}`);
      return Promise.resolve('agent');
    }
  }

  guard(): Promise<'agent'> {
    this.#options.leave();
    return Promise.resolve('agent');
  }

  accept(): Promise<boolean> {
    const { files, name } = this.#options;
    const record = files.record;
    return Promise.resolve(record !== undefined && record.to === name && files.decide(record, { accepted: true, reason: '' }));
  }

  async settle(signal: AbortSignal): Promise<void> {
    const { files, name, log } = this.#options;
    while (!signal.aborted) {
      const record = files.record;
      if (record === undefined || record.to !== name) return;
      try {
        await files.promote(record);
        log.info({ version: record.version, image: record.image }, 'this version is the agent now, and what the unit starts with');
        return;
      } catch (error) {
        log.warn({ err: error }, 'what is left of the version before could not be removed yet');
        await pause(AGAIN_MS, signal);
      }
    }
  }

  lastFailure(): Failure | undefined {
    return this.#options.files.failure.last;
  }

  noteFailure(version: string, reason: string): void {
    this.#options.files.failure.note(version, reason);
  }
}
