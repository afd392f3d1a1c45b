// @timeout 400
// @serial
/** The main job, end to end, on real parts: Git server, controller, PostgreSQL, gRPC over TLS, Docker engine. */
import type Dockerode from 'dockerode';
import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import { createDockerEngine } from '../../agents/docker/engine.ts';
import { verifyAudit } from '../store/audit-verify.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { NODE, PRODUCT, deploymentManifest, dockerOrSkip, sweepPrefixes, versionManifest } from './story.ts';

const PREFIX = `story${process.pid}`;
const found = await dockerOrSkip('the stories of stories.test.ts');

async function page(docker: Dockerode, container: string): Promise<string> {
  const details = await docker.getContainer(container).inspect();
  const address = Object.values(details.NetworkSettings.Networks)[0]!.IPAddress;
  return (await (await fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(5_000) })).text()).trim();
}

async function born(docker: Dockerode): Promise<string> {
  const exec = await docker.getContainer(`${PREFIX}-db`).exec({ Cmd: ['cat', '/data/born'], AttachStdout: true });
  const stream = await exec.start({});
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).subarray(8).toString('utf8');
}

if (found !== null) {
  const docker = found;
  const test = suite('stories on a Docker node');
  let stack: Stack;
  test.before.each(async () => {
    await sweepPrefixes(docker, [PREFIX, `${PREFIX}b`]);
    stack = await Stack.start({ 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0') }, { engine: createDockerEngine() });
  });
  test.after.each(async () => {
    await stack.stop();
    await sweepPrefixes(docker, [PREFIX, `${PREFIX}b`]);
  });

  test('push a commit: the container runs the new image; push a broken one: the old one still serves', async () => {
    const first = await stack.push({ 'deployments/shop.yaml': deploymentManifest(PREFIX, '  branch: main\n') });
    const row = await stack.settled('shop', 'main', first);
    assert.match(row.containers.find((item) => item.name === `${PREFIX}-web`)!.digest, /^sha256:[0-9a-f]{64}$/);
    assert.is(await page(docker, `${PREFIX}-web`), '1.0.0');
    const database = (await docker.getContainer(`${PREFIX}-db`).inspect()).Id;

    const second = await stack.push({ 'products/shop/version.yaml': versionManifest('1.1.0') });
    await stack.settled('shop', 'main', second);
    assert.is(await page(docker, `${PREFIX}-web`), '1.1.0');
    assert.is((await docker.getContainer(`${PREFIX}-db`).inspect()).Id, database, 'an image that did not change is not touched');

    const broken: readonly [string, string, RegExp, RegExp | null][] = [
      ['bad tag', versionManifest('9.9.9'), /^ImageUnknown/, null],
      ['crashing command', versionManifest('1.2.0', '        environment: { CRASH: "1" }\n'), /^ContainerExited/, /cannot open the configuration/],
      ['failing health check', versionManifest('1.2.0', '        environment: { HEALTHY: "0" }\n'), /^HealthCheckFailed/, /healthz will fail/],
    ];
    for (const [what, version, reason, line] of broken) {
      const commit = await stack.push({ 'products/shop/version.yaml': version }, what);
      const failed = await stack.until('shop', `${what} has failed`, (item) => item.status === 'failed' && item.commit === commit);
      assert.match(failed.reason, reason, what);
      assert.is(failed.sync, 'out-of-sync');
      assert.is(await page(docker, `${PREFIX}-web`), '1.1.0', `${what}: the old container still serves (R19)`);
      const [record] = await stack.history('shop');
      if (line !== null) assert.match(record!.attempts[0]!.evidence.flatMap((item) => item.logLines).join('\n'), line, what);
    }
    assert.is((await stack.history('shop')).length, 1, 'R12: one record of a rolling version');

    const fixed = await stack.push({ 'products/shop/version.yaml': versionManifest('1.2.0') });
    await stack.settled('shop', 'main', fixed);
    assert.is(await page(docker, `${PREFIX}-web`), '1.2.0', 'a broken deployment does not block its own fix (R21)');
    const left = await docker.listContainers({ all: true });
    assert.is(left.filter((item) => item.Names[0]!.startsWith(`/${PREFIX}-`)).length, 2, 'nothing is left over');
    assert.is((await verifyAudit(stack.db.pool)).firstBroken, undefined);
  });

  test('tag 1.0.0, 1.1.0, 1.2.0, deploy each, go back to 1.0.0 with its tag deleted; a moved tag is refused', async () => {
    const digests = new Map<string, string>();
    let data = '';
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
      const commit = await stack.push({ 'products/shop/version.yaml': versionManifest(version) }, version);
      await stack.repository.tag(`shop/${version}`, commit, { annotated: true, message: `Shop ${version}` });
      await stack.push({ 'deployments/shop.yaml': deploymentManifest(PREFIX, `  version: ${version}\n`) });
      const row = await stack.settled('shop', version);
      digests.set(version, row.containers.find((item) => item.name === `${PREFIX}-web`)!.digest);
      if (version === '1.0.0') data = await born(docker);
    }
    const products = await stack.get<{ versions: { name: string; kind: string; parent: string | null; frozen: boolean }[] }[]>('/products');
    const versions = products[0]!.versions.filter((item) => item.kind === 'incremental');
    assert.equal(Object.fromEntries(versions.map((item) => [item.name, item.parent])), { '1.0.0': null, '1.1.0': '1.0.0', '1.2.0': '1.1.0' }, 'R7');
    assert.ok(versions.every((item) => item.frozen), 'R8');
    assert.equal((await stack.history('shop')).map((item) => `${item.version} ${item.status}`), ['1.2.0 successful', '1.1.0 obsolete', '1.0.0 obsolete'], 'R16');

    await stack.repository.deleteTag('shop/1.0.0');
    await stack.push({ 'deployments/shop.yaml': deploymentManifest(PREFIX, '  version: 1.0.0\n') }, 'roll back');
    const back = await stack.settled('shop', '1.0.0');
    assert.is(back.containers.find((item) => item.name === `${PREFIX}-web`)!.digest, digests.get('1.0.0'), 'R18: the same digests');
    assert.is(await page(docker, `${PREFIX}-web`), '1.0.0');
    assert.is(await born(docker), data, 'the same volume');
    assert.equal((await stack.history('shop')).map((item) => `${item.version} ${item.status}`).sort(), ['1.0.0 successful', '1.1.0 downgraded', '1.2.0 downgraded'], 'R17');

    const head = (await stack.repository.git(['rev-parse', 'main'])).trim();
    await stack.repository.tag('shop/1.2.0', head, { force: true });
    await stack.push({ 'deployments/shop.yaml': deploymentManifest(PREFIX, '  version: 1.2.0\n') }, 'forward to a tag that moved');
    const forward = await stack.settled('shop', '1.2.0');
    assert.is(forward.containers.find((item) => item.name === `${PREFIX}-web`)!.digest, digests.get('1.2.0'), 'R8: the frozen content is deployed');
    const team = await stack.get<{ problems: { code: string; file: string; line: number }[] }>('');
    assert.equal(team.problems.map((item) => [item.code, item.file]), [['TagMoved', 'deployments/shop.yaml']]);
  });

  test('rename adopts, a second claimant is refused, drift is seen and healed, removal needs a sound repository', async () => {
    const manifest = deploymentManifest(PREFIX, '  branch: main\n  selfHeal: true\n');
    await stack.push({ 'deployments/shop.yaml': manifest });
    await stack.settled('shop', 'main');
    const id = (await docker.getContainer(`${PREFIX}-web`).inspect()).Id;

    await stack.push({ 'deployments/shop.yaml': null, 'deployments/boutique.yaml': manifest.replace('name: shop', 'name: boutique') }, 'rename');
    await stack.settled('boutique', 'main');
    assert.is((await docker.getContainer(`${PREFIX}-web`).inspect()).Id, id, 'R10: adopted, not created anew');
    assert.is(await stack.deployment('shop'), undefined);

    await stack.push({ 'deployments/a-thief.yaml': manifest.replace('name: shop', 'name: thief') }, 'second claimant');
    await stack.until('thief', 'the second claimant is blocked', (row) => row.sync === 'blocked');
    assert.is((await stack.deployment('boutique'))!.sync, 'synced');
    await stack.push({ 'deployments/a-thief.yaml': null });

    await docker.getContainer(`${PREFIX}-web`).remove({ force: true });
    await sleepUntil(async () => (await docker.getContainer(`${PREFIX}-web`).inspect().catch(() => null))?.State.Running, { what: 'a container in the place of the removed one', timeoutMs: 30_000 });
    assert.is.not((await docker.getContainer(`${PREFIX}-web`).inspect()).Id, id);
    await stack.until('boutique', 'the drift is healed (R24)', (row) => !row.drifted && row.health === 'healthy' && row.containers.some((item) => item.name === `${PREFIX}-web` && item.state === 'running'));

    await stack.push({ 'deployments/boutique.yaml': null, 'broken.yaml': 'apiVersion: tagboat/v1\nkind: [' }, 'remove, and break the repository');
    await stack.until('boutique', 'the removal is held back', (row) => row.sync === 'blocked' && /nothing is removed/.test(row.reason));
    assert.is(await page(docker, `${PREFIX}-web`), '1.0.0', 'R20');
    await stack.push({ 'broken.yaml': null });
    await sleepUntil(async () => (await stack.deployment('boutique')) === undefined, { what: 'the removal', timeoutMs: 30_000 });
    const left = (await docker.listContainers({ all: true })).filter((item) => item.Names[0]!.startsWith(`/${PREFIX}-`));
    assert.equal(left, []);
    assert.ok((await docker.listVolumes()).Volumes.some((volume) => volume.Name.startsWith(PREFIX)), 'volumes stay');
  });

  test('a newer commit supersedes an attempt in progress, which restores (R21)', async () => {
    await stack.push({ 'deployments/shop.yaml': deploymentManifest(PREFIX, '  branch: main\n') });
    await stack.settled('shop', 'main');
    const slow = versionManifest('1.1.0', '        environment: { HEALTHY: "0" }\n').replace('retries: 10', 'retries: 200');
    await stack.push({ 'products/shop/version.yaml': slow });
    await stack.until('shop', 'the slow attempt runs', (row) => row.status === 'in-progress');
    const fixed = await stack.push({ 'products/shop/version.yaml': versionManifest('1.2.0') });
    await stack.settled('shop', 'main', fixed);
    assert.is(await page(docker, `${PREFIX}-web`), '1.2.0');
    const [record] = await stack.history('shop');
    assert.equal(record!.attempts.map((attempt) => attempt.outcome).slice(0, 2), ['succeeded', 'cancelled']);
  });

  test.run();
}
