/** What watching 100 quiet repositories costs a tick: requests, bytes and processor time of this process; the server is another one. */
import { fork } from 'node:child_process';
import { once, setMaxListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Mirror } from '../git/mirror.ts';
import { parseRemote } from '../git/remote.ts';
import { ParseCache } from '../manifests/parse-cache.ts';
import type { Reading } from '../reconcile/read-repository.ts';
import { RepositoryReader } from '../reconcile/read-repository.ts';
import { TestRepository } from '../testing/git-repository.ts';
import { GitServer } from '../testing/git-server.ts';
import { NODE, PRODUCT, deploymentManifest, versionManifest } from '../testing/story.ts';

const REPOSITORIES = 100;
const TICKS = 5;

if (process.argv[2] === 'server') {
  const server = await GitServer.start({ root: process.argv[3]! });
  process.send!(server.url);
} else {
  const root = mkdtempSync(join(tmpdir(), 'tagboat-idle-'));
  for (let index = 0; index < REPOSITORIES; index++) {
    const repository = await TestRepository.create(`r${index}`, root);
    await repository.commit({ 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0'), 'deployments/shop.yaml': deploymentManifest('shop', '  branch: main\n') });
  }
  const child = fork(fileURLToPath(import.meta.url), ['server', root], { execArgv: process.execArgv });
  const [url] = (await once(child, 'message')) as [string];
  let requests = 0;
  let bytes = 0;
  const onRequest = (request: { bytes: number }): void => {
    requests++;
    bytes += request.bytes;
  };
  const signal = new AbortController().signal;
  setMaxListeners(0, signal);
  const teams: { reader: RepositoryReader; reading: Reading; mirror: Mirror }[] = [];
  for (let index = 0; index < REPOSITORIES; index++) {
    const remote = parseRemote(`${url}/r${index}.git`);
    const mirror = await Mirror.open({ directory: join(root, `mirror-${index}`), remote, onRequest });
    const reader = new RepositoryReader({ team: `r${index}`, remote, branch: 'main', directory: '', mirror, cache: new ParseCache(), onRequest, frozen: async () => new Map(), owners: async () => new Map() });
    teams.push({ reader, mirror, reading: await reader.read(undefined, signal) });
  }
  requests = 0;
  bytes = 0;
  const before = process.cpuUsage();
  for (let tick = 0; tick < TICKS; tick++) await Promise.all(teams.map(async (team) => team.reader.read(team.reading, signal)));
  const used = process.cpuUsage(before);
  const cpuMs = (used.user + used.system) / 1_000 / TICKS;
  console.table({
    'requests a repository and tick': { value: requests / TICKS / REPOSITORIES, goal: '1' },
    'bytes received a repository and tick': { value: Math.round(bytes / TICKS / REPOSITORIES), goal: '' },
    'processor time of a tick of 100 repositories, ms': { value: Math.round(cpuMs), goal: '' },
    'share of one core at a tick each 10 s, %': { value: Number((cpuMs / 100).toFixed(2)), goal: '' },
  });
  child.kill();
  for (const team of teams) await team.mirror.close();
  rmSync(root, { recursive: true });
}
