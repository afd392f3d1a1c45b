/**
 * Git access against native Git in the same run: `node --import tsx controller/bench/git.bench.ts [files…]`.
 * Figures are medians of the rounds in milliseconds; `stall` is the longest time that the event loop stood still.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Mirror } from '../git/mirror.ts';
import { listRefs } from '../git/refs.ts';
import { parseRemote, type Remote } from '../git/remote.ts';
import { gitEnvironment, TestRepository } from '../testing/git-repository.ts';
import { GitServer } from '../testing/git-server.ts';

interface Row {
  readonly files: number;
  readonly what: string;
  readonly ms: number;
  readonly native: number | null;
  readonly stall: number;
  readonly bytes: number | null;
}

const rows: Row[] = [];

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function measure<T>(rounds: number, run: (round: number) => Promise<T>): Promise<{ ms: number; stall: number; last: T | undefined }> {
  const times: number[] = [];
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  let last: T | undefined;
  for (let round = 0; round < rounds; round += 1) {
    const started = performance.now();
    last = await run(round);
    times.push(performance.now() - started);
  }
  delay.disable();
  return { ms: median(times), stall: delay.max / 1e6, last };
}

function manifest(index: number): string {
  return `apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: app-${String(index)} }\nspec:\n  product: shop\n  version: 1.${String(index % 40)}.0\n  node: harbor-${String(index % 17)}\n  prefix: ${randomBytes(6).toString('hex')}\n  environment: { REGION: eu, SEED: ${randomBytes(60).toString('hex')} }\n`;
}

async function bench(files: number): Promise<void> {
  const repository = await TestRepository.create('bench');
  const root = path.dirname(repository.directory);
  const server = await GitServer.start({ root });
  const native = (...args: string[]): string => execFileSync('git', args, { cwd: root, env: gitEnvironment(root), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 });
  const row = (what: string, ours: { ms: number; stall: number }, nativeMs: number | null, bytes: number | null = null): void => void rows.push({ files, what, ms: ours.ms, native: nativeMs, stall: ours.stall, bytes });
  try {
    const first = await repository.commit(Object.fromEntries(Array.from({ length: files }, (_, index) => [`apps/d${String(index % Math.ceil(files / 50))}/app-${String(index)}.yaml`, manifest(index)])));
    await repository.git(['repack', '-adq']);
    const remote: Remote = parseRemote(`${server.url}/bench.git`);
    const want = async (): Promise<{ ref: string; oid: string }[]> => [...(await listRefs(remote, { prefixes: ['refs/heads/main'] })).refs].map(([ref, { oid }]) => ({ ref, oid }));

    await want();
    // Native Git runs in a child while this process serves it, so it is spawned, not waited for in place.
    const spawned = async (args: string[]): Promise<void> => void (await repository.git(args));
    const nativeList = await measure(7, async () => await spawned(['ls-remote', remote.url, 'refs/heads/main']));
    row('list one ref', await measure(7, async () => await want()), nativeList.ms);

    const nativeClone = await measure(3, async (round) => await spawned(['clone', '-q', '--bare', remote.url, path.join(root, `native${String(round)}`)]));
    let bytes = 0;
    const wanted = await want();
    const clone = await measure(3, async (round) => {
      const mirror = await Mirror.open({ directory: path.join(root, `clone${String(round)}`), remote });
      bytes = (await mirror.fetch(wanted)).bytes;
      await mirror.close();
    });
    row('first clone', clone, nativeClone.ms, bytes);

    const mirror = await Mirror.open({ directory: path.join(root, 'mirror'), remote });
    await mirror.fetch(wanted);
    const oids: string[] = [];
    const tree = await measure(3, async () => {
      oids.length = 0;
      for await (const entry of (await mirror.tree(first)).entries()) oids.push(entry.oid);
    });
    const nativeTree = await measure(3, async () => void native('--git-dir', 'native0', 'ls-tree', '-r', first));
    row('list the tree', tree, nativeTree.ms);

    const blobs = await measure(1, async () => {
      for (let at = 0; at < oids.length; at += 32) await Promise.all(oids.slice(at, at + 32).map(async (oid) => await mirror.readBlob(oid)));
    });
    const nativeBlobs = await measure(1, async () => void execFileSync('git', ['--git-dir', 'native0', 'cat-file', '--batch'], { cwd: root, env: gitEnvironment(root), input: oids.join('\n'), maxBuffer: 1 << 28 }));
    row('read all blobs', blobs, nativeBlobs.ms);

    const heads = [first];
    const incremental: number[] = [];
    const nativeIncremental: number[] = [];
    let stall = 0;
    for (let round = 0; round < 7; round += 1) {
      heads.push(await repository.commit({ [`apps/d1/app-1.yaml`]: manifest(round) }));
      const listed = await want();
      const ours = await measure(1, async () => (await mirror.fetch(listed)).bytes);
      incremental.push(ours.ms);
      stall = Math.max(stall, ours.stall);
      bytes = ours.last ?? 0;
      nativeIncremental.push((await measure(1, async () => await spawned(['--git-dir', path.join(root, 'native0'), 'fetch', '-q', remote.url, '+refs/heads/main:refs/heads/main']))).ms);
    }
    row('fetch one commit', { ms: median(incremental), stall }, median(nativeIncremental), bytes);
    const diff = await measure(7, async (round) => await mirror.diffTrees(heads[round] ?? first, heads[round + 1] ?? first));
    row('diff one commit', diff, (await measure(3, async () => void native('--git-dir', 'native0', 'diff-tree', '-r', heads[0] ?? '', heads[1] ?? ''))).ms);
    await mirror.close();
  } finally {
    await server.close();
    await rm(root, { recursive: true, force: true });
  }
}

const sizes = process.argv.slice(2).map(Number);
for (const files of sizes.length > 0 ? sizes : [2_000, 10_000]) await bench(files);
console.table(rows.map((row) => ({ ...row, ms: Number(row.ms.toFixed(1)), native: row.native === null ? null : Number(row.native.toFixed(1)), stall: Number(row.stall.toFixed(0)) })));
console.log(`peak RSS ${String(Math.round(process.resourceUsage().maxRSS / 1024))} MB`);
