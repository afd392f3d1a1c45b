/**
 * Twenty containers of one deployment against the same twenty by bare calls of the library, eight at a time, in one run.
 * `node --import tsx agents/docker/twenty.bench.ts`; needs a test engine.
 */
import { pooled } from '../core/pool.ts';
import { engineForTests } from '../testing/engine.ts';
import { contextOf } from '../testing/spec.ts';

const COUNT = 20;
const ROUNDS = Number(process.env['ROUNDS'] ?? '3');
const IMAGE = 'tagboat-test-web:1.0.0';

async function main(): Promise<void> {
  const world = engineForTests('twenty');
  if (world === undefined) return;
  const { docker, engine, team } = world;
  const names = Array.from({ length: COUNT }, (_, index) => `c${index}`);
  const labels = { 'tagboat.dev/team': team };

  async function bare(round: number): Promise<number> {
    const network = world!.prefix(`bare${round}`);
    const begun = performance.now();
    await docker.createNetwork({ Name: network, Labels: labels });
    await pooled(names, async (name) => {
      const container = await docker.createContainer({
        name: `${network}-${name}`,
        Image: IMAGE,
        Labels: labels,
        HostConfig: { NetworkMode: network, RestartPolicy: { Name: 'unless-stopped' } },
        NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: [name] } } },
      });
      await container.start();
    });
    return performance.now() - begun;
  }

  async function ours(round: number): Promise<number> {
    const prefix = world!.prefix(`ours${round}`);
    const spec = world!.spec(prefix, Object.fromEntries(names.map((name) => [name, { image: IMAGE, config: { stopGrace: '0s' } }])));
    const begun = performance.now();
    const end = await engine.deploy(spec, undefined, contextOf(1));
    if (end.outcome !== 'succeeded') throw new Error(JSON.stringify(end.outcome === 'failed' ? end.reason : end.outcome));
    return performance.now() - begun;
  }

  try {
    await engine.deploy(world.spec(world.prefix('warm'), { web: { image: IMAGE } }), undefined, contextOf(1));
    const times = { bare: [] as number[], ours: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      const order = round % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const);
      for (const which of order) {
        times[which].push(await (which === 'bare' ? bare(round) : ours(round)));
        await world.cleanUp();
      }
    }
    const [a, b] = [median(times.bare), median(times.ours)];
    process.stdout.write(`${COUNT} containers, median of ${ROUNDS}: bare ${(a / 1000).toFixed(2)} s, deployment ${(b / 1000).toFixed(2)} s, ${(b / a).toFixed(2)} times\n`);
  } finally {
    await world.cleanUp();
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

await main();
