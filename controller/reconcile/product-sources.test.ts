// @timeout 400
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Mirror } from '../git/mirror.ts';
import { parseRemote } from '../git/remote.ts';
import { ParseCache } from '../manifests/parse-cache.ts';
import type { StoredVersion } from '../store/versions.ts';
import { TestRepository } from '../testing/git-repository.ts';
import { GitServer } from '../testing/git-server.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { deploymentManifest, NODE, PRODUCT, versionManifest } from '../testing/story.ts';
import type { ManifestFiles } from './manifest-files.ts';
import { filesAt } from './manifest-files.ts';
import { ProductSources } from './product-sources.ts';
import type { Reading } from './read-repository.ts';
import { RepositoryReader } from './read-repository.ts';

interface World {
  readonly team: TestRepository;
  readonly shop: TestRepository;
  readonly teamServer: GitServer;
  /** Of the product's repository, `shop.git`. */
  readonly server: GitServer;
  readonly frozen: Map<string, StoredVersion>;
  readonly requests: string[];
  readonly directory: string;
  readonly mirror: Mirror;
  readonly reader: RepositoryReader;
  late: number;
  /** Reads what the team's head says now. */
  read(before?: Reading): Promise<Reading>;
}

const test = suite('products of other repositories');
const SIGNAL = new AbortController().signal;

function product(url: string, more = ''): string {
  return PRODUCT.replace('type: complex', `type: complex, source: { repository: "${url}/shop.git", path: deploy/version.yaml }${more}`);
}

function scene(name: string, body: (w: World) => Promise<void>, patienceMs = 20_000): void {
  test(name, async () => {
    const team = await TestRepository.create('acme');
    const shop = await TestRepository.create('shop');
    const [teamServer, server] = [await GitServer.start({ root: join(team.directory, '..') }), await GitServer.start({ root: join(shop.directory, '..') })];
    const directory = mkdtempSync(join(tmpdir(), 'tagboat-sources-'));
    await shop.commit({ 'deploy/version.yaml': versionManifest('1.0.0'), 'unrelated.yaml': 'apiVersion: tagboat/v1\nkind: [', 'README.md': 'x' });
    await team.commit({
      'nodes/harbor.yaml': NODE,
      'products/shop/product.yaml': product(server.url),
      'deployments/shop.yaml': deploymentManifest('shop', '  branch: main\n'),
      'products/other/product.yaml': PRODUCT.replace('name: shop', 'name: other'),
      'products/other/version.yaml': versionManifest('2.0.0').replace('name: shop', 'name: other'),
      'deployments/other.yaml': deploymentManifest('other', '  branch: main\n').replace('name: shop', 'name: other').replace('product: shop', 'product: other'),
    });
    const remote = parseRemote(`${teamServer.url}/acme.git`);
    const mirror = await Mirror.open({ directory: join(directory, 'team'), remote });
    const cache = new ParseCache();
    const frozen = new Map<string, StoredVersion>();
    const requests: string[] = [];
    const policy = { rules: [{ url: `${server.url}/**`, credentials: null }] };
    const sources = new ProductSources({ directory: join(directory, 'sources'), policy, cache, patienceMs, onRequest: ({ kind, remote: url }) => void requests.push(`${kind} ${url}`), onLate: () => void (w.late += 1) });
    const reader = new RepositoryReader({ team: 'acme', remote, branch: 'main', directory: '', mirror, cache, sources, frozen: async () => frozen, owners: async () => new Map() });
    const w: World = { team, shop, teamServer, server, frozen, requests, directory, mirror, reader, late: 0, read: (before) => reader.read(before, SIGNAL) };
    try {
      await body(w);
    } finally {
      await sources.close();
      await mirror.close();
      await server.close();
      await teamServer.close();
      await team.remove();
      await shop.remove();
      rmSync(directory, { recursive: true, force: true });
    }
  });
}

function image(reading: Reading, deployment: string): string | undefined {
  return reading.desired.deployments.get(deployment)?.spec.images.find(({ name }) => name === 'web')?.image;
}

