/** How many calls one step makes at a time: enough to keep an engine busy, few enough to leave it to others. */
const WIDTH = 8;

/** Of starting containers: the engine waits for the kernel more than it works, and twenty at a time end sooner than eight. */
export const STARTING_WIDTH = 20;

/**
 * Runs the tasks eight at a time, or so many, and waits for every one that was begun, also after a failure: who restores afterwards must
 * not meet a call that is still on its way. After the first failure no further task is begun. Throws the first failure.
 */
export async function pooled<T, R>(items: readonly T[], task: (item: T) => Promise<R>, width = WIDTH): Promise<R[]> {
  const results: R[] = [];
  const failures: unknown[] = [];
  let next = 0;
  async function worker(): Promise<void> {
    while (next < items.length && failures.length === 0) {
      const index = next++;
      try {
        results[index] = await task(items[index] as T);
      } catch (error) {
        failures.push(error);
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}

/** Sleeps, or less when the signal aborts; never throws. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || ms <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
