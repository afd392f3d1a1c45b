import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import { Mirror } from '../git/mirror.ts';
import { parseRemote } from '../git/remote.ts';
import { ParseCache } from '../manifests/parse-cache.ts';
import type { StoredVersion } from '../store/versions.ts';
import { TestRepository } from '../testing/git-repository.ts';
import { GitServer } from '../testing/git-server.ts';
import { NODE, PRODUCT, deploymentManifest, versionManifest } from '../testing/story.ts';
import type { Reading } from './read-repository.ts';
import { RepositoryReader } from './read-repository.ts';

interface World {
  readonly repository: TestRepository;
  readonly server: GitServer;
  readonly cache: ParseCache;
  readonly reader: RepositoryReader;
  readonly frozen: Map<string, StoredVersion>;
  readonly owners: Map<string, string>;
  read(before?: Reading): Promise<Reading>;
}

const test = suite('reading a repository');
const SIGNAL = new AbortController().signal;
const FILES = {
  'team.yaml': 'apiVersion: tagboat/v1\nkind: Team\nmetadata: { name: acme }\nspec: { members: [ { name: Ada, email: ADA@example.test, role: owner } ] }\n',
  'nodes/harbor.yaml': NODE,
  'products/shop/product.yaml': PRODUCT,
  'products/shop/version.yaml': versionManifest('1.0.0'),
  'deployments/shop.yaml': deploymentManifest('shop', '  branch: main\n'),
};

function scene(name: string, body: (w: World) => Promise<void>): void {
  test(name, async () => {
    const repository = await TestRepository.create('acme');
    await repository.commit(FILES, 'first');
    const server = await GitServer.start({ root: join(repository.directory, '..') });
    const directory = mkdtempSync(join(tmpdir(), 'tagboat-reader-'));
    const remote = parseRemote(`${server.url}/acme.git`);
    const mirror = await Mirror.open({ directory, remote });
    const cache = new ParseCache();
    const frozen = new Map<string, StoredVersion>();
    const owners = new Map<string, string>();
    const reader = new RepositoryReader({ team: 'acme', remote, branch: 'main', directory: '', mirror, cache, frozen: async () => frozen, owners: async () => owners });
    try {
      await body({ repository, server, cache, reader, frozen, owners, read: (before) => reader.read(before, SIGNAL) });
    } finally {
      await mirror.close();
      await server.close();
      await repository.remove();
      rmSync(directory, { recursive: true });
    }
  });
}

scene('an author who is a member is named by the profile; nothing moved gives the same reading and one listing', async (w) => {
  const first = await w.read();
  assert.is(first.actor, 'ADA@example.test');
  assert.equal(first.problems, []);
  w.server.log.length = 0;
  assert.is(await w.read(first), first);
  assert.is(w.server.count(), 1, 'one listing and nothing else');
});

scene('a changed file is the only one that is parsed, and only what it concerns is resolved again', async (w) => {
  await w.repository.commit({ 'deployments/other.yaml': deploymentManifest('other', '  branch: main\n').replace('name: shop', 'name: other') });
  const first = await w.read();
  const { parses } = w.cache.statistics;
  await w.repository.commit({ 'deployments/other.yaml': deploymentManifest('other', '  branch: main\n  environment: { A: b }\n').replace('name: shop', 'name: other') });
  const second = await w.read(first);
  assert.is(w.cache.statistics.parses - parses, 1);
  assert.is(second.desired.deployments.get('shop'), first.desired.deployments.get('shop'));
  assert.is.not(second.desired.deployments.get('other'), first.desired.deployments.get('other'));
});

scene('a commit that touches no manifest changes nothing that is desired (R6)', async (w) => {
  const first = await w.read();
  await w.repository.commit({ 'README.md': 'hello' });
  const second = await w.read(first);
  assert.is.not(second.commit, first.commit);
  assert.is(second.desired.deployments.get('shop'), first.desired.deployments.get('shop'));
});

