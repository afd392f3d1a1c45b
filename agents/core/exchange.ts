/**
 * How an agent becomes another version: the core decides when, and whoever knows what the agent runs in (a container of a Docker host) carries it out. Only one
 * of the two ever acts: the old one has closed its journal before the new one starts, and opens it again only once the new one is gone for good.
 */

/** What the controller says that this node wants. */
export interface WantedAgent {
  readonly version: string;
  readonly image: string;
}

export interface Failure {
  readonly version: string;
  readonly reason: string;
  /** How often this version was tried, and when last (milliseconds since the epoch). */
  readonly tries: number;
  readonly at: number;
}

/**
 * What this process is: `agent` serves; `trial` serves, and is the agent from the moment at which the controller takes it; `guard` does nothing but
 * watch the one on trial; `loser` ends.
 */
export type Role = 'agent' | 'trial' | 'guard' | 'loser';

export interface Exchange {
  /** Asked once, at the start of the process. */
  role(version: string, signal: AbortSignal): Promise<Role>;
  /** Everything that can fail before anything is stopped: the image, the container. Throws AgentError `UpdateFailed` or `UpdateUnsupported`. */
  prepare(wanted: WantedAgent, signal: AbortSignal): Promise<void>;
  /** From here on this process is the guard; written down, so that it is after a crash, too. */
  handOver(): void;
  /** Starts the one on trial and watches it. Resolves when it has failed and is gone; if it is accepted this process is stopped from outside. */
  guard(signal: AbortSignal): Promise<void>;
  /** On trial: the controller has taken it. False where the guard has given up on it before. */
  accept(): boolean;
  /** After that: the old one goes, and this one takes its name and its way to be restarted. Never throws. */
  settle(signal: AbortSignal): Promise<void>;
  /** Of the version that failed last. */
  lastFailure(): Failure | undefined;
  noteFailure(version: string, reason: string): void;
}

const FIRST_PAUSE_MS = 10 * 60_000;
const TRIES = 3;

/** A version that failed is tried again after ten minutes and after twenty, then not until the manifest wants another one. Infinity: never. PURE. */
export function pauseBefore(version: string, failure: Failure | undefined, now: number): number {
  if (failure === undefined || failure.version !== version) return 0;
  if (failure.tries >= TRIES) return Infinity;
  return Math.max(0, failure.at + FIRST_PAUSE_MS * 2 ** (failure.tries - 1) - now);
}
