import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { indexPack } from 'isomorphic-git';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TestRepository } from '../testing/git-repository.ts';
import { fetchPack } from './fetch-pack.ts';
import { request } from './open-transport.ts';
import { Pack } from './pack.ts';
import { parseRemote } from './remote.ts';

const test = suite('fetch-pack');
let repository: TestRepository;
let directory: string;
let answer: Buffer;
let whole: Buffer;
let oids: string[];
const remote = (): ReturnType<typeof parseRemote> => parseRemote(repository.directory);

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'tagboat-pack-'));
  repository = await TestRepository.create();
  // Versions of one file and a packed server: the pack holds chains of deltas.
  for (let version = 0; version < 12; version += 1) {
    await repository.commit({ 'a.yaml': `${'line of text\n'.repeat(40)}${String(version)}\n`.repeat(3), [`d/${String(version)}.yaml`]: `v: ${String(version)}\n` });
  }
  await repository.git(['repack', '-adqf', '--depth=10']);
  const chunks: Uint8Array[] = [];
  const frame = { kind: 'fetch', timeoutMs: 10_000, maxBytes: 10_000_000 } as const;
  const head = await repository.git(['rev-parse', 'main']);
  await request(remote(), frame, async (send) => {
    const tee: typeof send = async function* tee(version, body) {
      for await (const chunk of send(version, body)) {
        chunks.push(Uint8Array.from(chunk));
        yield chunk;
      }
    };
    await fetchPack(remote(), tee, [head], [], path.join(directory, 'whole.pack'));
  });
  answer = Buffer.concat(chunks);
  whole = await readFile(path.join(directory, 'whole.pack'));
  ({ oids } = await indexPack({ fs, dir: directory, gitdir: directory, filepath: 'whole.pack' }));
});
test.after(async () => {
  await repository.remove();
  await rm(directory, { recursive: true, force: true });
});

async function receive(chunks: readonly Uint8Array[]): Promise<Buffer> {
  const file = path.join(directory, 'again.pack');
  await rm(file, { force: true });
  await fetchPack(remote(), async function* send() { yield* chunks; }, ['0'.repeat(40)], [], file);
  return await readFile(file);
}

test('however the answer is cut into chunks, the pack is the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: answer.length }), { maxLength: 30 }), async (cuts) => {
      const edges = [0, ...cuts.sort((a, b) => a - b), answer.length];
      const chunks = edges.slice(1).map((end, index) => answer.subarray(edges[index], end));
      assert.ok((await receive(chunks)).equals(whole));
    }),
    { numRuns: 40 },
  );
});

test('an answer that ends early or has any bit turned over never passes as another pack', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: answer.length - 1 }), fc.nat({ max: 7 }), fc.boolean(), async (at, bit, cut) => {
      const damaged = Buffer.from(cut ? answer.subarray(0, at) : answer);
      if (!cut) damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
      const got = await receive([damaged]).catch(() => undefined);
      // Progress texts may be damaged without harm; the last flush may be missing.
      if (got !== undefined) assert.ok(got.equals(whole));
    }),
    { numRuns: 150 },
  );
});

test('with any bit of a pack turned over, an object is what its oid says or cannot be read', async () => {
  const file = path.join(directory, 'damaged.pack');
  await writeFile(file.replace(/pack$/, 'idx'), await readFile(path.join(directory, 'whole.idx')));
  const readAll = async (bytes: Buffer): Promise<number> => {
    await writeFile(file, bytes);
    const pack = await Pack.load(file, 'damaged', bytes.length);
    let unreadable = 0;
    for (const oid of oids) {
      const object = await pack.object(oid).catch(() => undefined);
      if (object === undefined) {
        unreadable += 1;
        continue;
      }
      assert.is(createHash('sha1').update(`${object.type} ${String(object.bytes.length)}\0`).update(object.bytes).digest('hex'), oid);
      assert.is(await pack.objectSize(oid), object.bytes.length);
    }
    return unreadable;
  };
  assert.is(await readAll(whole), 0);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 12, max: whole.length - 21 }), fc.nat({ max: 7 }), async (at, bit) => {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
      // Some bits mean nothing (the padding of a deflated stream), so that nothing need be unreadable.
      await readAll(damaged);
    }),
    { numRuns: 120 },
  );
});

test('an index that leads to another object does not pass', async () => {
  const file = path.join(directory, 'swapped.pack');
  await writeFile(file, whole);
  const index = await readFile(path.join(directory, 'whole.idx'));
  const count = index.readUInt32BE(8 + 255 * 4);
  const offsets = 8 + 256 * 4 + count * 24;
  const [first, second] = [index.readUInt32BE(offsets), index.readUInt32BE(offsets + 4)];
  index.writeUInt32BE(second, offsets);
  index.writeUInt32BE(first, offsets + 4);
  createHash('sha1').update(index.subarray(0, -20)).digest().copy(index, index.length - 20);
  await writeFile(file.replace(/pack$/, 'idx'), index);
  const pack = await Pack.load(file, 'swapped', whole.length);
  for (const oid of [...oids].sort().slice(0, 2)) {
    const read = await pack.object(oid).then(() => 'read', (error: unknown) => String(error));
    assert.match(read, 'in truth');
  }
});

test.run();
