/** Text files as the archive (ustar) that the engine takes to put files into a container. Pure. */
import type { ConfigFile } from '../../schemas/gen/types.ts';

const BLOCK = 512;
const NAME_BYTES = 100;

/** Owned by root, with fixed times: equal files give an equal archive. Missing directories are made by the engine. */
export function tarOf(files: Readonly<Record<string, ConfigFile>>): Buffer {
  const parts = Object.entries(files).flatMap(([path, { content, mode = '0644' }]) => {
    const name = Buffer.from(path.replace(/^\/+/, ''));
    // A name that does not fit into its field goes before it as a file of its own (GNU long name).
    const long = name.length > NAME_BYTES ? entry(Buffer.from('././@LongLink'), Buffer.concat([name, Buffer.alloc(1)]), '0000', 'L') : [];
    return [...long, ...entry(name.subarray(0, NAME_BYTES), Buffer.from(content), mode, '0')];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function entry(name: Buffer, content: Buffer, mode: string, type: string): Buffer[] {
  const header = Buffer.alloc(BLOCK);
  name.copy(header, 0);
  header.write(`${mode.padStart(7, '0')}\0`, 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write('ustar  \0', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return [header, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
}
