/**
 * Lays the files of an archive down in a directory, and nowhere else. Links are made last, so that nothing is ever written through one, and each must then lead to
 * something inside. Owners, times and all rights but "may be run" are dropped.
 */
import { link, mkdir, open, realpath, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, posix, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import type { Headers } from 'tar-stream';
import { pooled } from '../../core/pool.ts';

export interface UnpackLimits {
  readonly bytes: number;
  readonly entries: number;
}

/** Twenty times of what Tagboat is, and more. */
const LIMITS: UnpackLimits = { bytes: 1024 ** 3, entries: 200_000 };
/** Files are held whole while they are written. */
const MAX_FILE = 128 * 1024 ** 2;

interface Link {
  readonly name: string;
  readonly target: string;
  readonly kind: 'link' | 'symlink';
}

/**
 * `into` must be there and empty. What is below the one directory that the archive holds goes into it, flushed to the disk. Throws an error with a text for people
 * where an entry leaves the directory, is neither file, directory nor link, or where it is too much; what was laid down then stays for the caller to remove.
 */
export async function unpack(archive: Readable, into: string, signal: AbortSignal, limits = LIMITS): Promise<void> {
  const links: Link[] = [];
  const directories = new Set([into]);
  const files: string[] = [];
  let bytes = 0;
  let entries = 0;
  let root: string | undefined;

  async function lay(header: Headers, body: Readable): Promise<void> {
    const [top = '', ...rest] = segments(header.name);
    root ??= top;
    if (top === '' || top !== root) throw new Error(`${JSON.stringify(header.name)} is beside ${JSON.stringify(root)}`);
    bytes += header.size ?? 0;
    entries += 1;
    if (entries > limits.entries) throw new Error(`there are more than ${limits.entries} files`);
    if (bytes > limits.bytes || (header.size ?? 0) > MAX_FILE) throw new Error(`it is larger than ${Math.round(limits.bytes / 1024 ** 2)} MB, or ${JSON.stringify(header.name)} larger than ${MAX_FILE / 1024 ** 2} MB`);
    const name = rest.join('/');
    const { type } = header;
    if (name === '' && type !== 'directory') throw new Error(`${JSON.stringify(header.name)} is a ${type ?? 'thing'} and no directory`);
    const path = join(into, name);
    if (type === 'directory' || type === 'file' || type === 'contiguous-file') {
      const directory = type === 'directory' ? path : dirname(path);
      if (!directories.has(directory)) {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        directories.add(directory);
      }
      if (type !== 'directory') {
        await writeFile(path, await whole(body), { flag: 'wx', mode: ((header.mode ?? 0) & 0o111) === 0 ? 0o600 : 0o700 });
        files.push(path);
      }
    } else if (type === 'symlink' || type === 'link') links.push({ name, target: targetOf(header, name, root), kind: type });
    else throw new Error(`${JSON.stringify(header.name)} is a ${type ?? 'thing'}`);
    // What has no content of its own may still have brought some.
    body.resume();
  }

  const entriesOf = extract();
  entriesOf.on('entry', (header, body, next) => {
    lay(header, body as Readable).then(() => next(), (error: unknown) => next(error));
  });
  await pipeline(archive, entriesOf, { signal });
  await makeLinks(links, into);
  // Once all is written: the disk then has one journal entry to write for many.
  await pooled(files, flush);
  await pooled([...directories], flush);
}

/** Hard ones first: for them no symbolic one is in the way yet. */
async function makeLinks(links: readonly Link[], into: string): Promise<void> {
  const names = new Set(links.map(({ name }) => name));
  for (const { name } of links) {
    for (let above = posix.dirname(name); above !== '.'; above = posix.dirname(above)) if (names.has(above)) throw new Error(`${JSON.stringify(name)} is below the link ${JSON.stringify(above)}`);
  }
  for (const { kind, name, target } of links) if (kind === 'link') await link(join(into, target), join(into, name));
  for (const { kind, name, target } of links) if (kind === 'symlink') await symlink(target, join(into, name));
  const inside = `${await realpath(into)}${sep}`;
  for (const { name, target } of links) {
    const real = await realpath(join(into, name)).catch(() => undefined);
    if (real === undefined || !real.startsWith(inside)) throw new Error(`the link ${JSON.stringify(name)} to ${JSON.stringify(target)} leads to nothing inside`);
  }
}

/** Throws for a name that does not stay below where it begins. */
function segments(name: string): string[] {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || name.includes('\0') || parts.includes('..')) throw new Error(`${JSON.stringify(name)} leaves the directory`);
  return parts;
}

/** Of a symbolic link as it is written, of a hard link below the root. */
function targetOf({ type, linkname }: Headers, name: string, root: string): string {
  const target = linkname ?? '';
  const refused = new Error(`the link ${JSON.stringify(name)} to ${JSON.stringify(target)} leaves the directory`);
  if (target === '' || target.startsWith('/') || target.includes('\0')) throw refused;
  if (type === 'link') {
    const [top, ...rest] = segments(target);
    if (top !== root) throw refused;
    return rest.join('/');
  }
  const resolved = posix.normalize(posix.join(posix.dirname(name), target));
  if (resolved === '..' || resolved.startsWith('../')) throw refused;
  return target;
}

async function whole(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await new Promise((resolve, reject) => {
    body.on('data', (chunk: Buffer) => void chunks.push(chunk));
    body.once('end', resolve);
    body.once('error', reject);
  });
  return Buffer.concat(chunks);
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
