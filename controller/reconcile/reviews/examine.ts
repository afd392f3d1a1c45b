/** One request → what it changes of what is desired, and what is wrong with it. Costs the request's own change. */
import type { Line } from '../../git/ancestry.ts';
import type { TreeDiff } from '../../git/tree-diff.ts';
import { classifyEntry } from '../../manifests/classify-entry.ts';
import type { EntryMode } from '../../manifests/classify-entry.ts';
import type { Problem } from '../../model/problem.ts';
import { problem } from '../../model/problem.ts';
import { ANYBODY } from '../../model/trust.ts';
import type { BlockedDeployment, Desired, DesiredDeployment } from '../../plan/types.ts';
import type { RefVersion } from '../../store/versions.ts';
import { headProblem } from '../accepted-head.ts';
import { refusalOf } from '../judge-commit.ts';
import type { FilesOptions, ManifestFiles } from '../manifest-files.ts';
import { withChanges } from '../manifest-files.ts';
import type { Reading, RepositoryReader } from '../read-repository.ts';
import type { MergeRequest } from './requests.ts';
import { isEmpty, mergeInto } from './merge.ts';
import type { Merge } from './merge.ts';

/** What a request may make the controller fetch. Its history is mostly there already. */
export const MAX_FETCH_BYTES = 33_554_432;
/** Problems that a review shows; the rest is counted. */
const MAX_PROBLEMS = 200;
/** Manifest files that one request may change. */
const MAX_MANIFESTS = 5_000;
const LONGEST_TITLE = 200;
const NOWHERE = { file: '', line: 0, column: 0 } as const;

interface Changes<T> {
  readonly set: ReadonlyMap<string, T>;
  readonly gone: ReadonlySet<string>;
}

export interface Examined {
  readonly request: MergeRequest;
  /** The reading that it was merged into. */
  readonly reading: Reading;
  readonly title: string;
  /** Of the head commit; its name alone. */
  readonly author: string;
  readonly committedAt: Date | null;
  readonly method: Merge['method'];
  readonly conflicts: number;
  /** Merging gives what the branch has already. */
  readonly merged: boolean;
  readonly deployments: Changes<DesiredDeployment>;
  readonly blocked: Changes<BlockedDeployment>;
  readonly mayRemove: boolean;
  readonly keepReason: string;
  /** Deployments that the change concerns: changed, gone, and those that wait for one of these. */
  readonly scope: ReadonlySet<string>;
  /** Versions as the refs have them, of products that the change concerns. */
  readonly versions: readonly RefVersion[];
  /** Those that the branch does not have. */
  readonly problems: readonly Problem[];
}

export interface ExamineOptions extends FilesOptions {
  readonly reader: RepositoryReader;
  readonly branch: string;
}

/** The request's commits must be in the mirror. Throws what the mirror throws; `head`: the files of the reading. */
export async function examine(options: ExamineOptions, request: MergeRequest, reading: Reading, head: ManifestFiles, line: Line, signal: AbortSignal): Promise<Examined> {
  const { mirror, reader, branch, directory } = options;
  const commit = await mirror.commit(request.head);
  const merge = await mergeInto(mirror, line, reading.commit, request.head, request.merge);
  const about = {
    request,
    reading,
    title: (commit.message.split('\n', 1)[0] ?? '').slice(0, LONGEST_TITLE),
    author: commit.author.name.slice(0, LONGEST_TITLE),
    committedAt: commit.committer.at,
    method: merge.method,
    conflicts: merge.conflicts.length,
    merged: isEmpty(merge),
  };
  const own = [...(await policyProblems(mirror, request.head, reading, head)), ...conflictProblems(merge, branch, directory)];
  const manifests = [...merge.changes.added, ...merge.changes.modified].filter(({ path }) => isRead(path, directory)).length;
  if (manifests > MAX_MANIFESTS) return unreadable(request, reading, `it changes ${manifests} manifest files, and no more than ${MAX_MANIFESTS} are looked at`);
  const files = await withChanges(options, request.head, head, below(merge.changes, directory), signal);
  // Nothing that is read was touched: then nothing can differ.
  if (files.set === head.set) return { ...nothingChanged(reading), ...about, problems: own };
  const after = await reader.asIf(files, MAX_FETCH_BYTES, signal);
  const deployments = difference(reading.desired.deployments, after.desired.deployments);
  const blocked = difference(reading.desired.blocked, after.desired.blocked);
  const scope = new Set([...deployments.set.keys(), ...deployments.gone, ...blocked.set.keys(), ...blocked.gone]);
  for (const name of [...scope]) for (const dependent of after.dependents.get(name) ?? []) scope.add(dependent);
  const products = new Set([...scope].map((name) => after.desired.deployments.get(name)?.product));
  return {
    ...about,
    deployments,
    blocked,
    mayRemove: after.desired.mayRemove,
    keepReason: after.desired.keepReason,
    scope,
    versions: after.versions.filter((version) => products.has(version.product)),
    problems: bounded([...own, ...introduced(reading.problems, after.problems)]),
  };
}

