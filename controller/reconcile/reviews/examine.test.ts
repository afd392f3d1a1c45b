/** What a request costs and what its merge gives, on a real Git server. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Mirror } from '../../git/mirror.ts';
import { parseRemote } from '../../git/remote.ts';
import { ParseCache } from '../../manifests/parse-cache.ts';
import { GitServer } from '../../testing/git-server.ts';
import { TestRepository } from '../../testing/git-repository.ts';
import { NODE, PRODUCT, deploymentManifest, versionManifest } from '../../testing/story.ts';
import type { Reading } from '../read-repository.ts';
import { RepositoryReader } from '../read-repository.ts';
import { examine } from './examine.ts';
import type { Examined } from './examine.ts';
import { mergedBy } from './merged.ts';
import { planReview } from './plan-review.ts';
import { verdictOf } from './verdict.ts';

const test = suite('examining');
const SIGNAL = new AbortController().signal;
const MIB = 1024 * 1024;
const named = (name: string, more = ''): string => deploymentManifest(name, `  branch: main\n${more}`).replace('name: shop', `name: ${name}`);
const FILES = { 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0'), 'deployments/a.yaml': named('a'), 'deployments/b.yaml': named('b'), 'README.md': 'hello' };

interface World {
  readonly repository: TestRepository;
  readonly server: GitServer;
  readonly mirror: Mirror;
  readonly cache: ParseCache;
  readonly base: string;
  read(before?: Reading): Promise<Reading>;
  /** Fetches a head (and a host's merge of it) and examines it against a reading. */
  examined(reading: Reading, head: string, merge?: string): Promise<Examined>;
}

function scene(name: string, body: (world: World) => Promise<void>): void {
  test(name, async () => {
    const repository = await TestRepository.create('acme');
    const base = await repository.commit(FILES, 'first');
    const server = await GitServer.start({ root: join(repository.directory, '..') });
    const directory = mkdtempSync(join(tmpdir(), 'tagboat-examine-'));
    const remote = parseRemote(`${server.url}/acme.git`);
    const mirror = await Mirror.open({ directory, remote });
    const cache = new ParseCache();
    const reader = new RepositoryReader({ team: 'acme', remote, branch: 'main', directory: '', mirror, cache, frozen: async () => new Map(), owners: async () => new Map() });
    const examined: World['examined'] = async (reading, head, merge) => {
      for (const [ref, oid] of Object.entries({ head, ...(merge && { merge }) })) await repository.git(['update-ref', `refs/pull/1/${ref}`, oid]);
      const wants = [head, ...(merge === undefined ? [] : [merge])].map((oid) => ({ ref: `refs/pull/1/${oid}`, oid }));
      await mirror.fetchBeside(wants, { maxBytes: MIB, signal: SIGNAL });
      const request = { ref: 'pull/1', gitRef: 'refs/pull/1/head', number: 1, head, merge: merge ?? null };
      return examine({ mirror, cache, directory: '', reader, branch: 'main' }, request, reading, reader.head!, await mirror.line(reading.commit), SIGNAL);
    };
    try {
      await body({ repository, server, mirror, cache, base, read: (before) => reader.read(before, SIGNAL), examined });
    } finally {
      await mirror.close();
      await server.close();
      await repository.remove();
      rmSync(directory, { recursive: true });
    }
  });
}

const topic = async (world: World, files: Readonly<Record<string, string | null>>, from: string): Promise<string> => world.repository.commit(files, 'topic', { branch: 'topic', from });

scene('a request costs its own change: one fetch, its files parsed once, whatever else there is', async (world) => {
  const reading = await world.read();
  const head = await topic(world, { 'deployments/a.yaml': named('a', '  environment: { A: b }\n') }, world.base);
  const { parses } = world.cache.statistics;
  world.server.log.length = 0;
  const first = await world.examined(reading, head);
  assert.equal([first.method, [...first.scope], [...first.deployments.set.keys()]], ['contains', ['a'], ['a']]);
  assert.is(world.cache.statistics.parses - parses, 1);
  assert.is(world.server.count('fetch'), 1);
  const again = await world.examined(reading, head);
  assert.is(world.cache.statistics.parses - parses, 1, 'nothing is parsed twice');
  assert.is(world.server.count('fetch'), 1, 'nothing is fetched twice');
  assert.equal(again.problems, []);
  // Nothing of it went into what the team's own reading remembers.
  assert.is(await world.read(reading), reading);
});

