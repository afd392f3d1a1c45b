import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import type { Headers } from 'tar-stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { unpack } from './unpack.ts';

const test = suite('unpacking a version');
const home = mkdtempSync(join(tmpdir(), 'tagboat-unpack-'));
const never = new AbortController().signal;
let into = '';
let count = 0;

function fresh(): void {
  into = join(home, String(count++), 'version');
  mkdirSync(into, { recursive: true });
}

type Entry = Headers & { readonly content?: string };
const link = (name: string, linkname: string, type: 'symlink' | 'link' = 'symlink'): Entry => ({ name, linkname, type });
const file = (name: string, content = 'x'): Entry => ({ name, content });
const ROOT: Entry = { name: 'tagboat/', type: 'directory' };

async function lay(entries: readonly Entry[], limits?: { bytes: number; entries: number }): Promise<void> {
  fresh();
  const archive = pack();
  for (const { content, ...header } of entries) archive.entry(header, content ?? '');
  archive.finalize();
  await unpack(new Readable().wrap(archive), into, never, limits);
}

async function refused(entries: readonly Entry[], why: RegExp, limits?: { bytes: number; entries: number }): Promise<void> {
  const error = await lay([ROOT, ...entries], limits).then(() => undefined, (thrown: unknown) => thrown);
  assert.instance(error, Error, `${JSON.stringify(entries)} was taken`);
  assert.match((error as Error).message, why, (error as Error).message);
  assert.equal(readdirSync(join(into, '..')), ['version'], 'nothing beside it');
}

test.after(() => rmSync(home, { recursive: true, force: true }));

test('lays down files, directories and links that stay inside', async () => {
  await lay([ROOT, file('tagboat/package.json', '{}'), { ...file('tagboat/bin/run', '#!'), mode: 0o4755 }, { name: 'tagboat/empty/', type: 'directory' }, link('tagboat/node_modules/.bin/run', '../../bin/run'), { name: 'tagboat/node_modules/.bin', type: 'directory' }, link('tagboat/same', 'tagboat/package.json', 'link')]);
  assert.is(readFileSync(join(into, 'package.json'), 'utf8'), '{}');
  assert.is(statSync(join(into, 'package.json')).mode & 0o7777, 0o600);
  assert.is(statSync(join(into, 'bin/run')).mode & 0o7777, 0o700, 'may be run, by its owner alone, and as nobody else');
  assert.ok(statSync(join(into, 'empty')).isDirectory());
  assert.is(readlinkSync(join(into, 'node_modules/.bin/run')), '../../bin/run');
  assert.is(readFileSync(join(into, 'node_modules/.bin/run'), 'utf8'), '#!');
  assert.is(readFileSync(join(into, 'same'), 'utf8'), '{}');
});

test('refuses names that leave the directory', async () => {
  await refused([file('../evil')], /leaves the directory/);
  await refused([file('tagboat/../../evil')], /leaves the directory/);
  await refused([file('/etc/evil')], /leaves the directory/);
  await refused([file('other/evil')], /is beside "tagboat"/);
});

test('refuses links that lead outwards, on whatever way', async () => {
  await refused([link('tagboat/passwd', '/etc/passwd')], /leaves the directory/);
  await refused([link('tagboat/up', '../..')], /leaves the directory/);
  await refused([link('tagboat/passwd', '../etc/passwd', 'link')], /leaves the directory/);
  await refused([link('tagboat/passwd', '/etc/passwd', 'link')], /leaves the directory/);
  await refused([link('tagboat/here', '.'), link('tagboat/up', 'here/..')], /leads to nothing inside/);
  await refused([link('tagboat/nowhere', 'nothing')], /leads to nothing inside/);
});

test('writes nothing through a link', async () => {
  await refused([link('tagboat/here', '.'), link('tagboat/up', 'here/..'), link('tagboat/up/evil', '.')], /is below the link/);
  await refused([link('tagboat/up', 'sub'), file('tagboat/up/evil')], /EEXIST/);
  assert.not.ok(existsSync(join(into, '..', 'evil')));
});

test('refuses what is no file, what comes twice and what is too much', async () => {
  await refused([{ name: 'tagboat/null', type: 'character-device', devmajor: 1, devminor: 3 }], /is a character-device/);
  await refused([{ name: 'tagboat/pipe', type: 'fifo' }], /is a fifo/);
  await refused([file('tagboat/a'), file('tagboat/a')], /EEXIST/);
  await refused([file('tagboat/a', 'x'.repeat(600)), file('tagboat/b', 'x'.repeat(600))], /larger than/, { bytes: 1_000, entries: 10 });
  await refused([file('tagboat/a'), file('tagboat/b'), file('tagboat/c')], /more than 3 files/, { bytes: 1_000, entries: 3 });
});

test('does not take a part for the whole', async () => {
  fresh();
  const archive = pack();
  archive.entry(ROOT);
  archive.entry({ name: 'tagboat/a' }, 'x'.repeat(5_000));
  archive.finalize();
  const bytes: Buffer[] = [];
  for await (const chunk of archive) bytes.push(chunk as Buffer);
  const error = await unpack(Readable.from([Buffer.concat(bytes).subarray(0, 3_000)]), into, never).then(() => undefined, (thrown: unknown) => thrown);
  assert.instance(error, Error);
});

test.run();
