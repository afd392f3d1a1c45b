/** Watches the engine and tells what changed: everything after a Welcome, then target by target, a few times a second at most. */
import type { Observation } from '../../proto/gen/agent/v1/agent.ts';
import type { Engine, ObservedTarget } from './engine.ts';
import type { Journal } from './journal.ts';

const AT_MOST_EVERY_MS = 250;
/** However quiet the engine is, look again: events may be lost, and probes tell only when asked. */
const LOOK_AGAIN_MS = 10_000;
const OBSERVE_MS = 30_000;

export interface ObserverOptions {
  readonly team: string;
  readonly engine: Engine;
  readonly journal: Journal;
  readonly log: { warn(fields: object, text: string): void };
  send(observation: Observation): void;
}

export class Observer {
  readonly #options: ObserverOptions;
  #told = new Map<string, string>();
  /** In this session. */
  #toldAll = false;
  #dirty = true;
  #wake: (() => void) | undefined;
  #failing = false;

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** A new session knows nothing: tell it all. */
  everything(): void {
    this.#told = new Map();
    this.#toldAll = false;
    this.#dirty = true;
    this.#wake?.();
  }

  changed(_prefix: string | undefined): void {
    this.#dirty = true;
    this.#wake?.();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { team, engine, log } = this.#options;
    const watching = engine.watch(team, (prefix) => this.changed(prefix), signal).catch((error: unknown) => log.warn({ err: error }, 'watching the engine ended'));
    while (!signal.aborted) {
      if (this.#dirty) {
        this.#dirty = false;
        await this.#look(signal);
        await this.#pause(AT_MOST_EVERY_MS, signal, false);
      } else {
        await this.#pause(LOOK_AGAIN_MS, signal, true);
        this.#dirty = true;
      }
    }
    await watching;
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { team, engine, journal, log } = this.#options;
    try {
      const targets = await engine.observe(team, journal.memories, AbortSignal.any([signal, AbortSignal.timeout(OBSERVE_MS)]));
      this.#failing = false;
      this.#tell(targets);
    } catch (error) {
      if (signal.aborted) return;
      // Said once: an engine that is down is down every ten seconds.
      if (!this.#failing) log.warn({ err: error }, 'the engine cannot be looked at');
      this.#failing = true;
      const unknown = [...journal.memories.values()].map(({ spec, attemptId }): ObservedTarget => ({ team, deployment: spec.deployment, prefix: spec.prefix, containers: [], drift: [], attemptId, health: 'unknown', healthReason: 'the engine does not answer' }));
      this.#tell(unknown, false);
    }
  }

  /** `all`: these are all that there are; else there may be more that nobody could see. */
  #tell(targets: readonly ObservedTarget[], all = true): void {
    const next = new Map([...(all ? [] : this.#told), ...targets.map((target) => [target.prefix, fingerprint(target)] as const)]);
    const complete = all && (!this.#toldAll || this.#told.size === 0 || [...this.#told.keys()].some((prefix) => !next.has(prefix)));
    const changed = complete ? targets : targets.filter((target) => this.#told.get(target.prefix) !== next.get(target.prefix));
    this.#told = next;
    this.#toldAll ||= complete;
    if (complete || changed.length > 0) {
      this.#options.send({ complete, targets: changed.map((target) => ({ ...target, containers: [...target.containers], drift: [...target.drift] })) });
    }
  }

  async #pause(ms: number, signal: AbortSignal, wakeable: boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      if (wakeable) this.#wake = done;
    });
  }
}

function fingerprint(target: ObservedTarget): string {
  return JSON.stringify(target, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}
