/**
 * `npm run bench compose-corpus -- DIR`: imports every compose file below a directory of somebody's and counts what came of it. A file counts
 * as refused where nothing could be written, and what was written is checked as `tagboat validate` checks it.
 */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { composeFiles } from '../compose/files.ts';
import type { Finding } from '../compose/findings.ts';
import { importCompose } from '../compose/import.ts';
import { Jail } from '../compose/jail.ts';
import { checkWritten, manifestFiles } from '../compose/write.ts';

const COMPOSE_FILE = /^(docker-)?compose([.-][\w.-]+)?\.ya?ml$/;
const MOST = 20_000;
const KINDS = ['without any problem', 'with problems, each told', 'refused, with the reason', 'not valid', 'crashed'] as const;
type Kind = (typeof KINDS)[number];

interface Outcome {
  readonly kind: Kind;
  readonly why: string;
  readonly findings: readonly Finding[];
}

function importOf(file: string): Outcome {
  let findings: readonly Finding[] = [];
  try {
    const { directory, files, shownPrefix } = composeFiles([file]);
    const { product, images, ...rest } = importCompose({ jail: new Jail(directory), files, shownPrefix, profiles: [], envTexts: undefined, product: undefined });
    findings = rest.findings;
    const [worst] = findings.filter(({ severity }) => severity === 'error');
    if (images.length === 0) return { kind: 'refused, with the reason', why: worst === undefined ? 'nothing was told' : `${worst.code}: ${worst.message}`, findings };
    const [problem] = checkWritten(manifestFiles({ product, images, node: 'docker-host', newNode: true, prefix: product }), 'docker-host', true);
    if (problem !== undefined) return { kind: 'not valid', why: `${problem.code}: ${problem.message}`, findings };
    return { kind: findings.every(({ severity }) => severity === 'note') ? 'without any problem' : 'with problems, each told', why: '', findings };
  } catch (error) {
    return { kind: 'crashed', why: String(error), findings };
  }
}

const [root] = process.argv.slice(2);
const found = root === undefined ? [] : readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && COMPOSE_FILE.test(entry.name) && !entry.name.includes('override'));
const files = found.map((entry) => join(entry.parentPath, entry.name)).sort().slice(0, MOST);
const outcomes = files.map((file) => ({ file, ...importOf(file) }));

const share = (count: number): string => `${Math.round((count / Math.max(outcomes.length, 1)) * 1000) / 10} %`;
const counts = KINDS.map((kind) => [kind, outcomes.filter((one) => one.kind === kind).length] as const);
const byCode = new Map<string, { severity: string; files: number }>();
for (const { findings } of outcomes) {
  for (const [code, severity] of new Map(findings.map((one) => [one.code, one.severity]))) byCode.set(code, { severity, files: (byCode.get(code)?.files ?? 0) + 1 });
}
for (const { file, kind, why } of outcomes) if (why !== '') console.log(`${kind}: ${relative(root ?? '.', file)}  ${why.slice(0, 300)}`);
if (root === undefined) console.log('Name a directory with compose files: npm run bench compose-corpus -- DIR');
else {
  console.table({ 'files read': { files: outcomes.length, share: '' }, ...Object.fromEntries(counts.map(([kind, count]) => [kind, { files: count, share: share(count) }])) });
  console.table(Object.fromEntries([...byCode].sort(([, a], [, b]) => b.files - a.files)));
}
if (counts.some(([kind, count]) => count > 0 && (kind === 'crashed' || kind === 'not valid'))) process.exitCode = 1;