scene('tags become versions with parents from the graph; those of simple products and odd ones are problems (R5, R7)', async (w) => {
  for (const version of ['1.0.0', 'v1.1.0']) await w.repository.tag(`shop/${version}`, await w.repository.commit({ 'x': version }), { annotated: true, message: `change log of ${version}` });
  await w.repository.tag('shop/soon');
  await w.repository.tag('unrelated');
  const reading = await w.read();
  const versions = reading.versions.filter((version) => version.kind === 'incremental');
  assert.equal(versions.map(({ name, parent, message, tagger }) => [name, parent, message?.trim(), tagger]), [
    ['1.0.0', null, 'change log of 1.0.0', 'Ada Test <ada@example.test>'],
    ['1.1.0', '1.0.0', 'change log of v1.1.0', 'Ada Test <ada@example.test>'],
  ]);
  assert.equal(reading.problems.map((item) => item.code), ['TagNotSemver']);
  assert.is(reading.desired.mayRemove, true, 'a tag is no manifest');
});

scene('a tag that is no version is told of when it comes, with no commit beside it', async (w) => {
  const first = await w.read();
  await w.repository.tag('shop/soon');
  const second = await w.read(first);
  assert.equal(second.problems.map((item) => item.code), ['TagNotSemver']);
  await w.repository.deleteTag('shop/soon');
  assert.equal((await w.read(second)).problems, []);
});

scene('a version is read at its tag, its bundles with it; a deployment at the head', async (w) => {
  await w.repository.tag('shop/1.0.0');
  await w.repository.commit({ 'products/shop/version.yaml': versionManifest('9.9.9'), 'deployments/shop.yaml': deploymentManifest('shop', '  version: 1.0.0\n') });
  const reading = await w.read();
  assert.equal(reading.desired.deployments.get('shop')!.spec.images.map((image) => image.image), ['tagboat-test-db:16', 'tagboat-test-web:1.0.0']);
});

scene('an unknown version blocks its deployment, with its place; the rest goes on', async (w) => {
  await w.repository.commit({ 'deployments/next.yaml': deploymentManifest('next', '  version: 3.0.0\n').replace('name: shop', 'name: next') });
  const reading = await w.read();
  assert.ok(reading.desired.blocked.has('next'));
  assert.ok(reading.desired.deployments.has('shop'));
  assert.equal(reading.problems.map(({ code, file, line }) => [code, file, line]), [['UnknownVersion', 'deployments/next.yaml', 9]]);
  assert.is(reading.desired.mayRemove, false, 'R20');
});

/** A deployment that asks for nothing that others may want. */
const unrelated = (value: string): string => deploymentManifest('third', `  branch: main\n  environment: { UNRELATED: "${value}" }\n`).replace('name: shop', 'name: third');

scene('an address that leads to one deployment blocks the other that wants it, which is the one that is not recorded', async (w) => {
  const route = (domain: string): string => `  branch: main\n  images: { web: { expose: http, routing: { domain: ${domain}, port: 8080 } } }\n`;
  const second = (domain: string): string => deploymentManifest('first', route(domain)).replace('name: shop', 'name: first');
  await w.repository.commit({ 'deployments/shop.yaml': deploymentManifest('shop', route('shop.example.org')), 'deployments/first.yaml': second('shop.example.org'), 'deployments/third.yaml': unrelated('1') });
  w.owners.set('harbor/shop', 'shop');
  const reading = await w.read();
  assert.equal([[...reading.desired.blocked.keys()], [...reading.desired.deployments.keys()]], [['first'], ['shop', 'third']]);
  assert.equal(reading.problems.map(({ code, file, message }) => `${code} ${file} ${message}`), [
    'RouteTaken deployments/first.yaml image web of deployment first wants shop.example.org/ on node harbor, which leads to image web of deployment shop (deployments/shop.yaml:1)',
  ]);
  assert.is(reading.desired.mayRemove, false, 'R20');
  await w.repository.commit({ 'deployments/third.yaml': unrelated('2') });
  const again = await w.read(reading);
  assert.equal([[...again.desired.blocked.keys()], again.problems.map(({ code }) => code)], [['first'], ['RouteTaken']], 'blocked still where only an unrelated one has changed');
  w.owners.set('harbor/shop', 'somebody');
  w.owners.set('harbor/first', 'first');
  await w.repository.commit({ 'deployments/third.yaml': unrelated('3') });
  const other = await w.read(again);
  assert.equal([...other.desired.blocked.keys()], ['shop'], 'it is whoever is recorded now');
  await w.repository.commit({ 'deployments/first.yaml': second('first.example.org') });
  const mended = await w.read(other);
  assert.equal([...mended.desired.blocked.keys()], []);
  assert.is(mended.desired.deployments.get('shop'), reading.desired.deployments.get('shop'));
});

