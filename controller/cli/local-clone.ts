/** A local clone as the repository that a reader reads; native git names its commits, and nothing is fetched from elsewhere. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TagboatError } from '../errors.ts';
import { Mirror } from '../git/mirror.ts';
import { parseRemote } from '../git/remote.ts';
import { ParseCache } from '../manifests/parse-cache.ts';
import type { Problem } from '../model/problem.ts';
import { ANYBODY } from '../model/trust.ts';
import { headProblem, trustIn } from '../reconcile/accepted-head.ts';
import { nowhereElse } from '../reconcile/elsewhere.ts';
import { refusalOf } from '../reconcile/judge-commit.ts';
import { filesAt } from '../reconcile/manifest-files.ts';
import type { Reading } from '../reconcile/read-repository.ts';
import { RepositoryReader } from '../reconcile/read-repository.ts';
import { scrub } from '../scrub.ts';
import type { FollowedDigest } from '../plan/types.ts';
import type { StoredVersion } from '../store/versions.ts';

export interface CloneSettings {
  /** '': that of the Team manifest. */
  readonly team: string;
  readonly branch: string;
  readonly directory: string;
  readonly frozen?: ReadonlyMap<string, StoredVersion>;
  readonly owners?: ReadonlyMap<string, string>;
  readonly recipients?: ReadonlyMap<string, readonly string[]>;
  readonly followed?: ReadonlyMap<string, readonly FollowedDigest[]>;
}

const notHere = nowhereElse('SourceNotRead', 'warning', (repository) => `its versions are in ${scrub(repository)}, where this command does not look`);

export interface Clone {
  /** A commit as the head of the branch. */
  read(commit: string): Promise<Reading>;
  /**
   * What the policy of the team says of a commit that was read, by the Team manifest of `by`, another one in its history or itself. A warning: what
   * merges the commit is mostly another one.
   */
  judge(commit: string, by: string): Promise<readonly Problem[]>;
}

/** Lets `work` read commits. The mirror that it takes is removed afterwards. */
export async function withClone<T>(clone: string, { frozen = new Map(), owners = new Map(), recipients = new Map(), followed = new Map(), ...settings }: CloneSettings, work: (clone: Clone) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'tagboat-plan-'));
  const remote = parseRemote(git(clone, 'rev-parse', '--absolute-git-dir'));
  const mirror = await Mirror.open({ directory, remote });
  try {
    const cache = new ParseCache();
    const read: Clone['read'] = (at) => new RepositoryReader({ ...settings, remote, at, mirror, cache, sources: notHere, frozen: async () => frozen, owners: async () => owners, recipients: async () => recipients, followed: async () => followed }).read(undefined, AbortSignal.timeout(120_000));
    const judge: Clone['judge'] = async (commit, by) => {
      const { set } = await filesAt({ mirror, cache, directory: settings.directory }, by, undefined, AbortSignal.timeout(120_000));
      const refusal = await refusalOf(mirror, commit, trustIn(set, settings.team) ?? ANYBODY);
      return refusal === undefined ? [] : [{ ...headProblem(refusal, set, settings.team), severity: 'warning', message: `as the head of the branch it would not be deployed: ${refusal.message}` }];
    };
    return await work({ read, judge });
  } finally {
    await mirror.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

export function commitOf(clone: string, revision: string): string {
  git(clone, 'rev-parse', '--absolute-git-dir');
  try {
    return git(clone, 'rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`);
  } catch (error) {
    throw new TagboatError('UsageError', `there is no commit ${revision}`, { cause: error, hint: 'Name a commit, branch or tag of this clone with --base and --head; a shallow clone may lack it.' });
  }
}

/** The first parent; null for the first commit of all. A shallow clone that lacks the parent is told as such. */
export function parentOf(clone: string, commit: string): string | null {
  const [, parent] = git(clone, 'rev-list', '--parents', '--max-count=1', commit).split(' ');
  if (parent !== undefined) return parent;
  if (git(clone, 'rev-parse', '--is-shallow-repository') === 'true') return commitOf(clone, `${commit}~1`);
  return null;
}

export function branchOf(clone: string): string {
  try {
    return git(clone, 'symbolic-ref', '--quiet', '--short', 'HEAD');
  } catch {
    return 'main'; // a detached head, as in most CI
  }
}

/** Whether `commit` is in the history of `head`; one that the clone does not know is not. */
export function holds(clone: string, head: string, commit: string): boolean {
  try {
    git(clone, 'merge-base', '--is-ancestor', commit, head);
    return true;
  } catch {
    return false;
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
