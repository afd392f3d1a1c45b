/**
 * Who may import whom: the directions that the linter cannot say (cycles it can). `node --import tsx controller/testing/check-imports.ts`
 * prints each import that goes the wrong way and exits 1 if there is one. `import type` counts like any other, save where noted.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Of every room of the controller, the rooms below it. The files directly in `controller/` are `basics`, or `top` (main and configuration). */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  basics: ['basics'],
  model: ['basics', 'schemas', 'proto'],
  plan: ['basics', 'schemas', 'model'],
  manifests: ['basics', 'schemas', 'model', 'plan'],
  compose: ['basics', 'schemas', 'model', 'manifests'],
  git: ['basics', 'model', 'plan'],
  store: ['basics', 'schemas', 'model', 'plan'],
  notify: ['basics', 'schemas', 'model', 'store'],
  link: ['basics', 'schemas', 'proto', 'model', 'plan', 'store'],
  web: ['basics', 'schemas', 'model', 'plan', 'store'],
  forges: ['basics'],
  reconcile: ['forges', 'basics', 'schemas', 'proto', 'model', 'plan', 'manifests', 'git', 'store', 'link', 'web'],
  top: ['forges', 'basics', 'schemas', 'proto', 'model', 'plan', 'manifests', 'git', 'store', 'link', 'notify', 'web', 'reconcile', 'top'],
  cli: ['basics', 'schemas', 'proto', 'model', 'plan', 'manifests', 'compose', 'git', 'store', 'link', 'web', 'reconcile', 'top'],
  agents: ['schemas', 'proto'],
  schemas: [],
  proto: [],
};
const BASICS = new Set(['errors', 'log', 'scrub', 'secret', 'metrics', 'package-root', 'storable']);
/** These stand outside of the program. */
const FREE = /\.(test|bench)\.ts$|\/(testing|bench|build)\//;

type Import = { readonly path: string; readonly line: number; readonly apart: boolean };

function roomOf(path: string): string {
  const [top, second = ''] = path.split('/');
  if (top !== 'controller') return top ?? '';
  if (!second.endsWith('.ts')) return second;
  return BASICS.has(second.replace(/\.ts$/, '')) ? 'basics' : 'top';
}

/** Imports of our own files. `apart`: of types alone, or at run time when asked for. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found: Import[] = [];
  for (const match of text.matchAll(/^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'(\.[^']+)'|\bimport\(\s*'(\.[^']+)'\s*\)/gm)) {
    const target = match[2] ?? match[3] ?? '';
    found.push({ path: posix.join(posix.dirname(file), target), line: text.slice(0, match.index).split('\n').length, apart: match[1] !== undefined || match[3] !== undefined });
  }
  return found;
}

/** Undefined if it may be. */
function objection(file: string, { path, apart }: Import): string | undefined {
  const from = roomOf(file);
  const to = roomOf(path);
  if (FREE.test(path)) return 'what is for tests and builds stays out of the program';
  if (from === to) return undefined;
  if (from === 'cli' && to === 'agents') return apart ? undefined : 'an agent is started by a dynamic import, so that the controller carries none';
  const below = BELOW[from];
  if (below === undefined) return `nobody has said what ${from} may import; say it in check-imports.ts`;
  return below.includes(to) ? undefined : `${from} may import ${below.join(', ') || 'nothing of ours'}, not ${to}`;
}

let files = 0;
let wrong = 0;
for (const folder of ['controller', 'agents', 'schemas', 'proto']) {
  for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
    const file = `${folder}/${name.replaceAll('\\', '/')}`;
    if (!file.endsWith('.ts') || FREE.test(file) || file.includes('/node_modules/')) continue;
    files++;
    for (const one of importsOf(file)) {
      const why = objection(file, one);
      if (why === undefined) continue;
      wrong++;
      console.error(`${file}:${String(one.line)}: imports ${one.path}: ${why}`);
    }
  }
}
console.log(`imports of ${String(files)} files: ${wrong === 0 ? 'all go the right way' : `${String(wrong)} go the wrong way`}`);
process.exitCode = wrong === 0 ? 0 : 1;
