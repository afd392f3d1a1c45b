/** The outbox of notifications where replicas meet: who holds a row, in which order, and what is left alone. */
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { testDatabase } from '../testing/database.ts';
import type { TestDatabase } from '../testing/database.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { claimDue, finishDelivery, nextDueMs, pruneDeliveries, saveNotifications } from './notifications.ts';

const test = suite('notifications outbox');
const ONE = { name: 'chat', channel: 'webhook', urlFrom: 'chat', events: ['problem'], deployments: null, nodes: null } as const;
const DELIVERED = { state: 'delivered', status: 200, error: '' } as const;
const row = z.object({ id: z.number(), state: z.string(), tries: z.number() });
let db: TestDatabase;

test.before(async () => {
  db = await testDatabase();
});
test.before.each(async () => {
  await db.pool.query(sql.unsafe`truncate team cascade`);
  await db.pool.query(sql.unsafe`insert into team (name, repository, branch) values ('acme', 'r', 'main')`);
  await db.pool.transaction((tx) => saveNotifications(tx, 'acme', [ONE], true));
});
test.after(() => db.drop());

/** Its id. */
async function happened(notification = 'chat'): Promise<number> {
  return db.pool.oneFirst(sql.type(z.object({ id: z.number() }))`insert into notification_outbox (team, notification, event) values ('acme', ${notification}, 'test') returning id::int as id`);
}
const rows = () => db.pool.any(sql.type(row)`select id::int as id, state, tries from notification_outbox order by id`);
const lapse = () => db.pool.query(sql.unsafe`update notification_outbox set claimed_until = now() - interval '1 second'`);

test('who held a row for too long does not end it for whoever holds it now', async () => {
  const id = await happened();
  const [slow] = await claimDue(db.pool, 10);
  assert.equal(await claimDue(db.pool, 10), [], 'it is in hand');
  await lapse();
  const [next] = await claimDue(db.pool, 10);
  assert.equal([slow?.tries, next?.tries], [1, 2]);
  await finishDelivery(db.pool, slow!, { state: 'failed', status: 404, error: 'late' });
  assert.equal(await rows(), [{ id, state: 'pending', tries: 2 }]);
  await finishDelivery(db.pool, next!, DELIVERED);
  await finishDelivery(db.pool, next!, { state: 'pending', status: 500, error: 'said twice', delayMs: 0 });
  assert.equal(await rows(), [{ id, state: 'delivered', tries: 2 }], 'what has ended stays ended');
});

test('two that look at the same moment do not both get a row', async () => {
  await happened();
  const other = await db.anotherPool();
  let claimed = (): void => undefined;
  let letGo = (): void => undefined;
  const inHand = new Promise<void>((resolve) => (claimed = resolve));
  const end = new Promise<void>((resolve) => (letGo = resolve));
  const holding = db.pool.transaction(async (tx) => {
    assert.is((await claimDue(tx, 10)).length, 1);
    claimed();
    await end;
  });
  await inHand;
  const waiting = claimDue(other, 10);
  // It has seen the row as it was, and stands before its lock.
  await sleepUntil(async () => (await db.pool.oneFirst(sql.type(z.object({ count: z.number() }))`select count(*)::int as count from pg_locks l join pg_stat_activity a on a.pid = l.pid where not l.granted and a.datname = current_database()`)) > 0, { what: 'the second at the lock' }).finally(letGo);
  await holding;
  assert.equal(await waiting, []);
});

test('a channel hears in order: what failed comes again before what happened later, and no other channel waits for it', async () => {
  await db.pool.transaction((tx) => saveNotifications(tx, 'acme', [ONE, { ...ONE, name: 'mail' }], true));
  const [first, second, elsewhere] = [await happened(), await happened(), await happened('mail')];
  const ids = async (): Promise<number[]> => (await claimDue(db.pool, 10)).map(({ id }) => Number(id)).sort((a, b) => a - b);
  assert.equal(await ids(), [first, elsewhere]);
  await finishDelivery(db.pool, { id: first, tries: 1 }, { state: 'pending', status: 503, error: 'away', delayMs: 60_000 });
  await finishDelivery(db.pool, { id: elsewhere, tries: 1 }, DELIVERED);
  assert.equal(await ids(), [], 'the second waits behind the first');
  assert.ok(((await nextDueMs(db.pool)) ?? 0) <= 60_000);
  await db.pool.query(sql.unsafe`update notification_outbox set next_at = now() where id = ${first}`);
  assert.equal(await ids(), [first]);
  await finishDelivery(db.pool, { id: first, tries: 2 }, DELIVERED);
  assert.equal(await ids(), [second]);
});

test('what waits on purpose holds nobody up', async () => {
  const later = await happened();
  await db.pool.query(sql.unsafe`update notification_outbox set next_at = now() + interval '1 hour' where id = ${later}`);
  const now = await happened();
  assert.equal((await claimDue(db.pool, 10)).map(({ id }) => Number(id)), [now]);
});

test('what has ended is not dropped with its manifest, and what waits is not forgotten, however old', async () => {
  const [told, open] = [await happened(), await happened()];
  const [claimed] = await claimDue(db.pool, 1);
  await finishDelivery(db.pool, claimed!, DELIVERED);
  await db.pool.query(sql.unsafe`update notification_outbox set created_at = now() - interval '1 day' where id = ${open}`);
  await pruneDeliveries(db.pool, 3_600_000);
  assert.equal((await rows()).map(({ id, state }) => [id, state]), [[told, 'delivered'], [open, 'pending']]);
  await db.pool.transaction((tx) => saveNotifications(tx, 'acme', [], true));
  assert.equal((await rows()).map(({ id, state }) => [id, state]), [[told, 'delivered'], [open, 'dropped']]);
});

test.run();
