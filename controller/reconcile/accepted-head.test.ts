// @timeout 120
/** Which heads are read, by the policy of the heads before them. Authors need no keys, so most of it is told with them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Mirror } from '../git/mirror.ts';
import { parseRemote } from '../git/remote.ts';
import { ParseCache } from '../manifests/parse-cache.ts';
import { TestRepository } from '../testing/git-repository.ts';
import { GitServer } from '../testing/git-server.ts';
import { commitSigned, sshSignature } from '../testing/signing.ts';
import { deploymentManifest, NODE, PRODUCT, versionManifest } from '../testing/story.ts';
import type { Accepted } from './accepted-head.ts';
import { HeadRefused } from './accepted-head.ts';
import { ProductSources } from './product-sources.ts';
import type { Reading } from './read-repository.ts';
import { RepositoryReader } from './read-repository.ts';

interface World {
  readonly repository: TestRepository;
  readonly server: GitServer;
  readonly cache: ParseCache;
  /** Of this test alone. */
  readonly scratch: string;
  /** What the database would hold, for every reader; null before the first. */
  stored: Accepted | null;
  /** A replica of its own, with an empty mirror. */
  replica(): Promise<Replica>;
}

interface Replica {
  readonly reader: RepositoryReader;
  /** Reads, and keeps what was accepted as the database does. */
  read(before?: Reading): Promise<Reading>;
}

const test = suite('accepted heads');
const SIGNAL = new AbortController().signal;
const EVE = { author: { name: 'Eve\u001b[31m', email: 'eve@example.test' } } as const;
const ON = 'requireKnownAuthors: true';

function team(policy: string, ...others: string[]): string {
  const members = ['ADA@example.test', ...others].map((email) => `    - { name: ${email}, email: ${email} }\n`).join('');
  return `apiVersion: tagboat/v1\nkind: Team\nmetadata: { name: acme }\nspec:\n  members:\n${members}  policy: { ${policy} }\n`;
}

function files(tag: string, policy = ON): Record<string, string> {
  return { 'team.yaml': team(policy), 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest(tag), 'deployments/shop.yaml': deploymentManifest('shop', '  branch: main\n') };
}

function scene(name: string, body: (w: World) => Promise<void>): void {
  test(name, async () => {
    const repository = await TestRepository.create('acme');
    const server = await GitServer.start({ root: join(repository.directory, '..') });
    const scratch = mkdtempSync(join(tmpdir(), 'tagboat-heads-'));
    const remote = parseRemote(`${server.url}/acme.git`);
    const closing: (() => Promise<void>)[] = [];
    const cache = new ParseCache();
    const w: World = {
      repository, server, cache, scratch, stored: null,
      replica: async () => {
        const mirror = await Mirror.open({ directory: join(scratch, String(closing.length)), remote });
        const sources = new ProductSources({ directory: join(scratch, `sources-${String(closing.length)}`), policy: { rules: [{ url: `${server.url}/**`, credentials: null }] }, cache, patienceMs: 20_000 });
        closing.push(async () => sources.close().then(async () => mirror.close()));
        const reader = new RepositoryReader({ team: 'acme', remote, branch: 'main', directory: '', mirror, cache, sources, accepted: async () => w.stored, frozen: async () => new Map(), owners: async () => new Map() });
        const read = async (before?: Reading): Promise<Reading> => {
          const reading = await reader.read(before, SIGNAL);
          w.stored = { commit: reading.commit, trust: reading.trust ?? w.stored?.trust ?? null };
          return reading;
        };
        return { reader, read };
      },
    };
    try {
      await body(w);
    } finally {
      for (const close of closing) await close();
      await server.close();
      await repository.remove();
      rmSync(scratch, { recursive: true, force: true });
    }
  });
}

function image(reading: Reading): string | undefined {
  return reading.desired.deployments.get('shop')?.spec.images.find(({ name }) => name === 'web')?.image;
}

function told({ problems }: Reading): string[] {
  return problems.map(({ code, file, line, message }) => `${code} ${file}:${String(line)} ${message}`);
}

