import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TagboatError } from '../errors.ts';
import { TestRepository } from '../testing/git-repository.ts';
import { GitServer } from '../testing/git-server.ts';
import { contest } from '../testing/contest.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { Mirror, type MirrorLimits, type Want } from './mirror.ts';
import type { TreeEntry } from './objects.ts';
import { listRefs } from './refs.ts';
import { parseRemote, type Remote } from './remote.ts';
import type { RequestRecord } from './transport.ts';

const test = suite('mirror');
let repository: TestRepository;
let server: GitServer;
let root: string;
let number = 0;
let remote: Remote;
let directory: string;
const open: Mirror[] = [];

test.before.each(async () => {
  number += 1;
  repository = await TestRepository.create(`r${String(number)}`, root === undefined ? undefined : root);
  root ??= path.dirname(repository.directory);
  server ??= await GitServer.start({ root });
  server.log.length = 0;
  server.fault = undefined;
  remote = parseRemote(`${server.url}/r${String(number)}.git`);
  directory = path.join(root, `mirror${String(number)}`);
});
test.after.each(async () => {
  for (const mirror of open.splice(0)) await mirror.close();
});
test.after(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

async function openMirror(limits: MirrorLimits = {}, onRequest?: (record: RequestRecord) => void): Promise<Mirror> {
  const mirror = await Mirror.open({ directory, remote, limits, ...(onRequest === undefined ? {} : { onRequest }) });
  open.push(mirror);
  return mirror;
}

/** As a crash would: nothing is given free but the lock, which a dead process holds no more. */
async function reopen(limits: MirrorLimits = {}): Promise<Mirror> {
  for (const mirror of open.splice(0)) await mirror.close();
  return await openMirror(limits);
}

async function wants(prefixes = ['refs/heads/', 'refs/tags/']): Promise<Want[]> {
  return [...(await listRefs(remote, { prefixes })).refs].map(([ref, { oid }]) => ({ ref, oid }));
}

async function failure(run: () => Promise<unknown>): Promise<TagboatError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof TagboatError) return error;
    throw error;
  }
  throw new Error('nothing failed');
}

async function contents(mirror: Mirror, commit: string, below?: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { path: file, oid } of (await mirror.tree(commit, below)).entries()) files[file] = Buffer.from(await mirror.readBlob(oid)).toString();
  return files;
}

async function packDirectory(): Promise<string> {
  return path.join(directory, await readFile(path.join(directory, 'current'), 'utf8'), 'objects', 'pack');
}

async function packFile(): Promise<string> {
  const name = (await readdir(await packDirectory())).find((one) => one.endsWith('.pack'));
  return path.join(await packDirectory(), name ?? 'none');
}

/** Distinct and hard to compress, so that bytes on the wire mean something. */
function manyFiles(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`apps/d${String(index % 20)}/f${String(index)}.yaml`, `id: ${randomBytes(100).toString('hex')}\n`]));
}

const paths = (entries: readonly TreeEntry[]): string[] => entries.map((entry) => entry.path);

test('first clone, then a fetch that costs what changed; nothing missing, nothing asked', async () => {
  const files = manyFiles(300);
  const first = await repository.commit(files, 'first');
  const records: RequestRecord[] = [];
  const mirror = await openMirror({}, (record) => records.push(record));
  const clone = await mirror.fetch(await wants());
  assert.equal(await contents(mirror, first), files);
  const second = await repository.commit({ 'apps/d1/f1.yaml': 'changed\n', 'apps/d2/f2.yaml': null }, 'second');
  const delta = await mirror.fetch(await wants());
  assert.ok(delta.bytes > 0 && delta.bytes < clone.bytes / 10, `${String(delta.bytes)} of ${String(clone.bytes)} bytes`);
  server.log.length = 0;
  assert.equal(await mirror.fetch([{ ref: 'refs/heads/main', oid: second }]), { bytes: 0, remade: false });
  assert.is(server.count(), 0);
  assert.equal(records.map(({ kind, ok }) => ({ kind, ok })), [{ kind: 'fetch', ok: true }, { kind: 'fetch', ok: true }]);
  const diff = await mirror.diffTrees(first, second);
  assert.equal([paths(diff.added), paths(diff.modified), paths(diff.removed)], [[], ['apps/d1/f1.yaml'], ['apps/d2/f2.yaml']]);
  await repository.git(['--git-dir', path.dirname(path.dirname(await packDirectory())), 'fsck', '--full', '--strict', '--connectivity-only']);
});