/** A request that could not be read is shown with the reason. */
export function unreadable(request: MergeRequest, reading: Reading, reason: string): Examined {
  return {
    ...nothingChanged(reading),
    request,
    reading,
    title: '',
    author: '',
    committedAt: null,
    method: 'files',
    conflicts: 0,
    merged: false,
    problems: [problem('RequestUnreadable', NOWHERE, `the request could not be read: ${reason}`)],
  };
}

/** Everything desired, with what the request changes. */
export function desiredWith({ deployments, blocked, mayRemove, keepReason, request, reading: { desired } }: Examined): Desired {
  return { team: desired.team, commit: request.head, deployments: apply(desired.deployments, deployments), blocked: apply(desired.blocked, blocked), mayRemove, keepReason };
}

function nothingChanged({ desired }: Reading): Pick<Examined, 'deployments' | 'blocked' | 'mayRemove' | 'keepReason' | 'scope' | 'versions'> {
  const none = { set: new Map(), gone: new Set<string>() };
  return { deployments: none, blocked: none, mayRemove: desired.mayRemove, keepReason: desired.keepReason, scope: new Set(), versions: [] };
}

/** By whom the next head is judged. A warning: what merges the request may be another commit, which is judged when it is there. */
async function policyProblems(mirror: ExamineOptions['mirror'], commit: string, { desired, trust }: Reading, { set }: ManifestFiles): Promise<Problem[]> {
  const refusal = await refusalOf(mirror, commit, trust ?? ANYBODY);
  return refusal === undefined ? [] : [{ ...headProblem(refusal, set, desired.team), severity: 'warning', message: `as the head of the branch, merged without a commit of its own, it would not be deployed: ${refusal.message}` }];
}

function below(changes: TreeDiff, directory: string): TreeDiff {
  if (directory === '') return changes;
  const inside = ({ path }: { readonly path: string }): boolean => path.startsWith(`${directory}/`);
  return { added: changes.added.filter(inside), modified: changes.modified.filter(inside), removed: changes.removed.filter(inside) };
}

function conflictProblems({ conflicts, unrelated }: Merge, branch: string, directory: string): Problem[] {
  if (unrelated) return [problem('MergeConflict', NOWHERE, `the request has no history in common with ${branch}`)];
  return conflicts.map((path) => {
    const read = isRead(path, directory);
    const consequence = read ? `; this plan shows it as it is on ${branch}` : '';
    return problem('MergeConflict', { ...NOWHERE, file: path }, `both ${branch} and the request changed the file since they parted${consequence}`, { severity: read ? 'error' : 'warning' });
  });
}

function isRead(path: string, directory: string): boolean {
  return (directory === '' || path.startsWith(`${directory}/`)) && classifyEntry(path, '100644' satisfies EntryMode).decision === 'read';
}

/** Unchanged deployments are the very same objects (read-repository). */
function difference<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): Changes<T> {
  return {
    set: new Map([...after].filter(([name, value]) => before.get(name) !== value)),
    gone: new Set([...before.keys()].filter((name) => !after.has(name))),
  };
}

function apply<T>(before: ReadonlyMap<string, T>, { set, gone }: Changes<T>): ReadonlyMap<string, T> {
  const after = new Map(before);
  for (const name of gone) after.delete(name);
  for (const [name, value] of set) after.set(name, value);
  return after;
}

function introduced(before: readonly Problem[], after: readonly Problem[]): Problem[] {
  const id = (item: Problem): string => JSON.stringify([item.code, item.severity, item.file, item.line, item.column, item.message]);
  const known = new Set(before.map(id));
  return after.filter((item) => !known.has(id(item)));
}

function bounded(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= MAX_PROBLEMS) return problems;
  const rest = problems.length - MAX_PROBLEMS;
  return [...problems.slice(0, MAX_PROBLEMS), problem('RequestUnreadable', NOWHERE, `there are ${rest} more problems, which are not shown`, { hint: 'Mend these first; `tagboat validate` shows all.' })];
}
