/** Waiting between attempts to reach the controller: exponential with full jitter, so that a fleet does not come back at once. */
const FIRST_MS = 200;
const LONGEST_MS = 30_000;

/** Milliseconds before the nth attempt in a row (from 1); `random` in [0, 1). Never below a tenth of the range. */
export function reconnectDelay(failures: number, random: number): number {
  const range = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
  return Math.round(range * (0.1 + 0.9 * random));
}
