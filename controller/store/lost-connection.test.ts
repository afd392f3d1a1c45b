// @own-server
import { setTimeout as sleep } from 'node:timers/promises';
import { SchemaValidationError, sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { TagboatError } from '../errors.ts';
import { testDatabase } from '../testing/database.ts';
import type { TestDatabase } from '../testing/database.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { createListener } from './listen.ts';
import { createStorePool, retryTransaction } from './pool.ts';
import { isConnectionLoss, withRetry } from './retry.ts';

const test = suite('lost connection');
let db: TestDatabase;
test.before(async () => {
  db = await testDatabase();
  await db.pool.query(sql.unsafe`create table counter (id int primary key, value bigint not null, at timestamptz, data jsonb)`);
  await db.pool.query(sql.unsafe`insert into counter values (1, 0, '2026-01-02T03:04:05.678Z', '{"a":[1]}')`);
});
test.after(() => db.drop());

const row = z.object({ value: z.number(), at: z.date(), data: z.object({ a: z.array(z.number()) }) });

test('rows come as numbers, dates and JSON, and are checked', async () => {
  const found = await db.pool.one(sql.type(row)`select value, at, data from counter`);
  assert.equal(found, { value: 0, at: new Date('2026-01-02T03:04:05.678Z'), data: { a: [1] } });
  const wrong = await db.pool.one(sql.type(z.object({ value: z.string() }))`select value from counter`).then(() => 'passed', (reason: unknown) => reason);
  assert.instance(wrong, SchemaValidationError);
  assert.match(await db.pool.one(sql.unsafe`select 9007199254740993 as big`).then(() => 'passed', String), 'too large');
});

test('a restart of the server is ridden out, also by transactions that are open', async () => {
  const raise = sql.unsafe`update counter set value = greatest(value, 10) where id = 1`;
  let runs = 0;
  let begun = (): void => undefined;
  let back = (): void => undefined;
  const [inside, restarted] = [new Promise<void>((resolve) => (begun = resolve)), new Promise<void>((resolve) => (back = resolve))];
  const work = retryTransaction(db.pool, async (transaction) => {
    runs++;
    await transaction.query(raise);
    begun();
    await restarted; // the restart comes in here
    await transaction.query(raise);
  });
  await inside;
  await db.restart();
  back();
  await work;
  assert.ok(runs > 1);
  assert.is(await db.pool.oneFirst(sql.unsafe`select value from counter`), 10);
});

test('no slot of the pool is lost to many broken connections', async () => {
  for (let round = 0; round < 3; round++) {
    const busy = Promise.allSettled(Array.from({ length: 10 }, () => db.pool.query(sql.unsafe`select pg_sleep(0.5)`)));
    await sleep(100);
    await db.restart();
    const outcomes = await busy;
    for (const outcome of outcomes) assert.ok(outcome.status === 'fulfilled' || isConnectionLoss(outcome.reason), outcome.status === 'rejected' ? String(outcome.reason) : '');
    await Promise.all(Array.from({ length: 10 }, () => withRetry(() => db.pool.query(sql.unsafe`select 1`))));
  }
  await sleepUntil(() => db.pool.state().acquiredConnections === 0 && db.pool.state().pendingReleaseConnections === 0, { what: 'the pool to be idle' });
});

test('an error of the statement is no loss and is not repeated', async () => {
  let runs = 0;
  const error = await withRetry(() => (runs++, db.pool.query(sql.unsafe`select 1 / 0`))).then(() => undefined, (reason: unknown) => reason);
  assert.is(runs, 1);
  assert.is(isConnectionLoss(error), false);
  const pool = await createStorePool({ url: db.url, statementTimeoutMs: 1_000 });
  const slow = await pool.query(sql.unsafe`select pg_sleep(60)`).then(() => undefined, (reason: unknown) => reason);
  assert.match(String(slow), /timeout/i);
  assert.is(isConnectionLoss(slow), false);
  await pool.end();
});

test('a database that is not there ends in DatabaseUnreachable, a wrong password at once', async () => {
  const missing = await createStorePool({ url: 'postgres://a:b@127.0.0.1:1/x', connectTimeoutMs: 200 }).then(() => undefined, (reason: unknown) => reason);
  assert.ok(missing instanceof TagboatError && missing.code === 'DatabaseUnreachable');
  const wrong = new URL(db.url);
  wrong.password = 'wrong';
  const patience = 600_000;
  const refused = await createStorePool({ url: wrong.href, connectTimeoutMs: patience }).then(() => undefined, (reason: unknown) => reason);
  assert.match(String(refused), 'password authentication failed', 'it is not tried until the patience ends, which this file would not live to see');
});

test('the listener hears again after a restart and says that it was away', async () => {
  const heard: string[] = [];
  let reconnects = 0;
  const listener = await createListener(db.url, ['news', 'Odd "name"'], (channel, payload) => heard.push(`${channel}:${payload}`), { onReconnect: () => reconnects++ });
  try {
    await db.pool.query(sql.unsafe`select pg_notify('news', 'one'), pg_notify('Odd "name"', 'two')`);
    await sleepUntil(() => heard.length === 2, { what: 'two notifications' });
    await db.restart();
    await sleepUntil(() => reconnects === 1, { what: 'the listener to be back' });
    await withRetry(() => db.pool.query(sql.unsafe`select pg_notify('news', 'three')`));
    await sleepUntil(() => heard.includes('news:three'), { what: 'the notification after the restart' });
    assert.equal(heard, ['news:one', 'Odd "name":two', 'news:three']);
  } finally {
    await listener.close();
  }
});

test.run();
