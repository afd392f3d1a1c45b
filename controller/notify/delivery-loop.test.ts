// @timeout 400
/** The outbox and its loop on a real database and real servers on the loopback. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sql } from 'slonik';
import type { DatabasePool } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { createLogger } from '../log.ts';
import { Secret } from '../secret.ts';
import { listNotifications, pruneDeliveries, queueTest, saveNotifications } from '../store/notifications.ts';
import type { DeliveryView } from '../store/notifications.ts';
import { testDatabase } from '../testing/database.ts';
import type { TestDatabase } from '../testing/database.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { runDeliveryLoop } from './delivery-loop.ts';
import { send } from './send.ts';

const test = suite('delivery');

interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: { readonly event?: string };
}

/** Answers by a list of statuses, then 200. */
class ChatServer {
  readonly received: Received[] = [];
  answers: { status: number; headers?: Record<string, string>; body?: string }[] = [];
  url = '';
  #server!: Server;

  async start(): Promise<this> {
    this.#server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += String(chunk)));
      request.on('end', () => {
        this.received.push({ path: request.url ?? '', headers: request.headers, body: JSON.parse(text) as Received['body'] });
        const answer = this.answers.shift() ?? { status: 200, body: 'ok' };
        response.writeHead(answer.status, answer.headers);
        response.end(answer.body);
      });
    });
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hooks/canary-token-0123456789`;
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

let db: TestDatabase;
let chat: ChatServer;
const lines: string[] = [];
const loops = new AbortController();
const running: Promise<void>[] = [];
const results: string[] = [];

function startLoop(pool: DatabasePool): void {
  running.push(runDeliveryLoop({
    pool,
    log: createLogger({ write: (line) => void lines.push(line) }),
    bell: { wait: (ms, signal) => new Promise((resolve) => { const timer = setTimeout(resolve, Math.min(ms, 50)); signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true }); }) },
    publicUrl: 'http://tagboat.test',
    allowPrivate: true,
    keepMs: 3_600_000,
    urlOf: (team, name) => (team === 'acme' && name === 'chat' ? new Secret(chat.url) : undefined),
    onResult: (team, channel, result) => void results.push(`${team} ${channel} ${result}`),
    backoffMs: () => 20,
  }, loops.signal));
}

const EVERYTHING = ['deployment-started', 'deployment-succeeded', 'deployment-failed', 'deployment-removed', 'rolled-back', 'drifted', 'healed', 'problem', 'node-connected', 'node-unreachable', 'tag-moved'] as const;

test.before(async () => {
  db = await testDatabase();
  chat = await new ChatServer().start();
  for (const team of ['acme', 'rival']) await db.pool.query(sql.unsafe`insert into team (name, repository, branch) values (${team}, 'r', 'main')`);
  await db.pool.query(sql.unsafe`insert into node (team, name, type, enrolled_at) values ('acme', 'harbor', 'docker', now())`);
  await db.pool.transaction(async (tx) => {
    const one = { channel: 'webhook', urlFrom: 'chat', deployments: null, nodes: null } as const;
    await saveNotifications(tx, 'acme', [{ ...one, name: 'all', events: EVERYTHING }, { ...one, name: 'quiet', events: ['tag-moved'] }, { ...one, name: 'lost', urlFrom: 'nowhere', events: ['tag-moved'] }], true);
    // A rival names the same URL, which is another team's.
    await saveNotifications(tx, 'rival', [{ ...one, name: 'stolen', events: EVERYTHING }], true);
  });
  startLoop(db.pool);
  startLoop(await db.anotherPool());
});
test.after(async () => {
  loops.abort();
  await Promise.all(running);
  await chat.stop();
  await db.drop();
});

async function ended(team: string, name: string): Promise<DeliveryView> {
  const id = await db.pool.transaction((tx) => queueTest(tx, team, name, 'ann'));
  return await sleepUntil(async () => (await listNotifications(db.pool, team)).find((one) => one.name === name)?.deliveries.find((one) => one.id === id && one.state !== 'pending'), { what: 'the end of a delivery' });
}

async function events(name = 'all'): Promise<string[]> {
  const rows = await db.pool.any(sql.type(z.object({ event: z.string() }))`select event from notification_outbox where team = 'acme' and notification = ${name} and event <> 'test' order by id`);
  return rows.map(({ event }) => event);
}

test('two replicas deliver each row once', async () => {
  chat.received.length = 0;
  const ids = await Promise.all(Array.from({ length: 12 }, () => ended('acme', 'all')));
  assert.ok(ids.every(({ state, status, tries }) => state === 'delivered' && status === 200 && tries === 1));
  assert.equal(new Set(chat.received.map(({ headers }) => headers['x-tagboat-delivery'])).size, 12);
  assert.is(chat.received.length, 12);
  assert.is(chat.received[0]?.headers['content-type'], 'application/json');
});

test('what fails for a while is tried again, Retry-After is waited for, what is refused is not', async () => {
  chat.answers = [{ status: 500 }, { status: 429, headers: { 'retry-after': '1' } }];
  const begun = Date.now();
  const late = await ended('acme', 'all');
  assert.equal([late.state, late.tries], ['delivered', 3]);
  assert.ok(Date.now() - begun >= 1000, 'not before it was asked for');
  chat.answers = [{ status: 404, body: 'no_service canary-token-0123456789' }];
  const refused = await ended('acme', 'all');
  assert.equal([refused.state, refused.tries, refused.status, refused.error], ['failed', 1, 404, 'the channel answered 404: no_service ***']);
  chat.answers = [{ status: 302, headers: { location: 'http://169.254.169.254/' } }];
  assert.match((await ended('acme', 'all')).error, 'redirects');
  chat.answers = Array.from({ length: 10 }, () => ({ status: 503 }));
  const given = await ended('acme', 'all');
  assert.equal([given.state, given.tries], ['failed', 10]);
  assert.ok(results.includes('acme webhook retried') && results.includes('acme webhook failed'));
});

test('a test does not wait behind what is stuck, and tells why the channel does not work', async () => {
  const before = await db.pool.oneFirst(sql.type(z.object({ id: z.number() }))`
    insert into notification_outbox (team, notification, event, deployment, node, detail, tries, next_at, error)
    values ('acme', 'all', 'problem', null, null, '{}', 3, now() + interval '1 hour', 'the channel answered 500') returning id`);
  chat.answers = [{ status: 404, body: 'gone' }];
  assert.equal((await ended('acme', 'all')).error, 'the channel answered 404: gone');
  await db.pool.query(sql.unsafe`delete from notification_outbox where id = ${before}`);
});

test('a URL that is not configured, or another team’s, is never used (R1)', async () => {
  const before = chat.received.length;
  assert.match((await ended('acme', 'lost')).error, 'no notification URL named nowhere');
  assert.match((await ended('rival', 'stolen')).error, 'no notification URL named chat');
  assert.is(chat.received.length, before);
});

test('private addresses are refused unless allowed, by number and by name; other schemes always', async () => {
  const refused = async (url: string): Promise<string> => (await send(new Secret(url), {}, {}, { allowPrivate: false, timeoutMs: 3000 })).error;
  const { port } = new URL(chat.url);
  const before = chat.received.length;
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '10.0.0.1', '169.254.169.254', '[::ffff:127.0.0.1]', '0.0.0.0', '2130706433', '192.168.1.1', '[fd00::1]', '[fe80::1]']) assert.match(await refused(`http://${host}:${port}/`), 'private address', host);
  for (const url of ['file:///etc/passwd', 'ftp://127.0.0.1/', 'nonsense']) assert.match(await refused(url), 'no http or https URL');
  assert.is(chat.received.length, before);
  assert.match((await send(new Secret('http://127.0.0.1:1/secret-path-0123'), {}, {}, { allowPrivate: true })).error, 'ECONNREFUSED');
});

