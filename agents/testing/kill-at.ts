/**
 * A runtime that dies with the agent: at the n-th call it stops, before or after the call had its effect, and from then on
 * answers nothing. What runs above it cannot repair anything any more, exactly as after kill -9.
 */
import type { ContainerRuntime } from '../containers/runtime.ts';

class Killed extends Error {
  constructor() {
    super('killed');
    this.name = 'Killed';
  }
}

export interface KillPoint {
  readonly call: number;
  readonly when: 'before' | 'after';
}

export interface KilledRuntime {
  readonly runtime: ContainerRuntime;
  /** Number of calls so far. */
  calls(): number;
  dead(): boolean;
}

/** Calls that change the engine. Dying after a look is the same as dying after the change before it. */
const CHANGES = new Set(['pull', 'create', 'start', 'stop', 'rename', 'remove', 'ensureNetwork', 'removeNetwork', 'ensureVolume', 'removeVolume']);

export interface KillOptions {
  /** Count only calls that change the engine. */
  readonly changesOnly?: boolean;
  /** Instead of throwing, for a process that really kills itself. */
  readonly onDeath?: () => void;
}

export function killAt(inner: ContainerRuntime, point: KillPoint | undefined, options: KillOptions = {}): KilledRuntime {
  let count = 0;
  let dead = false;
  function die(): never {
    dead = true;
    options.onDeath?.();
    throw new Killed();
  }
  const runtime = new Proxy(inner, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      const verb = String(key);
      const method = value.bind(target) as (...values: unknown[]) => unknown;
      // A log is read lazily and changes nothing.
      if (verb === 'logs') return (...values: unknown[]) => (dead ? die() : method(...values));
      return async (...values: unknown[]): Promise<unknown> => {
        if (dead) throw new Killed();
        const mine = options.changesOnly === true && !CHANGES.has(verb) ? 0 : ++count;
        if (point?.call === mine && point.when === 'before') die();
        const answer = await method(...values);
        if (point?.call === mine && point.when === 'after') die();
        if (dead) throw new Killed();
        return answer;
      };
    },
  });
  return { runtime, calls: () => count, dead: () => dead };
}
