// @timeout 400
/** What a team hears of, from a push to a message on a chat server on the loopback. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Command } from 'commander';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createContainerEngine } from '../../agents/containers/engine.ts';
import { SimulatedRuntime } from '../../agents/simulated/simulated-runtime.ts';
import { registerNotify } from '../cli/notify.ts';
import { loadOrCreateOperatorToken } from '../web/operator-token.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { NODE } from './story.ts';

const test = suite('notifications, end to end');

const told: { event: string; deployment: string | null; text: string; version: string | null }[] = [];
const chat = createServer((request, response) => {
  let text = '';
  request.on('data', (chunk: Buffer) => (text += String(chunk)));
  request.on('end', () => {
    told.push(JSON.parse(text) as (typeof told)[number]);
    response.end();
  });
});
const runtime = new SimulatedRuntime({ delays: { pull: 5, start: 5, stop: 5, healthy: 5 } });
let stack: Stack;

const NOTIFICATION = `apiVersion: tagboat/v1
kind: Notification
metadata: { name: chat }
spec:
  channel: webhook
  urlFrom: acme-chat
  events: [ deployment-started, deployment-succeeded, deployment-failed, deployment-removed, rolled-back, drifted, healed, problem ]
`;
const FILES = {
  'node.yaml': NODE,
  'chat.yaml': NOTIFICATION,
  'product.yaml': 'apiVersion: tagboat/v1\nkind: Product\nmetadata: { name: shop }\nspec: { type: simple }\n',
};
const version = (image: string): string => `apiVersion: tagboat/v1\nkind: Version\nmetadata: { name: shop }\nspec:\n  images: [ { name: web, image: "${image}", config: { healthCheck: { settle: 100ms } } } ]\n`;
const deployment = (more = ''): string => `apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: shop }\nspec:\n  product: shop\n  node: harbor\n  prefix: shop\n${more}`;

test('everything starts', async () => {
  await new Promise<void>((resolve) => chat.listen(0, '127.0.0.1', resolve));
  stack = await Stack.start({ ...FILES, 'version.yaml': version('web:1') }, {
    engine: createContainerEngine(runtime),
    settings: {
      TAGBOAT_TEAMS_0_NOTIFICATION_URLS_0_NAME: 'acme-chat',
      TAGBOAT_TEAMS_0_NOTIFICATION_URLS_0_URL: `http://127.0.0.1:${(chat.address() as AddressInfo).port}/hook/canary-of-the-url`,
      TAGBOAT_NOTIFICATIONS_ALLOW_PRIVATE_ADDRESSES: 'true',
    },
  });
});
test.after(async () => {
  await (stack as Stack | undefined)?.stop();
  chat.closeAllConnections();
  chat.close();
});

async function hear(...events: string[]): Promise<void> {
  try {
    await sleepUntil(() => told.length >= events.length, { what: `to hear ${events.join(', ')}`, timeoutMs: 60_000 });
  } finally {
    assert.equal(told.map(({ event }) => event), events);
  }
}

test('a deployment, a failure that is told once for all its tries, and its fix', async () => {
  await stack.push({ 'deployment.yaml': deployment('  retries: 1\n') });
  await stack.settled('shop', 'main');
  await hear('deployment-started', 'deployment-succeeded');
  assert.equal([told[1]?.deployment, told[1]?.version], ['shop', 'main']);

  told.length = 0;
  await stack.push({ 'version.yaml': version('web:crash') });
  await stack.until('shop', 'the next try to say what the one before ended with', (row) => row.reason.startsWith('try 2 of 2 after a failure: ContainerExited: '));
  await sleepUntil(async () => (await stack.history('shop')).flatMap((record) => record.attempts).filter(({ outcome }) => outcome === 'failed').length >= 2, { what: 'two tries', timeoutMs: 60_000 });
  await hear('deployment-started', 'deployment-failed');
  assert.match(told[1]?.text ?? '', 'ContainerExited');

  told.length = 0;
  await stack.push({ 'version.yaml': version('web:2') });
  await stack.settled('shop', 'main');
  await hear('deployment-started', 'deployment-succeeded');
});

test('drift and its mending, a problem, a removal', async () => {
  told.length = 0;
  await stack.push({ 'deployment.yaml': deployment('  selfHeal: true\n') });
  await stack.until('shop', 'selfHeal to be known', (row) => row.sync === 'synced');
  told.length = 0;
  runtime.tamper('shop-web', (one) => {
    Object.assign(one.plan.config, { environment: { SNEAKED: 'in' } });
  });
  await sleepUntil(() => told.some(({ event }) => event === 'healed'), { what: 'the mending', timeoutMs: 60_000 });
  assert.ok(told.findIndex(({ event }) => event === 'drifted') >= 0, JSON.stringify(told));

  told.length = 0;
  await stack.push({ 'broken.yaml': 'apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: other }\nspec: { product: shopp, node: harbor, prefix: other }\n' });
  await hear('problem');
  assert.match(told[0]?.text ?? '', 'broken.yaml:4 UnknownReference');
  told.length = 0;
  await stack.push({ 'broken.yaml': null, 'deployment.yaml': null });
  await hear('deployment-removed');
});

test('`notify test`, the list and the metrics; the URL is nowhere', async () => {
  told.length = 0;
  const token = (await loadOrCreateOperatorToken(`${stack.home}/.tagboat/operator.token`)).reveal();
  const run = async (...args: string[]): Promise<{ code: number; out: string }> => {
    let out = '';
    let code = 0;
    const io = { out: (text: string) => void (out += text), err: (text: string) => void (out += text), exit: (status: number) => void (code = status), env: { TAGBOAT_URL: stack.controller.url, TAGBOAT_TOKEN: token }, directory: stack.home } as never;
    const program = new Command('tagboat').exitOverride();
    registerNotify(program, io);
    await program.parseAsync(['node', 'tagboat', 'notify', 'test', ...args]);
    return { code, out };
  };
  const fine = await run('chat', '--team', 'acme');
  assert.equal([fine.code, told.map(({ event }) => event)], [0, ['test']], fine.out);
  assert.is((await run('nowhere', '--team', 'acme')).code === 0, false);

  const [shown] = await stack.get<{ name: string; configured: boolean; pending: number; failed: number; deliveries: { event: string; state: string }[] }[]>('/notifications');
  assert.equal([shown?.name, shown?.configured, shown?.pending, shown?.failed], ['chat', true, 0, 0]);
  assert.equal(shown?.deliveries[0]?.event, 'test');
  assert.ok(shown?.deliveries.every(({ state }) => state === 'delivered'));
  const metrics = await (await fetch(`${stack.controller.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text();
  assert.match(metrics, /tagboat_notifications_total\{team="acme",channel="webhook",result="delivered"\} \d+/);
  assert.not.match(JSON.stringify(shown) + metrics + fine.out, 'canary-of-the-url');
});

test.run();
