/** What `validate` and `render` have in common: where manifests come from, and how failures end. */
import { explainError, TagboatError } from '../errors.ts';
import { checkClaims } from '../manifests/check-claims.ts';
import { checkReferences } from '../manifests/check-references.ts';
import { ParseCache } from '../manifests/parse-cache.ts';
import { readManifests } from '../manifests/read-set.ts';
import { directorySource } from '../manifests/source-directory.ts';
import { findRepository, parentRevision, readObject, resolveRevision, revisionSource } from '../manifests/source-revision.ts';
import type { LocalRepository } from '../manifests/source-revision.ts';
import type { ManifestSet } from '../model/manifest.ts';
import { objectName } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { compareProblems, problem } from '../model/problem.ts';
import { ANYBODY } from '../model/trust.ts';
import { headProblem, trustIn } from '../reconcile/accepted-head.ts';
import { refusalOf } from '../reconcile/judge-commit.ts';
import { scrub } from '../scrub.ts';
import { localVersions, type LocalVersions } from './local-versions.ts';

export interface Loaded {
  readonly set: ManifestSet;
  /** Everything that is wrong, in order. */
  readonly problems: readonly Problem[];
  /** Where it was read: the directory, or the revision with its commit. */
  readonly from: string;
  readonly versions: LocalVersions;
  /** What the policy of the team says of the revision; nothing of files that nobody committed. */
  judge(): Promise<readonly Problem[]>;
}

/** Reads a directory, or with `rev` that revision of the Git repository that the directory lies in. */
export async function loadManifests(directory: string, rev: string | undefined, signal?: AbortSignal): Promise<Loaded> {
  const options = signal === undefined ? {} : { signal };
  let set: ManifestSet;
  let from = directory;
  let judge: Loaded['judge'] = async () => [];
  const cache = new ParseCache();
  if (rev === undefined) {
    set = await readManifests(await directorySource(directory), cache, options);
  } else {
    const repository = await findRepository(directory);
    const commit = await resolveRevision(repository, rev);
    set = await readManifests(await revisionSource(repository, commit), cache, options);
    judge = async () => judgeRevision(repository, commit, set, cache);
    from = `${rev} (${commit.slice(0, 12)})`;
  }
  const versions = await localVersions(directory, set, cache);
  const problems = [...set.problems, ...checkReferences(set, { versionAt: versions.at }), ...checkClaims(set, versions.at), ...versions.problems, ...notLookedAt(set)];
  const empty = Object.values(set.byKind).every((manifests) => manifests.size === 0);
  if (empty && problems.length === 0) {
    problems.push(problem('RepositoryEmpty', { file: '', line: 0, column: 0 }, `there is no manifest in ${from}`));
  }
  return { set, problems: problems.sort(compareProblems), from, versions, judge };
}

/** By the Team manifest of the commit before it, as if that were what is deployed; the first commit by its own. */
async function judgeRevision(repository: LocalRepository, commit: string, own: ManifestSet, cache: ParseCache): Promise<readonly Problem[]> {
  const parent = await parentRevision(repository, commit);
  // The team's directory need not have been there then.
  const before = parent === undefined ? undefined : await revisionSource(repository, parent).then(async (source) => readManifests(source, cache), () => undefined);
  const set = before ?? own;
  const refusal = await refusalOf({ object: async (oid) => readObject(repository, oid) }, commit, trustIn(set, '') ?? ANYBODY);
  return refusal === undefined ? [] : [headProblem(refusal, set, '')];
}

/** Versions in other repositories: nothing is fetched here, which is said. */
function notLookedAt(set: ManifestSet): Problem[] {
  return [...set.byKind.Product.values()].flatMap((product) => {
    const repository = product.spec.source?.repository;
    if (repository === undefined) return [];
    const message = `the versions of product ${product.name} are in ${scrub(repository)}, where this command did not look`;
    return [problem('SourceNotRead', product.position('/spec/source/repository'), message, { severity: 'warning', object: objectName(product) })];
  });
}

/** Runs a command's work. Exit codes: 2 for what the caller got wrong, 3 for what could not be reached (SPEC §5). */
export async function runCommand(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    process.stderr.write(`${explainError(error)}\n`);
    const wrongUse = error instanceof TagboatError && ['UsageError', 'NotFound', 'RefMissing'].includes(error.code);
    process.exitCode = wrongUse ? 2 : 3;
  }
}
