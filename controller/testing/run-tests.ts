/**
 * `npm test`: every test file in a process of its own, two at a time, and one PostgreSQL for all of them.
 *
 *   node --import tsx controller/testing/run-tests.ts [part of a path ...]
 *
 * TAGBOAT_TEST_JOBS       files at a time (2)
 * TAGBOAT_REQUIRE_ENGINE  1: what is skipped counts as failed
 * TAGBOAT_REQUIRE_CLUSTER 1: and so does what is skipped for want of a cluster
 * TAGBOAT_REQUIRE_BROWSER 1: and for want of Chromium
 * TAGBOAT_REQUIRE_SHELLS  1: and for want of zsh or fish
 *
 * The last line is `N passed, N failed`, with `, N skipped` where that is so.
 */
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { startEmbeddedDatabase } from '../store/embedded.ts';
import { readTestFile, runTestFile } from './test-file.ts';
import type { TestFile, TestOutcome } from './test-file.ts';

const FOLDERS = ['controller', 'agents', 'schemas', 'proto'];
const DATABASE = 'TAGBOAT_TEST_DATABASE_URL';
const PORTS = 'TAGBOAT_TEST_PORTS';

function findTestFiles(root: string, parts: readonly string[]): TestFile[] {
  return FOLDERS.flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path.replaceAll('\\', '/')}`))
    .filter((path) => path.endsWith('.test.ts') && !/(^|\/)(node_modules|dist)\//.test(path))
    .filter((path) => parts.length === 0 || parts.some((part) => path.includes(part)))
    .sort()
    .map((path) => readTestFile(root, path))
    .sort((a, b) => b.timeoutMs - a.timeoutMs); // the long ones first, lest one of them is last and alone
}

/** A server for all files of the run. Without one (say, a system where it cannot run) each file tries for itself and tells why. */
async function shareDatabase(env: NodeJS.ProcessEnv): Promise<() => Promise<void>> {
  if (env[DATABASE] !== undefined) return () => Promise.resolve();
  const directory = await mkdtemp(join(tmpdir(), 'tagboat-tests-'));
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const database = await startEmbeddedDatabase({ directory, durable: false });
    env[DATABASE] = database.url;
    return async () => {
      await database.stop();
      await remove();
    };
  } catch (error) {
    console.error(`no shared database: ${error instanceof Error ? error.message : String(error)}`);
    await remove();
    return () => Promise.resolve();
  }
}

async function runAll(root: string, files: readonly TestFile[], env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<TestOutcome[]> {
  const outcomes: TestOutcome[] = [];
  const inTurn = async (queue: TestFile[], ports?: string): Promise<void> => {
    for (let file = queue.shift(); file !== undefined && !signal.aborted; file = queue.shift()) {
      const own = { ...env, [PORTS]: ports, ...(file.ownServer && { [DATABASE]: undefined }) };
      const outcome = await runTestFile(root, file, own, signal);
      outcomes.push(outcome);
      report(outcome);
    }
  };
  const together = files.filter(({ serial }) => !serial);
  const jobs = Math.max(1, Number(process.env['TAGBOAT_TEST_JOBS'] ?? 2) || 2);
  await Promise.all(Array.from({ length: jobs }, (_unused, job) => inTurn(together, stretchOf(job, jobs))));
  await inTurn(files.filter(({ serial }) => serial));
  return outcomes;
}

/** Ports for the files of one job, apart from those of the others: see agents/testing/ports.ts. */
function stretchOf(job: number, jobs: number): string {
  const size = Math.floor(10_000 / jobs);
  return `${String(20_000 + job * size)}-${String(20_000 + (job + 1) * size - 1)}`;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`.padStart(8);

function report({ file, durationMs, passed, failed, skipped, trouble, output }: TestOutcome): void {
  const verdict = failed > 0 ? 'FAIL' : skipped.length > 0 ? 'skip' : 'ok  ';
  console.log(`${verdict} ${seconds(durationMs)} ${String(passed).padStart(4)}  ${file.path}${trouble === undefined ? '' : `: ${trouble}`}`);
  if (failed > 0) console.log(`${output.trimEnd().replace(/^/gm, '    | ')}\n`);
}

/** The end of the run; true if all is well. */
function conclude(outcomes: readonly TestOutcome[], isRequired: (skipped: string) => boolean): boolean {
  const sum = (of: (outcome: TestOutcome) => number): number => outcomes.reduce((all, outcome) => all + of(outcome), 0);
  const passed = sum((outcome) => outcome.passed);
  const skipped = sum((outcome) => outcome.skipped.length);
  const forbidden = sum((outcome) => (outcome.failed > 0 ? 0 : outcome.skipped.filter(isRequired).length));
  const failed = sum((outcome) => outcome.failed) + forbidden;

  console.log('\nThe slowest:');
  for (const { durationMs, file } of [...outcomes].sort((a, b) => b.durationMs - a.durationMs).slice(0, 5)) console.log(`  ${seconds(durationMs)}  ${file.path}`);
  if (skipped > 0) {
    console.log('\nSKIPPED, not tested:');
    for (const outcome of outcomes) for (const what of outcome.skipped) console.log(`  ${outcome.file.path}: ${what}`);
    console.log('For all of them, start a Docker engine and a cluster and set DOCKER_HOST and KUBECONFIG: eval "$(.ci/cluster start DIR)" starts both for tests.');
    if (forbidden > 0) console.log('TAGBOAT_REQUIRE_ENGINE, _CLUSTER, _BROWSER or _SHELLS is set: what is skipped has failed.');
  }
  const broken = outcomes.filter((outcome) => outcome.failed > 0);
  if (broken.length > 0) console.log(`\nFAILED:\n${broken.map(({ file, trouble }) => `  ${file.path}${trouble === undefined ? '' : `: ${trouble}`}`).join('\n')}`);
  console.log(`\n${String(passed)} passed, ${String(failed)} failed${skipped > forbidden ? `, ${String(skipped - forbidden)} skipped` : ''}`);
  return failed === 0;
}

const root = packageRoot();
const files = findTestFiles(root, process.argv.slice(2));
if (files.length === 0) {
  console.error(`no test file has ${process.argv.slice(2).join(' or ')} in its path`);
  process.exit(1);
}
const stop = new AbortController();
let stoppedBy: NodeJS.Signals | undefined;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(name, () => {
    stoppedBy ??= name;
    stop.abort();
  });
}
const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined };
console.log(`${String(files.length)} test files on Node ${process.version}`);
const release = await shareDatabase(env);
let outcomes: readonly TestOutcome[];
try {
  outcomes = await runAll(root, files, env, stop.signal);
} finally {
  await release();
}
if (stoppedBy !== undefined) console.error(`stopped by ${stoppedBy}`);
/** What each kind of skipped test is demanded by; all others by the engine. */
const DEMANDS = [[/\bChromium\b/, 'TAGBOAT_REQUIRE_BROWSER'], [/\bcluster\b/, 'TAGBOAT_REQUIRE_CLUSTER'], [/\bshell\b/, 'TAGBOAT_REQUIRE_SHELLS'], [/./, 'TAGBOAT_REQUIRE_ENGINE']] as const;
const fine = conclude(outcomes, (skipped) => process.env[DEMANDS.find(([words]) => words.test(skipped))?.[1] ?? ''] === '1');
process.exitCode = fine && stoppedBy === undefined ? 0 : 1;