test('no URL and no part of it is in a log line, a row or an answer (R27)', async () => {
  const rows = await db.pool.any(sql.type(z.object({ row: z.string() }))`select o::text as row from notification_outbox o union all select n::text from notification n`);
  assert.not.match([...lines, ...rows.map(({ row }) => row), JSON.stringify(await listNotifications(db.pool, 'acme'))].join('\n'), 'canary-token');
  assert.ok(lines.length > 0);
});

test('a node that is away for a moment is no news; one that stays away is', async () => {
  const connect = (holder: string | null) => db.pool.query(sql.unsafe`update node set connected_by = ${holder} where team = 'acme' and name = 'harbor'`);
  await connect('one');
  assert.equal(await events(), ['node-connected']);
  await connect(null);
  await connect('two');
  assert.equal(await events(), ['node-connected', 'node-unreachable'], 'neither the loss nor the return is told');
  await connect(null);
  await db.pool.query(sql.unsafe`update notification_outbox set next_at = now() where event = 'node-unreachable' and state = 'pending'`);
  await sleepUntil(() => chat.received.some(({ body }) => body.event === 'node-unreachable'), { what: 'the word of the node' });
  await connect('three');
  assert.equal((await events()).slice(2), ['node-unreachable', 'node-connected']);
});

test('problems: new ones once, a moved tag by its own name', async () => {
  const problems = (...codes: string[]) => db.pool.query(sql.unsafe`update team set problems = ${JSON.stringify(codes.map((code) => ({ code, severity: code === 'Note' ? 'warning' : 'error', file: 'a.yaml', line: 1, message: `about ${code}` })))}::jsonb where name = 'acme'`);
  const before = (await events()).length;
  await problems('UnknownReference', 'Note');
  await problems('UnknownReference', 'Note', 'TagMoved');
  await problems('TagMoved');
  await problems();
  await problems('UnknownReference');
  assert.equal((await events()).slice(before), ['problem', 'tag-moved'], 'the same problem within the hour is said once');
  assert.equal(await events('quiet'), ['tag-moved']);
});

test('what is removed from Git is told no more; what was told is forgotten in time', async () => {
  await db.pool.query(sql.unsafe`insert into notification_outbox (team, notification, event, next_at) values ('acme', 'quiet', 'test', now() + interval '1 hour')`);
  await db.pool.transaction((tx) => saveNotifications(tx, 'acme', [], false));
  assert.is((await listNotifications(db.pool, 'acme')).length, 3, 'a broken repository removes nothing (R20)');
  await db.pool.transaction((tx) => saveNotifications(tx, 'acme', [], true));
  const left = await db.pool.oneFirst(sql.type(z.object({ count: z.number() }))`select count(*)::int as count from notification_outbox where team = 'acme' and state = 'pending'`);
  assert.is(left, 0);
  await pruneDeliveries(db.pool, 0);
  assert.is(await db.pool.oneFirst(sql.type(z.object({ count: z.number() }))`select count(*)::int as count from notification_outbox where state <> 'pending'`), 0);
});

test.run();
