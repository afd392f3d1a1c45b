import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'slonik';
import type { DatabasePool } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TagboatError } from '../errors.ts';
import { testDatabase } from '../testing/database.ts';
import type { TestDatabase } from '../testing/database.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { acquireLease, fencedBy, LeaseKeeper, newHolder, releaseLease, renewLease } from './lease.ts';

const test = suite('lease');
let db: TestDatabase;
let one: DatabasePool;
let two: DatabasePool;
test.before(async () => {
  db = await testDatabase();
  one = db.pool;
  two = await db.anotherPool();
});
test.after(() => db.drop());

test('one holder at a time; the token grows with each change of holder', async () => {
  const first = await acquireLease(one, 'poll', 'a', 60_000);
  assert.equal(first, { name: 'poll', holder: 'a', token: 1 });
  assert.is(await acquireLease(two, 'poll', 'b', 60_000), null);
  assert.equal(await acquireLease(one, 'poll', 'a', 60_000), first, 'its own again: the same token');
  assert.ok(first && (await releaseLease(one, first)));
  const second = await acquireLease(two, 'poll', 'b', 60_000);
  assert.is(second?.token, 2);
  assert.is(first && (await renewLease(one, first, 60_000)), false);
  assert.is(first && (await releaseLease(one, first)), false, 'a late release takes nothing from the new holder');
  assert.is(await acquireLease(one, 'poll', 'a', 60_000), null);
});

test('a lease that ran out is taken over, and does not come back to life', async () => {
  const old = await acquireLease(one, 'short', 'a', 30);
  const next = await sleepUntil(() => acquireLease(two, 'short', 'b', 60_000), { what: 'the takeover' });
  assert.is(next.token, (old?.token ?? 0) + 1);
  assert.is(old && (await renewLease(one, old, 60_000)), false);
  const own = await acquireLease(one, 'own', 'a', 1);
  await sleep(10);
  assert.is(own && (await renewLease(one, own, 60_000)), false);
  assert.is((await acquireLease(one, 'own', 'a', 60_000))?.token, 2, 'its own after a lapse: a new token');
});

test('in a race over many rounds there are never two holders and the token strictly grows', async () => {
  let token = 0;
  for (let round = 0; round < 15; round++) {
    const pools = [one, two, one, two, one, two];
    const results = await Promise.all(pools.map((pool, n) => acquireLease(pool, 'race', `holder-${String(n)}`, 60_000)));
    const winners = results.filter((lease) => lease !== null);
    assert.is(winners.length, 1);
    const [winner] = winners;
    assert.ok(winner && winner.token > token);
    token = winner.token;
    await releaseLease(one, winner);
  }
});

test('a write fenced by an old token is refused', async () => {
  await one.query(sql.unsafe`create table fenced (id int primary key, value text)`);
  await one.query(sql.unsafe`insert into fenced values (1, 'start')`);
  const write = async (pool: DatabasePool, token: number, value: string): Promise<number> =>
    (await pool.query(sql.unsafe`update fenced set value = ${value} where id = 1 and ${fencedBy('fence', token)}`)).rowCount;
  const old = await acquireLease(one, 'fence', 'a', 60_000);
  assert.is(await write(one, old?.token ?? 0, 'by a'), 1);
  assert.ok(old && (await releaseLease(one, old)));
  assert.is(await write(one, old.token, 'after release'), 0);
  const next = await acquireLease(two, 'fence', 'b', 60_000);
  assert.is(await write(one, old.token, 'by a, too late'), 0);
  assert.is(await write(two, next?.token ?? 0, 'by b'), 1);
  assert.is(await one.oneFirst(sql.unsafe`select value from fenced`), 'by b');
});

test('nobody takes the lease over between the check of a fenced write and its commit', async () => {
  await one.query(sql.unsafe`create table slow (id int primary key, value text)`);
  await one.query(sql.unsafe`insert into slow values (1, 'start')`);
  const lease = await acquireLease(one, 'slow', 'a', 2_000);
  assert.ok(lease);
  const order: string[] = [];
  let ranOut = (): void => undefined;
  // Begun outside the transaction: slonik refuses other connections inside of one.
  const takeover = new Promise<void>((resolve) => (ranOut = resolve))
    .then(() => sleepUntil(() => acquireLease(two, 'slow', 'b', 60_000), { what: 'the takeover' }))
    .then(() => order.push('taken over'));
  await one.transaction(async (transaction) => {
    const { rowCount } = await transaction.query(sql.unsafe`update slow set value = 'a' where id = 1 and ${fencedBy('slow', lease.token)}`);
    assert.is(rowCount, 1);
    await sleep(2_100); // the lease runs out in the middle of the transaction
    ranOut();
    await sleep(60);
    order.push('committing');
  });
  await takeover;
  assert.equal(order, ['committing', 'taken over']);
});

test('the keeper renews, signals the loss, and gives back', async () => {
  const holder = newHolder();
  const keeper = await LeaseKeeper.acquire({ pool: one, name: 'kept', holder, ttlMs: 3_000 });
  assert.ok(keeper);
  assert.is(await LeaseKeeper.acquire({ pool: two, name: 'kept', holder: newHolder(), ttlMs: 3_000 }), null);
  await sleep(4_000);
  assert.is(keeper.signal.aborted, false);
  assert.is(await acquireLease(two, 'kept', 'b', 60_000), null, 'still held after its first life');
  await two.query(sql.unsafe`update lease set holder = 'thief', token = token + 1 where name = 'kept'`);
  await sleepUntil(() => keeper.signal.aborted, { what: 'the loss to be noticed' });
  assert.ok(keeper.signal.reason instanceof TagboatError && keeper.signal.reason.code === 'LeaseLost');
  await keeper.release();

  const again = await LeaseKeeper.acquire({ pool: one, name: 'given-back', holder, ttlMs: 60_000 });
  await again?.release();
  assert.ok(again?.signal.aborted);
  assert.ok(await acquireLease(two, 'given-back', 'b', 60_000));
});

test('a keeper whose database does not answer loses the lease by its own clock', async () => {
  const keeper = await LeaseKeeper.acquire({ pool: one, name: 'hung', holder: newHolder(), ttlMs: 300 });
  assert.ok(keeper);
  let free = (): void => undefined;
  const locked = new Promise<void>((resolve) => (free = resolve));
  const blocker = two.transaction(async (transaction) => {
    await transaction.query(sql.unsafe`select 1 from lease where name = 'hung' for update`);
    await locked;
  });
  // Long before the statement that hangs ends by itself (testDatabase: after 20 s).
  await sleepUntil(() => keeper.signal.aborted, { what: 'the loss', timeoutMs: 15_000 });
  free();
  await blocker;
  await keeper.release();
});

test.run();