scene('a port that one deployment publishes is told to the other that wants it, until it says another, and blocks neither', async (w) => {
  const publishing = (name: string, port: number): string => deploymentManifest(name, `  branch: main\n  images: { web: { ports: [ { internal: 8080, external: ${port} } ] } }\n`).replace('name: shop', `name: ${name}`);
  await w.repository.commit({ 'deployments/shop.yaml': publishing('shop', 8080), 'deployments/first.yaml': publishing('first', 8080) });
  w.owners.set('harbor/shop', 'shop');
  const reading = await w.read();
  assert.equal([[...reading.desired.blocked.keys()], [...reading.desired.deployments.keys()]], [[], ['first', 'shop']]);
  assert.equal(reading.problems.map(({ code, severity, file, line, message }) => `${code} ${severity} ${file}:${line} ${message}`), [
    'PortTaken warning deployments/first.yaml:10 image web of deployment first publishes port 8080/tcp of node harbor, which image web of deployment shop publishes (deployments/shop.yaml:1)',
  ]);
  await w.repository.commit({ 'deployments/third.yaml': unrelated('1') });
  const more = await w.read(reading);
  assert.equal(more.problems.map(({ code }) => code), ['PortTaken'], 'said again with one more deployment');
  await w.repository.commit({ 'deployments/third.yaml': unrelated('2') });
  const again = await w.read(more);
  assert.equal(again.problems.map(({ code }) => code), ['PortTaken'], 'said again where only an unrelated one has changed');
  await w.repository.commit({ 'deployments/first.yaml': publishing('first', 8082) });
  const mended = await w.read(again);
  assert.equal(mended.problems, []);
  assert.is(mended.desired.deployments.get('shop'), reading.desired.deployments.get('shop'));
});

scene('a product of another repository is refused, and never looked for in this one (R1)', async (w) => {
  await w.repository.commit({ 'products/shop/product.yaml': PRODUCT.replace('type: complex', 'type: complex, source: { repository: "https://git.example.org/shop.git" }') });
  const reading = await w.read();
  assert.ok(reading.desired.blocked.has('shop'));
  assert.ok(reading.problems.some((item) => item.code === 'SourceNotAllowed' && item.file === 'deployments/shop.yaml'));
});

scene('an empty repository and a broken one remove nothing (R20)', async (w) => {
  const first = await w.read();
  await w.repository.commit(Object.fromEntries(Object.keys(FILES).map((path) => [path, null])));
  const empty = await w.read(first);
  assert.is(empty.desired.mayRemove, false);
  assert.equal(empty.problems.map((item) => item.code), ['RepositoryEmpty']);
});

scene('a branch that is gone is an error that loses nothing; force-push and a new branch are read', async (w) => {
  const first = await w.read();
  await w.repository.git(['branch', '-m', 'main', 'moved']);
  assert.is(await w.read(first).then(() => '', (error: { code: string }) => error.code), 'RefMissing');
  await w.repository.git(['branch', '-m', 'moved', 'main']);
  assert.is(await w.read(first), first);
  await w.repository.commit({ ...FILES, 'products/shop/version.yaml': versionManifest('1.1.0') }, 'rewritten', { from: null });
  const second = await w.read(first);
  assert.match(JSON.stringify(second.desired.deployments.get('shop')!.spec), /tagboat-test-web:1\.1\.0/);
});

test.run();
