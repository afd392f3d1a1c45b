/**
 * Tells that something may have changed: the engine's events, gathered for a moment; a full look whenever the line to the
 * engine was broken, and one every minute for what events missed.
 */
import { pause } from '../core/pool.ts';
import type { HealthMonitor } from './monitor.ts';
import type { Looks } from './looks.ts';
import type { ContainerRuntime, RuntimeEvent } from './runtime.ts';

export interface WatchTimes {
  /** Events within this time are told once. */
  readonly gatherMs: number;
  readonly fullLookMs: number;
  readonly longestBackoffMs: number;
}

const WATCH_TIMES: WatchTimes = { gatherMs: 200, fullLookMs: 60_000, longestBackoffMs: 5000 };

export async function watchTeam(
  runtime: ContainerRuntime,
  looks: Looks,
  monitor: HealthMonitor,
  team: string,
  onChange: (prefix: string | undefined) => void,
  signal: AbortSignal,
  times: WatchTimes = WATCH_TIMES,
): Promise<void> {
  const gathered = new Gathered(onChange, times.gatherMs);
  const fullLook = setInterval(() => {
    looks.forget();
    gathered.add(undefined);
  }, times.fullLookMs);
  try {
    await Promise.all([follow(runtime, looks, team, gathered, signal, times), monitor.run((prefix) => gathered.add(prefix), signal)]);
  } finally {
    clearInterval(fullLook);
    gathered.close();
  }
}

async function follow(runtime: ContainerRuntime, looks: Looks, team: string, gathered: Gathered, signal: AbortSignal, times: WatchTimes): Promise<void> {
  let backoff = 250;
  while (!signal.aborted) {
    try {
      // A stream that has just begun has missed what came before it.
      const begun = (): void => {
        backoff = 250;
        looks.begin();
        gathered.add(undefined);
      };
      function changed({ prefix }: RuntimeEvent): void {
        looks.touch(prefix);
        gathered.add(prefix);
      }
      await runtime.events(team, begun, changed, signal);
    } catch {
      if (signal.aborted) return;
      gathered.add(undefined);
    } finally {
      looks.end();
    }
    await pause(backoff * (0.75 + Math.random() / 2), signal);
    backoff = Math.min(backoff * 2, times.longestBackoffMs);
  }
}

/** One call for many events of one target. */
class Gathered {
  readonly #onChange: (prefix: string | undefined) => void;
  readonly #ms: number;
  readonly #pending = new Set<string | undefined>();
  #timer: NodeJS.Timeout | undefined;

  constructor(onChange: (prefix: string | undefined) => void, ms: number) {
    this.#onChange = onChange;
    this.#ms = ms;
  }

  add(prefix: string | undefined): void {
    this.#pending.add(prefix);
    this.#timer ??= setTimeout(() => this.#tell(), this.#ms);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #tell(): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    this.#timer = undefined;
    if (pending.includes(undefined)) return this.#onChange(undefined);
    for (const prefix of pending) this.#onChange(prefix);
  }
}
