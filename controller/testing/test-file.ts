/** One test file in a process of its own: what it asks for in its first lines, running it, and reading what uvu printed. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A file says these in comments of its own line within its first ten lines: `// @timeout 300`, `// @serial`, `// @own-server`. */
export interface TestFile {
  /** Relative to the package. */
  readonly path: string;
  readonly timeoutMs: number;
  /** Runs alone, after all others. */
  readonly serial: boolean;
  /** Restarts its PostgreSQL, so it gets one of its own instead of the shared one. */
  readonly ownServer: boolean;
}

export interface TestOutcome {
  readonly file: TestFile;
  readonly durationMs: number;
  readonly passed: number;
  /** Failed tests; at least 1 if the process itself failed. */
  readonly failed: number;
  /** What the file said that it skipped, and how many tests that uvu skipped. */
  readonly skipped: readonly string[];
  /** Why the file failed, if not by a failing test alone. */
  readonly trouble?: string;
  readonly output: string;
}

const DEFAULT_TIMEOUT_S = 300;
/** More than that of one file nobody reads; the end is kept, where the failure is. */
const OUTPUT_LIMIT = 1_000_000;

export function readTestFile(root: string, path: string): TestFile {
  const head = readFileSync(join(root, path), 'utf8').split('\n', 10);
  const says = (word: string): boolean => head.some((line) => line.trim() === `// @${word}`);
  const seconds = head.map((line) => /^\/\/ @timeout (\d+)$/.exec(line.trim())?.[1]).find((value) => value !== undefined);
  return { path, timeoutMs: Number(seconds ?? DEFAULT_TIMEOUT_S) * 1000, serial: says('serial'), ownServer: says('own-server') };
}

/** Never rejects. The process leads a group; what it leaves behind in that group is killed, also when `signal` aborts. */
export async function runTestFile(root: string, file: TestFile, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<TestOutcome> {
  const started = performance.now();
  const child = spawn(process.execPath, ['--import', 'tsx', file.path], { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-OUTPUT_LIMIT)));
  }
  const closed = new Promise<void>((done) => child.once('close', () => done()));
  const ended = new Promise<string | undefined>((done) => {
    child.once('error', (error) => done(`could not be started: ${error.message}`));
    child.once('exit', (code, killed) => done(code === 0 ? undefined : `ended with ${killed ?? `code ${String(code)}`}`));
  });

  let cut: string | undefined;
  const end = (why: string): void => {
    cut ??= why;
    killGroup(child.pid);
  };
  const abort = (): void => end('was interrupted');
  const alarm = setTimeout(() => end(`did not end within ${String(file.timeoutMs / 1000)} s (a file that needs longer says "// @timeout SECONDS")`), file.timeoutMs);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  const trouble = await ended;
  clearTimeout(alarm);
  signal.removeEventListener('abort', abort);
  killGroup(child.pid);
  // A grandchild outside of the group may hold the pipes for ever.
  await Promise.race([closed, sleep(5_000, undefined, { ref: false })]);
  return judge(file, performance.now() - started, output, cut ?? trouble);
}

function judge(file: TestFile, durationMs: number, output: string, ended: string | undefined): TestOutcome {
  const counted = (word: string): number | undefined => {
    const found = [...output.matchAll(new RegExp(`^ {2}${word}: +(\\d+)\\s*$`, 'gm'))].at(-1)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const skipped = [...output.matchAll(/^(?:!+ )?SKIPPED:? (.+)$/gm)].map(([, what]) => String(what));
  for (let left = counted('Skipped') ?? 0; left > 0; left--) skipped.push('a test marked with skip, or all but one with only');
  const total = counted('Total');
  const passed = counted('Passed') ?? 0;
  const trouble = ended ?? ((total ?? 0) === 0 && skipped.length === 0 ? 'ran no test: every suite ends with .run()' : undefined);
  const failed = Math.max((total ?? 0) - passed, trouble === undefined ? 0 : 1);
  return { file, durationMs, passed, failed, skipped, ...(trouble === undefined ? {} : { trouble }), output };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
}
