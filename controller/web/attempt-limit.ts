/** Counts within a window of time, by key, in bounded memory. */

export interface LimitOptions {
  /** How many are let through in a window. */
  readonly limit: number;
  readonly windowMs: number;
  /** Keys that are remembered; the oldest is forgotten first. */
  readonly keys?: number;
  /** Milliseconds; the clock of the process unless told. */
  readonly now?: () => number;
}

export class AttemptLimit {
  readonly #options: Required<LimitOptions>;
  readonly #counts = new Map<string, { since: number; count: number }>();

  constructor(options: LimitOptions) {
    this.#options = { keys: 10_000, now: () => performance.now(), ...options };
  }

  /** Counts one more; false when it is one too many. */
  take(key: string): boolean {
    const { limit, windowMs, keys, now } = this.#options;
    const at = now();
    const known = this.#counts.get(key);
    const entry = known === undefined || at - known.since >= windowMs ? { since: at, count: 0 } : known;
    this.#counts.delete(key); // and in again, as the newest
    this.#counts.set(key, entry);
    if (this.#counts.size > keys) for (const oldest of this.#counts.keys()) {
      this.#counts.delete(oldest);
      break;
    }
    entry.count++;
    return entry.count <= limit;
  }

  /** After a success nothing of it counts. */
  forget(key: string): void {
    this.#counts.delete(key);
  }
}
