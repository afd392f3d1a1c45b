import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { TagboatError } from '../errors.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { Stack } from '../testing/stack.ts';
import { deploymentManifest, NODE, PRODUCT, versionManifest } from '../testing/story.ts';
import type { LogLine } from './context.ts';
import { OPERATOR_TOKEN, testController } from './testing/controller.ts';
import type { TestController } from './testing/controller.ts';
import { seedHarbour } from './testing/harbour.ts';
// @timeout 400

const test = suite('container logs');
let controller: TestController;
const asked: { container: string; tail: number; follow: boolean; team: string; node: string; prefix: string }[] = [];
let given = 0;
let ended = 0;

/** An agent that sends what it is told to. */
function send(lines: () => Iterable<string> | AsyncIterable<string>): void {
  controller.logs = async function* read(of, signal): AsyncGenerator<LogLine> {
    asked.push(of);
    given = 0;
    try {
      for await (const text of lines()) {
        if (signal.aborted) return;
        given++;
        yield { at: new Date('2026-01-02T03:04:05Z'), stream: given % 2 === 0 ? 'stderr' : 'stdout', text };
      }
      if (of.follow) await new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));
    } finally {
      ended++;
    }
  };
}

test.before(async () => {
  controller = await testController();
  await seedHarbour(controller.db.pool);
});
test.after(() => controller.stop());

const PATH = '/api/v1/teams/acme/deployments/shop-production/logs';

test('plain text, lines of JSON or server-sent events, as the reader wants it', async () => {
  send(() => ['listening on 8080', 'Authorization: Bearer c4n4ryc4n4ry\r\n']);
  const plain = await controller.fetch(`${PATH}?container=web&tail=5`, { headers: { accept: 'text/plain' } });
  assert.match(plain.headers.get('content-type') ?? '', 'text/plain');
  assert.is(await plain.text(), 'listening on 8080\nAuthorization: ***\n');
  assert.equal(asked.at(-1), { team: 'acme', node: 'harbor', prefix: 'shop-production', container: 'shop-production-web', tail: 5, follow: false });
  const lines = await (await controller.fetch(`${PATH}?container=shop-production-web`, { headers: { accept: 'application/x-ndjson' } })).text();
  assert.equal(JSON.parse(lines.split('\n')[1] ?? ''), { at: '2026-01-02T03:04:05.000Z', stream: 'stderr', text: 'Authorization: ***' });
  const events = await controller.fetch(`${PATH}?container=web`, { headers: { accept: 'text/event-stream' } });
  assert.match(events.headers.get('content-type') ?? '', 'text/event-stream');
  assert.is(await events.text(), 'event: line\ndata: {"at":"2026-01-02T03:04:05.000Z","stream":"stdout","text":"listening on 8080"}\n\nevent: line\ndata: {"at":"2026-01-02T03:04:05.000Z","stream":"stderr","text":"Authorization: ***"}\n\nevent: end\ndata: {"reason":""}\n\n');
  assert.is(asked.at(-1)?.tail, 100);
});

test('the container may be left out where there is one; what is not there is told as a status', async () => {
  send(() => ['x']);
  const codes = async (path: string): Promise<readonly [number, string]> => {
    const response = await controller.fetch(path);
    return [response.status, ((await response.json()) as { error: { code: string } }).error.code];
  };
  assert.is(await (await controller.fetch('/api/v1/teams/acme/deployments/shop-staging/logs')).text(), 'x\n');
  assert.is(asked.at(-1)?.container, 'shop-staging-web');
  assert.equal(await codes(PATH), [400, 'UsageError']);
  assert.equal(await codes(`${PATH}?container=none`), [404, 'NotFound']);
  assert.equal(await codes(`${PATH}?container=web&tail=0`), [400, 'UsageError']);
  assert.equal(await codes(`${PATH}?container=web&tail=10001`), [400, 'UsageError']);
  assert.equal(await codes(`${PATH}?container=web&follow=maybe`), [400, 'UsageError']);
  assert.equal(await codes('/api/v1/teams/acme/deployments/none/logs'), [404, 'NotFound']);
  assert.equal(await codes('/api/v1/teams/acme/deployments/docs/logs'), [404, 'NotFound']);
  assert.equal(await codes('/api/v1/teams/rival/deployments/shop-production/logs'), [404, 'NotFound']);
  controller.logs = () => {
    throw new TagboatError('AgentUnreachable', 'no line');
  };
  assert.equal(await codes(`${PATH}?container=web`), [503, 'AgentUnreachable']);
  await controller.db.pool.query(sql.unsafe`update node set connected_by = null where team = 'acme' and name = 'harbor'`);
  assert.equal(await codes(`${PATH}?container=web`), [503, 'AgentUnreachable']);
  await controller.db.pool.query(sql.unsafe`update node set connected_by = 'replica-1' where team = 'acme' and name = 'harbor'`);
});

