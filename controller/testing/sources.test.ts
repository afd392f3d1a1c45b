// @timeout 400
/** A product whose versions lie in another repository, from its push to its rollback, on the simulated engine. */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { TestRepository } from './git-repository.ts';
import { GitServer } from './git-server.ts';
import { sleepUntil } from './sleep-until.ts';
import { makeKey, SshServer, sshdOrSkip } from './ssh-server.ts';
import { Stack } from './stack.ts';
import { deploymentManifest, NODE, PRODUCT, versionManifest } from './story.ts';

interface ProductRow {
  readonly name: string;
  readonly versions: readonly { readonly name: string; readonly kind: string; readonly commit: string; readonly parent: string | null; readonly frozen: boolean; readonly refGone: boolean }[];
}

const test = suite('a product of another repository, from push to rollback');

test('rolling, tagged, frozen, moved, rolled back while its server is down', async () => {
  const shop = await TestRepository.create('shop');
  await shop.commit({ 'deploy/version.yaml': versionManifest('1.0.0') });
  const server = await GitServer.start({ root: join(shop.directory, '..') });
  const product = PRODUCT.replace('type: complex', `type: complex, source: { repository: "${server.url}/shop.git", path: deploy/version.yaml }`);
  const rolling = deploymentManifest('rolling', '  branch: main\n').replace('name: shop', 'name: rolling');
  const numbered = (version: string): string => deploymentManifest('numbered', `  version: ${version}\n`).replace('name: shop', 'name: numbered');
  const stack = await Stack.start(
    { 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': product, 'deployments/rolling.yaml': rolling },
    { engine: createSimulatedEngine(), settings: { TAGBOAT_ALLOWED_SOURCES: `${server.url}/**` } },
  );
  const web = async (name: string): Promise<string | undefined> => (await stack.deployment(name))?.containers.find((item) => item.name === `${name}-web`)?.image;
  try {
    await stack.settled('rolling', 'main');
    const next = await shop.commit({ 'deploy/version.yaml': versionManifest('1.1.0') });
    await sleepUntil(async () => (await web('rolling')) === 'tagboat-test-web:1.1.0', { what: 'the push to the other repository is deployed' });

    await shop.tag('shop/1.1.0', next, { message: 'first number' });
    await shop.commit({ 'deploy/version.yaml': versionManifest('1.2.0') });
    await shop.tag('shop/1.2.0');
    await stack.push({ 'deployments/numbered.yaml': numbered('1.1.0') });
    await stack.settled('numbered', '1.1.0');
    await stack.push({ 'deployments/numbered.yaml': numbered('1.2.0') });
    await stack.settled('numbered', '1.2.0');
    const row = (await stack.get<ProductRow[]>('/products'))[0]!;
    assert.equal(row.versions.map(({ name, kind, parent, frozen }) => [name, kind, parent, frozen]), [['main', 'rolling', null, false], ['1.2.0', 'incremental', '1.1.0', true], ['1.1.0', 'incremental', null, true]]);

    await shop.tag('shop/1.1.0', 'main', { force: true });
    await sleepUntil(async () => (await stack.get<ProductRow[]>('/products'))[0]!.versions.some(({ name, commit }) => name === '1.1.0' && commit === next), { what: 'the frozen version keeps its commit' });

    server.fault = { status: 503 };
    const blocked = await stack.until('rolling', 'the rolling one is frozen', ({ sync }) => sync === 'blocked');
    assert.match(blocked.reason, /cannot be read now/);
    assert.ok(blocked.containers.every(({ state }) => state === 'running'), 'what runs stays');
    await stack.push({ 'deployments/numbered.yaml': numbered('1.1.0') }, 'roll back');
    await stack.settled('numbered', '1.1.0');
    assert.is(await web('numbered'), 'tagboat-test-web:1.1.0', 'R8, R9: what was frozen, not what the tag says now');
    const team = await stack.get<{ problems: { code: string; file: string }[] }>('');
    assert.ok(team.problems.some(({ code, file }) => code === 'SourceUnreachable' && file === 'products/shop/product.yaml'));
    assert.not(((await stack.get<ProductRow[]>('/products'))[0]!.versions).some(({ refGone }) => refGone), 'not seen is not gone');

    server.fault = undefined;
    await stack.settled('rolling', 'main');
    const metrics = await (await fetch(`${stack.controller.url}/metrics`)).text();
    assert.match(metrics, `repository="${server.url}/shop.git",kind="list",result="ok"`);
    assert.match(metrics, `repository="${stack.server.url}/acme.git",kind="list",result="ok"`);
  } finally {
    await stack.stop();
    await server.close();
    await shop.remove();
  }
});

const sshd = sshdOrSkip('a product over SSH');
if (sshd !== null) {
  test('over SSH with a deploy key that is configured for the pattern; a changed host key stops it and says so', async () => {
    const shop = await TestRepository.create('shop');
    await shop.commit({ 'version.yaml': versionManifest('1.0.0') });
    const key = makeKey('ed25519');
    const server = await SshServer.start(sshd, [key]);
    const url = server.url(shop.directory);
    const product = PRODUCT.replace('type: complex', `type: complex, source: { repository: "${url}" }`);
    const stack = await Stack.start(
      { 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': product, 'deployments/shop.yaml': deploymentManifest('shop', '  branch: main\n') },
      {
        engine: createSimulatedEngine(),
        settings: {
          TAGBOAT_TEAMS_0_SOURCES_0_URL: `${server.url('')}/**`,
          TAGBOAT_TEAMS_0_SOURCES_0_CREDENTIALS_TYPE: 'ssh',
          TAGBOAT_TEAMS_0_SOURCES_0_CREDENTIALS_PRIVATE_KEY: key.privateKey,
          TAGBOAT_TEAMS_0_SOURCES_0_CREDENTIALS_KNOWN_HOSTS: server.knownHosts(),
        },
      },
    );
    let impostor: SshServer | undefined;
    try {
      await stack.settled('shop', 'main');
      await server.stop();
      impostor = await SshServer.start(sshd, [key], { port: server.port });
      const blocked = await stack.until('shop', 'the impostor is refused', ({ sync, reason }) => sync === 'blocked' && reason.includes('has changed'), 90_000);
      assert.match(blocked.reason, /host key of 127\.0\.0\.1 .* has changed/);
      assert.not.match(JSON.stringify(await stack.get('')), 'PRIVATE KEY');
    } finally {
      await stack.stop();
      await impostor?.stop();
      await shop.remove();
    }
  });
}

test.run();
