/** What merging a request gives: the host's own answer where it is fresh, else worked out file by file. */
import type { Line } from '../../git/ancestry.ts';
import type { Mirror } from '../../git/mirror.ts';
import type { TreeEntry } from '../../git/objects.ts';
import type { TreeDiff } from '../../git/tree-diff.ts';

export interface Merge {
  /**
   * `host`: the host's merge of exactly these two commits. `contains`: the head builds on the base, and is the result.
   * `files`: each file as the one side that changed it has it.
   */
  readonly method: 'host' | 'contains' | 'files';
  /** From the base to the result, in the whole repository. */
  readonly changes: TreeDiff;
  /** Files that both sides changed, each in its own way; they are left as the base has them. */
  readonly conflicts: readonly string[];
  /** The two have no common history; nothing can be said. */
  readonly unrelated: boolean;
}

const NOTHING: TreeDiff = { added: [], modified: [], removed: [] };

/** `line`: the base with its ancestors. Costs the difference. */
export async function mergeInto(mirror: Mirror, line: Line, base: string, head: string, hostMerge: string | null): Promise<Merge> {
  if (hostMerge !== null && mirror.has(hostMerge)) {
    const { parents } = await mirror.commit(hostMerge);
    if (parents.includes(base) && parents.includes(head)) return { method: 'host', changes: await mirror.diffTrees(base, hostMerge), conflicts: [], unrelated: false };
  }
  const [point] = await mirror.meetingPoints(head, line);
  if (point === undefined) return { method: 'files', changes: NOTHING, conflicts: [], unrelated: true };
  const theirs = await mirror.diffTrees(point, head);
  if (point === base) return { method: 'contains', changes: theirs, conflicts: [], unrelated: false };
  return { method: 'files', ...combine(await mirror.diffTrees(point, base), theirs), unrelated: false };
}

/** Three-way by path: what only they changed is taken, what both changed alike is there already. Pure. */
function combine(ours: TreeDiff, theirs: TreeDiff): { readonly changes: TreeDiff; readonly conflicts: readonly string[] } {
  const mine = contentByPath(ours);
  const conflicts: string[] = [];
  const takes = (path: string, content: string): boolean => {
    const own = mine.get(path);
    if (own !== undefined && own !== content) conflicts.push(path);
    return own === undefined;
  };
  const changes = {
    added: theirs.added.filter((entry) => takes(entry.path, contentOf(entry))),
    modified: theirs.modified.filter((entry) => takes(entry.path, contentOf(entry))),
    removed: theirs.removed.filter((entry) => takes(entry.path, GONE)),
  };
  return { changes, conflicts: conflicts.sort() };
}

const GONE = 'gone';

function contentOf({ mode, oid }: TreeEntry): string {
  return `${mode} ${oid}`;
}

/** What each changed path holds afterwards. */
export function contentByPath({ added, modified, removed }: TreeDiff): Map<string, string> {
  const content = new Map(removed.map((entry) => [entry.path, GONE]));
  for (const entry of [...added, ...modified]) content.set(entry.path, contentOf(entry));
  return content;
}

export function isEmpty({ changes, conflicts, unrelated }: Merge): boolean {
  return changes.added.length + changes.modified.length + changes.removed.length + conflicts.length === 0 && !unrelated;
}