scene('a request that touches no manifest changes nothing; one that the branch holds already is merged', async (world) => {
  const reading = await world.read();
  const readme = await topic(world, { 'README.md': 'world' }, world.base);
  const examined = await world.examined(reading, readme);
  assert.equal([examined.scope.size, examined.merged, examined.problems], [0, false, []]);
  await world.repository.commit({ 'README.md': 'world' }, 'the same by hand');
  assert.is((await world.examined(await world.read(reading), readme)).merged, true);
});

scene('a version that many use changes all of them; an unchanged one is the very same object', async (world) => {
  const reading = await world.read();
  const head = await topic(world, { 'products/shop/version.yaml': versionManifest('2.0.0'), 'deployments/b.yaml': null }, world.base);
  const { deployments, scope } = await world.examined(reading, head);
  assert.equal([[...deployments.set.keys()], [...deployments.gone], [...scope].sort()], [['a'], ['b'], ['a', 'b']]);
});

scene('the host\'s merge counts only while it is of this head and this base', async (world) => {
  const head = await topic(world, { 'deployments/a.yaml': named('a', '  environment: { A: b }\n') }, world.base);
  const main = await world.repository.commit({ 'deployments/b.yaml': named('b', '  environment: { B: c }\n') }, 'main goes on');
  const merge = async (onto: string): Promise<string> => world.repository.commit({ 'deployments/a.yaml': named('a', '  environment: { A: host }\n') }, 'merge', { branch: 'merge', from: onto, merge: [head] });
  const reading = await world.read();
  const text = (examined: Examined): string => JSON.stringify([...examined.deployments.set]);
  const fresh = await world.examined(reading, head, await merge(main));
  assert.is(fresh.method, 'host');
  assert.match(text(fresh), '"A":"host"');
  const stale = await world.examined(reading, head, await merge(world.base));
  assert.is(stale.method, 'files');
  assert.match(text(stale), '"A":"b"');
  assert.equal([...stale.scope], ['a'], 'what the branch changed meanwhile is no doing of the request');
});

scene('after criss-cross merges the last common ancestor decides; without one there is no plan', async (world) => {
  const main = await world.repository.commit({ 'deployments/b.yaml': named('b', '  environment: { B: main }\n') }, 'main');
  const side = await topic(world, { 'deployments/a.yaml': named('a', '  environment: { A: one }\n') }, world.base);
  const caughtUp = await world.repository.commit({ 'deployments/b.yaml': named('b', '  environment: { B: main }\n') }, 'merge main', { branch: 'topic', from: side, merge: [main] });
  const head = await topic(world, { 'deployments/b.yaml': named('b', '  environment: { B: topic }\n') }, caughtUp);
  await world.repository.commit({ 'README.md': 'more' }, 'main goes on');
  const reading = await world.read();
  const examined = await world.examined(reading, head);
  assert.equal([examined.conflicts, [...examined.scope].sort()], [0, ['a', 'b']]);
  // The shorter way leads to an older common ancestor, seen from which both sides changed the same file.
  const old = await world.repository.commit({ 'README.md': 'old' }, 'old', { branch: 'old', from: world.base });
  const long = await topic(world, { 'docs.md': 'text' }, await topic(world, { 'deployments/b.yaml': named('b', '  environment: { B: long }\n') }, main));
  const both = await world.repository.commit({}, 'merge the old', { branch: 'topic', from: long, merge: [old] });
  assert.equal((await world.examined(reading, both)).problems, []);
  const orphan = await world.repository.commit({ 'deployments/a.yaml': named('a') }, 'root', { branch: 'orphan', from: null });
  const { problems, scope } = await world.examined(reading, orphan);
  assert.equal([problems.map(({ code, message }) => `${code}: ${message}`), scope.size], [['MergeConflict: the request has no history in common with main'], 0]);
});