test('a fetch among thousands of refs reads none but those wanted', async () => {
  const main = await repository.commit({ 'a.yaml': 'a' });
  await repository.git(['update-ref', '--stdin'], Array.from({ length: 3000 }, (_, index) => `create refs/heads/x${String(index)} ${main}\n`).join(''));
  const mirror = await openMirror();
  await mirror.fetch([{ ref: 'refs/heads/main', oid: main }]);
  assert.is(server.count('fetch'), 1);
  assert.is(server.count('advertise'), 0);
  assert.ok((server.log[0]?.bytes ?? Infinity) < 2000);
  assert.equal([...mirror.refs.keys()], ['refs/heads/main']);
});

test('several refs come in one round: branches, lightweight tags, annotated tags, chains of tags', async () => {
  const first = await repository.commit({ 'a.yaml': '1' }, 'first\n\nbody', { author: { name: 'Grace', email: 'grace@example.test' }, date: new Date('2026-03-04T05:06:07Z') });
  const annotated = await repository.tag('shop/1.0.0', first, { message: 'The change log\n\n- one' });
  const chain = await repository.tag('chain', annotated, { message: 'outer' });
  await repository.tag('light', first);
  const side = await repository.commit({ 'b.yaml': '2' }, 'side', { branch: 'side' });
  const mirror = await openMirror();
  await mirror.fetch(await wants());
  assert.is(server.count('fetch'), 1);
  const tag = await mirror.tag(annotated);
  assert.equal([tag.oid, tag.target, tag.message, tag.tagger?.email], [annotated, first, 'The change log\n\n- one\n', 'ada@example.test']);
  assert.equal([(await mirror.tag(chain)).target, (await mirror.tag(chain)).message], [first, 'outer\n']);
  const commit = await mirror.commit(first);
  assert.equal(commit.author, { name: 'Grace', email: 'grace@example.test', at: new Date('2026-03-04T05:06:07Z') });
  assert.equal([commit.message, commit.parents, commit.committer.email], ['first\n\nbody', [], 'ada@example.test']);
  assert.is((await mirror.commit(side)).parents.length, 0);
  assert.is((await failure(() => mirror.commit(annotated))).code, 'RefMissing');
  assert.is((await failure(() => mirror.tag(first))).code, 'RefMissing');
  assert.is((await failure(() => mirror.commit('f'.repeat(40)))).code, 'RefMissing');
});

test('links, submodules and odd names come with their mode, in byte order; a missing directory is empty', async () => {
  const oid = await repository.commit({
    'a/x.yaml': 'x',
    'a.yaml': 'between',
    'a/link': { mode: '120000', content: '../secret' },
    'a/module': { mode: '160000', content: '1'.repeat(40) },
    'ä/run': { mode: '100755', content: '#!/bin/sh' },
  });
  const mirror = await openMirror();
  await mirror.fetch(await wants());
  const seen: string[] = [];
  for await (const { path: file, mode } of (await mirror.tree(oid)).entries()) seen.push(`${mode} ${file}`);
  assert.equal(seen, ['100644 a.yaml', '120000 a/link', '160000 a/module', '100644 a/x.yaml', '100755 ä/run']);
  assert.equal(await contents(mirror, oid, 'ä'), { 'ä/run': '#!/bin/sh' });
  const none = await mirror.tree(oid, 'a/x.yaml');
  assert.is(none.oid, undefined);
  assert.equal(await contents(mirror, oid, 'nothing/here'), {});
  const diff = await mirror.diffTrees(null, oid, 'a');
  assert.equal(paths(diff.added), ['a/link', 'a/module', 'a/x.yaml']);
});

