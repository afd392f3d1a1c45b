/**
 * Leases: at most one replica does a thing at a time. The database's clock decides, and a token that only grows with
 * each change of holder fences off one that went on without noticing that its lease was over.
 */
import { hostname } from 'node:os';
import { randomUUID } from 'node:crypto';
import { sql } from 'slonik';
import type { DatabasePool } from 'slonik';
import { z } from 'zod';
import { TagboatError } from '../errors.ts';
import type { Queryable } from './pool.ts';

export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Grows with each change of holder, and when a holder comes back after its lease ran out. */
  readonly token: number;
}

/** A name for this process; no two processes may share one. `address`: where other replicas reach it, if they may. */
export function newHolder(address?: string): string {
  return `${hostname()}:${String(process.pid)}:${randomUUID().slice(0, 8)}${address === undefined ? '' : `@${address}`}`;
}

/** Who holds a lease that is in force; null: nobody. */
export async function holderOf(connection: Queryable, name: string): Promise<string | null> {
  return connection.maybeOneFirst(sql.type(z.object({ holder: z.string() }))`select holder from lease where name = ${name} and expires_at > clock_timestamp()`);
}

/** Where a holder said that it is reached. */
export function addressOf(holder: string): string | undefined {
  return /@(.+)$/.exec(holder)?.[1];
}

/** Takes the lease if it is free, has run out or is already `holder`'s; else `null`. `ttlMs` in milliseconds. */
export async function acquireLease(connection: Queryable, name: string, holder: string, ttlMs: number): Promise<Lease | null> {
  const token = await connection.maybeOneFirst(sql.type(z.object({ token: z.number() }))`
    insert into lease (name, holder, token, expires_at)
    values (${name}, ${holder}, 1, clock_timestamp() + ${ttlMs} * interval '1 millisecond')
    on conflict (name) do update set
      holder = excluded.holder,
      token = case when lease.holder = excluded.holder and lease.expires_at > clock_timestamp() then lease.token else lease.token + 1 end,
      expires_at = clock_timestamp() + ${ttlMs} * interval '1 millisecond'
    where lease.holder = excluded.holder or lease.expires_at <= clock_timestamp()
    returning token`);
  return token === null ? null : { name, holder, token };
}

/** Prolongs the lease; `false` if it ran out or is another's: it is lost then, for good. */
export async function renewLease(connection: Queryable, lease: Lease, ttlMs: number): Promise<boolean> {
  const result = await connection.query(sql.unsafe`
    update lease set expires_at = clock_timestamp() + ${ttlMs} * interval '1 millisecond'
    where name = ${lease.name} and holder = ${lease.holder} and token = ${lease.token} and expires_at > clock_timestamp()`);
  return result.rowCount === 1;
}

/** Gives the lease back; `false` if it was lost before. */
export async function releaseLease(connection: Queryable, lease: Lease): Promise<boolean> {
  const result = await connection.query(sql.unsafe`
    update lease set expires_at = clock_timestamp()
    where name = ${lease.name} and holder = ${lease.holder} and token = ${lease.token} and expires_at > clock_timestamp()`);
  return result.rowCount === 1;
}

/**
 * The guard for writes made under a lease: `update … where id = ${id} and ${fencedBy(name, token)}`. True only while
 * the lease is in force with that token. It locks the lease row until the transaction ends, so nobody else can take the
 * lease between the check and the commit. Zero rows changed then means: the lease is lost (or the row is not there).
 */
export function fencedBy(name: string, token: number): ReturnType<typeof sql.fragment> {
  return sql.fragment`exists (
    select 1 from lease where lease.name = ${name} and lease.token = ${token} and lease.expires_at > clock_timestamp() for share)`;
}

export interface LeaseKeeperOptions {
  readonly pool: DatabasePool;
  readonly name: string;
  /** From `newHolder()`; one for the whole process. */
  readonly holder: string;
  readonly ttlMs: number;
  readonly log?: { warn(fields: object, message: string): void };
}

/**
 * Holds a lease by renewing it at a third of its life. `signal` fires with `LeaseLost` when it is gone: refused by the
 * database, or not renewed in time because the database cannot be reached. All work under the lease obeys that signal.
 * Acquire it outside of transactions: slonik refuses the pool to whatever was begun inside of one, timers included.
 */
export class LeaseKeeper {
  readonly lease: Lease;
  readonly #options: LeaseKeeperOptions;
  readonly #lost = new AbortController();
  #validUntil: number;
  #timer: NodeJS.Timeout | undefined;
  #renewal: Promise<void> = Promise.resolve();
  #released = false;

  private constructor(options: LeaseKeeperOptions, lease: Lease, validUntil: number) {
    this.#options = options;
    this.lease = lease;
    this.#validUntil = validUntil;
    this.#schedule();
  }

  /** Tries once; `null` if another holds the lease. */
  static async acquire(options: LeaseKeeperOptions): Promise<LeaseKeeper | null> {
    // Measured before the question, so that we never believe in the lease longer than the database does.
    const validUntil = performance.now() + options.ttlMs;
    const lease = await acquireLease(options.pool, options.name, options.holder, options.ttlMs);
    return lease === null ? null : new LeaseKeeper(options, lease, validUntil);
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  get token(): number {
    return this.lease.token;
  }

  /** Stops renewing and gives the lease back. `signal` fires, so that work still going on ends. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    clearTimeout(this.#timer);
    await this.#renewal;
    const held = !this.signal.aborted;
    this.#lose('was released');
    if (held) await releaseLease(this.#options.pool, this.lease);
  }

  #schedule(): void {
    const leftMs = this.#validUntil - performance.now();
    this.#timer = setTimeout(() => {
      this.#renewal = this.#renew();
    }, Math.max(0, Math.min(this.#options.ttlMs / 3, leftMs)));
    this.#timer.unref(); // a lease alone is no reason to keep the process alive
  }

  async #renew(): Promise<void> {
    const asked = performance.now();
    if (asked >= this.#validUntil) return this.#lose('could not be renewed in time');
    // The question may hang with the network; the lease runs out all the same.
    const hanging = setTimeout(() => this.#lose('could not be renewed in time'), this.#validUntil - asked).unref();
    try {
      if (!(await renewLease(this.#options.pool, this.lease, this.#options.ttlMs))) return this.#lose('is held by another');
      this.#validUntil = asked + this.#options.ttlMs;
    } catch (error) {
      this.#options.log?.warn({ err: error, lease: this.lease.name }, 'a lease could not be renewed; trying on until it runs out');
    } finally {
      clearTimeout(hanging);
    }
    if (!this.#released && !this.signal.aborted) this.#schedule();
  }

  #lose(why: string): void {
    clearTimeout(this.#timer);
    if (!this.signal.aborted) this.#lost.abort(new TagboatError('LeaseLost', `the lease ${this.lease.name} ${why}`));
  }
}
