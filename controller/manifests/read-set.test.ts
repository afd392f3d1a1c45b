import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { classifyEntry } from './classify-entry.ts';
import type { EntryMode } from './classify-entry.ts';
import { ParseCache } from './parse-cache.ts';
import type { TreeEntry, TreeSource } from './read-set.ts';
import { buildManifestSet, readManifests } from './read-set.ts';
import { directorySource } from './source-directory.ts';
import { findRepository, resolveRevision, revisionSource } from './source-revision.ts';
import { parseManifestFile } from './parse-file.ts';

const node = (name: string): string => `apiVersion: tagboat/v1\nkind: Node\nmetadata: { name: ${name} }\nspec: { type: docker }\n`;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function memorySource(entries: readonly (TreeEntry & { text?: string })[]): TreeSource & { reads: string[] } {
  const reads: string[] = [];
  return {
    reads,
    async *entries() {
      yield* entries;
    },
    read: async (oid) => {
      reads.push(oid);
      return bytes(entries.find((entry) => entry.oid === oid)?.text ?? '');
    },
  };
}

const scratch = mkdtempSync(join(tmpdir(), 'tagboat-manifests-'));
test.after(() => rmSync(scratch, { recursive: true, force: true }));

test('which entries are read', () => {
  const decide = (path: string, mode: EntryMode = '100644', size?: number): string => {
    const found = classifyEntry(path, mode, size);
    return found.decision === 'problem' ? `${found.problem.code} ${found.problem.severity}` : found.decision;
  };
  assert.is(decide('a/b.yaml'), 'read');
  assert.is(decide('a/b.yml', '100755'), 'read');
  assert.is(decide('README.md'), 'ignore');
  assert.is(decide('.github/workflows/ci.yaml'), 'ignore');
  assert.is(decide('../a.yaml'), 'UnsafePath error');
  assert.is(decide('a/../b.yaml'), 'UnsafePath error');
  assert.is(decide('a//b.yaml'), 'UnsafePath error');
  assert.is(decide('a\u001b[2J.yaml'), 'UnsafePath error');
  assert.is(decide(`${'a/'.repeat(600)}b.yaml`), 'UnsafePath error');
  assert.is(decide('a.yaml', '120000'), 'SymlinkIgnored error');
  assert.is(decide('deployments', '120000'), 'SymlinkIgnored warning');
  assert.is(decide('libfoo.so', '120000'), 'ignore');
  assert.is(decide('vendor/shop', '160000'), 'SubmoduleIgnored warning');
  assert.is(decide('big.yaml', '100644', 1e9), 'FileTooLarge error');
  const shown = classifyEntry('a\u001b[2J.yaml', '100644');
  assert.not.match(JSON.stringify(shown), '\u001b');
});

test('of two with one name the first by file and line stays, in any order of files', () => {
  const files = ['b.yaml', 'a.yaml', 'c.yaml'].map((path) => ({ path, parsed: parseManifestFile(path, bytes(node('harbor'))) }));
  for (const order of [files, [...files].reverse()]) {
    const set = buildManifestSet(order);
    assert.is(set.byKind.Node.get('harbor')?.file, 'a.yaml');
    assert.equal(set.problems.map(({ code, file, line, column }) => [code, file, line, column]), [['DuplicateName', 'b.yaml', 3, 19], ['DuplicateName', 'c.yaml', 3, 19]]);
  }
});

test('an unchanged blob is never read or parsed again', async () => {
  const cache = new ParseCache();
  const first = [{ path: 'a.yaml', mode: '100644' as const, oid: '1', text: node('a') }, { path: 'b.yaml', mode: '100644' as const, oid: '2', text: node('b') }];
  await readManifests(memorySource(first), cache);
  assert.is(cache.statistics.parses, 2);
  const second = memorySource([first[0] as TreeEntry, { path: 'b.yaml', mode: '100644', oid: '3', text: node('b2') } as TreeEntry]);
  const set = await readManifests(second, cache);
  assert.equal([...set.byKind.Node.keys()], ['a', 'b2']);
  assert.equal(second.reads, ['3']);
  assert.is(cache.statistics.parses, 3);
});

test('the same blob as a link is not what it was as a file', async () => {
  const cache = new ParseCache();
  await readManifests(memorySource([{ path: 'a.yaml', mode: '100644', oid: '1', text: node('a') } as TreeEntry]), cache);
  const set = await readManifests(memorySource([{ path: 'a.yaml', mode: '120000', oid: '1' }]), cache);
  assert.equal([set.byKind.Node.size, set.problems[0]?.code], [0, 'SymlinkIgnored']);
});