test('the size of a delta is found, however long the code tables before its first byte are', async () => {
  // Many letters, some of them much more often than others: the tables alone fill hundreds of bytes.
  const text = (count: number): string => Array.from({ length: count }, () => String.fromCharCode(33 + Math.floor(200 * (randomBytes(4).readUInt32BE() / 2 ** 32) ** 4))).join('');
  const steady = text(3000);
  let last = '';
  for (let round = 0; round < 4; round += 1) last = await repository.commit({ 'deployments/shop.yaml': `${text(2000)}${steady}` }, `round ${String(round)}`);
  await repository.git(['repack', '-adfq', '--depth=50', '--window=50']);
  const mirror = await openMirror();
  await mirror.fetch(await wants());
  for (let commit: string | undefined = last; commit !== undefined; commit = (await mirror.commit(commit)).parents[0]) assert.equal(Object.keys(await contents(mirror, commit)), ['deployments/shop.yaml']);
});

test('a diff agrees with native Git, also when files become directories', async () => {
  const first = await repository.commit({ ...manyFiles(60), x: 'file', 'y/in': 'dir' });
  const second = await repository.commit({ x: null, 'x/in': 'now a directory', 'y/in': null, y: 'now a file', 'apps/d3/new.yaml': 'new', 'apps/d4/f4.yaml': { mode: '100755', content: 'other' } });
  const mirror = await openMirror();
  await mirror.fetch(await wants());
  for (const [from, to] of [[first, second], [second, first]] as const) {
    const native = (await repository.git(['diff-tree', '-r', '--no-renames', '--name-status', from, to])).split('\n').sort();
    const diff = await mirror.diffTrees(from, to);
    const ours = [...paths(diff.added).map((file) => `A\t${file}`), ...paths(diff.modified).map((file) => `M\t${file}`), ...paths(diff.removed).map((file) => `D\t${file}`)].sort();
    assert.equal(ours, native);
  }
});

test('a force-push costs what is new, even when the server has forgotten the old head', async () => {
  const base = await repository.commit(manyFiles(300), 'base');
  await repository.commit({ one: '1' }, 'to be rewritten');
  const mirror = await openMirror();
  const clone = await mirror.fetch(await wants());
  await repository.commit({ two: '2' }, 'instead', { from: base });
  await repository.prune();
  const delta = await mirror.fetch(await wants());
  assert.ok(delta.bytes < clone.bytes / 10, `${String(delta.bytes)} of ${String(clone.bytes)} bytes`);
  assert.is(delta.remade, false);
});

test('a ref that moved between listing and fetching is RefMissing, and the mirror stays usable', async () => {
  const base = await repository.commit({ a: '1' });
  const served = remote;
  for (const [round, one] of [served, parseRemote(repository.directory)].entries()) {
    remote = one;
    directory = path.join(root, `moved${String(number)}-${String(round)}`);
    const mirror = await openMirror();
    await mirror.fetch(await wants());
    await repository.commit({ a: '2' }, `gone ${String(round)}`, { branch: 'side', from: base });
    const listed = await wants();
    await repository.deleteBranch('side');
    await repository.prune();
    assert.is((await failure(() => mirror.fetch(listed))).code, 'RefMissing');
    assert.equal([...mirror.refs.keys()], ['refs/heads/main']);
    assert.equal(await contents(mirror, base), { a: '1' });
  }
});

test('an answer cut at any place is a failure; the next fetch recovers', async () => {
  const oid = await repository.commit(manyFiles(100));
  const mirror = await openMirror();
  for (const [cutAfterBytes, politely] of [[0, false], [6, false], [5_000, false], [0, true], [8, true], [5_000, true]] as const) {
    server.fault = { kind: 'fetch', cutAfterBytes, politely };
    const error = await failure(async () => mirror.fetch(await wants()));
    assert.ok(['RemoteUnreachable', 'RemoteProtocol'].includes(error.code), error.code);
    assert.is(mirror.has(oid), false);
  }
  server.fault = undefined;
  await mirror.fetch(await wants());
  assert.is(Object.keys(await contents(mirror, oid)).length, 100);
});

test('too much for one answer is RemoteTooLarge; too slow is Timeout; both leave the mirror as it was', async () => {
  const small = await repository.commit({ a: '1' });
  const patient = await openMirror({ maxFetchBytes: 50_000 });
  await patient.fetch(await wants());
  await repository.commit({ big: randomBytes(200_000) });
  assert.is((await failure(async () => patient.fetch(await wants()))).code, 'RemoteTooLarge');
  assert.equal(await contents(patient, small), { a: '1' });
  for (const mirror of open.splice(0)) await mirror.close();
  const mirror = await openMirror({ maxFetchBytes: 50_000, fetchTimeoutMs: 500 });
  server.fault = { kind: 'fetch', delayMs: 60_000 };
  assert.is((await failure(async () => mirror.fetch(await wants()))).code, 'Timeout');
  assert.equal(await contents(mirror, small), { a: '1' });
});

