/**
 * From a push to 20 healthy containers, against the same 20 made by bare Docker API calls in parallel and by docker-compose, in
 * turn, in one run. The poll's tick is taken out: the clock starts when the look at the repository begins.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Dockerode from 'dockerode';
import { sql } from 'slonik';
import { createDockerEngine } from '../../agents/docker/engine.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { Stack } from '../testing/stack.ts';
import { NODE, PRODUCT, dockerOrSkip, sweepPrefixes } from '../testing/story.ts';

const COUNT = 20;
/** TAGBOAT_BENCH_ROUNDS says otherwise. */
const ROUNDS = Number(process.env['TAGBOAT_BENCH_ROUNDS'] ?? 5);
const IMAGE = 'busybox:1.36';
const COMMAND = ['sleep', '3600'];
const names = Array.from({ length: COUNT }, (_unused, index) => `c${index}`);

const VERSION = `apiVersion: tagboat/v1
kind: Version
metadata: { name: shop }
spec:
  images:
${names.map((name) => `    - { name: ${name}, image: "${IMAGE}", config: { command: [ sleep, "3600" ], stopGrace: 0s, healthCheck: { settle: 0s } } }`).join('\n')}
`;

function deployment(prefix: string): string {
  return `apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: ${prefix} }\nspec: { product: shop, node: harbor, prefix: ${prefix} }\n`;
}

/** Asked for by one small query, since what measures takes its share of two cores, too. */
async function succeeded(stack: Stack, prefix: string): Promise<boolean> {
  return stack.db.pool.exists(sql.unsafe`select from record where prefix = ${prefix} and status = 'successful'`);
}

async function tagboat(stack: Stack, prefix: string): Promise<number> {
  await stack.repository.commit({ [`deployments/${prefix}.yaml`]: deployment(prefix) }, prefix);
  const begun = performance.now();
  stack.controller.pollSoon('acme');
  await sleepUntil(() => succeeded(stack, prefix), { what: `${prefix} to be up`, timeoutMs: 120_000 });
  const ms = performance.now() - begun;
  const { containers } = await stack.settled(prefix, 'main');
  const running = containers.filter(({ state }) => state === 'running').length;
  if (running !== COUNT) throw new Error(`${prefix} is ${running} running containers in place of ${COUNT}`);
  return ms;
}

/** By its manifest, so that nothing of it is looked after in the next round. */
async function remove(stack: Stack, prefix: string): Promise<void> {
  await stack.repository.commit({ [`deployments/${prefix}.yaml`]: null }, `no ${prefix}`);
  stack.controller.pollSoon('acme');
  await sleepUntil(async () => (await stack.deployment(prefix)) === undefined, { what: `${prefix} to be gone`, timeoutMs: 120_000, intervalMs: 200 });
}

/** The floor: one network, then create and start, so many at a time. */
async function bare(docker: Dockerode, prefix: string, parallel: number): Promise<number> {
  const begun = performance.now();
  await docker.createNetwork({ Name: prefix });
  const queue = [...names];
  const worker = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const container = await docker.createContainer({ name: `${prefix}-${name}`, Image: IMAGE, Cmd: COMMAND, HostConfig: { NetworkMode: prefix } });
      await container.start();
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return performance.now() - begun;
}

function compose(prefix: string): number {
  const directory = mkdtempSync(join(tmpdir(), 'tagboat-compose-'));
  const services = names.map((name) => `  ${name}:\n    image: ${IMAGE}\n    container_name: ${prefix}-${name}\n    command: ["sleep", "3600"]`).join('\n');
  writeFileSync(join(directory, 'docker-compose.yml'), `version: "3"\nservices:\n${services}\nnetworks:\n  default:\n    name: ${prefix}\n`);
  const begun = performance.now();
  execFileSync('docker-compose', ['--project-name', prefix, 'up', '-d'], { cwd: directory, stdio: 'ignore', timeout: 300_000 });
  const ms = performance.now() - begun;
  rmSync(directory, { recursive: true });
  return ms;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

const docker = await dockerOrSkip('the bench of 20 containers');
if (docker !== null) {
  const base = `b${process.pid}`;
  const prefixes = Array.from({ length: ROUNDS }, (_unused, round) => ['t', 'e', 'w', 'k'].map((kind) => `${base}${kind}${round}`)).flat();
  const stack = await Stack.start({ 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': VERSION }, { engine: createDockerEngine(), poll: '0 0 0 1 1 *' });
  const times = { tagboat: [] as number[], eight: [] as number[], twenty: [] as number[], compose: [] as number[] };
  try {
    await docker.pull(IMAGE).then(async (stream) => new Promise((resolve, reject) => docker.modem.followProgress(stream, (error, output) => (error ? reject(error) : resolve(output)))));
    for (let round = 0; round < ROUNDS; round++) {
      times.tagboat.push(await tagboat(stack, `${base}t${round}`));
      await remove(stack, `${base}t${round}`);
      times.eight.push(await bare(docker, `${base}e${round}`, 8));
      await sweepPrefixes(docker, [`${base}e${round}`]);
      times.twenty.push(await bare(docker, `${base}w${round}`, COUNT));
      await sweepPrefixes(docker, [`${base}w${round}`]);
      times.compose.push(compose(`${base}k${round}`));
      await sweepPrefixes(docker, [`${base}k${round}`]);
    }
  } finally {
    await stack.stop();
    await sweepPrefixes(docker, prefixes);
  }
  const floor = Math.min(median(times.eight), median(times.twenty));
  const ours = median(times.tagboat);
  const peer = median(times.compose);
  console.table({
    'Tagboat, push to 20 healthy': { ms: Math.round(ours), 'against bare': `${(ours / floor).toFixed(2)} (goal 1.15)`, 'against docker-compose': `${(ours / peer).toFixed(2)} (goal 1)` },
    'bare Docker API, 8 at a time': { ms: Math.round(median(times.eight)) },
    'bare Docker API, 20 at a time': { ms: Math.round(median(times.twenty)) },
    'docker-compose up -d': { ms: Math.round(peer) },
  });
}
