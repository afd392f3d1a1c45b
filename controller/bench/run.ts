/**
 * `npm run bench`: every `*.bench.ts` in a process of its own, one after the other. Arguments filter by a part of the path; one that begins
 * with a slash or a dot is handed to the benches.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { packageRoot } from '../package-root.ts';

const root = packageRoot();
const given = process.argv.slice(2);
const parts = given.filter((one) => !/^[./]/.test(one));
// npm changes the directory, and says where it was called.
const handed = given.filter((one) => /^[./]/.test(one)).map((one) => resolve(process.env['INIT_CWD'] ?? '.', one));
const benches = ['controller', 'agents']
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path.replaceAll('\\', '/')}`))
  .filter((path) => path.endsWith('.bench.ts') && (parts.length === 0 || parts.some((part) => path.includes(part))))
  .sort();

for (const path of benches) {
  console.log(`\n# ${path}`);
  const { status, signal } = spawnSync(process.execPath, ['--import', 'tsx', path, ...handed], { cwd: root, stdio: 'inherit', timeout: 1_800_000 });
  if (status !== 0) {
    console.error(`${path} ended with ${signal ?? `code ${String(status)}`}`);
    process.exitCode = 1;
  }
  if (signal === 'SIGINT') break;
}
