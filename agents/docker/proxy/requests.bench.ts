/**
 * Requests through the proxy while their deployment is replaced again and again: how many fail? wrk asks on open connections for as long
 * as it takes. `ROUNDS=20 FAILING=4 npm run bench requests` for a short form, `TLS=1` for HTTPS with a certificate that is exchanged between
 * deployments, too; needs a test engine and wrk (Debian's package).
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../testing/ports.ts';
import type { ContainerConfig } from '../../../schemas/gen/types.ts';
import type { AttemptEnd } from '../../core/engine.ts';
import { engineForTests } from '../../testing/engine.ts';
import { contextOf } from '../../testing/spec.ts';
import { createDockerEngine } from '../engine.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? '100');
const FAILING = Number(process.env['FAILING'] ?? '20');
const VERSIONS = ['1.0.0', '1.1.0', '1.2.0', 'main'];
const LONGEST_S = 1_700;
const TLS = process.env['TLS'] === '1';
const DOMAIN = 'localhost';

async function main(): Promise<void> {
  const world = engineForTests('requests');
  if (world === undefined) return;
  const port = await freePort();
  const httpsPort = await freePort();
  const home = mkdtempSync(join(tmpdir(), 'tagboat-requests-'));
  const engine = createDockerEngine({ host: world.host, proxy: { httpPort: port, httpsPort }, certificates: { directory: join(home, 'own'), provided: home } });
  const stop = new AbortController();
  const prefix = world.prefix('requests');
  let attempt = 0;
  const deploy = async (version: string, bad = false): Promise<AttemptEnd> => {
    const config: ContainerConfig = { ...(TLS ? { expose: 'https', routing: { domain: DOMAIN, port: 8080 } } : { expose: 'http', routing: { port: 8080 } }), stopGrace: '2s', healthCheck: { http: { path: '/healthz', port: 8080 }, interval: '100ms', retries: 3, ...(!bad && { startPeriod: '20s' }) }, ...(bad && { environment: { HEALTHY: '0' } }) };
    return engine.deploy(world.spec(prefix, { web: { image: `tagboat-test-web:${version}`, config } }), undefined, contextOf(++attempt));
  };
  const newCertificate = (): void => {
    const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '-', '-days', '30', '-subj', `/CN=${DOMAIN}`, '-addext', `subjectAltName=DNS:${DOMAIN}`], { encoding: 'utf8' });
    writeFileSync(join(home, 'new'), made.stdout);
    renameSync(join(home, 'new'), join(home, `${DOMAIN}.pem`));
  };
  const watching = TLS ? engine.watch(world.team, () => undefined, stop.signal) : undefined;
  try {
    if (TLS) newCertificate();
    await deploy('1.0.0');
    while (TLS && (await engine.observe(world.team, new Map(), AbortSignal.timeout(30_000)))[0]?.health !== 'healthy') await new Promise((resolve) => setTimeout(resolve, 200));
    const wrk = spawn('wrk', ['-t1', '-c8', `-d${LONGEST_S}s`, '--timeout', '20s', TLS ? `https://${DOMAIN}:${httpsPort}/` : `http://127.0.0.1:${port}/`], { stdio: ['ignore', 'pipe', 'inherit'] });
    let report = '';
    wrk.stdout.setEncoding('utf8').on('data', (text: string) => (report += text));
    const ended = once(wrk, 'close');
    const begun = performance.now();
    const outcomes = new Map<string, number>();
    for (let round = 1; round <= ROUNDS + FAILING; round++) {
      const bad = round % Math.max(1, Math.round((ROUNDS + FAILING) / Math.max(1, FAILING))) === 0;
      const end = await deploy(VERSIONS[round % VERSIONS.length]!, bad);
      outcomes.set(end.outcome, (outcomes.get(end.outcome) ?? 0) + 1);
      if (end.outcome !== (bad ? 'failed' : 'succeeded')) {
        console.log(`attempt ${attempt} ${end.outcome}${end.outcome === 'failed' ? `: ${end.code}: ${end.reason}` : ''}, which was not expected`);
        process.exitCode = 1;
      }
      if (TLS) newCertificate();
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
    stop.abort();
    await watching;
    await engine.remove({ team: world.team, deployment: prefix, prefix, removeVolumes: true }, contextOf(++attempt));
    await world.cleanUp();
    rmSync(home, { recursive: true, force: true });
  }
}

await main();