test('a large file is refused by its header, also one that is small when packed', async () => {
  const oid = await repository.commit({ 'huge.bin': Buffer.alloc(3_000_000), 'small.yaml': 'a: 1' });
  await repository.commit({ 'huge.bin': Buffer.concat([Buffer.alloc(3_000_000), Buffer.from('x')]) });
  await repository.prune();
  const mirror = await openMirror({ maxBlobBytes: 1_000_000 });
  const { bytes } = await mirror.fetch(await wants());
  assert.ok(bytes < 100_000);
  const refused: string[] = [];
  for (const commit of [oid, (await wants())[0]?.oid ?? '']) {
    for await (const entry of (await mirror.tree(commit)).entries()) {
      if (entry.path === 'huge.bin') refused.push((await failure(() => mirror.readBlob(entry.oid))).message);
      else assert.is(Buffer.from(await mirror.readBlob(entry.oid)).toString(), 'a: 1');
    }
  }
  assert.match(refused.sort().join('\n'), /3000000 bytes[\s\S]*3000001 bytes/);
});

const DAMAGES: Record<string, () => Promise<void>> = {
  'a byte of the pack flipped': async () => {
    const bytes = await readFile(await packFile());
    const at = bytes.length >> 1;
    bytes[at] = (bytes[at] ?? 0) ^ 0xff;
    await writeFile(await packFile(), bytes);
  },
  'the pack cut short': async () => await truncate(await packFile(), 100),
  'the pack gone': async () => await rm(await packFile()),
  'the index gone': async () => await rm((await packFile()).replace(/pack$/, 'idx')),
  'a byte of the index flipped': async () => {
    const file = (await packFile()).replace(/pack$/, 'idx');
    const bytes = await readFile(file);
    bytes[1100] = (bytes[1100] ?? 0) ^ 0xff;
    await writeFile(file, bytes);
  },
  'the state gone': async () => await rm(path.join(await packDirectory(), '..', '..', 'state.json')),
  'the state half-written': async () => await writeFile(path.join(await packDirectory(), '..', '..', 'state.json'), '{"url":'),
  'everything gone': async () => await rm(path.join(await packDirectory(), '..', '..'), { recursive: true }),
  'the pointer torn': async () => await writeFile(path.join(directory, 'current'), 'store-'),
};

for (const [damage, inflict] of Object.entries(DAMAGES)) {
  test(`a damaged mirror makes itself anew: ${damage}`, async () => {
    const files = manyFiles(30);
    const oid = await repository.commit(files);
    await (await openMirror()).fetch(await wants());
    for (const mirror of open.splice(0)) await mirror.close();
    await inflict();
    const mirror = await openMirror();
    await mirror.fetch(await wants());
    assert.equal(await contents(mirror, oid), files);
    assert.is((await readdir(directory)).filter((name) => name.startsWith('store-')).length, 1);
  });
}

test('damage under an open mirror is repaired while it is read; without the remote it is MirrorCorrupt', async () => {
  const files = manyFiles(30);
  const oid = await repository.commit(files);
  const mirror = await openMirror();
  await mirror.fetch(await wants());
  await rm(await packFile());
  const requests = server.count('fetch');
  for (const read of await Promise.all(Array.from({ length: 5 }, () => contents(mirror, oid)))) assert.equal(read, files);
  assert.is(server.count('fetch'), requests + 1, 'five readers, one repair');
  await rm(await packFile());
  const again = await reopen();
  await again.fetch(await wants());
  await DAMAGES['a byte of the pack flipped']?.();
  server.fault = { status: 503 };
  assert.is((await failure(async () => await contents(again, oid))).code, 'MirrorCorrupt');
  const asked = server.count();
  assert.is((await failure(async () => await contents(again, oid))).code, 'MirrorCorrupt');
  assert.is(server.count(), asked, 'no second try before the next fetch');
  server.fault = undefined;
  await repository.commit({ x: 'y' });
  await again.fetch(await wants());
  assert.equal(await contents(again, oid), files);
});

