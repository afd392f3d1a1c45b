/** Pages of a team with 1,000 deployments, from the request to the last byte, on a real PostgreSQL. */
import { seedFleet } from '../web/testing/fleet.ts';
import { seedTree } from '../web/testing/tree.ts';
import { testController } from '../web/testing/controller.ts';

const DEPLOYMENTS = 1_000;
const ROUNDS = 40;

const controller = await testController({ public: true });
await seedFleet(controller.db.pool, 'fleet', DEPLOYMENTS);
const rows: Record<string, { p50: number; p95: number; cpu: number; KiB: number; 'KiB sent': number; goal: string }> = {};

async function measure(what: string, path: string, goal: string): Promise<void> {
  const times: number[] = [];
  let bytes = 0;
  let cpu = process.cpuUsage();
  for (let round = 0; round < ROUNDS + 5; round++) {
    if (round === 5) cpu = process.cpuUsage();
    const start = performance.now();
    const response = await controller.fetch(path, { headers: { accept: path.startsWith('/api') ? 'application/json' : 'text/html' } });
    bytes = (await response.arrayBuffer()).byteLength;
    if (!response.ok) throw new Error(`${path}: ${String(response.status)}`);
    if (round >= 5) times.push(performance.now() - start);
  }
  // Of this process, which is the controller and its reader: a busy machine does not change it much.
  const { user, system } = process.cpuUsage(cpu);
  const sent = Number((await controller.fetch(path, { method: 'HEAD', headers: { accept: 'text/html', 'accept-encoding': 'gzip' } })).headers.get('content-length') ?? bytes);
  times.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0);
  rows[what] = { p50: at(0.5), p95: at(0.95), cpu: Math.round((user + system) / 1_000 / ROUNDS), KiB: Math.round(bytes / 1024), 'KiB sent': Math.round(sent / 1024), goal };
}

await measure('team overview, all 1,000', '/teams/fleet', 'under 200 ms');
await measure('the same as JSON', '/api/v1/teams/fleet/deployments', '');
await measure('one deployment', '/teams/fleet/deployments/shop-0040', '');
await seedTree(controller.db.pool, 'fleet', 'tree', 200);
await measure('a product of 200 versions', '/teams/fleet/products/tree', '');
await measure('products', '/teams/fleet/products', '');
await measure('all teams', '/', '');
console.table(rows);
await controller.stop();
