// @timeout 400
/** The outbox against a Git host that fails in every way: nothing is lost, and nothing is said twice. */
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { openForge } from '../../forges/open-forge.ts';
import { tellComment } from '../../forges/tell.ts';
import { githubApi } from '../../forges/testing/apis.ts';
import { ForgeServer } from '../../forges/testing/forge-server.ts';
import { createLogger } from '../../log.ts';
import { Secret } from '../../secret.ts';
import { acquireLease } from '../../store/lease.ts';
import { claimOutbox, enqueue, forgetOutbox, noteSent } from '../../store/outbox.ts';
import type { OutboxPayload } from '../../store/outbox.ts';
import { testDatabase } from '../../testing/database.ts';
import type { TestDatabase } from '../../testing/database.ts';
import { sleepUntil } from '../../testing/sleep-until.ts';
import { seedTeam } from '../../web/testing/harbour.ts';
import { teamLease } from '../plan-team.ts';
import { DeliveryLoop } from './delivery-loop.ts';
import { markerOf } from './verdict.ts';

const TOKEN = 'c4n4ry-token';
const REF = 'pull/17';
const STATUS: OutboxPayload = { kind: 'status', commit: 'a'.repeat(40), state: 'success', context: 'tagboat/acme', description: 'Nothing to do', url: 'https://tagboat.example.org/' };
const comment = (body: string): OutboxPayload => ({ kind: 'comment', number: 17, branch: null, body });

const test = suite('delivery');
let db: TestDatabase;
let server: ForgeServer;
let token = 0;
let logged = '';
let running: { readonly stop: AbortController; readonly done: Promise<void>; readonly loop: DeliveryLoop } | undefined;

test.before(async () => {
  db = await testDatabase();
  await seedTeam(db.pool, 'acme');
  token = (await acquireLease(db.pool, teamLease('acme'), 'test', 600_000))!.token;
});
test.before.each(async () => {
  server = await ForgeServer.start(githubApi(TOKEN));
  await db.pool.query(sql.unsafe`delete from outbox`);
});
test.after.each(async () => {
  await halt();
  await server.close();
  assert.equal(server.violations, []);
});
test.after(() => db.drop());

const forge = async () => openForge({ provider: 'github', api: server.api, project: 'acme/deployments', token: new Secret(TOKEN) });

function run(): DeliveryLoop {
  const stop = new AbortController();
  const loop = new DeliveryLoop({ team: 'acme', pool: db.pool, log: createLogger({ write: (line) => void (logged += line) }), forge });
  running = { stop, loop, done: loop.run(token, stop.signal) };
  return loop;
}

async function halt(): Promise<void> {
  running?.stop.abort();
  await running?.done;
  running = undefined;
}

/** Into the outbox, and due at once. */
async function put(...contents: readonly OutboxPayload[]): Promise<void> {
  for (const content of contents) await enqueue(db.pool, 'acme', REF, content);
  await due();
}

async function due(): Promise<void> {
  await db.pool.query(sql.unsafe`update outbox set not_before = now()`);
  running?.loop.ring();
}

const row = async (kind: string) => db.pool.one(sql.type(z.object({ state: z.string(), tries: z.number(), lastError: z.string().nullable(), waitMs: z.number() }))`
  select state, tries, last_error as "lastError", (extract(epoch from not_before - now()) * 1000)::float8 as "waitMs" from outbox where kind = ${kind}`);
const sent = async (kind: string): Promise<void> => void (await sleepUntil(async () => (await row(kind)).state === 'sent', { what: `${kind} to be told` }));

test('what waits is told, what is the same is not told again, what changed is', async () => {
  await put(STATUS, comment('First'));
  run();
  await sent('status');
  await sent('comment');
  await put(STATUS, comment('First'));
  assert.equal([(await row('status')).state, (await row('comment')).state], ['sent', 'sent']);
  await put(comment('Second'));
  await sent('comment');
  assert.equal([server.state.statuses.length, server.state.comments.length], [1, 1]);
  assert.match(server.state.comments[0]!.body, /^Second\n/);
});

test('killed between the call and the note: it was heard, and is not said again', async () => {
  await put(comment('Plan'), STATUS);
  const lease = { name: teamLease('acme'), token };
  for (const client = await forge(); ; ) {
    const claimed = await claimOutbox(db.pool, 'acme', lease);
    if (claimed === null) break;
    if (claimed.payload.kind === 'status') await client.setStatus(claimed.payload);
    else await tellComment(client, { request: 17, marker: markerOf('acme', REF), body: claimed.payload.body, known: null });
    await db.pool.query(sql.unsafe`update outbox set not_before = now() + interval '1 hour' where kind = ${claimed.payload.kind}`);
  }
  assert.equal([server.state.statuses.length, server.state.comments.length], [1, 1]);
  await due();
  run();
  await sent('status');
  await sent('comment');
  assert.equal([server.state.statuses.length, server.state.comments.length], [1, 1]);
});

