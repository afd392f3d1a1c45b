/**
 * How an agent becomes another version: the core decides when, and whoever knows what the agent runs in (a container or a unit of a Docker host, a pod of a cluster) carries it out. Only
 * one of the two ever acts: the old one has closed its journal before the new one starts, and opens it again only once the new one is out of it for good.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { makePrivateDirectory, removeFile, writeWhole } from './files.ts';


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
  /** Everything that can fail before anything is stopped. Throws AgentError `UpdateFailed` or `UpdateUnsupported`. */
  prepare(wanted: WantedAgent, signal: AbortSignal): Promise<void>;
  /**
   * This process has stopped to serve and has closed its journal. From here on it is the guard, written down, so that it is after a crash, too; or it goes on
   * as the agent, where that could not be done and the failure is noted. Never throws.
   */
  handOver(signal: AbortSignal): Promise<'guard' | 'agent'>;
  /** Watches the one on trial. Resolves when that has failed and is gone, or this one has nothing to say any more; if it is accepted this process is stopped from outside, or has ended to serve. */
  guard(signal: AbortSignal): Promise<'agent' | 'loser'>;
  /** On trial: the controller has taken it. False where the guard has given up on it before. Never throws. */
  accept(signal: AbortSignal): Promise<boolean>;
  /** After that: the old one goes, and this one takes its place and its way to be restarted. Never throws. */
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

/** The version that failed last, in a file that outlives this process; what cannot be read never failed. */
export class FailureFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  get last(): Failure | undefined {
    try {
      return existsSync(this.#path) ? (JSON.parse(readFileSync(this.#path, 'utf8')) as Failure) : undefined;
    } catch {
      return undefined;
    }
  }

  note(version: string, reason: string): void {
    const before = this.last;
    const failure: Failure = { version, reason, tries: before?.version === version ? before.tries + 1 : 1, at: Date.now() };
    makePrivateDirectory(dirname(this.#path));
    writeWhole(this.#path, JSON.stringify(failure));
  }

  forget(): void {
    removeFile(this.#path);
  }
}
