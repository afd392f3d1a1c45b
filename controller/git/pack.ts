/**
 * Reading objects out of one pack. isomorphic-git copies the rest of the pack for each object that it inflates (0.45 ms
 * each among 10,000, measured) and cannot tell a size beforehand; with zlib on the very entry it is a twentieth of that,
 * and a huge file is refused by its header. Every object is held against its oid.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { constants, inflateSync } from 'node:zlib';
import { applyDelta, deltaResultSize, readVarint } from './delta.ts';
import { PackIndex } from './pack-index.ts';

export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag';

/** The bytes belong to whoever asked for them last: nobody may write to them. */
export interface GitObject {
  readonly type: ObjectType;
  readonly bytes: Buffer;
}

const TYPES: Readonly<Record<number, ObjectType>> = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag' };
const OFFSET_DELTA = 6;
const NAMED_DELTA = 7;
/**
 * Of a deflated delta, so much as holds its two sizes at the worst. The code tables of a dynamic block come before its first byte: of 316 lengths with up
 * to 14 bits each, 570 bytes and more with their head; some tens of bits a byte follow.
 */
const DELTA_HEAD_BYTES = 1024;
/** Bases of deltas that are kept, as the next object often builds on the same. */
const KEPT_BYTES = 16_777_216;

export class Pack {
  /** File name without extension. */
  readonly name: string;
  /** Bytes of the pack file. */
  readonly size: number;
  readonly #index: PackIndex;
  readonly #file: string;
  #bytes: Promise<Buffer> | undefined;
  readonly #kept = new Map<number, GitObject>();
  #keptBytes = 0;

  private constructor(name: string, size: number, file: string, index: PackIndex) {
    this.name = name;
    this.size = size;
    this.#file = file;
    this.#index = index;
  }

  /** Reads the index; the pack itself is read when it is first needed, and stays in memory. */
  static async load(file: string, name: string, size: number): Promise<Pack> {
    return new Pack(name, size, file, await PackIndex.load(file.replace(/pack$/, 'idx')));
  }

  has(oid: string): boolean {
    return this.#index.offset(oid) !== undefined;
  }

  /** Bytes of the inflated object, from its header alone. */
  async objectSize(oid: string): Promise<number> {
    const bytes = await this.#load();
    const { type, size, data } = entryAt(bytes, this.#offset(oid));
    if (TYPES[type] !== undefined) return size;
    return deltaResultSize(inflateSync(bytes.subarray(data, data + DELTA_HEAD_BYTES), { finishFlush: constants.Z_SYNC_FLUSH }));
  }

  async object(oid: string): Promise<GitObject> {
    const object = this.#read(await this.#load(), this.#offset(oid));
    const actual = createHash('sha1').update(`${object.type} ${String(object.bytes.length)}\0`).update(object.bytes).digest('hex');
    if (actual !== oid) throw new Error(`the object is ${actual} in truth`);
    return object;
  }

  #offset(oid: string): number {
    const offset = this.#index.offset(oid);
    if (offset === undefined) throw new Error(`${oid} is not in ${this.name}`);
    return offset;
  }

  /** Goes down the chain of deltas to the first whole object, and up again. Without recursion: chains may be long. */
  #read(bytes: Buffer, start: number): GitObject {
    const deltas: { readonly offset: number; readonly delta: Buffer }[] = [];
    let object = this.#kept.get(start);
    for (let offset = start; object === undefined; ) {
      const { type, size, data, base } = entryAt(bytes, offset);
      const content = inflate(bytes.subarray(data), size);
      const whole = TYPES[type];
      if (whole !== undefined) object = { type: whole, bytes: content };
      else {
        deltas.push({ offset, delta: content });
        offset = typeof base === 'string' ? this.#offset(base) : base;
        // A base by distance lies before; a base by name might lead in a circle in a forged pack.
        if (deltas.length > 10_000) throw new Error('a chain of deltas without end');
        object = this.#kept.get(offset);
        if (object === undefined) continue;
      }
    }
    for (let one = deltas.pop(); one !== undefined; one = deltas.pop()) {
      object = { type: object.type, bytes: applyDelta(object.bytes, one.delta) };
      this.#keep(one.offset, object);
    }
    return object;
  }

  #keep(offset: number, object: GitObject): void {
    if (object.bytes.length > KEPT_BYTES / 8) return;
    this.#kept.set(offset, object);
    this.#keptBytes += object.bytes.length;
    for (const [oldest, old] of this.#kept) {
      if (this.#keptBytes <= KEPT_BYTES) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= old.bytes.length;
    }
  }

  /** Not summed up as a whole: each object is held against its oid. */
  async #load(): Promise<Buffer> {
    this.#bytes ??= readFile(this.#file);
    return await this.#bytes;
  }
}

interface Entry {
  readonly type: number;
  /** Inflated size: of the object, or of the delta. */
  readonly size: number;
  /** Where the deflated data begins. */
  readonly data: number;
  /** Of a delta: offset or oid of its base. */
  readonly base: number | string;
}

function entryAt(bytes: Buffer, offset: number): Entry {
  const type = (bytes.readUInt8(offset) >> 4) & 7;
  const { value: size, next } = readVarint(bytes, offset, 4);
  if (type === NAMED_DELTA) return { type, size, data: next + 20, base: bytes.toString('hex', next, next + 20) };
  if (type !== OFFSET_DELTA) {
    if (TYPES[type] === undefined) throw new Error('an entry of unknown type');
    return { type, size, data: next, base: 0 };
  }
  let at = next;
  let byte = bytes.readUInt8(at);
  let distance = byte & 0x7f;
  for (at += 1; (byte & 0x80) !== 0; at += 1) {
    byte = bytes.readUInt8(at);
    distance = (distance + 1) * 128 + (byte & 0x7f);
  }
  if (distance <= 0 || distance > offset) throw new Error('a delta whose base lies outside of its pack');
  return { type, size, data: at, base: offset - distance };
}

/** What follows the deflated data is not looked at; more than `size` bytes are never made. */
function inflate(data: Buffer, size: number): Buffer {
  const result = inflateSync(data, { maxOutputLength: Math.max(size, 1), chunkSize: Math.min(Math.max(size, 64), 1_048_576) });
  if (result.length !== size) throw new Error('an object has another size than its header says');
  return result;
}
