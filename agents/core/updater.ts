/** Follows the version that the controller wants: one exchange at a time, after the attempts in hand, and never the same failure for ever. */
import type { AgentUpdateState } from '../../proto/gen/agent/v1/agent.ts';
import { AgentError } from './errors.ts';
import type { Exchange, WantedAgent } from './exchange.ts';
import { pauseBefore } from './exchange.ts';

const PREPARE_MS = 15 * 60_000;
/** A timer cannot wait longer. */
const LONGEST_MS = 24 * 3_600_000;

export interface UpdaterOptions {
  readonly version: string;
  /** Undefined: an agent that somebody else updates. */
  readonly exchange: Exchange | undefined;
  log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
  /** Into the line, if there is one. */
  send(state: AgentUpdateState): void;
  /** Begins no further attempt; resolves when the last one has ended. */
  drain(): Promise<void>;
  /** The attempts go on after all. */
  undrain(): void;
  /** This process stops to serve, and hands over. */
  leave(): void;
}

export class Updater {
  readonly #options: UpdaterOptions;
  #wanted: WantedAgent | undefined;
  #state: AgentUpdateState | undefined;
  #busy = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #stopped = new AbortController();

  constructor(options: UpdaterOptions) {
    this.#options = options;
  }

  /** What the controller says after each Welcome, and when the manifest changes; without a version this one stays. */
  want(wanted: WantedAgent): void {
    if (wanted.version === '') return this.forget();
    this.#wanted = wanted;
    if (this.#state?.version === wanted.version) this.#options.send(this.#state);
    this.#consider();
  }

  /** Nothing is wanted until it is said. What is being tried at the moment is left where it can be. */
  forget(): void {
    this.#wanted = undefined;
    clearTimeout(this.#timer);
  }

  stop(): void {
    this.#stopped.abort();
    clearTimeout(this.#timer);
  }

  #consider(): void {
    clearTimeout(this.#timer);
    const wanted = this.#wanted;
    if (wanted === undefined || this.#busy || this.#stopped.signal.aborted) return;
    const { version, exchange } = this.#options;
    if (wanted.version === version) return this.#say(wanted.version, '', '');
    if (exchange === undefined) {
      return this.#say(wanted.version, 'AgentUpdateUnsupported', `this agent is ${version} and runs in no container, unit or pod that it could exchange; bring it up to date as it was installed (npm install --global tagboat@${wanted.version}, then start it again)`);
    }
    const failure = exchange.lastFailure();
    const pause = pauseBefore(wanted.version, failure, Date.now());
    if (pause === 0) return void this.#exchange(wanted, exchange);
    // A time and not a span: it stays the same text when it is said again.
    const next = Number.isFinite(pause) ? `it is tried again after ${new Date(Date.now() + pause).toISOString().slice(0, 16)}Z` : 'it is not tried again until the manifest names another version';
    this.#say(wanted.version, 'AgentUpdateFailed', `${failure?.reason ?? ''}; ${version} goes on, ${next}`);
    if (Number.isFinite(pause)) this.#timer = setTimeout(() => this.#consider(), Math.min(pause, LONGEST_MS)).unref();
  }

  async #exchange(wanted: WantedAgent, exchange: Exchange): Promise<void> {
    const { log, version, drain, undrain, leave } = this.#options;
    this.#busy = true;
    try {
      if (this.#state?.code !== 'AgentUpdateUnsupported') this.#say(wanted.version, '', '');
      log.info({ from: version, to: wanted.version, image: wanted.image }, 'another version of the agent is wanted');
      await exchange.prepare(wanted, AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(PREPARE_MS)]));
      await drain();
      if (this.#stopped.signal.aborted) return;
      if (this.#wanted?.version !== wanted.version) return undrain();
      // What was made for it must not be made again.
      this.stop();
      leave();
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      undrain();
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ err: error, to: wanted.version }, 'the agent could not be exchanged');
      if (error instanceof AgentError && error.code === 'UpdateUnsupported') {
        this.#wanted = undefined; // until it is said again
        this.#say(wanted.version, 'AgentUpdateUnsupported', reason);
      } else exchange.noteFailure(wanted.version, reason);
    } finally {
      this.#busy = false;
      this.#consider();
    }
  }

  #say(version: string, code: string, reason: string): void {
    if (this.#state?.version === version && this.#state.code === code && this.#state.reason === reason) return;
    this.#state = { version, code, reason };
    this.#options.send(this.#state);
  }
}
