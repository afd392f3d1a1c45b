/** A revision of a local Git repository as a source of manifests. Reads objects only; never a work tree, never the network. */
import * as fs from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import git from 'isomorphic-git';
import { TagboatError } from '../errors.ts';
import type { EntryMode } from './classify-entry.ts';
import type { TreeEntry, TreeSource } from './read-set.ts';

export interface LocalRepository {
  readonly gitdir: string;
  /** Of the given directory inside the repository, with `/`; '' is the root. */
  readonly below: string;
  /** Packs and indexes stay in here between calls; without it each read costs milliseconds. */
  readonly cache: object;
}

/** Finds the repository that a directory belongs to (or is, if bare). Throws `NotFound`. */
export async function findRepository(directory: string): Promise<LocalRepository> {
  const start = resolve(directory);
  if (await isFile(join(start, 'HEAD'))) return { gitdir: start, below: '', cache: {} };
  for (let at = start; ; at = dirname(at)) {
    const gitdir = join(at, '.git');
    if (await isFile(join(gitdir, 'HEAD'))) return { gitdir, below: relative(at, start).split(sep).join('/'), cache: {} };
    // A linked work tree has a file here that names its own folder; objects and refs lie in the common one.
    if (await isFile(gitdir)) {
      const named = /^gitdir: (.+)$/m.exec(await fs.promises.readFile(gitdir, 'utf8'))?.[1];
      const common = named === undefined ? undefined : /^(.*[\\/]\.git)[\\/]worktrees[\\/]/.exec(resolve(at, named))?.[1];
      if (common !== undefined) return { gitdir: common, below: relative(at, start).split(sep).join('/'), cache: {} };
    }
    if (dirname(at) === at) throw new TagboatError('NotFound', `${directory} is not inside a Git repository`);
  }
}

/** Commit id of a branch, tag (peeled), remote branch, `HEAD` or (abbreviated) id, also with `~2` or `^` behind it. Throws `RefMissing`. */
export async function resolveRevision(repository: LocalRepository, revision: string): Promise<string> {
  const [, name = revision, steps = ''] = /^([^~^]+)((?:[~^]\d{0,4})*)$/.exec(revision) ?? [];
  let oid = await resolveName(repository, name);
  for (const [, sign, digits = ''] of steps.matchAll(/([~^])(\d*)/g)) {
    const count = digits === '' ? 1 : Number(digits);
    // `^2` is the second parent, `~2` the first parent of the first.
    const parents = sign === '^' ? [count] : Array<number>(count).fill(1);
    for (const which of parents) if (which > 0) oid = (await readCommit(repository, (await readCommit(repository, oid, revision)).parent[which - 1] ?? '', revision)).oid;
  }
  return oid;
}

async function resolveName(repository: LocalRepository, revision: string): Promise<string> {
  const at = { fs, gitdir: repository.gitdir, cache: repository.cache };
  for (const ref of [revision, `refs/heads/${revision}`, `refs/tags/${revision}`, `refs/remotes/${revision}`]) {
    const oid = await git.resolveRef({ ...at, ref }).catch(() => null);
    if (oid !== null && /^[0-9a-f]{40}$/.test(oid)) return (await readCommit(repository, oid, revision)).oid;
  }
  if (/^[0-9a-f]{4,40}$/.test(revision)) {
    const oid = await git.expandOid({ ...at, oid: revision }).catch(() => null);
    if (oid !== null) return (await readCommit(repository, oid, revision)).oid;
  }
  throw new TagboatError('RefMissing', `There is no revision ${revision} in this repository`, { hint: 'Name a branch, a tag or a commit id.' });
}

async function readCommit(repository: LocalRepository, oid: string, revision: string): Promise<{ oid: string; tree: string; parent: string[] }> {
  try {
    const { oid: commitId, commit } = await git.readCommit({ fs, gitdir: repository.gitdir, cache: repository.cache, oid });
    return { oid: commitId, tree: commit.tree, parent: commit.parent };
  } catch (error) {
    throw new TagboatError('RefMissing', `${revision} is not a commit of this repository`, { cause: error, hint: 'Fetch it first; a shallow clone lacks older commits.' });
  }
}

/** Any object, as it is stored. */
export async function readObject(repository: LocalRepository, oid: string): Promise<{ readonly type: 'blob' | 'commit' | 'tag' | 'tree'; readonly bytes: Buffer }> {
  const { type, object } = await git.readObject({ fs, gitdir: repository.gitdir, cache: repository.cache, oid, format: 'content' });
  return { type: type as 'commit', bytes: Buffer.from(object as Uint8Array) };
}

/** The first parent of a commit, as far as this clone has it. */
export async function parentRevision(repository: LocalRepository, commit: string): Promise<string | undefined> {
  const [parent] = (await readCommit(repository, commit, commit)).parent;
  return parent === undefined ? undefined : readCommit(repository, parent, parent).then(({ oid }) => oid, () => undefined);
}

/** The tree of a commit, from the directory `below` on. Throws `NotFound` where that directory is not in it. */
export async function revisionSource(repository: LocalRepository, commit: string): Promise<TreeSource> {
  const at = { fs, gitdir: repository.gitdir, cache: repository.cache };
  const { tree } = await readCommit(repository, commit, commit);
  const filepath = repository.below === '' ? {} : { filepath: repository.below };
  const start = await git.readTree({ ...at, oid: tree, ...filepath }).catch((error: unknown) => {
    throw new TagboatError('NotFound', `The directory ${repository.below} is not in commit ${commit.slice(0, 12)}`, { cause: error });
  });
  return {
    entries: () => walk(start.oid, ''),
    read: async (oid) => (await git.readBlob({ ...at, oid })).blob,
  };

  async function* walk(oid: string, below: string): AsyncGenerator<TreeEntry> {
    const found = await git.readTree({ ...at, oid });
    for (const entry of found.tree) {
      const path = below === '' ? entry.path : `${below}/${entry.path}`;
      if (entry.type === 'tree') {
        if (!entry.path.startsWith('.') && path.split('/').length <= 64) yield* walk(entry.oid, path);
      } else {
        yield { path, mode: entry.mode as EntryMode, oid: entry.oid };
      }
    }
  }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then((found) => found.isFile(), () => false);
}