scene('what is too large is refused before it is looked at, and the branch is read on', async (world) => {
  const reading = await world.read();
  const noise = Buffer.from(Array.from({ length: 2 * MIB }, () => Math.floor(Math.random() * 256))).toString('latin1');
  const heavy = await topic(world, { 'noise.bin': noise }, world.base);
  assert.match(await world.examined(reading, heavy).then(() => '', (error: unknown) => String((error as { code?: unknown }).code)), 'RemoteTooLarge');
  const many = await topic(world, Object.fromEntries(Array.from({ length: 5_001 }, (_, n) => [`many/${String(n)}.yaml`, 'a: 1\n'])), world.base);
  const { problems } = await world.examined(reading, many);
  assert.equal(problems.map(({ code }) => code), ['RequestUnreadable']);
  assert.match(problems[0]!.message, '5001 manifest files');
  await world.repository.commit({ 'deployments/a.yaml': named('a', '  environment: { A: main }\n') });
  const next = await world.read(reading);
  assert.equal(next.problems, []);
  assert.equal([...world.mirror.refs.keys()].filter((ref) => ref.startsWith('refs/heads/')), ['refs/heads/main']);
});

scene('a head that the policy of the branch refuses is a warning, also to the Git host, and fails nothing', async (world) => {
  const policy = 'apiVersion: tagboat/v1\nkind: Team\nmetadata: { name: acme }\nspec:\n  members: [ { name: Ada, email: ada@example.test } ]\n  policy: { requireKnownAuthors: true }\n';
  const main = await world.repository.commit({ 'team.yaml': policy }, 'only people that are known');
  const reading = await world.read();
  const by = async (name: string, files: Readonly<Record<string, string>>): Promise<Examined> =>
    world.examined(reading, await world.repository.commit(files, 'topic', { branch: 'topic', from: main, author: { name, email: `${name.toLowerCase()}@example.test` } }));
  assert.equal((await by('Ada', { 'deployments/a.yaml': named('a', '  environment: { A: b }\n') })).problems, []);
  // It lists itself, which counts for nothing yet.
  const examined = await by('Eve', { 'team.yaml': policy.replace('[ {', '[ { name: Eve, email: eve@example.test }, {') });
  assert.equal(examined.problems.map(({ code, severity, file, line }) => [code, severity, file, line]), [['CommitRefused', 'warning', 'team.yaml', 6]]);
  assert.equal((await by('Eve', { 'README.md': 'no manifest' })).problems.map(({ code }) => code), ['CommitRefused']);
  const { plan } = planReview(examined, { targets: new Map(), versions: [], parents: new Map(), goodSpec: () => null }, { nodes: new Map(), drift: new Map() });
  const said = verdictOf('acme', examined.request, plan, 'https://tagboat.example.org');
  assert.equal(said.map((one) => (one.kind === 'status' ? one.state : one.kind)), ['success', 'comment']);
  assert.match(JSON.stringify(said), /CommitRefused.*team\.yaml:6.*is written by Eve .*who is no member/);
});

scene('a commit is told to be a request by its history or by its content', async (world) => {
  const mine = await topic(world, { 'deployments/a.yaml': named('a', '  environment: { A: b }\n') }, world.base);
  const reading = await world.read();
  await world.examined(reading, mine);
  const review = { ref: 'pull/1', state: 'open' as const, head: mine, base: world.base };
  const tell = async (commit: string): Promise<readonly string[]> => {
    await world.read(reading);
    return mergedBy(world.mirror, [review], commit, (oid) => world.mirror.line(oid));
  };
  const other = await world.repository.commit({ 'README.md': 'more' }, 'another commit');
  assert.equal(await tell(other), []);
  const squashed = await world.repository.commit({ 'deployments/a.yaml': named('a', '  environment: { A: b }\n') }, 'squashed');
  assert.equal(await tell(squashed), ['pull/1']);
  await world.repository.forcePush('main', other);
  const altered = await world.repository.commit({ 'deployments/a.yaml': named('a', '  environment: { A: c }\n') }, 'something else');
  assert.equal(await tell(altered), []);
  await world.repository.forcePush('main', other);
  const merge = await world.repository.commit({ 'deployments/a.yaml': named('a', '  environment: { A: mended }\n') }, 'merge with a mended conflict', { merge: [mine] });
  assert.equal(await tell(merge), ['pull/1']);
});

test.run();
