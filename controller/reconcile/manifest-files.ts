/**
 * The manifests of a branch's head, kept up to date by differences: a new commit costs the files that it changed, whatever
 * the size of the repository. Other commits (tags, other branches) are read whole, through the same content-addressed cache.
 */
import { setImmediate } from 'node:timers/promises';
import type { Mirror } from '../git/mirror.ts';
import type { TreeDiff } from '../git/tree-diff.ts';
import { classifyEntry } from '../manifests/classify-entry.ts';
import type { EntryMode } from '../manifests/classify-entry.ts';
import { MANIFEST_LIMITS } from '../manifests/limits.ts';
import type { ParseCache } from '../manifests/parse-cache.ts';
import { buildManifestSet, replaceInSet } from '../manifests/read-set.ts';
import type { ManifestSet, ParsedFile } from '../model/manifest.ts';
import { compareProblems, problem } from '../model/problem.ts';
import type { Problem } from '../model/problem.ts';

interface File {
  readonly path: string;
  readonly oid: string;
  readonly parsed: ParsedFile;
}

/** The files of one commit. Frozen: `filesAt` makes the next one. */
export interface ManifestFiles {
  readonly commit: string;
  readonly set: ManifestSet;
  /** By path, every file that holds a manifest. */
  readonly files: ReadonlyMap<string, File>;
  readonly refused: ReadonlyMap<string, Problem>;
}

export interface FilesOptions {
  readonly mirror: Mirror;
  readonly cache: ParseCache;
  readonly directory: string;
}

export async function filesAt({ mirror, cache, directory }: FilesOptions, commit: string, before: ManifestFiles | undefined, signal: AbortSignal): Promise<ManifestFiles> {
  if (before?.commit === commit) return before;
  const base = before !== undefined && mirror.has(before.commit) ? before : undefined;
  return withChanges({ mirror, cache, directory }, commit, base, await mirror.diffTrees(base?.commit ?? null, commit, directory), signal);
}

/** The files of `base` after these changes, which need not be those of any commit; `commit` is what they are called. */
export async function withChanges({ mirror, cache }: FilesOptions, commit: string, base: ManifestFiles | undefined, { added, modified, removed }: TreeDiff, signal: AbortSignal): Promise<ManifestFiles> {
  const files = new Map(base?.files);
  const refused = new Map(base?.refused);
  for (const { path } of removed) {
    files.delete(path);
    refused.delete(path);
  }
  let busySince = performance.now();
  let touched = removed.length > 0;
  const replaced: { readonly before: ParsedFile; readonly after: ParsedFile }[] = [];
  for (const entry of [...added, ...modified]) {
    signal.throwIfAborted();
    if (performance.now() - busySince > LONGEST_STRETCH_MS) {
      // Streams, heartbeats and pages are served in between.
      await setImmediate();
      busySince = performance.now();
    }
    const decision = classifyEntry(entry.path, entry.mode as EntryMode);
    const before = files.get(entry.path)?.parsed;
    touched = files.delete(entry.path) || refused.delete(entry.path) || touched;
    if (decision.decision === 'ignore') continue;
    if (decision.decision === 'problem') refused.set(entry.path, decision.problem);
    else if (files.size < MANIFEST_LIMITS.files) {
      const parsed = await parse(mirror, cache, entry.oid, entry.path);
      if (parsed.manifests.length > 0 || parsed.problems.length > 0) files.set(entry.path, { path: entry.path, oid: entry.oid, parsed });
      if (before !== undefined) replaced.push({ before, after: parsed });
    } else refused.set('', problem('TooManyFiles', NOWHERE, `there are more than ${MANIFEST_LIMITS.files} manifest files; the rest is not read`));
    touched = true;
  }
  if (base !== undefined && !touched) return { ...base, commit };
  // Most commits give files that are there other content.
  const quick = base !== undefined && added.length === 0 && removed.length === 0 && refused.size === 0 && replaced.length === modified.length ? replaceInSet(base.set, replaced) : undefined;
  const set = quick ?? buildManifestSet(files.values());
  return {
    commit,
    set: refused.size === 0 ? set : { ...set, problems: [...set.problems, ...refused.values()].sort(compareProblems) },
    files,
    refused,
  };
}

const LONGEST_STRETCH_MS = 20;
const NOWHERE = { file: '', line: 0, column: 0 } as const;

/** A blob over the mirror's limit is a problem of that file and not of the repository. */
async function parse(mirror: Mirror, cache: ParseCache, oid: string, path: string): Promise<ParsedFile> {
  try {
    return await cache.get(oid, path, () => mirror.readBlob(oid));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'RemoteTooLarge') {
      return { manifests: [], problems: [problem('FileTooLarge', { file: path, line: 1, column: 1 }, 'the file is larger than manifests may be')] };
    }
    throw error;
  }
}
