/** Takes what is due from the outbox to its channels. Every replica runs one; a row is in the hands of one of them at a time. */
import type { Logger } from 'pino';
import type { DatabasePool } from 'slonik';
import type { Secret } from '../secret.ts';
import { claimDue, finishDelivery, nextDueMs, pruneDeliveries } from '../store/notifications.ts';
import type { Claimed, Delivery } from '../store/notifications.ts';
import { bodyOf } from './channels.ts';
import { messageOf } from './message.ts';
import { send } from './send.ts';
import type { Sent } from './send.ts';

/** Waits until it rings, the time is up or the signal aborts. */
export interface Wakeable {
  wait(timeoutMs: number, signal: AbortSignal): Promise<void>;
}

export interface DeliveryOptions {
  readonly pool: DatabasePool;
  readonly log: Logger;
  readonly bell: Wakeable;
  readonly publicUrl: string;
  readonly allowPrivate: boolean;
  readonly keepMs: number;
  /** A team has its own URLs and no other team's (R1). */
  readonly urlOf: (team: string, name: string) => Secret | undefined;
  readonly onResult: (team: string, channel: string, result: 'delivered' | 'retried' | 'failed') => void;
  /** Milliseconds before the nth further try; default 5 s, doubled, a quarter of an hour at most. */
  readonly backoffMs?: (tries: number) => number;
}

const AT_ONCE = 20;
const IDLE_MS = 30_000;
const BUSY_MS = 250;
const MOST_TRIES = 10;
/** A service that asks for more is not waited for longer. */
const LONGEST_MS = 3_600_000;
const PRUNE_MS = 600_000;

export async function runDeliveryLoop(options: DeliveryOptions, signal: AbortSignal): Promise<void> {
  const { pool, log, bell } = options;
  let prunedAt = 0;
  while (!signal.aborted) {
    let wait = IDLE_MS;
    try {
      const claimed = await claimDue(pool, AT_ONCE);
      await Promise.all(claimed.map((one) => deliver(options, one)));
      wait = claimed.length > 0 ? 0 : Math.min(IDLE_MS, Math.max(BUSY_MS, (await nextDueMs(pool)) ?? IDLE_MS));
      if (Date.now() - prunedAt > PRUNE_MS) {
        prunedAt = Date.now();
        await pruneDeliveries(pool, options.keepMs);
      }
    } catch (error) {
      log.warn({ err: error }, 'notifications were not delivered; they are tried again');
      wait = 5_000;
    }
    if (wait > 0) await bell.wait(wait, signal);
  }
}

async function deliver(options: DeliveryOptions, claimed: Claimed): Promise<void> {
  const { pool, log, onResult } = options;
  const { team, notification, channel, event, tries } = claimed;
  const end = endOf(await attempt(options, claimed), tries, options.backoffMs ?? backoff);
  await finishDelivery(pool, claimed, end);
  onResult(team, channel, end.state === 'pending' ? 'retried' : end.state);
  if (end.state !== 'delivered') log.warn({ team, notification, event, tries, status: end.status, error: end.error }, end.state === 'failed' ? 'a notification was given up' : 'a notification did not arrive and is tried again');
}

async function attempt({ urlOf, publicUrl, allowPrivate }: DeliveryOptions, claimed: Claimed): Promise<Sent> {
  const url = urlOf(claimed.team, claimed.urlFrom);
  if (url === undefined) return { status: null, error: `the controller’s configuration of this team has no notification URL named ${claimed.urlFrom}`, retry: false, retryAfterMs: null };
  const body = bodyOf(claimed.channel, messageOf(claimed, publicUrl), claimed);
  // With the id a receiver can tell a second delivery of the same thing: a replica may die after the answer and before it is noted.
  return send(url, body, claimed.channel === 'webhook' ? { 'x-tagboat-event': claimed.event, 'x-tagboat-delivery': String(claimed.id) } : {}, { allowPrivate });
}

function endOf(sent: Sent, tries: number, backoffMs: (tries: number) => number): Delivery {
  const { status, error } = sent;
  if (error === '') return { state: 'delivered', status, error };
  if (!sent.retry || tries >= MOST_TRIES) return { state: 'failed', status, error };
  return { state: 'pending', status, error, delayMs: Math.min(LONGEST_MS, Math.max(backoffMs(tries), sent.retryAfterMs ?? 0)) };
}

function backoff(tries: number): number {
  return Math.min(900_000, 5_000 * 2 ** (tries - 1));
}