scene('a head by a stranger is not read; what was read stays whole, and an unchanged repository costs one listing', async (w) => {
  const good = await w.repository.commit(files('1.0.0'));
  const { read } = await w.replica();
  const first = await read();
  assert.equal(first.problems, []);
  const { parses } = w.cache.statistics;
  const bad = await w.repository.commit({ 'products/shop/version.yaml': versionManifest('6.6.6'), 'deployments/more.yaml': 'no: manifest', 'nodes/harbor.yaml': null }, 'evil', EVE);
  const second = await read(first);
  assert.is(second.commit, good);
  assert.is(second.desired.deployments.get('shop'), first.desired.deployments.get('shop'));
  assert.is(second.desired.mayRemove, true, 'what is read has no problem');
  assert.equal(told(second), [`CommitRefused team.yaml:7 the head is not deployed: commit ${bad.slice(0, 12)} is written by Eve [31m <eve@example.test>, who is no member (requireKnownAuthors); what is deployed stays at ${good.slice(0, 12)}`]);
  assert.is(second.refused?.commit, bad);
  assert.is(w.cache.statistics.parses, parses, 'nothing of a refused commit is parsed');
  w.server.log.length = 0;
  assert.is(await read(second), second);
  assert.is(w.server.count(), 1, 'one listing and nothing else');

  await w.repository.commit({ 'products/shop/version.yaml': versionManifest('1.1.0'), 'deployments/more.yaml': null, 'nodes/harbor.yaml': NODE });
  const third = await read(second);
  assert.is(image(third), 'tagboat-test-web:1.1.0');
  assert.is(third.refused, null);
  assert.equal(third.problems, []);
});

scene('no head brings its own policy or members; the next one after a good one goes by the new', async (w) => {
  await w.repository.commit(files('1.0.0'));
  const { read } = await w.replica();
  let reading = await read();
  for (const policy of [team('requireKnownAuthors: false'), team(ON, 'eve@example.test'), null, 'kind: [']) {
    const bad = await w.repository.commit({ 'team.yaml': policy }, 'change the rules', EVE);
    reading = await read(reading);
    assert.is(reading.refused?.commit, bad, String(policy));
  }
  await w.repository.commit({ 'team.yaml': team(ON, 'eve@example.test') });
  reading = await read(reading);
  assert.is(reading.refused, null);
  const hers = await w.repository.commit({ 'products/shop/version.yaml': versionManifest('2.0.0') }, 'as a member', EVE);
  reading = await read(reading);
  assert.is(reading.commit, hers);

  // A Team manifest that nobody can read takes no policy away.
  await w.repository.commit({ 'team.yaml': 'kind: Team\nspec: [' });
  reading = await read(reading);
  assert.is(reading.trust, null);
  await w.repository.commit({ 'team.yaml': team('requireKnownAuthors: false') }, 'off', { author: { name: 'Mallory', email: 'mallory@example.test' } });
  reading = await read(reading);
  assert.ok(reading.refused);
  await w.repository.commit({ 'team.yaml': team('requireKnownAuthors: false') });
  reading = await read(reading);
  assert.is(reading.refused, null);
  const anybody = await w.repository.commit({ 'notes.txt': 'x' }, 'off', { author: { name: 'Mallory', email: 'mallory@example.test' } });
  assert.is((await read(reading)).commit, anybody);
});

scene('the first head of all is judged by its own policy, and nothing is read of one that fails', async (w) => {
  await w.repository.commit(files('1.0.0'), 'first', EVE);
  const { read } = await w.replica();
  const refused = await read().then(() => undefined, (error: unknown) => error);
  assert.instance(refused, HeadRefused);
  assert.match((refused as HeadRefused).problem.message, /who is no member/);
  w.server.log.length = 0;
  assert.instance(await read().then(() => undefined, (error: unknown) => error), HeadRefused);
  assert.is(w.server.count(), 1, 'one listing and nothing else');
  await w.repository.commit({ 'notes.txt': 'x' });
  assert.equal((await read()).problems, []);
});

