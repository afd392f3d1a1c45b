/** Riding out a database that restarts: which errors mean "the connection is gone", and a bounded back-off. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BackendTerminatedError, BackendTerminatedUnexpectedlyError, ConnectionError } from 'slonik';
import { TagboatError } from '../errors.ts';

export interface RetryOptions {
  /** Gives up after this time. Milliseconds; 30,000 unless told. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
  /** For the text of the error: could not <what>. */
  readonly what?: string;
}

/** Codes of PostgreSQL (shutdown, crash, starting up, too many connections) and of the operating system. */
const CODES: ReadonlySet<string> = new Set([
  '57P01', '57P02', '57P03', '53300',
  'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'ENOTFOUND',
]);

/** What pg and slonik throw without a code when a connection goes away under a query. */
const MESSAGES = /^(connection terminated|client is (pending )?destroy|client has encountered a connection error|client was closed|timeout expired|cannot use released connection)/i;

/**
 * True if the error (or one of its causes) says that the connection is gone or cannot be made for now: nothing is wrong
 * with the statement. Whether a commit in flight took place is unknown then. Wrong password or database is not of this
 * kind, nor is a statement timeout.
 */
export function isConnectionLoss(error: unknown): boolean {
  for (let one: unknown = error, depth = 0; one instanceof Error && depth < 8; one = one.cause, depth++) {
    if (one instanceof BackendTerminatedError || one instanceof BackendTerminatedUnexpectedlyError) return true;
    const code: unknown = 'code' in one ? one.code : undefined;
    const connecting = 'syscall' in one && one.syscall === 'connect'; // a Unix socket that is not there (yet): ENOENT
    if (typeof code === 'string' && (connecting || CODES.has(code) || /^08\w{3}$/.test(code))) return true;
    if (MESSAGES.test(one.message)) return true;
    if (one instanceof AggregateError && one.errors.length > 0) return one.errors.every(isConnectionLoss); // several addresses of one host
    if (one instanceof ConnectionError && one.cause === undefined) return true;
  }
  return false;
}

/**
 * Runs `work`; after a connection loss again, with back-off from 50 ms to 2 s, until `deadlineMs` is over: then
 * `DatabaseUnreachable`. Other errors pass at once. `work` must be safe to run twice (see `retryTransaction`).
 */
export async function withRetry<T>(work: () => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const deadlineMs = options.deadlineMs ?? 30_000;
  const deadline = performance.now() + deadlineMs;
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    options.signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!isConnectionLoss(error)) throw error;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) {
        throw new TagboatError('DatabaseUnreachable', `could not ${options.what ?? 'reach PostgreSQL'} within ${String(deadlineMs)} ms`, { cause: error });
      }
      await sleep(Math.min(pauseMs, leftMs), undefined, options.signal && { signal: options.signal });
    }
  }
}
