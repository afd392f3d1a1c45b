/** The files of one commit, read as they are asked for: memory holds one path down the tree, not the tree. */
import { parseTree, TREE_MODE, type ObjectSource, type TreeEntry } from './objects.ts';

export interface TreeSource {
  /** Directory that it begins at; '' is the root of the repository. */
  readonly directory: string;
  /** Oid of the directory's tree: equal oids, equal content. Absent when the commit has no such directory. */
  readonly oid?: string;
  /** Files, links and submodules below, in byte order of their paths. Paths begin at the root of the repository. */
  entries(): AsyncIterable<TreeEntry>;
}

/** `root` is the oid of the commit's tree. */
export async function openTree(source: ObjectSource, root: string, directory: string): Promise<TreeSource> {
  const oid = await findTree(source, root, directory);
  if (oid === undefined) return { directory, entries: nothing };
  return { directory, oid, entries: () => walk(source, oid, directory) };
}

/** The tree at a directory; undefined when there is none (or a file). */
export async function findTree(source: ObjectSource, root: string, directory: string): Promise<string | undefined> {
  let oid = root;
  for (const step of directory.split('/').filter((part) => part !== '')) {
    const entry = parseTree((await source.object(oid)).bytes).find((one) => one.name === step);
    if (entry?.mode !== TREE_MODE) return undefined;
    oid = entry.oid;
  }
  return oid;
}

export async function* walk(source: ObjectSource, tree: string, directory: string): AsyncGenerator<TreeEntry> {
  for (const { name, mode, oid } of parseTree((await source.object(tree)).bytes)) {
    const path = directory === '' ? name : `${directory}/${name}`;
    if (mode === TREE_MODE) yield* walk(source, oid, path);
    else yield { path, mode, oid };
  }
}

async function* nothing(): AsyncGenerator<TreeEntry> {
  // No directory, no entries.
}
