// @timeout 400
/** Logs of a node from a replica of the controller that does not hold its line. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadIdentity } from '../../agents/core/identity.ts';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { ReplicaLinkClient } from '../../proto/gen/agent/v1/agent.ts';
import { SERVER_NAME } from '../../proto/join.ts';
import { loadConfig } from '../config.ts';
import { Authority } from '../link/authority.ts';
import { silentLogger } from '../log.ts';
import type { Controller } from '../main.ts';
import { startController } from '../main.ts';
import { freePort } from '../../agents/testing/ports.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { NODE, PRODUCT, deploymentManifest, versionManifest } from './story.ts';

const test = suite('logs through another replica');
const home = mkdtempSync(join(tmpdir(), 'tagboat-replica-'));
let stack: Stack;
let other: Controller;

test.before(async () => {
  const port = String(await freePort());
  stack = await Stack.start(
    { 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0'), 'deployments/shop.yaml': deploymentManifest('shop', '  branch: main\n') },
    { engine: createSimulatedEngine(), settings: { TAGBOAT_LISTENERS_AGENTS_PORT: port, TAGBOAT_REPLICA_ADDRESS: `127.0.0.1:${port}` } },
  );
  await stack.settled('shop', 'main');
  const env = {
    TAGBOAT_DATABASE_URL: stack.db.url, TAGBOAT_PUBLIC: 'true', TAGBOAT_ENCRYPTION_KEY_FILE: join(stack.home, '.tagboat', 'encryption.key'), TAGBOAT_LISTENERS_HTTP_PORT: '0',
    TAGBOAT_LISTENERS_AGENTS_HOST: '127.0.0.1', TAGBOAT_LISTENERS_AGENTS_PORT: '0', TAGBOAT_LISTENERS_ENROLMENT_HOST: '127.0.0.1', TAGBOAT_LISTENERS_ENROLMENT_PORT: '0',
    TAGBOAT_TEAMS_0_NAME: 'acme', TAGBOAT_TEAMS_0_REPOSITORY: `${stack.server.url}/acme.git`, TAGBOAT_TEAMS_0_POLL: '0 0 0 1 1 *',
  };
  other = await startController(loadConfig({ directory: home, env }), silentLogger());
});
test.after(async () => {
  await other.stop();
  await stack.stop();
  rmSync(home, { recursive: true, force: true });
});

const logs = async (of: Controller, query: string, signal = AbortSignal.timeout(60_000)): Promise<Response> => fetch(`${of.url}/api/v1/teams/acme/deployments/shop/logs?${query}`, { signal, headers: { accept: 'text/plain' } });

test('the other replica gives the same lines, and goes on while somebody follows', async () => {
  const own = await (await logs(stack.controller, 'container=web&tail=50')).text();
  assert.is.not(own.trim(), '');
  const passed = await logs(other, 'container=web&tail=50');
  assert.equal([passed.status, await passed.text()], [200, own]);
  assert.match(await (await fetch(`${other.url}/teams/acme/deployments/shop/logs?container=web`)).text(), own.trim().split('\n')[0]!.slice(0, 40));
  const reader = new AbortController();
  const followed = await logs(other, 'container=web&follow=true', reader.signal);
  const first = await followed.body!.getReader().read();
  assert.is.not(Buffer.from(first.value ?? []).length, 0);
  reader.abort();
});

test('nobody but a replica may ask: neither an agent nor a stranger', async () => {
  const ask = async (authority: string, pem: string, key: string): Promise<number | undefined> => {
    const client = new ReplicaLinkClient(`127.0.0.1:${String(stack.controller.agentPort)}`, grpc.credentials.createSsl(Buffer.from(authority), Buffer.from(key), Buffer.from(pem)), { 'grpc.ssl_target_name_override': SERVER_NAME });
    try {
      const call = client.readLogs({ team: 'acme', node: 'harbor', logs: { requestId: '', prefix: 'shop', container: 'shop-web', tail: 5, follow: false } }, { deadline: Date.now() + 10_000 });
      for await (const _chunk of call as AsyncIterable<unknown>) return grpc.status.OK;
      return undefined;
    } catch (error) {
      return (error as grpc.ServiceError).code;
    } finally {
      client.close();
    }
  };
  const agent = loadIdentity(join(stack.home, 'agent'))!;
  assert.is(await ask(agent.authority, agent.certificate, agent.key), grpc.status.PERMISSION_DENIED);
  const { authority: foreign } = await Authority.create();
  const stranger = await foreign.issueReplicaCertificate();
  assert.is(await ask(agent.authority, stranger.pem, stranger.key), grpc.status.UNAVAILABLE);
});

test('what is not there is told as by the own replica; a line that is gone, too', async () => {
  assert.is((await logs(other, 'container=nothing')).status, 404);
  await stack.stopAgent();
  const refused = await sleepUntil(async () => {
    const response = await logs(other, 'container=web');
    return response.status === 503 ? response : null;
  }, { what: 'the node to be gone' });
  assert.match(await refused.text(), 'harbor');
});

test.run();
