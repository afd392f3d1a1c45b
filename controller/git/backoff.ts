/** How long a failing repository is left alone. Pure: jitter is passed in (peers: never retry at poll rate). */

export interface BackoffOptions {
  /** First delay, milliseconds. */
  readonly baseMs?: number;
  /** Greatest delay, milliseconds. */
  readonly maxMs?: number;
  /** From 0 to 1 (exclusive); 0.5 is the middle. */
  readonly jitter?: number;
}

/**
 * Milliseconds to wait after `failures` failures in a row: doubling from `baseMs` (5 s) to `maxMs` (15 min), spread by
 * ±25 %. Never less than what the server asked for with Retry-After (`retryAfterMs`); 0 after no failure.
 */
export function nextDelay(failures: number, retryAfterMs?: number, options: BackoffOptions = {}): number {
  const asked = retryAfterMs ?? 0;
  if (failures <= 0) return asked;
  const { baseMs = 5_000, maxMs = 900_000, jitter = 0.5 } = options;
  const doubled = Math.min(baseMs * 2 ** Math.min(failures - 1, 40), maxMs);
  return Math.max(Math.round(Math.min(doubled * (0.75 + jitter / 2), maxMs)), asked);
}