function reasons(reading: Reading, deployment: string): string {
  return (reading.desired.blocked.get(deployment)?.problems ?? []).map(({ code, message }) => `${code} ${message}`).join('\n');
}

scene('a branch of the other repository is a rolling version that changes with its content', async (w) => {
  const first = await w.read();
  assert.equal(first.problems, []);
  assert.is(image(first, 'shop'), 'tagboat-test-web:1.0.0');
  assert.is(image(first, 'other'), 'tagboat-test-web:2.0.0');
  w.server.log.length = 0;
  assert.is(await w.read(first), first);
  assert.is(w.server.count(), 1, 'one listing and nothing else');

  await w.shop.commit({ 'README.md': 'y' });
  const unrelated = await w.read(first);
  assert.is(unrelated.desired.deployments.get('shop'), first.desired.deployments.get('shop'), 'R6');
  await w.shop.commit({ 'deploy/version.yaml': versionManifest('1.1.0') });
  const second = await w.read(unrelated);
  assert.is(image(second, 'shop'), 'tagboat-test-web:1.1.0');
  assert.is(second.desired.deployments.get('other'), first.desired.deployments.get('other'));
});

scene('tags are incremental versions with parents from that graph; bundles beside the version are read at its commit', async (w) => {
  const bundle = 'apiVersion: tagboat/v1\nkind: ConfigBundle\nmetadata: { name: logging }\nspec: { environment: { LOG: "1" } }\n';
  await w.shop.commit({ 'deploy/bundles/logging.yaml': bundle, 'deploy/version.yaml': versionManifest('1.0.0').replace('spec:\n', 'spec:\n  bundles: [ logging ]\n') });
  await w.shop.tag('shop/1.0.0');
  await w.shop.commit({ 'deploy/version.yaml': versionManifest('1.1.0'), 'deploy/bundles/logging.yaml': bundle.replace('"1"', '"2"') });
  await w.shop.tag('shop/v1.1.0', 'main', { message: 'the change log' });
  await w.team.tag('shop/9.9.9', 'main');
  await w.team.commit({ 'deployments/shop.yaml': deploymentManifest('shop', '  version: 1.0.0\n') });
  const reading = await w.read();
  assert.equal(reading.versions.filter(({ product: of, kind }) => of === 'shop' && kind === 'incremental').map(({ name, parent, message }) => [name, parent, message?.trim() ?? null]), [['1.0.0', null, null], ['1.1.0', '1.0.0', 'the change log']]);
  assert.is(image(reading, 'shop'), 'tagboat-test-web:1.0.0');
  assert.match(JSON.stringify(reading.desired.deployments.get('shop')?.spec), '"LOG":"1"');
});

scene('a repository that cannot be reached freezes its deployments, says why, removes nothing and is left alone for a while', async (w) => {
  const first = await w.read();
  w.server.fault = { status: 503 };
  const failing = await w.read(first);
  assert.match(reasons(failing, 'shop'), /SourceUnreachable .*cannot be read now: RemoteUnreachable/);
  assert.ok(failing.desired.deployments.has('other'));
  assert.is(failing.desired.mayRemove, false, 'R20');
  assert.equal(failing.problems.map(({ code, file }) => `${code} ${file}`), ['SourceUnreachable deployments/shop.yaml', 'SourceUnreachable products/shop/product.yaml']);
  assert.equal(failing.versions.map(({ product: of, name }) => `${of} ${name}`).sort(), ['other main', 'shop main'], 'what was seen before is not forgotten');
  const count = w.server.count();
  await w.team.commit({ 'deployments/other.yaml': null });
  const again = await w.read(failing);
  assert.is(w.server.count(), count, 'back-off');
  assert.is.not(again.desired.deployments.has('other'), true, 'the team goes on');
  assert.ok(again.desired.blocked.has('shop'));
});

