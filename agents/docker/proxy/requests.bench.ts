/**
 * Requests through the proxy while their deployment is replaced again and again: how many fail? wrk asks on open connections for as long
 * as it takes. `ROUNDS=20 FAILING=4 npm run bench requests` for a short form; needs a test engine and wrk (Debian's package).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../../../controller/testing/processes.ts';
import type { ContainerConfig } from '../../../schemas/gen/types.ts';
import { engineForTests } from '../../testing/engine.ts';
import { contextOf } from '../../testing/spec.ts';
import { createDockerEngine } from '../engine.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? '100');
const FAILING = Number(process.env['FAILING'] ?? '20');
const VERSIONS = ['1.0.0', '1.1.0', '1.2.0', 'main'];
const LONGEST_S = 1_500;

async function main(): Promise<void> {
  const world = engineForTests('requests');
  if (world === undefined) return;
  const port = await freePort();
  const httpsPort = await freePort();
  const engine = createDockerEngine({ host: world.host, proxy: { httpPort: port, httpsPort } });
  const prefix = world.prefix('requests');
  let attempt = 0;
  const deploy = async (version: string, more: ContainerConfig = {}): Promise<string> => {
    const config: ContainerConfig = { expose: 'http', routing: { port: 8080 }, stopGrace: '2s', healthCheck: { http: { path: '/healthz', port: 8080 }, interval: '100ms', retries: 3 }, ...more };
    return (await engine.deploy(world.spec(prefix, { web: { image: `tagboat-test-web:${version}`, config } }), undefined, contextOf(++attempt))).outcome;
  };
  try {
    await deploy('1.0.0');
    const wrk = spawn('wrk', ['-t1', '-c8', `-d${LONGEST_S}s`, '--timeout', '20s', `http://127.0.0.1:${port}/`], { stdio: ['ignore', 'pipe', 'inherit'] });
    let report = '';
    wrk.stdout.setEncoding('utf8').on('data', (text: string) => (report += text));
    const ended = once(wrk, 'close');
    const begun = performance.now();
    const outcomes = new Map<string, number>();
    for (let round = 1; round <= ROUNDS + FAILING; round++) {
      const bad = round % Math.max(1, Math.round((ROUNDS + FAILING) / Math.max(1, FAILING))) === 0;
      const outcome = await deploy(VERSIONS[round % VERSIONS.length]!, bad ? { environment: { HEALTHY: '0' } } : {});
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    const seconds = (performance.now() - begun) / 1_000;
    wrk.kill('SIGINT');
    await ended;
    const errors = /Socket errors: (.*)/.exec(report)?.[1] ?? 'none';
    const refused = /Non-2xx or 3xx responses: (\d+)/.exec(report)?.[1] ?? '0';
    console.log(`${/(\d+) requests in/.exec(report)?.[1] ?? 'no'} requests in ${seconds.toFixed(0)} s while ${[...outcomes].map(([outcome, count]) => `${count} attempts ${outcome}`).join(', ')}`);
    console.log(`failed requests: ${refused} with another status than 2xx; socket errors: ${errors}`);
    if (errors !== 'none' || refused !== '0') process.exitCode = 1;
  } finally {
    await engine.remove({ team: world.team, deployment: prefix, prefix, removeVolumes: true }, contextOf(++attempt));
    await world.cleanUp();
  }
}

await main();
