/** LISTEN on one plain connection that comes back by itself. slonik's pool cannot do it. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { withRetry } from './retry.ts';

export interface ListenerOptions {
  /** Called each time the line is up again after a loss: notifications were missed, so look at the tables. */
  readonly onReconnect?: () => void;
  readonly log?: { warn(fields: object, message: string): void };
  /** How often an idle line is tested, in milliseconds; 20,000 unless told. A dead one is noticed one test later. */
  readonly heartbeatMs?: number;
}

export interface Listener {
  /** Ends the connection and the attempts to renew it. */
  close(): Promise<void>;
}

/**
 * Listens on `channels` and calls `onNotify(channel, payload)` for each notification. Resolves once it listens; throws
 * `DatabaseUnreachable` if that does not come about in 30 s. Later losses are repaired for as long as it takes. Callbacks
 * must not throw; if one does, it is logged.
 */
export async function createListener(url: string, channels: readonly string[], onNotify: (channel: string, payload: string) => void, options: ListenerOptions = {}): Promise<Listener> {
  const closing = new AbortController();
  let current: pg.Client | undefined;

  const connect = async (): Promise<{ client: pg.Client; lost: Promise<void> }> => {
    const client = new pg.Client({ connectionString: url, keepAlive: true, connectionTimeoutMillis: 5_000, query_timeout: 10_000, application_name: 'tagboat-listen' });
    const lost = new Promise<void>((resolve) => {
      client.once('end', () => resolve());
      client.on('error', () => resolve());
    });
    client.on('notification', ({ channel, payload }) => guarded(() => onNotify(channel, payload ?? ''), options.log));
    try {
      await client.connect();
      for (const channel of channels) await client.query(`listen ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      await hangUp(client);
      throw error;
    }
    current = client;
    return { client, lost };
  };

  const keep = async (first: { client: pg.Client; lost: Promise<void> }): Promise<void> => {
    for (let line = first; ; ) {
      await Promise.race([line.lost, heartbeat(line.client, options.heartbeatMs ?? 20_000, closing.signal)]);
      await hangUp(line.client);
      if (closing.signal.aborted) return;
      options.log?.warn({ channels }, 'the line for database notifications was lost; connecting again');
      for (;;) {
        try {
          line = await withRetry(connect, { signal: closing.signal, what: 'listen for notifications' });
          break;
        } catch (error) {
          if (closing.signal.aborted) return;
          options.log?.warn({ err: error }, 'the database is not there; trying on');
          await sleep(2_000, undefined, { signal: closing.signal }).catch(() => undefined);
        }
      }
      if (closing.signal.aborted) return await hangUp(line.client);
      guarded(() => options.onReconnect?.(), options.log);
    }
  };

  const kept = keep(await withRetry(connect, { what: 'listen for notifications' }));
  return {
    close: async () => {
      closing.abort();
      if (current !== undefined) await hangUp(current);
      await kept;
    },
  };
}

/** Settles when the line does not answer any more (or when `signal` fires). */
async function heartbeat(client: pg.Client, everyMs: number, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await sleep(everyMs, undefined, { signal, ref: false });
      await client.query('select 1');
    }
  } catch {
    return;
  }
}

/** `end()` waits for a farewell that a dead line never gives. */
async function hangUp(client: pg.Client): Promise<void> {
  const patience = new AbortController();
  await Promise.race([client.end().catch(() => undefined), sleep(1_000, undefined, { signal: patience.signal }).catch(() => undefined)]);
  patience.abort();
}

function guarded(call: () => void, log: ListenerOptions['log']): void {
  try {
    call();
  } catch (error) {
    log?.warn({ err: error }, 'a listener of database notifications threw');
  }
}
