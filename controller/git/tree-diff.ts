/** What changed between two trees. Descends only where oids differ, so the cost follows the change, not the repository. */
import { parseTree, TREE_MODE, type ObjectSource, type TreeEntry } from './objects.ts';
import { walk } from './tree-source.ts';

/** Each list is in byte order of the paths. `modified` names what is there now; a change of the mode alone counts. */
export interface TreeDiff {
  readonly added: readonly TreeEntry[];
  readonly modified: readonly TreeEntry[];
  readonly removed: readonly TreeEntry[];
}

type Lists = { readonly [Key in keyof TreeDiff]: TreeEntry[] };

/** Compares two trees (undefined: an empty one) whose paths begin with `directory`. */
export async function diffTrees(source: ObjectSource, before: string | undefined, after: string | undefined, directory: string): Promise<TreeDiff> {
  const lists: Lists = { added: [], modified: [], removed: [] };
  await compare(source, before, after, directory, lists);
  for (const list of Object.values(lists)) list.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return lists;
}

async function compare(source: ObjectSource, before: string | undefined, after: string | undefined, directory: string, lists: Lists): Promise<void> {
  if (before === after) return;
  const [old, now] = await Promise.all([entriesOf(source, before), entriesOf(source, after)]);
  for (const name of new Set([...old.keys(), ...now.keys()])) {
    const [was, is] = [old.get(name), now.get(name)];
    if (was?.oid === is?.oid && was?.mode === is?.mode) continue;
    const path = directory === '' ? name : `${directory}/${name}`;
    if (was !== undefined && is !== undefined) {
      if (was.mode === TREE_MODE && is.mode === TREE_MODE) {
        await compare(source, was.oid, is.oid, path, lists);
        continue;
      }
      if (was.mode !== TREE_MODE && is.mode !== TREE_MODE) {
        lists.modified.push({ path, mode: is.mode, oid: is.oid });
        continue;
      }
    }
    // One side only, or a file became a directory or the other way round.
    if (was !== undefined) await collect(source, was, path, lists.removed);
    if (is !== undefined) await collect(source, is, path, lists.added);
  }
}

async function collect(source: ObjectSource, entry: { readonly mode: string; readonly oid: string }, path: string, list: TreeEntry[]): Promise<void> {
  if (entry.mode !== TREE_MODE) {
    list.push({ path, mode: entry.mode, oid: entry.oid });
    return;
  }
  for await (const one of walk(source, entry.oid, path)) list.push(one);
}

async function entriesOf(source: ObjectSource, tree: string | undefined): Promise<Map<string, { mode: string; oid: string }>> {
  if (tree === undefined) return new Map();
  return new Map(parseTree((await source.object(tree)).bytes).map(({ name, mode, oid }) => [name, { mode, oid }]));
}
