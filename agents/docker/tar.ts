/** As much of tar (ustar) as putting files into a container and reading one back takes. Pure. */
import type { ConfigFile } from '../../schemas/gen/types.ts';

const BLOCK = 512;
const NAME_BYTES = 100;

export interface TarFile {
  /** Absolute, in the container; missing directories are made by the engine. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly content: Buffer;
}

/** Text files of the configuration: owned by root. */
export function tarOf(files: Readonly<Record<string, ConfigFile>>): Buffer {
  return packTar(Object.entries(files).map(([path, { content, mode = '0644' }]) => ({ path, mode: parseInt(mode, 8), uid: 0, gid: 0, content: Buffer.from(content) })));
}

/** Times are fixed: equal files give an equal archive. */
export function packTar(files: readonly TarFile[]): Buffer {
  const parts = files.flatMap((file) => {
    const name = Buffer.from(file.path.replace(/^\/+/, ''));
    // A name that does not fit into its field goes before it as a file of its own (GNU long name).
    const long = name.length > NAME_BYTES ? entry(Buffer.from('././@LongLink'), { mode: 0, uid: 0, gid: 0, content: Buffer.concat([name, Buffer.alloc(1)]) }, 'L') : [];
    return [...long, ...entry(name.subarray(0, NAME_BYTES), file, '0')];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

/** The content of the first file of an archive, or undefined where there is none. */
export function firstFile(archive: Buffer): Buffer | undefined {
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0; ) {
    const size = parseInt(archive.toString('latin1', at + 124, at + 135), 8) || 0;
    const type = String.fromCharCode(archive[at + 156] ?? 0);
    if (type === '0' || type === '\0') return archive.subarray(at + BLOCK, at + BLOCK + size);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return undefined;
}

function entry(name: Buffer, { mode, uid, gid, content }: Omit<TarFile, 'path'>, type: string): Buffer[] {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => void header.write(`${value.toString(8).padStart(digits, '0')}\0`, at);
  name.copy(header, 0);
  octal(mode, 100, 7);
  octal(uid, 108, 7);
  octal(gid, 116, 7);
  octal(content.length, 124, 11);
  octal(0, 136, 11);
  header.write('        ', 148);
  header.write(type, 156);
  header.write('ustar  \0', 257);
  octal(header.reduce((total, byte) => total + byte, 0), 148, 6);
  header.write(' ', 155);
  return [header, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
}
