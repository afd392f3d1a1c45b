/**
 * One round of fetching for any number of refs. Wants and haves go out in one request without reading the server's
 * advertisement first (349 KB among 5,000 refs, measured): the caller knows the oids from its listing. The pack comes
 * complete (no thin pack), so that every pack of a mirror stands for itself.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Send } from './open-transport.ts';
import { DELIMITER, decodePackets, encodePackets, FLUSH, FramingError, packetText } from './pkt-line.ts';
import { refusal } from './remote-error.ts';
import type { Remote } from './remote.ts';

/** What every server since Git 1.6.6 offers; multi_ack_detailed is demanded by some. */
const CAPABILITIES = 'multi_ack_detailed side-band-64k ofs-delta agent=tagboat';
const TRAILER = 20;

export interface ReceivedPack {
  /** Hex of the SHA-1 that ends the pack. */
  readonly checksum: string;
  readonly objects: number;
  readonly bytes: number;
}

/**
 * Asks for `wants`, names `haves`, and writes the pack that comes to `file` (created, never overwritten). The checksum
 * is verified on the way and the file is on disk when this returns. A pack of 0 objects is possible.
 */
export async function fetchPack(remote: Remote, send: Send, wants: readonly string[], haves: readonly string[], file: string): Promise<ReceivedPack> {
  const unique = [...new Set(wants)];
  const body = encodePackets([
    ...unique.map((oid, index) => (index === 0 ? `want ${oid} ${CAPABILITIES}` : `want ${oid}`)),
    { special: FLUSH },
    ...haves.map((oid) => `have ${oid}`),
    'done',
  ]);
  const handle = await open(file, 'wx');
  try {
    const hash = createHash('sha1');
    let tail: Buffer = Buffer.alloc(0);
    let header: Buffer = Buffer.alloc(0);
    let bytes = 0;
    for await (const chunk of packBytes(remote, send(0, body))) {
      await handle.writeFile(chunk);
      bytes += chunk.length;
      if (header.length < 12) header = Buffer.concat([header, chunk.subarray(0, 12 - header.length)]);
      // The last 20 bytes are not part of what they sum up.
      const known = Buffer.concat([tail, chunk]);
      hash.update(known.subarray(0, Math.max(known.length - TRAILER, 0)));
      tail = known.subarray(Math.max(known.length - TRAILER, 0));
    }
    if (header.toString('latin1', 0, 4) !== 'PACK' || header.length < 12) throw new FramingError('no pack came');
    if (hash.digest('hex') !== tail.toString('hex')) throw new FramingError('the pack was cut or damaged on the way');
    await handle.sync();
    return { checksum: tail.toString('hex'), objects: header.readUInt32BE(8), bytes };
  } finally {
    await handle.close();
  }
}

/** Takes the pack out of the side bands; what stands before it (ACK, NAK) needs no answer as we have said `done`. */
async function* packBytes(remote: Remote, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const packet of decodePackets(chunks)) {
    if (packet === FLUSH || packet === DELIMITER) continue;
    const band = packet[0];
    if (band === 1) yield packet.subarray(1);
    else if (band === 3) throw refusal(remote, packet.toString('utf8', 1));
    else if (band !== 2) {
      const line = packetText(packet);
      if (line.startsWith('ERR ')) throw refusal(remote, line.slice(4));
      if (!/^(NAK|ACK |shallow |unshallow )/.test(line)) throw new FramingError('something that is neither an acknowledgement nor a pack');
    }
  }
}
