/**
 * The main job, end to end, on real parts: Git server, controller, PostgreSQL, gRPC over TLS, an agent and an engine of choice. The stories
 * are told once; what differs between kinds of nodes is in the world that they are told of.
 */
import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import type { Engine } from '../../agents/core/engine.ts';
import { verifyAudit } from '../store/audit-verify.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import type { DeploymentRow } from './stack.ts';
import { PRODUCT, deploymentManifest } from './story.ts';

/** One kind of node, as the stories see it: what is there is asked of the engine itself, not of Tagboat. */
export interface StoryWorld {
  /** For the title. */
  readonly title: string;
  readonly nodeManifest: string;
  engine(): Promise<Engine>;
  /** The version manifest of the shop with web at this tag; `retries` of its health check. */
  version(tag: string, config?: string, retries?: number): string;
  /** What the web server of the target answers. */
  page(prefix: string): Promise<string>;
  /** Of the container or pod of an image; another one after it was replaced. Rejects if there is none. */
  identity(prefix: string, image: 'db' | 'web'): Promise<string>;
  /** What the database wrote when it first met its volume. */
  born(prefix: string): Promise<string>;
  /** Takes web away by hand. */
  harm(prefix: string): Promise<void>;
  /** Names of the images of everything that still has a process, sorted. */
  running(prefix: string): Promise<readonly string[]>;
  hasVolume(prefix: string): Promise<boolean>;
  /** How reasons of failures begin. */
  readonly reasons: { readonly image: RegExp; readonly crash: RegExp; readonly health: RegExp };
  /** Before each story. */
  prepare?(): Promise<void>;
  /** Removes everything of the prefix, volumes too. */
  sweep(prefix: string): Promise<void>;
}

const webOf = (row: DeploymentRow): DeploymentRow['containers'][number] | undefined => row.containers.find((item) => item.image.includes('tagboat-test-web'));
const digestOf = (row: DeploymentRow): string => webOf(row)?.digest ?? '';

