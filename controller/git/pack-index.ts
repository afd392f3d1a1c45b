/** The index of one pack (version 2): where an object begins. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

const FANOUT = 8;
const NAMES = FANOUT + 256 * 4;

export class PackIndex {
  readonly #bytes: Buffer;
  readonly #count: number;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#count = bytes.readUInt32BE(NAMES - 4);
  }

  /** Reads an index file and verifies its checksum. Throws plain errors: the store calls them damage. */
  static async load(file: string): Promise<PackIndex> {
    const bytes = await readFile(file);
    if (bytes.length < NAMES + 40 || bytes.readUInt32BE(0) !== 0xff744f63 || bytes.readUInt32BE(4) !== 2) throw new Error('no pack index of version 2');
    if (!createHash('sha1').update(bytes.subarray(0, -20)).digest().equals(bytes.subarray(-20))) throw new Error('the pack index is damaged');
    return new PackIndex(bytes);
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
      if (order === 0) return this.#bytes.readUInt32BE(NAMES + this.#count * 24 + middle * 4);
      if (order < 0) high = middle;
      else low = middle + 1;
    }
    return undefined;
  }
}