async function open(path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => get(`${controller.url}${path}`, { headers: { authorization: `Bearer ${OPERATOR_TOKEN}` } }, resolve).once('error', reject));
}

test('a reader who does not read is waited for: nothing piles up; one who leaves is noticed', async () => {
  const line = 'x'.repeat(1_000);
  function* endless(): Generator<string> {
    for (;;) yield line;
  }
  send(endless);
  const before = ended;
  const reader = await open(`${PATH}?container=web&follow=true`);
  reader.pause();
  let last = -1;
  await sleepUntil(async () => {
    const now = given;
    await new Promise((resolve) => setTimeout(resolve, 200));
    const still = now > 0 && now === given && now === last;
    last = now;
    return still;
  }, { what: 'the stream to wait for its reader' });
  assert.ok(given < 20_000, `${String(given)} lines were taken from the agent`);
  reader.destroy();
  await sleepUntil(() => ended > before, { what: 'the agent to be told' });
});

test('one reader does not take the streams of all others', async () => {
  send(() => []);
  const readers = await Promise.all(Array.from({ length: 65 }, () => open(`${PATH}?container=web&follow=true`)));
  assert.equal(readers.map((reader) => reader.statusCode).filter((status) => status !== 200), [503]);
  for (const reader of readers) reader.destroy();
  await sleepUntil(async () => {
    const again = await open(`${PATH}?container=web&follow=true`);
    again.destroy();
    return again.statusCode === 200;
  }, { what: 'room for more' });
});

test('a stream ends soon after its token was revoked', async () => {
  send(() => ['one']);
  await controller.db.pool.query(sql.unsafe`update team set members = '[{"name": "Ann", "email": "ann@example.org", "role": "user"}]' where name = 'acme'`);
  const minted = (await (await controller.fetch('/api/v1/teams/acme/tokens', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"profile": "ann@example.org"}' })).json()) as { id: string; token: string };
  const following = await fetch(`${controller.url}${PATH}?container=web&follow=true`, { headers: { authorization: `Bearer ${minted.token}` }, signal: AbortSignal.timeout(60_000) });
  assert.is(following.status, 200);
  await controller.fetch(`/api/v1/teams/acme/tokens/${minted.id}/revocation`, { method: 'POST' });
  assert.is(await following.text(), 'one\n');
});

test('a stream that breaks off says so, and a controller that stops ends it', async () => {
  send(async function* broken() {
    yield 'one';
    await new Promise((resolve) => setTimeout(resolve, 20));
    throw new TagboatError('AgentUnreachable', 'the line to node harbor was cut');
  });
  assert.is(await (await controller.fetch(`${PATH}?container=web&follow=true`)).text(), 'one\n[the line to node harbor was cut]\n');
  const other = await testController();
  await seedHarbour(other.db.pool);
  other.logs = controller.logs;
  send(() => ['one']);
  other.logs = controller.logs;
  const following = await other.fetch('/api/v1/teams/acme/deployments/shop-staging/logs?follow=1', { headers: { accept: 'text/event-stream' } });
  const text = following.text();
  await other.stop();
  assert.match(await text, 'data: {"at"');
});

test('the logs of a container come from its node, through the link', async () => {
  const stack = await Stack.start({ 'node.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1'), 'shop.yaml': deploymentManifest('shop', '  branch: main\n') }, { engine: createSimulatedEngine() });
  try {
    await stack.settled('shop', 'main');
    const response = await fetch(`${stack.controller.url}/api/v1/teams/acme/deployments/shop/logs?container=web&tail=5`, { headers: { accept: 'application/x-ndjson' }, signal: AbortSignal.timeout(60_000) });
    assert.is(response.status, 200, await response.clone().text());
    const [first] = (await response.text()).split('\n');
    assert.ok((JSON.parse(first ?? '') as LogLine).text.length > 0);
    await stack.stopAgent();
    await sleepUntil(async () => (await fetch(`${stack.controller.url}/api/v1/teams/acme/deployments/shop/logs?container=web`)).status === 503, { what: 'the node to be away' });
  } finally {
    await stack.stop();
  }
});

test.run();
