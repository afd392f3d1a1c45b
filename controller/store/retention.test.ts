import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { silentLogger } from '../log.ts';
import { runSweepLoop } from '../reconcile/sweep-loop.ts';
import { testDatabase } from '../testing/database.ts';
import type { TestDatabase } from '../testing/database.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { seedAudit, seedDeployment, seedNode, seedProduct, seedRecord, seedTeam } from '../web/testing/harbour.ts';
import { verifyAudit } from './audit-verify.ts';
import { loadRecorded } from './recorded.ts';
import { forgetOld } from './retention.ts';

const DAY = 86_400_000;
const RETENTION = { attemptsMs: 365 * DAY, eventsMs: 30 * DAY, accessMs: 30 * DAY, deliveriesMs: 30 * DAY };
const test = suite('retention');
let db: TestDatabase;
test.before.each(async () => {
  db = await testDatabase();
  await seedTeam(db.pool, 'acme');
  await seedNode(db.pool, 'acme', 'harbor', 'connected');
  await seedProduct(db.pool, 'acme', 'shop', [{ name: '1.0.0', frozen: true }, { name: '1.1.0', frozen: true }, { name: '1.2.0' }]);
  await seedDeployment(db.pool, 'acme', { name: 'shop', node: 'harbor', version: '1.1.0' });
});
test.after.each(() => db.drop());

const ids = async (table: string): Promise<readonly unknown[]> => db.pool.anyFirst(sql.type(z.object({ id: z.unknown() }))`select id from ${sql.identifier([table])} order by id`);
const age = async (days: number, attempt?: number | null): Promise<unknown> =>
  db.pool.query(sql.unsafe`update attempt set finished_at = now() - ${days} * interval '1 day' where state = 'done' ${attempt == null ? sql.fragment`` : sql.fragment`and id = ${attempt}`}`);

/** Another try at the same record, as the deploy loop writes them. */
async function again(record: number, outcome: string, kind = 'deploy'): Promise<number> {
  return db.pool.oneFirst(sql.type(z.object({ id: z.number() }))`
    insert into attempt (team, deployment, node, prefix, record_id, kind, state, commit_id, plan_hash, actor, action, timeout_ms, finished_at, outcome, restored)
    values ('acme', 'shop', 'harbor', 'shop', ${record}, ${kind}, 'done', 'c', 'p', 'ann', '{}', 1, now(), ${outcome}, true) returning id`);
}

test('attempts that nothing needs go, the others stay: the last of each record, the last success, the last word of a target', async () => {
  const one = await seedRecord(db.pool, 'acme', { deployment: 'shop', node: 'harbor', version: '1.0.0', status: 'obsolete', attempt: 'failed' });
  const oneAgain = await again(one.record, 'succeeded');
  const two = await seedRecord(db.pool, 'acme', { deployment: 'shop', node: 'harbor', version: '1.1.0', status: 'successful', live: true, attempt: 'failed' });
  const success = await again(two.record, 'succeeded');
  const heal = await again(two.record, 'failed', 'heal');
  const superseded = await again(two.record, 'superseded');
  const three = await seedRecord(db.pool, 'acme', { deployment: 'shop', node: 'harbor', version: '1.2.0', status: 'in-progress', attempt: 'running' });
  await age(400);
  const recorded = JSON.stringify(await loadRecorded(db.pool, 'acme'));
  const counts = await forgetOld(db.pool, RETENTION);
  assert.equal(await ids('attempt'), [oneAgain, success, heal, superseded, three.attempt].sort((a, b) => Number(a) - Number(b)), JSON.stringify(counts));
  assert.is(counts.attempts, 2);
  assert.is(JSON.stringify(await loadRecorded(db.pool, 'acme')), recorded, 'the next plan sees what it saw');
  assert.equal(await ids('record'), [one.record, two.record, three.record]);
  assert.is((await ids('version')).length, 3);
  assert.is((await forgetOld(db.pool, RETENTION)).attempts, 0);
});

test('what is young stays; steps go before their attempts', async () => {
  const { record, attempt } = await seedRecord(db.pool, 'acme', { deployment: 'shop', node: 'harbor', version: '1.0.0', status: 'successful', live: true, attempt: 'failed', events: [['pull', 'x'], ['start', 'y']] });
  const newest = await again(record, 'succeeded');
  await age(364);
  await age(20, newest);
  await db.pool.query(sql.unsafe`insert into attempt_event (attempt_id, sequence, at, step, text) values (${newest}, 1, now(), 'pull', 'z')`);
  assert.equal(await forgetOld(db.pool, RETENTION), { events: 1, attempts: 0, plans: 0, enrolments: 0, certificates: 0, tokens: 0, sessions: 0, deliveries: 0 });
  assert.equal(await ids('attempt'), [attempt, newest]);
  assert.equal(await db.pool.anyFirst(sql.type(z.object({ text: z.string() }))`select text from attempt_event`), ['z']);
  assert.is((await forgetOld(db.pool, RETENTION)).events, 0);
});