test('an answer that is lost counts as heard', async () => {
  server.fault = { lost: true, method: 'POST', times: 2 };
  await put(comment('Plan'), STATUS);
  run();
  for (const kind of ['comment', 'status']) await sleepUntil(async () => (await row(kind)).lastError !== null, { what: `${kind} to fail` });
  await due();
  await sent('status');
  await sent('comment');
  assert.equal([server.state.statuses.length, server.state.comments.length], [1, 1]);
});

test('the host is left alone for as long as it asks, for whatever there is to tell', async () => {
  server.fault = { status: 429, headers: { 'retry-after': '120' }, times: 1 };
  await put(STATUS);
  run();
  await sleepUntil(async () => (await row('status')).lastError !== null, { what: 'a refusal' });
  const { state, waitMs, lastError } = await row('status');
  assert.is(state, 'waiting');
  assert.ok(waitMs > 100_000 && waitMs <= 120_000, String(waitMs));
  assert.match(lastError!, /status 429/);
  await put(comment('Plan'));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  assert.is(server.requests.length, 1);
});

test('a host that asks for patience time and again has refused nothing', async () => {
  server.fault = { status: 429, headers: { 'retry-after': '120' }, times: 1 };
  await put(STATUS);
  await db.pool.query(sql.unsafe`update outbox set tries = 40`);
  run();
  await sleepUntil(async () => (await row('status')).lastError !== null, { what: 'a refusal' });
  assert.is((await row('status')).state, 'waiting');
});

test('what is refused for good is given up with a reason, and tried again with the next content or the next start', async () => {
  server.fault = { status: 422, times: 1 };
  await put(STATUS);
  run();
  await sleepUntil(async () => (await row('status')).state === 'failed', { what: 'giving up' });
  assert.match((await row('status')).lastError!, /ForgeRefused: POST .* status 422: no\. /);
  await halt();
  run();
  await sent('status');
  assert.is((await row('status')).lastError, null);
  assert.not.match(logged, TOKEN);
});

test('a branch is told at the request that comes from it, whenever that is opened', async () => {
  await put({ kind: 'comment', number: null, branch: 'feature/x', body: 'Plan' });
  run();
  await sleepUntil(async () => (await row('comment')).waitMs > 30_000, { what: 'looking again later' });
  assert.equal([(await row('comment')).state, (await row('comment')).tries, server.state.comments.length], ['waiting', 0, 0]);
  server.state.open = [{ number: 4, branch: 'feature/x', head: 'a'.repeat(40) }];
  await halt();
  await due();
  run();
  await sent('comment');
  assert.equal(server.state.comments.map(({ request }) => request), [4]);
});

test('what changes while it is being told is told afterwards, in the same comment', async () => {
  const lease = { name: teamLease('acme'), token };
  await put(comment('First'));
  const claimed = (await claimOutbox(db.pool, 'acme', lease))!;
  await enqueue(db.pool, 'acme', REF, comment('Second'));
  await noteSent(db.pool, 'acme', claimed, '4711');
  const after = await row('comment');
  assert.is(after.state, 'waiting');
  assert.ok(after.waitMs > 1_000, 'not at once: it may change again');
  await due();
  const next = await claimOutbox(db.pool, 'acme', lease);
  assert.equal([next?.payload, next?.remoteId, next?.unsure], [comment('Second'), '4711', false]);
});

test('of a request that is closed nothing more is told, and nothing of others is lost', async () => {
  await put(STATUS, comment('Plan'));
  await enqueue(db.pool, 'acme', 'pull/4', comment('Other'));
  await forgetOutbox(db.pool, 'acme', []);
  await forgetOutbox(db.pool, 'rival', [REF, 'pull/4']);
  await forgetOutbox(db.pool, 'acme', [REF]);
  assert.equal(await db.pool.anyFirst(sql.type(z.object({ ref: z.string() }))`select ref from outbox where team = 'acme'`), ['pull/4']);
});

test('without the lease nothing is told', async () => {
  await put(STATUS);
  assert.is(await claimOutbox(db.pool, 'acme', { name: teamLease('acme'), token: token + 1 }), null);
});

test.run();
