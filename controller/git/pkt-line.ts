/** Git's framing of lines (gitprotocol-common): four hexadecimal digits of length, then the payload. */

export const FLUSH = 'flush';
export const DELIMITER = 'delimiter';
/** `response-end`, which only stateless connections of other kinds send; taken as a flush. */
export type Packet = Buffer | typeof FLUSH | typeof DELIMITER;

/** Frames lines for a request; `flush` and `delimiter` are the special packets. */
export function encodePackets(lines: readonly (string | { readonly special: typeof FLUSH | typeof DELIMITER })[]): Buffer {
  return Buffer.concat(
    lines.map((line) => {
      if (typeof line !== 'string') return Buffer.from(line.special === FLUSH ? '0000' : '0001');
      const payload = Buffer.from(`${line}\n`, 'utf8');
      return Buffer.concat([Buffer.from((payload.length + 4).toString(16).padStart(4, '0')), payload]);
    }),
  );
}

/** The bytes are not what this protocol allows: no Git server, or an answer that was cut. */
export class FramingError extends Error {}

/** Takes chunks of any size apart into packets, holding at most one packet (64 KB) and one chunk. */
export async function* decodePackets(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Packet> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= 4) {
      const digits = rest.toString('latin1', at, at + 4);
      if (!/^[0-9a-f]{4}$/i.test(digits)) throw new FramingError('a packet does not begin with its length');
      const length = Number.parseInt(digits, 16);
      if (length === 3) throw new FramingError('a packet of length 3');
      if (length < 4) {
        at += 4;
        yield length === 1 ? DELIMITER : FLUSH;
        continue;
      }
      if (rest.length - at < length) break;
      yield rest.subarray(at + 4, at + length);
      at += length;
    }
    rest = rest.subarray(at);
  }
  if (rest.length > 0) throw new FramingError('the answer ends in the middle of a packet');
}

/** A packet as text, without the line feed that it may end with. */
export function packetText(packet: Buffer): string {
  return packet.toString('utf8').replace(/\n$/, '');
}