scene('a frozen version needs its repository no more (R9); a moved tag is seen (R8)', async (w) => {
  await w.shop.tag('shop/1.0.0');
  await w.team.commit({ 'deployments/shop.yaml': deploymentManifest('shop', '  version: 1.0.0\n') });
  const first = await w.read();
  const content = first.desired.deployments.get('shop')!.version.content;
  w.frozen.set('shop/1.0.0', { id: 1, product: 'shop', kind: 'incremental', name: '1.0.0', commit: content.commit, tagObject: content.tagObject, frozen: content });
  await w.shop.commit({ 'deploy/version.yaml': versionManifest('6.6.6') });
  await w.shop.tag('shop/1.0.0', 'main', { force: true });
  const moved = await w.read(first);
  assert.is(image(moved, 'shop'), 'tagboat-test-web:1.0.0');
  assert.equal(moved.problems.map(({ code }) => code), ['TagMoved']);
  await w.team.commit({ 'deployments/shop.yaml': deploymentManifest('shop', '  branch: main\n') });
  assert.equal((await w.read(moved)).problems.map(({ code, file }) => `${code} ${file}`), ['TagMoved products/shop/product.yaml'], 'told although no deployment names the version');
  await w.team.commit({ 'deployments/shop.yaml': deploymentManifest('shop', '  version: 1.0.0\n') });
  await w.read(moved);
  w.server.fault = { status: 404 };
  const gone = await w.read(moved);
  assert.is(image(gone, 'shop'), 'tagboat-test-web:1.0.0');
  assert.equal(gone.problems.map(({ code, file }) => `${code} ${file}`), ['SourceUnreachable products/shop/product.yaml', 'TagMoved deployments/shop.yaml'].sort((a, b) => (a.split(' ')[1]! < b.split(' ')[1]! ? -1 : 1)));
});

scene('nothing of the repository is trusted: a broken, misnamed or missing manifest blocks, and only what needs it', async (w) => {
  for (const [files, reason] of [
    [{ 'deploy/version.yaml': versionManifest('1').replace('name: shop', 'name: other') }, /no Version manifest named shop in deploy\/version.yaml/],
    [{ 'deploy/version.yaml': 'apiVersion: tagboat/v1\nkind: [' }, /deploy\/version.yaml:\d+ /],
    [{ 'deploy/version.yaml': null }, /no Version manifest/],
    [{ 'deploy/version.yaml': versionManifest('1').replace('tagboat-test-db:16', 'A B') }, /deploy\/version.yaml:\d+ /],
    [{ 'deploy/version.yaml': versionManifest('1').replace('spec:\n', 'spec:\n  bundles: [ nowhere ]\n') }, /nowhere/],
    [{ 'deploy/version.yaml': versionManifest('1').replace('image: tagboat-test-db:16', 'image: tagboat-test-db:16\n      registry: nowhere') }, /nowhere/],
    [{ 'deploy/version.yaml': { mode: '120000', content: '/etc/passwd' } }, /symbolic link/],
  ] as const) {
    await w.shop.commit(files);
    const reading = await w.read();
    assert.match(reasons(reading, 'shop'), /VersionUnreadable/);
    assert.match(reasons(reading, 'shop'), reason);
    assert.ok(reading.desired.deployments.has('other'));
  }
});

scene('a request to merge is planned with what was seen, and makes nobody look at a new repository (R1)', async (w) => {
  const first = await w.read();
  const files = async (url: string): Promise<ManifestFiles> => {
    await w.team.commit({ 'products/shop/product.yaml': product(url), 'deployments/shop.yaml': deploymentManifest('shop', '  branch: main\n  environment: { A: b }\n') });
    const commit = await w.team.git(['rev-parse', 'main']);
    await w.mirror.fetchBeside([{ ref: 'refs/x', oid: commit }], { maxBytes: 1_000_000, signal: SIGNAL });
    return filesAt({ mirror: w.mirror, cache: new ParseCache(), directory: '' }, commit, undefined, SIGNAL);
  };
  const changed = await w.reader.asIf(await files(w.server.url), 1_000_000, SIGNAL);
  assert.is.not(changed.desired.deployments.get('shop'), undefined);
  assert.is.not(changed.desired.deployments.get('shop'), first.desired.deployments.get('shop'));
  w.server.log.length = 0;
  const away = await w.reader.asIf(await files(`${w.server.url}/`), 1_000_000, SIGNAL);
  assert.is(away.desired.blocked.get('shop')?.problems[0]?.code, 'SourceNotRead');
  assert.is(w.server.count(), 0);
});

