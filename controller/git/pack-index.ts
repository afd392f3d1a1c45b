/**
 * The index of one pack (version 2): which objects it holds, and how large one is before it is inflated, so that a huge
 * file is refused by its header. isomorphic-git answers neither question without reading the object.
 */
import { createHash } from 'node:crypto';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { constants, inflateSync } from 'node:zlib';

const FANOUT = 8;
const NAMES = FANOUT + 256 * 4;
/** More than any header of an entry takes: type and size (10), base (20), and the first bytes of a delta, deflated. */
const HEADER_BYTES = 128;

export class PackIndex {
  readonly #bytes: Buffer;
  readonly #pack: string;
  readonly count: number;

  private constructor(bytes: Buffer, pack: string) {
    this.#bytes = bytes;
    this.#pack = pack;
    this.count = bytes.readUInt32BE(NAMES - 4);
  }

  /** Reads the index beside `pack` and verifies its checksum. Throws plain errors: the caller calls it damage. */
  static async load(pack: string): Promise<PackIndex> {
    const bytes = await readFile(pack.replace(/\.pack$/, '.idx'));
    if (bytes.length < NAMES + 40 || bytes.readUInt32BE(0) !== 0xff744f63 || bytes.readUInt32BE(4) !== 2) throw new Error('no pack index of version 2');
    if (!createHash('sha1').update(bytes.subarray(0, -20)).digest().equals(bytes.subarray(-20))) throw new Error('the pack index is damaged');
    return new PackIndex(bytes, pack);
  }

  /** Where an object begins in the pack; undefined when it is not there. */
  offset(oid: string): number | undefined {
    const name = Buffer.from(oid, 'hex');
    const first = name[0];
    if (first === undefined || name.length !== 20) return undefined;
    let low = first === 0 ? 0 : this.#bytes.readUInt32BE(FANOUT + (first - 1) * 4);
    let high = this.#bytes.readUInt32BE(FANOUT + first * 4);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = name.compare(this.#bytes, NAMES + middle * 20, NAMES + middle * 20 + 20);
      if (order === 0) return this.#bytes.readUInt32BE(NAMES + this.count * 24 + middle * 4);
      if (order < 0) high = middle;
      else low = middle + 1;
    }
    return undefined;
  }

  /** The inflated size of an object in bytes, from its header alone; undefined when it is not in this pack. */
  async size(oid: string): Promise<number | undefined> {
    const offset = this.offset(oid);
    if (offset === undefined) return undefined;
    const handle = await open(this.#pack, 'r');
    try {
      return await entrySize(handle, offset);
    } finally {
      await handle.close();
    }
  }
}

async function entrySize(handle: FileHandle, offset: number): Promise<number> {
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, offset);
  const header = buffer.subarray(0, bytesRead);
  const type = ((header[0] ?? 0) >> 4) & 7;
  const own = readVarint(header, 0, 4);
  if (type !== 6 && type !== 7) return own.value;
  // A delta: its size is that of the delta; the result's size is the second number inside.
  let at = own.next;
  if (type === 7) at += 20;
  else {
    while (((header[at] ?? 0) & 0x80) !== 0) at += 1;
    at += 1;
  }
  const delta = inflateSync(header.subarray(at), { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 1_048_576 });
  return readVarint(delta, readVarint(delta, 0, 7).next, 7).value;
}

/** Little-endian groups of seven bits; the first byte holds only `firstBits` of them. Multiplied, as sizes may pass 2^31. */
function readVarint(bytes: Buffer, start: number, firstBits: number): { value: number; next: number } {
  let byte = bytes[start] ?? 0;
  let value = byte & (2 ** firstBits - 1);
  let scale = 2 ** firstBits;
  let at = start + 1;
  while ((byte & 0x80) !== 0) {
    if (at >= bytes.length) throw new Error('an entry of the pack is damaged');
    byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    scale *= 128;
    at += 1;
  }
  return { value, next: at };
}