test('left-overs of a crash do not matter: half-written packs, stray locks, stores that never came into use', async () => {
  const oid = await repository.commit({ a: '1' });
  await (await openMirror()).fetch(await wants());
  for (const mirror of open.splice(0)) await mirror.close();
  const packs = await packDirectory();
  await writeFile(path.join(packs, 'incoming.pack'), 'PACK half');
  await writeFile(path.join(packs, `pack-${'a'.repeat(40)}.pack`), 'PACK');
  await writeFile(path.join(packs, `pack-${'a'.repeat(40)}.idx`), 'half');
  await writeFile(path.join(packs, '..', '..', 'packed-refs.lock'), '');
  await writeFile(path.join(packs, '..', '..', 'state.json.new'), '{');
  await mkdir(path.join(directory, 'store-0123'));
  await writeFile(path.join(directory, 'lock'), JSON.stringify({ host: (await import('node:os')).hostname(), pid: 4_194_304, started: '1' }));
  const mirror = await openMirror();
  server.log.length = 0;
  assert.equal(await contents(mirror, oid), { a: '1' });
  assert.is(server.count(), 0, 'what was complete is not fetched again');
  assert.is((await readdir(packs)).length, 2, 'the left-overs are gone');
  assert.equal((await readdir(directory)).sort(), ['current', 'lock', path.basename(path.join(packs, '..', '..'))]);
  await repository.commit({ a: '2' });
  assert.is((await mirror.fetch(await wants())).remade, false);
});

test('two mirrors never share a directory; the lock of this very process id from before does not count', async () => {
  await openMirror();
  const error = await failure(() => Mirror.open({ directory, remote }));
  assert.is(error.code, 'ConfigInvalid');
  for (const mirror of open.splice(0)) await mirror.close();
  await writeFile(path.join(directory, 'lock'), JSON.stringify({ host: (await import('node:os')).hostname(), pid: process.pid, started: 'before' }));
  await openMirror();
  for (const mirror of open.splice(0)) await mirror.close();
  const parent = process.ppid;
  const stat = await readFile(`/proc/${String(parent)}/stat`, 'latin1');
  await writeFile(path.join(directory, 'lock'), JSON.stringify({ host: (await import('node:os')).hostname(), pid: parent, started: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] }));
  assert.match((await failure(() => Mirror.open({ directory, remote }))).message, `process ${String(parent)}`);
});

test('of several processes that want one directory at once it is never two', async () => {
  const { had, shared, troubles } = await contest(new URL('./mirror-lock.ts', import.meta.url).href, "mkdir(directory, { recursive: true }).then(() => module.lockMirror(directory)).then((lock) => () => lock.release())", 'ConfigInvalid');
  assert.ok(had > 0);
  assert.equal([shared, troubles], [0, []]);
});

test('a process that is killed while it fetches holds its lock until then, and leaves a mirror that works', async () => {
  const first = await repository.commit({ a: '1' });
  await (await openMirror()).fetch(await wants());
  for (const mirror of open.splice(0)) await mirror.close();
  const second = await repository.commit({ a: '2' });
  server.fault = { kind: 'fetch', delayMs: 20_000 };
  const module = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  const script = `import { Mirror } from ${module('./mirror.ts')}; import { parseRemote } from ${module('./remote.ts')};
    const mirror = await Mirror.open({ directory: ${JSON.stringify(directory)}, remote: parseRemote(${JSON.stringify(remote.url)}) });
    await mirror.fetch([{ ref: 'refs/heads/main', oid: ${JSON.stringify(second)} }]);`;
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script], { stdio: 'ignore' });
  try {
    server.log.length = 0;
    await sleepUntil(() => server.count('fetch') > 0, { what: 'the fetch of the other process' });
    assert.match((await failure(() => Mirror.open({ directory, remote }))).message, `process ${String(child.pid)}`);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  server.fault = undefined;
  const mirror = await openMirror();
  assert.equal(await contents(mirror, first), { a: '1' });
  await mirror.fetch(await wants());
  assert.equal(await contents(mirror, second), { a: '2' });
});