scene('what no pattern allows is refused with its place and never asked', async (w) => {
  for (const url of ['https://git.example.test', 'file:///etc', w.teamServer.url]) {
    await w.team.commit({ 'products/shop/product.yaml': product(url) });
    w.server.log.length = 0;
    const reading = await w.read();
    assert.match(reasons(reading, 'shop'), /SourceNotAllowed/);
    assert.ok(reading.problems.some(({ code, file, line }) => code === 'SourceNotAllowed' && file === 'products/shop/product.yaml' && line > 0));
    assert.is(w.server.count(), 0);
    assert.is(reading.unread.has('shop'), true);
  }
});

scene('products that share a repository share its mirror and its one listing', async (w) => {
  await w.shop.commit({ 'docs/version.yaml': versionManifest('3.0.0').replace('name: shop', 'name: docs') });
  await w.team.commit({
    'products/docs/product.yaml': product(w.server.url).replace('name: shop', 'name: docs').replace('deploy/version.yaml', 'docs/version.yaml'),
    'deployments/docs.yaml': deploymentManifest('docs', '  branch: main\n').replace('name: shop', 'name: docs').replace('product: shop', 'product: docs'),
  });
  const first = await w.read();
  assert.equal([image(first, 'shop'), image(first, 'docs')], ['tagboat-test-web:1.0.0', 'tagboat-test-web:3.0.0']);
  assert.equal(w.requests, [`list ${w.server.url}/shop.git`, `fetch ${w.server.url}/shop.git`]);
  assert.is(readdirSync(join(w.directory, 'sources')).length, 1);
  await w.shop.commit({ 'docs/version.yaml': versionManifest('3.1.0').replace('name: shop', 'name: docs') });
  const second = await w.read(first);
  assert.is(image(second, 'docs'), 'tagboat-test-web:3.1.0');
  assert.is(second.desired.deployments.get('shop'), first.desired.deployments.get('shop'));
});

scene('other branches are followed as the product says, a missing one blocks', async (w) => {
  await w.shop.commit({ 'deploy/version.yaml': versionManifest('1.9.0') }, 'preview', { branch: 'preview/x', from: await w.shop.git(['rev-parse', 'main']) });
  await w.team.commit({
    'products/shop/product.yaml': product(w.server.url, ', rolling: { branches: [ main, "preview/*" ] }'),
    'deployments/x.yaml': deploymentManifest('x', '  branch: preview/x\n').replace('name: shop', 'name: x'),
    'deployments/y.yaml': deploymentManifest('y', '  branch: preview/y\n').replace('name: shop', 'name: y'),
    'deployments/z.yaml': deploymentManifest('z', '  branch: elsewhere\n').replace('name: shop', 'name: z'),
  });
  const reading = await w.read();
  assert.is(image(reading, 'x'), 'tagboat-test-web:1.9.0');
  assert.match(reasons(reading, 'y'), /UnknownVersion there is no branch preview\/y in http/);
  assert.match(reasons(reading, 'z'), /BranchNotWatched/);
});

scene(
  'a slow repository does not hold the team up; what it brings later is taken without asking again',
  async (w) => {
    w.server.fault = { delayMs: 5_000, times: 1 };
    const first = await w.read();
    assert.match(reasons(first, 'shop'), /is still being fetched/);
    assert.ok(first.desired.deployments.has('other'));
    await sleepUntil(() => w.late === 1, { what: 'word that it has come' });
    w.server.log.length = 0;
    const second = await w.read(first);
    assert.is(image(second, 'shop'), 'tagboat-test-web:1.0.0');
    assert.is(w.server.count(), 0, 'what came late is not asked for again');
  },
  100,
);

test.run();
