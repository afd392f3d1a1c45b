/** All files of a commit → one set of manifests. */
import { setImmediate } from 'node:timers/promises';
import type { AnyManifest, Kind, Manifest, ManifestSet, ParsedFile } from '../model/manifest.ts';
import { comparePlaces, KINDS, objectName } from '../model/manifest.ts';
import { compareProblems, problem } from '../model/problem.ts';
import type { Problem } from '../model/problem.ts';
import { classifyEntry } from './classify-entry.ts';
import type { EntryMode } from './classify-entry.ts';
import { MANIFEST_LIMITS } from './limits.ts';
import type { ParseCache } from './parse-cache.ts';

export interface TreeEntry {
  /** With `/`, relative to where manifests begin. */
  readonly path: string;
  readonly mode: EntryMode;
  /** Changes when the content does: a blob id. */
  readonly oid: string;
  /** Bytes, where they are known before reading. */
  readonly size?: number;
}

/** Where files come from: a mirror's commit, a local revision, a directory. */
export interface TreeSource {
  entries(): AsyncIterable<TreeEntry>;
  read(oid: string): Promise<Uint8Array>;
}

const LONGEST_STRETCH_MS = 20;

/** Joins parsed files. The order of `files` does not matter. */
export function buildManifestSet(files: Iterable<{ readonly path: string; readonly parsed: ParsedFile }>): ManifestSet {
  const all: AnyManifest[] = [];
  const problems: Problem[] = [];
  let count = 0;
  for (const { parsed } of files) {
    if (count === MANIFEST_LIMITS.files) {
      problems.push(tooManyFiles());
      break;
    }
    count += 1;
    all.push(...parsed.manifests);
    problems.push(...parsed.problems);
  }
  all.sort(comparePlaces);
  const byKind = Object.fromEntries(KINDS.map((kind) => [kind, new Map<string, AnyManifest>()])) as unknown as Record<Kind, Map<string, AnyManifest>>;
  for (const manifest of all) {
    const first = byKind[manifest.kind].get(manifest.name);
    if (first === undefined) byKind[manifest.kind].set(manifest.name, manifest);
    else problems.push(duplicate(manifest, first));
  }
  return { byKind: byKind as unknown as ManifestSet['byKind'], problems: problems.sort(compareProblems), files: count };
}

/**
 * The set after some files got other content, at the cost of those files: the maps of kinds that they do not hold stay the very same objects.
 * Undefined where that does not suffice, because names came, went or stand in another order, or there is a problem; then it has to be built.
 */
export function replaceInSet(set: ManifestSet, changes: readonly { readonly before: ParsedFile; readonly after: ParsedFile }[]): ManifestSet | undefined {
  if (set.problems.length > 0) return undefined;
  const changed: AnyManifest[] = [];
  for (const { before, after } of changes) {
    if (after.problems.length > 0 || before.manifests.length !== after.manifests.length) return undefined;
    for (const [index, manifest] of after.manifests.entries()) {
      const old = before.manifests[index];
      if (old?.kind !== manifest.kind || old.name !== manifest.name) return undefined;
      changed.push(manifest);
    }
  }
  const byKind = { ...set.byKind } as unknown as Record<Kind, Map<string, AnyManifest>>;
  for (const kind of new Set(changed.map((manifest) => manifest.kind))) byKind[kind] = new Map(byKind[kind]);
  for (const manifest of changed) byKind[manifest.kind].set(manifest.name, manifest);
  return { ...set, byKind: byKind as unknown as ManifestSet['byKind'] };
}

/**
 * Reads a source through the cache: what is known is not read again. Stops at the limit of files. Errors of the source itself
 * (an unreadable object) are thrown on.
 */
export async function readManifests(source: TreeSource, cache: ParseCache, options: { readonly signal?: AbortSignal } = {}): Promise<ManifestSet> {
  const files: { path: string; parsed: ParsedFile }[] = [];
  const problems: Problem[] = [];
  let count = 0;
  let busySince = performance.now();
  for await (const entry of source.entries()) {
    options.signal?.throwIfAborted();
    const decision = classifyEntry(entry.path, entry.mode, entry.size);
    if (decision.decision === 'ignore') continue;
    count += 1;
    if (count > MANIFEST_LIMITS.files) {
      problems.push(tooManyFiles());
      break;
    }
    if (decision.decision === 'problem') {
      problems.push(decision.problem);
      continue;
    }
    const parsed = await cache.get(entry.oid, entry.path, () => source.read(entry.oid));
    // Files of others are remembered by the cache and weigh nothing here.
    if (parsed.manifests.length > 0 || parsed.problems.length > 0) files.push({ path: entry.path, parsed });
    if (performance.now() - busySince > LONGEST_STRETCH_MS) {
      // Streams, heartbeats and pages are served in between.
      await setImmediate();
      busySince = performance.now();
    }
  }
  const set = buildManifestSet(files);
  return problems.length === 0 ? set : { ...set, problems: [...set.problems, ...problems].sort(compareProblems) };
}

function tooManyFiles(): Problem {
  return problem('TooManyFiles', { file: '', line: 0, column: 0 }, `there are more than ${MANIFEST_LIMITS.files} manifest files; the rest is not read`);
}

function duplicate(manifest: AnyManifest, first: Manifest): Problem {
  return problem(
    'DuplicateName',
    manifest.position('/metadata/name'),
    `${manifest.kind} ${manifest.name} is already at ${first.file}:${first.line}`,
    { object: objectName(manifest) },
  );
}
