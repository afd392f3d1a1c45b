// @timeout 400
/** An agent one release older than the controller works (SPEC §4): its process speaks with the tables that release shipped. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { encodeJoin } from '../../proto/join.ts';
import { RELEASES, releasedAgent } from '../../proto/testing/released.ts';
import { Killable } from './processes.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { NODE, PRODUCT, deploymentManifest, versionManifest } from './story.ts';

const test = suite('an older agent');
const release = RELEASES.at(-1)!;
let stack: Stack;
let home: string;
let agent: Killable;

test.before(async () => {
  home = mkdtempSync(join(tmpdir(), 'tagboat-older-'));
  const files = { 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0') };
  stack = await Stack.start(files, { engine: createSimulatedEngine({}) });
  await stack.stopAgent();
  const { token } = await stack.controller.nodes.mintEnrolment('acme', 'harbor', 'test');
  const word = encodeJoin({ controller: `127.0.0.1:${stack.proxy.port}`, enrol: `127.0.0.1:${stack.controller.enrolPort}`, fingerprint: stack.controller.fingerprint, token });
  agent = new Killable(['agent', 'simulated', '--join', word, '--directory', home], home, releasedAgent(release), ['--import', new URL('../../proto/testing/use-released.ts', import.meta.url).href]);
  agent.start();
});
test.after(async () => {
  await agent.kill();
  await stack.stop();
  rmSync(home, { recursive: true, force: true });
});

test('it enrols, deploys, updates, fails with a reason, is restarted in between, and removes', async () => {
  await sleepUntil(() => agent.output.includes(`speaking as release ${release}`), { what: 'the older tables' });
  const manifest = deploymentManifest('shop', '  branch: main\n');
  const first = await stack.push({ 'deployments/shop.yaml': manifest });
  const row = await stack.settled('shop', 'main', first).catch((error: unknown) => assert.unreachable(`${String(error)}\n${agent.output}`));
  assert.equal(row!.containers.map((item) => item.name).sort(), ['shop-db', 'shop-web']);

  await agent.kill();
  agent.start();
  const second = await stack.push({ 'products/shop/version.yaml': versionManifest('1.1.0') });
  await stack.settled('shop', 'main', second);

  const bad = await stack.push({ 'products/shop/version.yaml': versionManifest('missing') });
  const failed = await stack.until('shop', 'a failure with its reason', (item) => item.status === 'failed' && item.commit === bad);
  assert.match(failed.reason, /^ImageUnknown/);

  await stack.push({ 'deployments/shop.yaml': null, 'products/shop/version.yaml': versionManifest('1.1.0') });
  await sleepUntil(async () => (await stack.deployment('shop')) === undefined, { what: 'the removal' });
});

test.run();