test('another repository in the same directory begins anew', async () => {
  await repository.commit({ a: '1' });
  await (await openMirror()).fetch(await wants());
  for (const mirror of open.splice(0)) await mirror.close();
  remote = parseRemote(repository.directory);
  assert.is((await openMirror()).refs.size, 0);
});

test('many fetches do not pile up packs: they are merged without asking the server again', async () => {
  const mirror = await openMirror({ maxPacks: 4 });
  const oids: string[] = [];
  for (let round = 0; round < 12; round += 1) {
    oids.push(await repository.commit({ [`f${String(round)}`]: `${String(round)}\n`.repeat(50), 'same.yaml': `v${String(round)}\n`.repeat(200) }));
    assert.is((await mirror.fetch(await wants())).remade, false);
    assert.ok((await readdir(await packDirectory())).filter((name) => name.endsWith('.pack')).length <= 5);
  }
  assert.is(server.count('fetch'), 12);
  for (const [round, oid] of oids.entries()) assert.is((await contents(mirror, oid))['same.yaml'], `v${String(round)}\n`.repeat(200));
  await repository.git(['--git-dir', path.dirname(path.dirname(await packDirectory())), 'fsck', '--full', '--strict']);
  const again = await reopen();
  assert.is((await again.commit(oids[0] ?? '')).message, 'change');
});

test('readers go on while a fetch merges packs below them', async () => {
  const mirror = await openMirror({ maxPacks: 1 });
  const files = manyFiles(40);
  const oid = await repository.commit(files);
  await mirror.fetch(await wants());
  await repository.commit({ more: '1' });
  const listed = await wants();
  const [, ...read] = await Promise.all([mirror.fetch(listed), ...Array.from({ length: 8 }, () => contents(mirror, oid))]);
  for (const one of read) assert.equal(one, files);
});

test('parents of versions (R7): nearest tagged ancestor, deterministic ties, merges, roots', async () => {
  const a = await repository.commit({ a: 'a' });
  const b = await repository.commit({ b: 'b' });
  const side = await repository.commit({ s: 's' }, 'side', { branch: 'side', from: a });
  const merge = await repository.commit({ m: 'm' }, 'merge', { merge: [side] });
  const tip = await repository.commit({ t: 't' });
  const mirror = await openMirror();
  await mirror.fetch(await wants());
  const nearest = (oid: string, tags: Record<string, string[]>): Promise<string[]> => mirror.nearestTaggedAncestors(oid, new Map(Object.entries(tags)));
  assert.equal(await nearest(tip, { [tip]: ['1.2.0'], [a]: ['1.0.0'] }), ['1.0.0'], 'a version is not its own parent');
  assert.equal(await nearest(tip, { [a]: ['1.0.0'], [b]: ['1.1.0'] }), ['1.1.0']);
  assert.equal(await nearest(tip, { [side]: ['0.9.0'], [b]: ['1.1.0', '1.0.9'] }), ['1.0.9', '1.1.0', '0.9.0'], 'the line merged into first');
  assert.equal(await nearest(a, { [a]: ['1.0.0'], [b]: ['1.1.0'] }), []);
  const related: [string, string, boolean][] = [[a, tip, true], [side, merge, true], [tip, tip, true], [b, side, false], [tip, a, false]];
  for (const [one, other, expected] of related) assert.is(await mirror.isAncestor(one, other), expected);
});

test('a path works like a server: bare, working copy and worktree', async () => {
  const oid = await repository.commit({ 'a.yaml': 'a' });
  const copy = path.join(root, `copy${String(number)}`);
  await repository.git(['clone', '--quiet', repository.directory, copy]);
  await repository.git(['-C', copy, 'worktree', 'add', '--quiet', '-b', 'side', `${copy}-tree`]);
  for (const place of [repository.directory, copy, `${copy}-tree`, `file://${copy}-tree`]) {
    remote = parseRemote(place);
    directory = path.join(root, 'local', Buffer.from(place).toString('hex'));
    const mirror = await openMirror();
    await mirror.fetch(await wants(['refs/heads/main']));
    assert.equal(await contents(mirror, oid), { 'a.yaml': 'a' });
  }
  await stat(path.join(copy, '.git'));
});

test.run();
