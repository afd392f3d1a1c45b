/** `tagboat plan`: what a merge would do, from two commits of a local clone; no controller is asked. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { TagboatError } from '../errors.ts';
import { Mirror } from '../git/mirror.ts';
import { parseRemote } from '../git/remote.ts';
import { ParseCache } from '../manifests/parse-cache.ts';
import { asIfDeployed } from '../plan/as-if-deployed.ts';
import { planAsJson, planAsMarkdown, planAsText } from '../plan/explain.ts';
import { plan } from '../plan/plan.ts';
import type { Plan } from '../plan/types.ts';
import type { Reading } from '../reconcile/read-repository.ts';
import { RepositoryReader } from '../reconcile/read-repository.ts';
import type { CliIo } from './client.ts';
import { processIo, runCommand } from './client.ts';

interface Flags {
  readonly base: string;
  readonly head: string;
  readonly branch?: string;
  readonly directory: string;
  readonly team?: string;
  readonly format: string;
}

export function registerPlan(program: Command, io: CliIo = processIo): void {
  program
    .command('plan')
    .description('show what the change from one commit to another does')
    .argument('[dir]', 'a clone of the team repository', '.')
    .option('--base <rev>', 'as if this were deployed', 'HEAD~1')
    .option('--head <rev>', 'what is to be deployed', 'HEAD')
    .option('--branch <name>', "the team's branch; else the one that is checked out, or main")
    .option('--directory <path>', 'where manifests begin in the repository', '')
    .option('--team <name>', "the team's name; else that of its Team manifest")
    .option('--format <format>', 'text, markdown or json', 'text')
    .addHelpText('after', '\nThis compares two commits and not the live state. Exit code 1: the head has a problem of severity error.')
    .action((dir: string, flags: Flags) => runCommand(io, async () => planCommits(resolve(io.directory, dir), flags, io)));
}

const FORMATS = { text: planAsText, markdown: planAsMarkdown, json: planAsJson } as const;

async function planCommits(clone: string, flags: Flags, io: CliIo): Promise<number> {
  if (!Object.hasOwn(FORMATS, flags.format)) throw new TagboatError('UsageError', `the format ${flags.format} is not known`, { hint: 'Use text, markdown or json.' });
  const root = git(clone, 'rev-parse', '--absolute-git-dir');
  const base = commitOf(clone, flags.base);
  const head = commitOf(clone, flags.head);
  const branch = flags.branch ?? branchOf(clone);
  const directory = mkdtempSync(join(tmpdir(), 'tagboat-plan-'));
  const remote = parseRemote(root);
  const mirror = await Mirror.open({ directory, remote });
  try {
    const cache = new ParseCache();
    const read = async (at: string): Promise<Reading> =>
      new RepositoryReader({ team: flags.team ?? '', remote, branch, at, directory: flags.directory, mirror, cache, frozen: async () => new Map(), owners: async () => new Map() }).read(undefined, AbortSignal.timeout(120_000));
    const before = await read(base);
    const after = await read(head);
    const result: Plan = plan(after.desired, asIfDeployed(before.desired, after.versions), { nodes: new Map(), drift: new Map() });
    const shown = { ...result, problems: after.problems };
    io.out(FORMATS[flags.format as keyof typeof FORMATS](shown, `commit ${base.slice(0, 12)}, not the live state`).trimEnd() + '\n');
    return after.problems.some((item) => item.severity === 'error') ? 1 : 0;
  } finally {
    await mirror.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function commitOf(clone: string, revision: string): string {
  try {
    return git(clone, 'rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`);
  } catch (error) {
    throw new TagboatError('UsageError', `there is no commit ${revision}`, { cause: error, hint: 'Name a commit, branch or tag of this clone with --base and --head; a shallow clone may lack it.' });
  }
}

function branchOf(clone: string): string {
  try {
    return git(clone, 'symbolic-ref', '--quiet', '--short', 'HEAD');
  } catch {
    return 'main'; // a detached head, as in most CI
  }
}

function git(clone: string, ...args: string[]): string {
  try {
    return execFileSync('git', ['-C', clone, ...args], { encoding: 'utf8', timeout: 15_000, stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  } catch (error) {
    if (args[0] === 'rev-parse' && args[1] === '--absolute-git-dir') throw new TagboatError('UsageError', `${clone} is no Git repository`, { cause: error, hint: 'Run it in a clone, or name one.' });
    throw error;
  }
}