test('a plan goes when the last attempt of it is gone', async () => {
  const first = await seedRecord(db.pool, 'acme', { deployment: 'shop', node: 'harbor', version: '1.0.0', status: 'successful', live: true, attempt: 'succeeded' });
  await db.pool.query(sql.unsafe`update attempt set plan_hash = 'kept' where id = ${first.attempt}`);
  for (const [hash, days] of [['kept', 400], ['old', 400], ['young', 10]] as const) await db.pool.query(sql.unsafe`insert into plan (team, hash, commit_id, plan, created_at) values ('acme', ${hash}, 'c', '{}', now() - ${days} * interval '1 day')`);
  await age(400);
  assert.is((await forgetOld(db.pool, RETENTION)).plans, 1);
  assert.equal(await db.pool.anyFirst(sql.type(z.object({ hash: z.string() }))`select hash from plan order by hash`), ['kept', 'young']);
});

test('enrolments, certificates, tokens and sessions go after they ended, and none before', async () => {
  for (const days of [-1, 1, 31]) {
    const at = sql.fragment`now() - ${days} * interval '1 day'`;
    const name = String(days);
    await db.pool.query(sql.unsafe`insert into enrolment (team, node, token_hash, created_by, expires_at) values ('acme', 'harbor', ${name}, 'ann', ${at})`);
    await db.pool.query(sql.unsafe`insert into certificate (serial, team, node, fingerprint, expires_at) values (${name}, 'acme', 'harbor', 'f', ${at})`);
    await db.pool.query(sql.unsafe`insert into access_token (id, hash, profile, team, role, created_by, expires_at) values (${name}, 'h', 'ann@example.org', 'acme', 'user', 'x', ${at})`);
    await db.pool.query(sql.unsafe`insert into web_session (hash, profile, expires_at) values (${name}, 'ann@example.org', ${at})`);
  }
  await db.pool.query(sql.unsafe`insert into access_token (id, hash, profile, team, role, created_by, expires_at, revoked_at) values ('revoked', 'h', 'ann@example.org', 'acme', 'user', 'x', now() + interval '90 days', now() - interval '31 days')`);
  assert.equal(await forgetOld(db.pool, RETENTION), { events: 0, attempts: 0, plans: 0, enrolments: 1, certificates: 1, tokens: 2, sessions: 2, deliveries: 0 });
  assert.equal(await ids('access_token'), ['-1', '1']);
  assert.equal(await db.pool.anyFirst(sql.type(z.object({ serial: z.string() }))`select serial from certificate order by serial`), ['-1', '1']);
});

test('deliveries go when they are old; of refused ones the newest thousand of each team stay', async () => {
  await seedTeam(db.pool, 'rival');
  const add = async (team: string, outcome: string, days: number, count = 1): Promise<unknown> =>
    db.pool.query(sql.unsafe`insert into delivery (team, provider, outcome, status, at) select ${team}, 'github', ${outcome}, 202, now() - ${days} * interval '1 day' from generate_series(1, ${count})`);
  await add('acme', 'polled', 31);
  await add('acme', 'polled', 29);
  await add('acme', 'refused', 1, 1_100);
  await add('rival', 'refused', 1, 3);
  assert.is((await forgetOld(db.pool, RETENTION)).deliveries, 101);
  assert.is((await forgetOld(db.pool, RETENTION)).deliveries, 0);
  const left = await db.pool.any(sql.type(z.object({ team: z.string(), outcome: z.string(), n: z.number() }))`select team, outcome, count(*)::int as n from delivery group by 1, 2 order by 1, 2`);
  assert.equal(left.map(({ team, outcome, n }) => [team, outcome, n]), [['acme', 'polled', 1], ['acme', 'refused', 1_000], ['rival', 'refused', 3]]);
});

test('a batch has a bound; the sweep goes on until nothing old is left, and the audit chain stays whole', async () => {
  await seedAudit(db.pool, 'acme', 5);
  await db.pool.query(sql.unsafe`insert into web_session (hash, profile, expires_at) select n::text, 'ann@example.org', now() - interval '1 day' from generate_series(1, 1200) n`);
  assert.is((await forgetOld(db.pool, RETENTION)).sessions, 500);
  const stop = new AbortController();
  const loop = runSweepLoop({ pool: db.pool, log: silentLogger(), retention: RETENTION }, stop.signal);
  await sleepUntil(async () => (await db.pool.oneFirst(sql.type(z.object({ n: z.number() }))`select count(*)::int as n from web_session`)) === 0, { what: 'the sweep to finish' });
  stop.abort();
  await loop;
  const { checked, firstBroken } = await verifyAudit(db.pool, 'acme');
  assert.equal([checked, firstBroken], [5, undefined]);
});

test.run();
