/** `npm run bench`: every `*.bench.ts` in a process of its own, one after the other. Arguments filter by a part of the path. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';

const root = packageRoot();
const parts = process.argv.slice(2);
const benches = ['controller', 'agents']
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path.replaceAll('\\', '/')}`))
  .filter((path) => path.endsWith('.bench.ts') && (parts.length === 0 || parts.some((part) => path.includes(part))))
  .sort();

for (const path of benches) {
  console.log(`\n# ${path}`);
  const { status, signal } = spawnSync(process.execPath, ['--import', 'tsx', path], { cwd: root, stdio: 'inherit', timeout: 1_800_000 });
  if (status !== 0) {
    console.error(`${path} ended with ${signal ?? `code ${String(status)}`}`);
    process.exitCode = 1;
  }
  if (signal === 'SIGINT') break;
}