/** Runs all of them. */
export function tellStories(world: StoryWorld): void {
  let told = 0;
  let prefix = '';
  const test = suite(`stories on ${world.title}`);
  let stack: Stack;
  test.before.each(async () => {
    // A target of its own for each: engines take their time to clear the one before away.
    prefix = `story${process.pid}x${++told}`;
    await world.prepare?.();
    stack = await Stack.start({ 'nodes/harbor.yaml': world.nodeManifest, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': world.version('1.0.0') }, { engine: await world.engine() });
  });
  test.after.each(async () => {
    await stack.stop();
    await world.sweep(prefix);
  });

  test('push a commit: the container runs the new image; push a broken one: the old one still serves', async () => {
    const first = await stack.push({ 'deployments/shop.yaml': deploymentManifest(prefix, '  branch: main\n') });
    const row = await stack.settled('shop', 'main', first);
    assert.match(digestOf(row), /^sha256:[0-9a-f]{64}$/);
    assert.is(await world.page(prefix), '1.0.0');
    const database = await world.identity(prefix, 'db');

    const second = await stack.push({ 'products/shop/version.yaml': world.version('1.1.0') });
    await stack.settled('shop', 'main', second);
    assert.is(await world.page(prefix), '1.1.0');
    assert.is(await world.identity(prefix, 'db'), database, 'an image that did not change is not touched');

    const broken: readonly [string, string, RegExp, RegExp | null][] = [
      ['bad tag', world.version('9.9.9'), world.reasons.image, null],
      ['crashing command', world.version('1.2.0', '        environment: { CRASH: "1" }\n'), world.reasons.crash, /cannot open the configuration/],
      ['failing health check', world.version('1.2.0', '        environment: { HEALTHY: "0" }\n'), world.reasons.health, /healthz will fail/],
    ];
    for (const [what, version, reason, line] of broken) {
      const commit = await stack.push({ 'products/shop/version.yaml': version }, what);
      const failed = await stack.until('shop', `${what} has failed`, (item) => item.status === 'failed' && item.commit === commit);
      assert.match(failed.reason, reason, what);
      assert.is(failed.sync, 'out-of-sync');
      assert.is(await world.page(prefix), '1.1.0', `${what}: the old container still serves (R19)`);
      const [record] = await stack.history('shop');
      if (line !== null) assert.match(record!.attempts[0]!.evidence.flatMap((item) => item.logLines).join('\n'), line, what);
    }
    assert.is((await stack.history('shop')).length, 1, 'R12: one record of a rolling version');

    const fixed = await stack.push({ 'products/shop/version.yaml': world.version('1.2.0') });
    await stack.settled('shop', 'main', fixed);
    assert.is(await world.page(prefix), '1.2.0', 'a broken deployment does not block its own fix (R21)');
    assert.equal(await world.running(prefix), ['db', 'web'], 'nothing is left over');
    assert.is((await verifyAudit(stack.db.pool)).firstBroken, undefined);
  });

  test('tag 1.0.0, 1.1.0, 1.2.0, deploy each, go back to 1.0.0 with its tag deleted; a moved tag is refused', async () => {
    const digests = new Map<string, string>();
    let data = '';
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
      const commit = await stack.push({ 'products/shop/version.yaml': world.version(version) }, version);
      await stack.repository.tag(`shop/${version}`, commit, { annotated: true, message: `Shop ${version}` });
      await stack.push({ 'deployments/shop.yaml': deploymentManifest(prefix, `  version: ${version}\n`) });
      const row = await stack.settled('shop', version);
      digests.set(version, digestOf(row));
      if (version === '1.0.0') data = await world.born(prefix);
    }
    const products = await stack.get<{ versions: { name: string; kind: string; parent: string | null; frozen: boolean }[] }[]>('/products');
    const versions = products[0]!.versions.filter((item) => item.kind === 'incremental');
    assert.equal(Object.fromEntries(versions.map((item) => [item.name, item.parent])), { '1.0.0': null, '1.1.0': '1.0.0', '1.2.0': '1.1.0' }, 'R7');
    assert.ok(versions.every((item) => item.frozen), 'R8');
    assert.equal((await stack.history('shop')).map((item) => `${item.version} ${item.status}`), ['1.2.0 successful', '1.1.0 obsolete', '1.0.0 obsolete'], 'R16');

    await stack.repository.deleteTag('shop/1.0.0');
    await stack.push({ 'deployments/shop.yaml': deploymentManifest(prefix, '  version: 1.0.0\n') }, 'roll back');
    const back = await stack.settled('shop', '1.0.0');
    assert.is(digestOf(back), digests.get('1.0.0'), 'R18: the same digests');
    assert.is(await world.page(prefix), '1.0.0');
    assert.is(await world.born(prefix), data, 'the same volume');
    assert.equal((await stack.history('shop')).map((item) => `${item.version} ${item.status}`).sort(), ['1.0.0 successful', '1.1.0 downgraded', '1.2.0 downgraded'], 'R17');

    const head = (await stack.repository.git(['rev-parse', 'main'])).trim();
    await stack.repository.tag('shop/1.2.0', head, { force: true });
    await stack.push({ 'deployments/shop.yaml': deploymentManifest(prefix, '  version: 1.2.0\n') }, 'forward to a tag that moved');
    const forward = await stack.settled('shop', '1.2.0');
    assert.is(digestOf(forward), digests.get('1.2.0'), 'R8: the frozen content is deployed');
    const team = await stack.get<{ problems: { code: string; file: string; line: number }[] }>('');
    assert.equal(team.problems.map((item) => [item.code, item.file]), [['TagMoved', 'deployments/shop.yaml']]);
  });

  test('rename adopts, a second claimant is refused, drift is seen and healed, removal needs a sound repository', async () => {
    const manifest = deploymentManifest(prefix, '  branch: main\n  selfHeal: true\n');
    await stack.push({ 'deployments/shop.yaml': manifest });
    await stack.settled('shop', 'main');
    const id = await world.identity(prefix, 'web');

    await stack.push({ 'deployments/shop.yaml': null, 'deployments/boutique.yaml': manifest.replace('name: shop', 'name: boutique') }, 'rename');
    await stack.settled('boutique', 'main');
    assert.is(await world.identity(prefix, 'web'), id, 'R10: adopted, not created anew');
    assert.is(await stack.deployment('shop'), undefined);
    assert.match(await stack.look('/deployments/shop'), /It was renamed: <a href="\/teams\/acme\/deployments\/boutique">/);

    await stack.push({ 'deployments/a-thief.yaml': manifest.replace('name: shop', 'name: thief') }, 'second claimant');
    await stack.until('thief', 'the second claimant is blocked', (row) => row.sync === 'blocked');
    assert.is((await stack.deployment('boutique'))!.sync, 'synced');
    await stack.push({ 'deployments/a-thief.yaml': null });

    await world.harm(prefix);
    await sleepUntil(async () => (await world.identity(prefix, 'web').catch(() => id)) !== id, { what: 'a container in the place of the removed one', timeoutMs: 180_000 });
    await stack.until('boutique', 'the drift is healed (R24)', (row) => !row.drifted && row.health === 'healthy' && webOf(row)?.state === 'running');

    await stack.push({ 'deployments/boutique.yaml': null, 'broken.yaml': 'apiVersion: tagboat/v1\nkind: [' }, 'remove, and break the repository');
    await stack.until('boutique', 'the removal is held back', (row) => row.sync === 'blocked' && /nothing is removed/.test(row.reason));
    assert.is(await world.page(prefix), '1.0.0', 'R20');
    await stack.push({ 'broken.yaml': null });
    await sleepUntil(async () => (await stack.deployment('boutique')) === undefined, { what: 'the removal', timeoutMs: 180_000 });
    await sleepUntil(async () => (await world.running(prefix)).length === 0, { what: 'the end of its containers', timeoutMs: 180_000 });
    assert.ok(await world.hasVolume(prefix), 'volumes stay');
    assert.match(await stack.look('/deployments/boutique'), /nothing of it runs any more: it was removed /);
  });

  test('a newer commit supersedes an attempt in progress, which restores (R21)', async () => {
    await stack.push({ 'deployments/shop.yaml': deploymentManifest(prefix, '  branch: main\n') });
    await stack.settled('shop', 'main');
    const slow = world.version('1.1.0', '        environment: { HEALTHY: "0" }\n', 1000);
    await stack.push({ 'products/shop/version.yaml': slow });
    await stack.until('shop', 'the slow attempt runs', (row) => row.status === 'in-progress');
    const fixed = await stack.push({ 'products/shop/version.yaml': world.version('1.2.0') });
    await stack.settled('shop', 'main', fixed);
    assert.is(await world.page(prefix), '1.2.0');
    const [record] = await stack.history('shop');
    assert.equal(record!.attempts.map((attempt) => attempt.outcome).slice(0, 2), ['succeeded', 'cancelled']);
  });

  test.run();
}
