/** Tells the Git host what the outbox holds: one thing after the other, slower when the host asks for it, never twice. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { DatabasePool } from 'slonik';
import { explainError } from '../../errors.ts';
import type { ForgeClient, OpenRequest } from '../../forges/forge.ts';
import { forgeErrorOf } from '../../forges/forge-fetch.ts';
import type { ForgeError } from '../../forges/forge-fetch.ts';
import { tellComment, tellStatus } from '../../forges/tell.ts';
import { claimOutbox, nextOutboxMs, noteFailed, noteLater, noteSent, reviveOutbox } from '../../store/outbox.ts';
import type { Claimed } from '../../store/outbox.ts';
import { Bell } from '../bell.ts';
import { teamLease } from '../plan-team.ts';
import { markerOf } from './verdict.ts';

/** After so many refusals in a row a thing is given up until it changes or the controller starts again. */
const MAX_TRIES = 10;
const RETRY_BASE_MS = 5_000;
const LONGEST_RETRY_MS = 1_800_000;
/** Between two writes; hosts ask for a second. */
const PACE_MS = 1_000;
const LOOK_AGAIN_MS = 60_000;
const OPEN_IS_FRESH_MS = 300_000;

export interface DeliveryLoopOptions {
  readonly team: string;
  readonly pool: DatabasePool;
  readonly log: Logger;
  /** Opens the host's client, once. */
  forge(): Promise<ForgeClient>;
}

export class DeliveryLoop {
  readonly #options: DeliveryLoopOptions;
  readonly #bell = new Bell();
  #client: Promise<ForgeClient> | undefined;
  #pausedUntil = 0;
  #open: { readonly key: string; readonly at: number; readonly requests: readonly OpenRequest[] } | undefined;

  constructor(options: DeliveryLoopOptions) {
    this.#options = options;
  }

  /** Something was put into the outbox. */
  ring(): void {
    this.#bell.ring();
  }

  /**
   * The requests that the host calls open; asked again when `key` (what the listing of refs says of them) is another, and every
   * few minutes. Null: it cannot be told, and whatever the refs show counts as open.
   */
  async openRequests(key: string): Promise<readonly OpenRequest[] | null> {
    if (this.#open?.key === key && Date.now() - this.#open.at < OPEN_IS_FRESH_MS) return this.#open.requests;
    if (Date.now() < this.#pausedUntil) return null;
    try {
      return await this.#askForOpen(key);
    } catch (error) {
      this.#heed(forgeErrorOf(error));
      this.#options.log.warn({ team: this.#options.team, reason: explainError(forgeErrorOf(error)) }, 'the Git host did not say which requests are open');
      return null;
    }
  }

  /** Runs until the signal aborts; `token` is that of the team's lease. */
  async run(token: number, signal: AbortSignal): Promise<void> {
    const { pool, team, log } = this.#options;
    let revived = false;
    while (!signal.aborted) {
      try {
        if (!revived) await reviveOutbox(pool, team);
        revived = true;
        const pause = this.#pausedUntil - Date.now();
        const claimed = pause > 0 ? null : await claimOutbox(pool, team, { name: teamLease(team), token });
        if (claimed === null) await this.#bell.wait(pause > 0 ? pause : Math.min((await nextOutboxMs(pool, team)) ?? LOOK_AGAIN_MS, LOOK_AGAIN_MS) + 10, signal);
        else {
          await this.#deliver(claimed);
          await sleep(PACE_MS, undefined, { signal }).catch(() => undefined);
        }
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ team, reason: explainError(error) }, 'telling the Git host starts over');
        await new Bell().wait(5_000, signal);
      }
    }
  }

  async #deliver(claimed: Claimed): Promise<void> {
    const { pool, team, log } = this.#options;
    let remoteId: string | null | undefined;
    try {
      remoteId = await this.#tell(await this.#forge(), claimed);
    } catch (error) {
      const refused = forgeErrorOf(error);
      this.#heed(refused);
      // A host that wants to be left alone has not refused the thing itself.
      const spent = refused.pauseMs === null && (claimed.tries >= MAX_TRIES || refused.status === 422);
      const retryInMs = spent ? null : Math.max(refused.pauseMs ?? 0, Math.min(RETRY_BASE_MS * 2 ** Math.min(claimed.tries - 1, 16), LONGEST_RETRY_MS));
      const heard = refused.status === 0 || refused.status >= 500;
      await noteFailed(pool, team, claimed, explainError(refused), heard, retryInMs);
      log.warn({ team, review: claimed.ref, kind: claimed.payload.kind, tries: claimed.tries, retryInMs, reason: explainError(refused) }, 'the Git host was not told');
      return;
    }
    if (remoteId === undefined) await noteLater(pool, team, claimed, LOOK_AGAIN_MS);
    else await noteSent(pool, team, claimed, remoteId);
  }

  /** The comment's id, null for what has none; undefined: there is nowhere to tell it yet. */
  async #tell(forge: ForgeClient, { ref, payload, unsure, remoteId }: Claimed): Promise<string | null | undefined> {
    if (payload.kind === 'status') {
      await tellStatus(forge, payload, unsure);
      return null;
    }
    // A branch may have no request yet, or never one; the host is asked once for all of them.
    const request = payload.number ?? (await this.#requestsNow()).find(({ branch }) => branch === payload.branch)?.number;
    return request === undefined ? undefined : tellComment(forge, { request, marker: markerOf(this.#options.team, ref), body: payload.body, known: remoteId });
  }

  async #requestsNow(): Promise<readonly OpenRequest[]> {
    return this.#open !== undefined && Date.now() - this.#open.at < LOOK_AGAIN_MS / 2 ? this.#open.requests : this.#askForOpen(this.#open?.key ?? '');
  }

  async #askForOpen(key: string): Promise<readonly OpenRequest[]> {
    this.#open = { key, at: Date.now(), requests: await (await this.#forge()).openRequests() };
    return this.#open.requests;
  }

  #heed({ pauseMs }: ForgeError): void {
    if (pauseMs !== null) this.#pausedUntil = Math.max(this.#pausedUntil, Date.now() + pauseMs);
  }

  async #forge(): Promise<ForgeClient> {
    this.#client ??= this.#options.forge();
    return this.#client;
  }
}
