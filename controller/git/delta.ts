/** Git's deltas (gitformat-pack): a base and a list of copies from it and new bytes. Pure. */

/** Little-endian groups of seven bits; the first byte holds only `firstBits` of them. Multiplied, as sizes may pass 2^31. */
export function readVarint(bytes: Buffer, start: number, firstBits: 4 | 7): { readonly value: number; readonly next: number } {
  let byte = bytes.readUInt8(start);
  let value = byte & (2 ** firstBits - 1);
  let scale = 2 ** firstBits;
  let next = start + 1;
  for (; (byte & 0x80) !== 0; next += 1) {
    byte = bytes.readUInt8(next);
    value += (byte & 0x7f) * scale;
    scale *= 128;
  }
  return { value, next };
}

/** Size of what a delta makes; its first bytes suffice. */
export function deltaResultSize(delta: Buffer): number {
  return readVarint(delta, readVarint(delta, 0, 7).next, 7).value;
}

export function applyDelta(base: Buffer, delta: Buffer): Buffer {
  const from = readVarint(delta, 0, 7);
  if (from.value !== base.length) throw new Error('a delta does not fit its base');
  const to = readVarint(delta, from.next, 7);
  const result = Buffer.allocUnsafe(to.value);
  let written = 0;
  for (let at = to.next; at < delta.length; ) {
    const command = delta.readUInt8(at);
    at += 1;
    if (command === 0) throw new Error('a delta holds an unknown command');
    if ((command & 0x80) === 0) {
      written += delta.copy(result, written, at, at + command);
      at += command;
      continue;
    }
    let offset = 0;
    let size = 0;
    for (let bit = 0; bit < 4; bit += 1) if ((command & (1 << bit)) !== 0) offset += delta.readUInt8(at++) * 2 ** (8 * bit);
    for (let bit = 0; bit < 3; bit += 1) if ((command & (0x10 << bit)) !== 0) size += delta.readUInt8(at++) * 2 ** (8 * bit);
    if (size === 0) size = 0x10000;
    written += base.copy(result, written, offset, offset + size);
  }
  if (written !== result.length) throw new Error('a delta makes another size than it says');
  return result;
}
