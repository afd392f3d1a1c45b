/**
 * The connection pool. All of the store reads and writes through it; only LISTEN (listen.ts) and migrations
 * (migrate.ts) use a plain connection.
 *
 * What comes out of a row: `bigint` → number (an id beyond 2^53 is an error), `timestamptz` → Date, `jsonb` → parsed
 * JSON, `numeric` → number, `date` and all else → string. Rows are checked against the zod type of `sql.type(…)`.
 */
import { createPool, createTypeParserPreset, SchemaValidationError } from 'slonik';
import type { CommonQueryMethods, DatabasePool, DatabaseTransactionConnection, Interceptor, QueryResultRow } from 'slonik';
import { withRetry } from './retry.ts';
import type { RetryOptions } from './retry.ts';

export interface StorePoolOptions {
  /** `postgres://user:password@host:port/database`; a Unix socket is `…@%2Fdirectory:5432/…`. */
  readonly url: string;
  /** 10 unless told. */
  readonly maximumPoolSize?: number;
  /** Milliseconds after which the server aborts a statement; 30,000 unless told. */
  readonly statementTimeoutMs?: number;
  /** How long to wait for a server that is starting. Milliseconds; 30,000 unless told. */
  readonly connectTimeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Losses of connections are told here; queries in flight fail by themselves. */
  readonly log?: { warn(fields: object, message: string): void };
}

/**
 * Opens the pool; needs the server to be there within `connectTimeoutMs`, else `DatabaseUnreachable`. A later restart of
 * the server is survived: queries in flight fail (see `withRetry`), new ones connect again.
 */
export async function createStorePool(options: StorePoolOptions): Promise<DatabasePool> {
  const pool = await withRetry(
    () =>
      createPool(options.url, {
        captureStackTrace: false,
        maximumPoolSize: options.maximumPoolSize ?? 10,
        connectionRetryLimit: 1,
        connectionTimeout: 5_000,
        statementTimeout: options.statementTimeoutMs ?? 30_000,
        idleInTransactionSessionTimeout: 60_000,
        idleTimeout: 30_000,
        gracefulTerminationTimeout: 5_000,
        interceptors: [rowValidation],
        typeParsers,
        resetConnection: async ({ query }) => {
          // slonik leaks the slot of a connection whose reset fails. One that is lost is thrown out by its own error
          // event, so the failure can be left at that.
          await query('DISCARD ALL').catch(() => undefined);
        },
      }),
    { deadlineMs: options.connectTimeoutMs ?? 30_000, what: 'connect to PostgreSQL', ...(options.signal && { signal: options.signal }) },
  );
  // Without a listener an error of a stream would end the process.
  pool.on('error', (error) => options.log?.warn({ err: error }, 'database connection lost'));
  return pool;
}

/**
 * Runs `fn` in a transaction and, if the connection is lost, again on a new one. The loss may hide a commit that took
 * place, so this is ONLY for functions that may run twice: upserts, guarded updates (`… where status = …`), and inserts
 * with a key chosen by the caller. Everything else uses `pool.transaction` and lets its loop come round again.
 * Transactions that PostgreSQL itself rolled back (deadlock, serialisation) are repeated by both.
 */
export async function retryTransaction<T>(pool: DatabasePool, fn: (transaction: DatabaseTransactionConnection) => Promise<T>, options: RetryOptions = {}): Promise<T> {
  return await withRetry(() => pool.transaction(fn), { what: 'run a transaction', ...options });
}

/** What a query function of the store takes: the pool, a connection of it, or a transaction. */
export type Queryable = Pick<CommonQueryMethods, 'any' | 'anyFirst' | 'exists' | 'many' | 'manyFirst' | 'maybeOne' | 'maybeOneFirst' | 'one' | 'oneFirst' | 'query'>;

const rowValidation: Interceptor = {
  name: 'row-validation',
  transformRow: (context, query, row) => {
    if (context.resultParser === undefined) return row;
    const result = context.resultParser.safeParse(row);
    if (!result.success) throw new SchemaValidationError(query, row, result.error.issues);
    return result.data as QueryResultRow;
  },
};

const OWN_PARSERS: readonly { readonly name: string; readonly parse: (text: string) => unknown }[] = [
  { name: 'int8', parse: safeInteger },
  { name: 'timestamptz', parse: instant },
];

const typeParsers = [...createTypeParserPreset().filter(({ name }) => OWN_PARSERS.every((own) => own.name !== name)), ...OWN_PARSERS];

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`the bigint ${text} is too large for a number`);
  return value;
}

function instant(text: string): Date {
  const value = new Date(text);
  if (Number.isNaN(value.getTime())) throw new RangeError(`the timestamp ${text} is no moment that a Date can hold`);
  return value;
}
