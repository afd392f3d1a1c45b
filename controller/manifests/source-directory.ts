/** A plain directory as a source of manifests, by the same rules as a commit: links are not followed. */
import { lstat, open, readdir } from 'node:fs/promises';
import { constants } from 'node:fs';
import { join } from 'node:path';
import { TagboatError } from '../errors.ts';
import { MANIFEST_LIMITS } from './limits.ts';
import type { TreeEntry, TreeSource } from './read-set.ts';

/** Folders below which nobody keeps manifests, and which can be enormous. */
const SKIPPED: ReadonlySet<string> = new Set(['node_modules']);
const DEEPEST = 64;
/** As much of a file as is needed to see that it is too large. */
const READ_LIMIT = MANIFEST_LIMITS.fileBytes + 1;

/** Throws `NotFound` where `root` is no directory. An entry's `oid` is its path: a directory has no content ids. */
export async function directorySource(root: string): Promise<TreeSource> {
  const stat = await lstat(`${root}/`).catch(() => null);
  if (stat === null || !stat.isDirectory()) throw new TagboatError('NotFound', `There is no directory ${root}`);
  return {
    entries: () => walk(root, '', 0),
    read: (oid) => readLimited(join(root, oid)),
  };
}

async function* walk(root: string, below: string, depth: number): AsyncGenerator<TreeEntry> {
  const found = await readdir(join(root, below), { withFileTypes: true });
  found.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const item of found) {
    const path = below === '' ? item.name : `${below}/${item.name}`;
    if (item.isSymbolicLink()) yield { path, mode: '120000', oid: path };
    else if (item.isDirectory()) {
      // What starts with a dot is never read (`.git` has many files), so it is not even listed.
      if (depth < DEEPEST && !item.name.startsWith('.') && !SKIPPED.has(item.name)) yield* walk(root, path, depth + 1);
    } else if (item.isFile()) yield { path, mode: '100644', oid: path };
  }
}

/** The first bytes, through a descriptor that refuses a link put there meanwhile. */
async function readLimited(path: string): Promise<Uint8Array> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, READ_LIMIT));
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } finally {
    await file.close();
  }
}