scene('a replica without a past goes by what the database says, after a force-push, too', async (w) => {
  const good = await w.repository.commit(files('1.0.0'));
  const one = await w.replica();
  const first = await one.read();
  await w.repository.commit({ 'team.yaml': team(ON, 'eve@example.test') }, 'bring a member', EVE);
  const two = await w.replica();
  const second = await two.read();
  assert.is(second.commit, good);
  assert.is(image(second), image(first));
  assert.ok(second.refused);

  // Without the good head in its history nobody can be asked for it: then nothing is read, and nothing changes.
  await w.repository.commit(files('6.6.6', 'requireKnownAuthors: false'), 'rewrite', { ...EVE, from: null });
  const three = await w.replica();
  await w.repository.git(['config', 'uploadpack.allowAnySHA1InWant', 'false']);
  const lost = await three.read().then(() => undefined, (error: unknown) => error);
  assert.instance(lost, HeadRefused);
  const still = await two.read(second);
  assert.is(still.commit, good, 'who has it stays at it');
  assert.ok(still.refused);

});

scene('who takes over a team does not go by what it remembers', async (w) => {
  const [one, two] = [await w.replica(), await w.replica()];
  await w.repository.commit(files('1.0.0'));
  await w.repository.commit({ 'team.yaml': team(ON, 'eve@example.test') });
  let mine = await one.read();
  const hers = await w.repository.commit({ 'products/shop/version.yaml': versionManifest('2.0.0') }, 'as a member', EVE);
  mine = await one.read(mine);
  assert.is(mine.commit, hers);
  // The other one reads that she is a member no more; then she takes that back by force.
  const without = await w.repository.commit({ 'team.yaml': team(ON) });
  assert.is((await two.read()).commit, without);
  await w.repository.forcePush('main', hers);
  one.reader.takeOver();
  // What the other one read is gone from the branch, and this one never had it.
  assert.instance(await one.read(mine).then(() => undefined, (error: unknown) => error), HeadRefused);
  w.server.log.length = 0;
  assert.instance(await one.read(mine).then(() => undefined, (error: unknown) => error), HeadRefused);
  assert.is(w.server.count(), 1, 'one listing and nothing else');
  await w.repository.git(['config', 'uploadpack.allowAnySHA1InWant', 'true']);
  one.reader.takeOver();
  // The refs are those of its own reading, and yet it is another one.
  const now = await one.read(mine);
  assert.equal([now.commit, now.refused?.commit], [without, hers]);
});

scene('a team that an earlier release has read is judged by what was read', async (w) => {
  const good = await w.repository.commit(files('1.0.0'));
  w.stored = { commit: good, trust: null };
  const bad = await w.repository.commit({ 'team.yaml': team('requireKnownAuthors: false') }, 'off', EVE);
  const { read } = await w.replica();
  const reading = await read();
  assert.is(reading.commit, good);
  assert.is(reading.refused?.commit, bad);
});

scene('a branch and another repository whose heads are refused freeze who follows them, and nobody else', async (w) => {
  // Both repositories are served from one address, which the operator allows.
  const lib = await TestRepository.create('lib', join(w.repository.directory, '..'));
  const libVersion = (tag: string): Record<string, string> => ({ 'version.yaml': versionManifest(tag).replace('name: shop', 'name: lib') });
  await lib.commit(libVersion('1.0.0'));
  const follower = (name: string, product: string, branch: string): string => deploymentManifest(name, `  branch: ${branch}\n`).replace('name: shop', `name: ${name}`).replace('product: shop', `product: ${product}`);
  await w.repository.commit({
    ...files('1.0.0'),
    'products/shop/product.yaml': PRODUCT.replace('type: complex', 'type: complex, rolling: { branches: [ main, next ] }'),
    'products/lib/product.yaml': PRODUCT.replace('name: shop', 'name: lib').replace('type: complex', `type: complex, source: { repository: "${w.server.url}/lib.git" }`),
    'deployments/next.yaml': follower('next', 'shop', 'next'),
    'deployments/lib.yaml': follower('lib', 'lib', 'main'),
  });
  await w.repository.commit({ 'products/shop/version.yaml': versionManifest('1.0.1') }, 'next', { branch: 'next', from: 'refs/heads/main' });
  const { read } = await w.replica();
  const first = await read();
  assert.equal(told(first), []);
  assert.is(first.desired.deployments.size, 3);
  await w.repository.commit({ 'products/shop/version.yaml': versionManifest('6.6.6') }, 'evil', { ...EVE, branch: 'next' });
  await lib.commit(libVersion('6.6.6'), 'evil', EVE);
  const second = await read(first);
  assert.equal([...second.desired.blocked.values()].map(({ name, problems }) => [name, problems.map(({ code }) => code)]), [['lib', ['CommitRefused']], ['next', ['CommitRefused']]]);
  assert.is(second.desired.deployments.get('shop'), first.desired.deployments.get('shop'));
  assert.is(second.refused, null);
  // A Team manifest that nobody can read lets nobody in either.
  await w.repository.commit({ 'team.yaml': 'kind: Team\nspec: [' });
  assert.equal([...(await read(second)).desired.blocked.keys()], ['lib', 'next']);
  await w.repository.commit({ 'products/shop/version.yaml': versionManifest('1.0.2') }, 'good', { branch: 'next' });
  await lib.commit(libVersion('1.0.2'));
  assert.is((await read(second)).desired.blocked.size, 0);
});