test('the cache is bounded and forgets the longest unused', () => {
  const cache = new ParseCache({ maxFiles: 2 });
  cache.parse('1', 'a.yaml', bytes(node('a')));
  cache.parse('2', 'b.yaml', bytes(node('b')));
  cache.lookup('1', 'a.yaml');
  cache.parse('3', 'c.yaml', bytes(node('c')));
  assert.ok(cache.lookup('1', 'a.yaml'));
  assert.is(cache.lookup('2', 'b.yaml'), undefined);
  assert.is(cache.statistics.size, 2);
});

test('a hundred thousand files and one: a problem, and the loop stays free', async () => {
  const source: TreeSource = {
    async *entries() {
      for (let index = 0; index < 1_000_000; index += 1) yield { path: `f/${index}.yaml`, mode: '100644', oid: String(index) };
    },
    read: async () => SMALL,
  };
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 5);
  const before = process.cpuUsage();
  const set = await readManifests(source, new ParseCache());
  clearInterval(timer);
  assert.ok(process.cpuUsage(before).user < 20_000_000);
  assert.ok(ticks > 3, 'timers ran in between');
  assert.equal(set.problems.map(({ code }) => code), ['TooManyFiles']);
});
const SMALL = bytes('services: {}\n');

test('a directory: links and dot folders are not followed, nothing outside is read', async () => {
  const root = join(scratch, 'dir');
  mkdirSync(join(root, 'nodes'), { recursive: true });
  mkdirSync(join(root, '.git'));
  writeFileSync(join(root, '.git', 'x.yaml'), node('hidden'));
  writeFileSync(join(root, 'nodes', 'a.yaml'), node('a'));
  writeFileSync(join(scratch, 'outside.yaml'), node('outside'));
  symlinkSync('../outside.yaml', join(root, 'link.yaml'));
  symlinkSync('..', join(root, 'up'));
  writeFileSync(join(root, 'big.yaml'), node('big') + '# x\n'.repeat(400_000));
  const set = await readManifests(await directorySource(root), new ParseCache());
  assert.equal([...set.byKind.Node.keys()], ['a']);
  assert.equal(set.problems.map(({ code, file, line }) => `${code} ${file}:${line}`), ['FileTooLarge big.yaml:1', 'SymlinkIgnored link.yaml:1', 'SymlinkIgnored up:1']);
});

test('a revision of a local repository: branch, annotated tag, short id, sub-directory', async () => {
  const root = join(scratch, 'repo');
  mkdirSync(join(root, 'team'), { recursive: true });
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', '-c', 'commit.gpgsign=false', '-c', 'tag.gpgsign=false', ...args], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  git('init', '-q', '-b', 'main');
  writeFileSync(join(root, 'team', 'a.yaml'), node('a'));
  git('add', '.');
  git('commit', '-qm', 'one');
  git('tag', '-a', 'shop/1.0.0', '-m', 'first');
  writeFileSync(join(root, 'team', 'a.yaml'), node('b'));
  symlinkSync('a.yaml', join(root, 'team', 'l.yaml'));
  git('add', '.');
  git('commit', '-qm', 'two');
  git('pack-refs', '--all');
  const repository = await findRepository(join(root, 'team'));
  assert.is(repository.below, 'team');
  const names = async (revision: string): Promise<string[]> => {
    const set = await readManifests(await revisionSource(repository, await resolveRevision(repository, revision)), new ParseCache());
    return [...set.byKind.Node.values()].map(({ name, file }) => `${name} ${file}`).concat(set.problems.map(({ code }) => code));
  };
  assert.equal(await names('main'), ['b a.yaml', 'SymlinkIgnored']);
  assert.equal(await names('shop/1.0.0'), ['a a.yaml']);
  assert.equal(await names(git('rev-parse', '--short', 'HEAD~1')), ['a a.yaml']);
  assert.equal(await names('HEAD'), ['b a.yaml', 'SymlinkIgnored']);
  for (const revision of ['HEAD~1', 'main^', 'main~', 'main^1', 'shop/1.0.0~0', 'HEAD~1^0']) assert.equal(await names(revision), ['a a.yaml'], revision);
  for (const revision of ['HEAD~2', 'HEAD^2', '~1', 'HEAD~~1~', 'HEAD~99999']) assert.is(await resolveRevision(repository, revision).catch((error: { code: string }) => error.code), 'RefMissing', revision);
  let code = '';
  await resolveRevision(repository, 'nowhere').catch((error: { code: string }) => (code = error.code));
  assert.is(code, 'RefMissing');
});

test.run();
