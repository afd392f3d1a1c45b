// @timeout 400
/** A webhook from the push to the containers, with polling as good as off. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { loadConfig } from '../config.ts';
import { silentLogger } from '../log.ts';
import { startController } from '../main.ts';
import type { Delivery } from '../web/testing/hooks.ts';
import { delivery, pushDelivery } from '../web/testing/hooks.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { deploymentManifest, NODE, PRODUCT, versionManifest } from './story.ts';

const SECRET = 'c4n4ry-webhook-secret-0123';
const test = suite('webhook to containers');

test('a push is deployed without waiting for the poll; other refs are not looked at; a burst is one look more', async () => {
  const stack = await Stack.start(
    { 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0'), 'deployments/shop.yaml': deploymentManifest('shop', '  branch: main\n') },
    { engine: createSimulatedEngine(), poll: '0 0 0 1 1 *', settings: { TAGBOAT_TEAMS_0_WEBHOOK_SECRET: SECRET } },
  );
  const send = async ({ headers, body }: Delivery): Promise<{ readonly status: number; readonly outcome: string }> => {
    const response = await fetch(`${stack.controller.url}/webhooks/acme`, { method: 'POST', headers, body, signal: AbortSignal.timeout(60_000) });
    return { status: response.status, outcome: ((await response.json()) as { outcome: string }).outcome };
  };
  const push = (ref: string): Delivery => pushDelivery('forgejo', { secret: SECRET, ref, repository: 'acme' });
  try {
    await stack.settled('shop', 'main');
    const commit = await stack.repository.commit({ 'products/shop/version.yaml': versionManifest('1.1.0') });
    assert.equal(await send(push('refs/heads/main')), { status: 202, outcome: 'polled' });
    await stack.until('shop', 'the push is deployed', (row) => row.commit === commit && row.sync === 'synced' && row.containers.some(({ image }) => image === 'tagboat-test-web:1.1.0'));

    // A tag that a product of the repository has counts, one that nobody has does not.
    assert.is((await send(push('refs/tags/shop/1.0.0'))).outcome, 'polled');
    assert.is((await send(push('refs/tags/docs/1.0.0'))).outcome, 'ignored');
    assert.is((await send(push('refs/heads/nobody'))).outcome, 'ignored');
    await sleepUntil(async () => (await polls(stack)) === 3, { what: 'the look that the tag asked for' });

    stack.server.log.length = 0;
    const since = performance.now();
    for (let n = 0; n < 20; n += 1) assert.is((await send(push('refs/heads/main'))).outcome, 'polled');
    const last = await stack.repository.commit({ 'products/shop/version.yaml': versionManifest('1.2.0') });
    await send(delivery('forgejo', 'push', { ref: 'refs/heads/main', after: last, repository: { full_name: 'acme' } }, { secret: SECRET }));
    await stack.until('shop', 'the last push of the burst is deployed', (row) => row.commit === last && row.sync === 'synced');
    const listings = stack.server.count('ls-refs');
    // One a second, and as many again for what changed; a machine that takes its time for the deliveries has time for more of them.
    const seconds = Math.ceil((performance.now() - since) / 1_000);
    assert.ok(listings >= 1 && listings <= 4 + seconds, `${String(listings)} listings for 21 deliveries in ${String(seconds)} s`);
  } finally {
    await stack.stop();
  }
});

test('a replica that does not poll the team takes the webhook for the one that does', async () => {
  const stack = await Stack.start(
    { 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0'), 'deployments/shop.yaml': deploymentManifest('shop', '  branch: main\n') },
    { engine: createSimulatedEngine(), poll: '0 0 0 1 1 *', settings: { TAGBOAT_TEAMS_0_WEBHOOK_SECRET: SECRET } },
  );
  const home = mkdtempSync(join(tmpdir(), 'tagboat-replica-'));
  const env = {
    TAGBOAT_DATABASE_URL: stack.db.url,
    TAGBOAT_ENCRYPTION_KEY_FILE: join(stack.home, '.tagboat', 'encryption.key'),
    TAGBOAT_LISTENERS_HTTP_PORT: '0',
    TAGBOAT_LISTENERS_AGENTS_HOST: '127.0.0.1',
    TAGBOAT_LISTENERS_AGENTS_PORT: '0',
    TAGBOAT_LISTENERS_ENROLMENT_HOST: '127.0.0.1',
    TAGBOAT_LISTENERS_ENROLMENT_PORT: '0',
    TAGBOAT_TEAMS_0_NAME: 'acme',
    TAGBOAT_TEAMS_0_REPOSITORY: `${stack.server.url}/acme.git`,
    TAGBOAT_TEAMS_0_POLL: '0 0 0 1 1 *',
    TAGBOAT_TEAMS_0_WEBHOOK_SECRET: SECRET,
  };
  const other = await startController(loadConfig({ directory: home, env }), silentLogger());
  try {
    await stack.settled('shop', 'main');
    const commit = await stack.repository.commit({ 'products/shop/version.yaml': versionManifest('1.1.0') });
    const { headers, body } = pushDelivery('gitlab', { secret: SECRET, repository: 'acme' });
    assert.is((await fetch(`${other.url}/webhooks/acme`, { method: 'POST', headers, body, signal: AbortSignal.timeout(60_000) })).status, 202);
    await stack.settled('shop', 'main', commit);
    assert.equal((await stack.get<{ rows: { outcome: string }[] }>('/deliveries')).rows.map(({ outcome }) => outcome), ['polled']);
  } finally {
    await other.stop();
    await stack.stop();
    rmSync(home, { recursive: true, force: true });
  }
});

test.run();

async function polls(stack: Stack): Promise<number> {
  const text = await (await fetch(`${stack.controller.url}/metrics`)).text();
  return [...text.matchAll(/^tagboat_polls_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}