scene('tags: the commit or the tag is signed by a key that is listed now, under its own name', async (w) => {
  const ada = await sshSignature(w.scratch, 'ada');
  const eve = await sshSignature(w.scratch, 'eve');
  const deployments = (...versions: string[]): Record<string, string> => Object.fromEntries(versions.map((version) => [`deployments/v${version}.yaml`, deploymentManifest(`p${version.replaceAll('.', '-')}`, `  version: ${version}\n`).replace('name: shop', `name: v${version.replaceAll('.', '-')}`)]));
  const listing = (...keys: string[]): string => `${team('requireSignedCommits: true')}`.replace('email: ADA@example.test', `email: ADA@example.test, keys: [ ${keys.map((key) => `{ type: ssh, key: "${key}" }`).join(', ')} ]`);
  const signed = await commitSigned(w.repository, ada, { ...files('1.0.0'), 'team.yaml': listing(ada.listed.key, eve.listed.key) });
  const unsigned = await w.repository.commit({ 'notes.txt': 'x' }, 'work', { branch: 'work', from: signed });
  await w.repository.tag('shop/1.0.0', signed);
  await w.repository.tag('shop/1.1.0', unsigned);
  await w.repository.tag('shop/1.2.0', unsigned, { message: 'not signed' });
  await w.repository.git([...ada.config, 'tag', '-s', '-m', 'signed', 'shop/1.3.0', unsigned]);
  await w.repository.git(['update-ref', 'refs/tags/shop/1.4.0', await w.repository.git(['rev-parse', 'refs/tags/shop/1.3.0'])]);
  await w.repository.git([...eve.config, 'tag', '-s', '-m', 'signed', 'shop/1.5.0', unsigned]);
  await commitSigned(w.repository, ada, deployments('1.0.0', '1.1.0', '1.2.0', '1.3.0', '1.4.0', '1.5.0'));
  const { read } = await w.replica();
  const first = await read();
  const blocked = (reading: Reading): string[] => [...reading.desired.blocked.values()].flatMap(({ name, problems }) => problems.map(({ code, message }) => `${name} ${code}: ${message.replace(/^.*?example.test> /, '')}`));
  assert.equal([...first.desired.deployments.keys()], ['shop', 'v1-0-0', 'v1-3-0', 'v1-5-0']);
  assert.equal(blocked(first), [
    'v1-1-0 CommitRefused: is not signed (requireSignedCommits)',
    'v1-2-0 CommitRefused: is not signed (requireSignedCommits)',
    'v1-4-0 CommitRefused: is not signed, and its tag was signed under another name (requireSignedCommits)',
  ]);
  assert.equal(told(first).map((text) => text.split(' ', 2).join(' ')), ['CommitRefused deployments/v1.1.0.yaml:9', 'CommitRefused deployments/v1.2.0.yaml:9', 'CommitRefused deployments/v1.4.0.yaml:9']);

  await commitSigned(w.repository, ada, { 'team.yaml': listing(ada.listed.key) });
  const second = await read(first);
  assert.match(blocked(second).at(-1)!, /^v1-5-0 .* its tag is signed with SHA256:\S+, which no member lists/);
  await w.repository.tag('shop/1.1.0', signed, { force: true });
  assert.ok((await read(second)).desired.deployments.has('v1-1-0'));
});

test.run();
