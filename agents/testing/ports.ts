import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Where ports for tests are taken from: above what services use, below what Kubernetes hands out to nodes (30000) and what Linux hands out to
 * clients and to listeners without a port (32768). A port out of those could be somebody's own end of a connection by the time a container wants it.
 */
const [LOWEST, HIGHEST] = [20_000, 29_999];

/** Of that, what the process may take: `npm test` gives each file that runs beside others a stretch of its own (`20000-24999`), so that none takes a port that another one is about to use. */
const [FIRST = LOWEST, LAST = HIGHEST] = (process.env['TAGBOAT_TEST_PORTS'] ?? '').split('-').map(Number).filter((port) => port >= LOWEST && port <= HIGHEST);
const COUNT = LAST - FIRST + 1;

const given = new Set<number>();

/** The first of `count` neighbouring ports that nothing listens on, on any address, and that this process was not given before. */
export async function freePorts(count: number): Promise<number> {
  for (let tries = 0; tries < 1000; tries += 1) {
    const first = FIRST + Math.floor(Math.random() * (COUNT - count));
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if (ports.some((port) => given.has(port))) continue;
    if (!(await Promise.all(ports.map(isFree))).every(Boolean)) continue;
    for (const port of ports) given.add(port);
    return first;
  }
  throw new Error(`no ${String(count)} free ports between ${String(FIRST)} and ${String(LAST)}`);
}

export async function freePort(): Promise<number> {
  return await freePorts(1);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port);
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
