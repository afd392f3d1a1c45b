/**
 * Many packs become one without asking the server again: an entry of a complete pack refers only backwards by distance
 * or by name within its pack, so entries may be copied one after the other under a new header.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const HEADER = 12;
const TRAILER = 20;
const CHUNK = 1_048_576;

/** Writes the entries of `packs` into the new pack `file`. */
export async function mergePacks(packs: readonly string[], file: string): Promise<{ checksum: string; objects: number; bytes: number }> {
  const sources = await Promise.all(packs.map(async (pack) => await open(pack, 'r')));
  const target = await open(file, 'wx');
  try {
    const header = Buffer.from('PACK\0\0\0\u0002\0\0\0\0', 'latin1');
    const counts = await Promise.all(sources.map(async (source) => (await source.read(Buffer.alloc(4), 0, 4, 8)).buffer.readUInt32BE(0)));
    const objects = counts.reduce((sum, count) => sum + count, 0);
    header.writeUInt32BE(objects, 8);
    const hash = createHash('sha1').update(header);
    await target.writeFile(header);
    let bytes = HEADER + TRAILER;
    for (const source of sources) {
      const end = (await source.stat()).size - TRAILER;
      for (let at = HEADER; at < end; ) {
        const { bytesRead, buffer } = await source.read(Buffer.alloc(Math.min(CHUNK, end - at)), 0, Math.min(CHUNK, end - at), at);
        if (bytesRead === 0) throw new Error('a pack is shorter than it was');
        const piece = buffer.subarray(0, bytesRead);
        hash.update(piece);
        await target.writeFile(piece);
        at += bytesRead;
        bytes += bytesRead;
      }
    }
    const checksum = hash.digest();
    await target.writeFile(checksum);
    await target.sync();
    return { checksum: checksum.toString('hex'), objects, bytes };
  } finally {
    await Promise.all([target, ...sources].map(async (handle) => await handle.close()));
  }
}
