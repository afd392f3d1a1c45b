/** What can go wrong with a remote, in the words of the error table; one place scrubs and shortens what servers say (R27). */
import { TagboatError, type ErrorCode } from '../errors.ts';
import { scrub } from '../scrub.ts';
import { secretsOf, type Remote } from './remote.ts';

/** An error that a remote caused. `retryAfterMs` is what the server asked for (429, 503), in milliseconds. */
export class RemoteError extends TagboatError {
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; hint?: string; retryAfterMs?: number | undefined } = {}) {
    super(code, message, options);
    this.name = 'RemoteError';
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** How long the server asked to be left alone, in milliseconds; undefined if it did not. */
export function retryAfterOf(error: unknown): number | undefined {
  return error instanceof RemoteError ? error.retryAfterMs : undefined;
}

/** Seconds or an HTTP date, as in RFC 9110; at most a day, so that a mad server does not stop polling for ever. */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null || value.trim() === '') return undefined;
  const seconds = Number(value);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - now;
  return Number.isFinite(wait) ? Math.min(Math.max(wait, 0), 86_400_000) : undefined;
}

/** A short, scrubbed, one-line excerpt of what a server or process said. */
export function excerpt(remote: Remote, text: string): string {
  return scrub(text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim().slice(0, 2000), secretsOf(remote)).slice(0, 300);
}

export function timeoutError(remote: Remote, milliseconds: number): RemoteError {
  return new RemoteError('Timeout', `${remote.url} did not finish its answer within ${String(milliseconds)} ms`);
}

export function tooLargeError(remote: Remote, limit: number): RemoteError {
  return new RemoteError('RemoteTooLarge', `the answer of ${remote.url} is larger than ${String(limit)} bytes`, {
    hint: 'Raise the limit, or keep large files out of this repository.',
  });
}

/** The error for an "ERR" line of the Git protocol or for the last words of upload-pack. */
export function refusal(remote: Remote, said: string): RemoteError {
  const text = excerpt(remote, said);
  if (/not our ref|unadvertised object|no such remote ref/i.test(text)) {
    return new RemoteError('RefMissing', `${remote.url} no longer has a wanted commit (${text})`, { hint: 'The ref moved while it was fetched; the next poll settles it.' });
  }
  if (/not found|does not exist|not appear to be a git repository/i.test(text)) return new RemoteError('RemoteNotFound', `${remote.url} has no such repository (${text})`);
  return new RemoteError('RemoteProtocol', `${remote.url} refused: ${text === '' ? 'no reason given' : text}`);
}
