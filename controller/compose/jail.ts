/** The files beside a compose file, and nothing else: whatever a path says, it stays in one directory. */
import { closeSync, constants, existsSync, fstatSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';

export type Found =
  | { readonly kind: 'file'; readonly text: string; readonly executable: boolean }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'missing' }
  /** Outside of the directory, by `..`, by an absolute path or by a link. */
  | { readonly kind: 'outside' }
  /** Too large, no text, or neither file nor directory. */
  | { readonly kind: 'unreadable'; readonly why: string };

const FILE_BYTES = 1024 * 1024;
const FILES = 500;

export class Jail {
  readonly root: string;

  /** @param root has to exist. */
  constructor(root: string) {
    this.root = realpathSync(root);
  }

  /** The path from the root, with `/`; undefined where it leads out. `.` is the root. */
  inside(from: string, path: string): string | undefined {
    if (posix.isAbsolute(path)) {
      const below = relative(this.root, path).split(sep).join('/');
      return below.startsWith('..') || posix.isAbsolute(below) ? undefined : below === '' ? '.' : below;
    }
    const joined = posix.normalize(posix.join(posix.dirname(from), path)).replace(/\/+$/, '');
    return joined === '..' || joined.startsWith('../') ? undefined : joined;
  }

  /** @param path from the root, as `inside` answers it. */
  look(path: string | undefined): Found {
    if (path === undefined) return { kind: 'outside' };
    if (path.includes('\0')) return { kind: 'unreadable', why: 'its name has a NUL character' };
    const full = join(this.root, path);
    if (!existsSync(full)) return { kind: 'missing' };
    const real = realpathSync(full);
    if (real !== this.root && !real.startsWith(this.root + sep)) return { kind: 'outside' };
    const stat = statSync(real);
    if (stat.isDirectory()) return { kind: 'directory', path };
    return stat.isFile() ? readText(real) : { kind: 'unreadable', why: 'it is neither a file nor a directory' };
  }

  /** Files below a directory by their path in it, sorted; undefined where there are more than anybody would copy. */
  list(path: string): readonly string[] | undefined {
    const found: string[] = [];
    const queue = [''];
    for (let below = queue.shift(); below !== undefined; below = queue.shift()) {
      for (const item of readdirSync(join(this.root, path, below), { withFileTypes: true })) {
        const name = below === '' ? item.name : `${below}/${item.name}`;
        if (item.isDirectory()) queue.push(name);
        else found.push(name);
        if (found.length > FILES || queue.length > FILES) return undefined;
      }
    }
    return found.sort();
  }
}

function readText(real: string): Found {
  // Opened without following links: the path was resolved already, and what was put there since is not wanted.
  const file = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size, mode } = fstatSync(file);
    if (size > FILE_BYTES) return { kind: 'unreadable', why: `it is larger than ${FILE_BYTES / 1024} KiB` };
    const buffer = Buffer.alloc(size);
    let length = 0;
    for (let read = 1; length < size && read > 0; length += read) read = readSync(file, buffer, length, size - length, length);
    const bytes = buffer.subarray(0, length);
    if (bytes.includes(0)) return { kind: 'unreadable', why: 'it is not text' };
    return { kind: 'file', text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), executable: (mode & 0o100) !== 0 };
  } catch (error) {
    return { kind: 'unreadable', why: error instanceof TypeError ? 'it is not UTF-8' : 'it cannot be read' };
  } finally {
    closeSync(file);
  }
}
