/** Keeps the embedded database running: a server that ends unasked (killed for memory, say) is started again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmbeddedDatabase } from './embedded.ts';
import type { EmbeddedDatabase, EmbeddedDatabaseOptions } from './embedded.ts';

export interface KeptDatabase {
  /** Stays the same over restarts of the server. Holds the password: never log it. */
  readonly url: string;
  /** Process id of the server that runs now. */
  pid(): number;
  /** Settles, with the reason, when the server fell too often and is left alone; never if it was stopped. */
  readonly gaveUp: Promise<unknown>;
  stop(): Promise<void>;
}

/** More falls than this within the window are no accident any more. */
const MOST_FALLS = 5;
const WINDOW_MS = 10 * 60_000;

/** Starts the server, as `startEmbeddedDatabase` does, and restarts it after each fall: at once, then with pauses. */
export async function keepEmbeddedDatabase(options: EmbeddedDatabaseOptions): Promise<KeptDatabase> {
  const stopping = new AbortController();
  let current: EmbeddedDatabase = await startEmbeddedDatabase(options);
  let falls: number[] = [];
  let giveUp: (reason: unknown) => void = () => undefined;
  const gaveUp = new Promise<unknown>((resolve) => (giveUp = resolve));

  const watch = async (): Promise<void> => {
    for (;;) {
      const { code, signal } = await current.exited;
      if (stopping.signal.aborted) return;
      const now = performance.now();
      falls = [...falls.filter((at) => now - at < WINDOW_MS), now];
      options.log?.warn(`the embedded PostgreSQL ended unasked (${signal ?? `code ${String(code)}`}); it is started again`);
      if (falls.length > MOST_FALLS) throw new Error(`the embedded PostgreSQL ended ${String(falls.length)} times in ten minutes`);
      await sleep((falls.length - 1) * 1_000, undefined, { signal: stopping.signal });
      await current.stop(); // tidies up after the dead one
      stopping.signal.throwIfAborted();
      current = await startEmbeddedDatabase(options);
      if (stopping.signal.aborted) return; // stop() came meanwhile and ends this one too
    }
  };
  const watched = watch().catch((error: unknown) => {
    if (!stopping.signal.aborted) giveUp(error);
  });

  return {
    url: current.url,
    pid: () => current.pid,
    gaveUp,
    stop: async () => {
      stopping.abort();
      await current.stop();
      await watched; // a restart under way comes to its end
      await current.stop();
    },
  };
}
