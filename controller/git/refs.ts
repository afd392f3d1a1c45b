/**
 * The listing of a remote's refs: one request per repository and tick, whatever the number of manifests. Protocol v2
 * lets the server filter by prefix (212 bytes instead of 349 KB among 5,000 refs); a server without it is listed whole.
 */
import { request, type Send } from './open-transport.ts';
import { DELIMITER, decodePackets, encodePackets, FLUSH, FramingError, packetText, type Packet } from './pkt-line.ts';
import { refusal, RemoteError } from './remote-error.ts';
import type { Remote } from './remote.ts';
import type { OnRequest } from './transport.ts';

export interface RemoteRef {
  /** What the ref names: a commit, or the tag object of an annotated tag. */
  readonly oid: string;
  /** Of an annotated tag: what its chain of tag objects ends at. */
  readonly peeled?: string;
}

export interface RemoteRefs {
  /** By full name (`refs/heads/main`), in the server's order (byte order). `HEAD` is not among them. */
  readonly refs: ReadonlyMap<string, RemoteRef>;
  /** Full name of the branch that HEAD points at; absent when HEAD is detached or its branch is not born yet. */
  readonly head?: string;
}

export interface ListOptions {
  /** Full names or beginnings of names; at least one. `HEAD` is always asked for. */
  readonly prefixes: readonly string[];
  readonly signal?: AbortSignal;
  /** Milliseconds; 30 s unless told. */
  readonly timeoutMs?: number;
  /** 64 MB unless told: 900,000 refs on a server without protocol v2. */
  readonly maxBytes?: number;
  readonly onRequest?: OnRequest;
}

/**
 * Servers that answered in protocol v2. They are asked at once from then on: one exchange instead of two. Bounded;
 * forgotten as soon as such a listing fails.
 */
const speaksV2 = new Set<string>();
const MAX_REMEMBERED = 10_000;

/** Lists the refs under `prefixes`: exactly one listing request. Errors as in `RemoteError`. */
export async function listRefs(remote: Remote, options: ListOptions): Promise<RemoteRefs> {
  const frame = { kind: 'list', timeoutMs: options.timeoutMs ?? 30_000, maxBytes: options.maxBytes ?? 67_108_864, signal: options.signal, onRequest: options.onRequest } as const;
  try {
    return await request(remote, frame, async (send) => {
      if (speaksV2.has(remote.url)) return await listV2(remote, send, options.prefixes);
      const advertised = await readAdvertisement(remote, send);
      if (advertised !== 'version 2') return classicRefs(advertised, options.prefixes);
      const refs = await listV2(remote, send, options.prefixes);
      if (speaksV2.size >= MAX_REMEMBERED) speaksV2.clear();
      speaksV2.add(remote.url);
      return refs;
    });
  } catch (error) {
    speaksV2.delete(remote.url);
    throw error;
  }
}

/** The oid of a ref in a listing; throws RefMissing, never falls back to another ref (peers: never silently HEAD). */
export function requireRef(remote: Remote, listed: RemoteRefs, name: string): RemoteRef {
  const ref = listed.refs.get(name);
  if (ref === undefined) throw new RemoteError('RefMissing', `${remote.url} has no ${name}`);
  return ref;
}

async function listV2(remote: Remote, send: Send, prefixes: readonly string[]): Promise<RemoteRefs> {
  const lines = ['command=ls-refs', 'agent=tagboat', { special: DELIMITER }, 'peel', 'symrefs', ...['HEAD', ...prefixes].map((prefix) => `ref-prefix ${prefix}`), { special: FLUSH }] as const;
  const refs = new Map<string, RemoteRef>();
  let head: string | undefined;
  let complete = false;
  for await (const packet of decodePackets(send(2, encodePackets(lines)))) {
    // Read on to the end after it, so that the connection can be used again by the next poll.
    complete = packet === FLUSH;
    if (packet === FLUSH) continue;
    const line = textOf(packet);
    if (line.startsWith('ERR ')) throw refusal(remote, line.slice(4));
    const [oid, name, ...attributes] = line.split(' ');
    if (oid === undefined || name === undefined || !isOid(oid)) throw new FramingError('a line of the listing is no ref');
    const attribute = (key: string): string | undefined => attributes.find((one) => one.startsWith(`${key}:`))?.slice(key.length + 1);
    const peeled = attribute('peeled');
    if (name === 'HEAD') head = attribute('symref-target');
    else if (matches(name, prefixes)) refs.set(name, peeled === undefined ? { oid } : { oid, peeled });
  }
  // A listing that was cut must not look like deleted refs (R20).
  if (!complete) throw new FramingError('the listing of refs was cut');
  return head === undefined ? { refs } : { refs, head };
}

interface Advertised {
  readonly refs: readonly (readonly [oid: string, name: string])[];
  readonly capabilities: readonly string[];
}

/** Reads the advertisement: the word that v2 is spoken, or all refs of the classic protocol. */
async function readAdvertisement(remote: Remote, send: Send): Promise<'version 2' | Advertised> {
  const refs: [string, string][] = [];
  let capabilities: string[] = [];
  let first = true;
  let ended = false;
  for await (const packet of decodePackets(send(2))) {
    ended = packet === FLUSH;
    if (packet === FLUSH) continue;
    const line = textOf(packet);
    if (line.startsWith('# service=') || line === 'version 1') continue;
    if (line === 'version 2') return 'version 2';
    if (line.startsWith('ERR ')) throw refusal(remote, line.slice(4));
    const [ref = '', tail] = line.split('\0');
    if (first) capabilities = (tail ?? '').trim().split(' ');
    first = false;
    const space = ref.indexOf(' ');
    const oid = ref.slice(0, Math.max(space, 0));
    if (oid === 'shallow') continue;
    if (!isOid(oid)) throw new FramingError('the advertisement holds a line that is no ref');
    if (!/^0+$/.test(oid)) refs.push([oid, ref.slice(space + 1)]);
  }
  if (!ended) throw new FramingError('the listing of refs was cut');
  return { refs, capabilities };
}

function classicRefs(advertised: Advertised, prefixes: readonly string[]): RemoteRefs {
  const refs = new Map<string, RemoteRef>();
  for (const [oid, name] of advertised.refs) {
    if (name === 'HEAD') continue;
    const tag = name.endsWith('^{}') ? name.slice(0, -3) : undefined;
    if (!matches(tag ?? name, prefixes)) continue;
    const known = tag === undefined ? undefined : refs.get(tag);
    if (tag === undefined) refs.set(name, { oid });
    else if (known !== undefined) refs.set(tag, { oid: known.oid, peeled: oid });
  }
  const head = advertised.capabilities.find((one) => one.startsWith('symref=HEAD:'))?.slice('symref=HEAD:'.length);
  return head === undefined ? { refs } : { refs, head };
}

function matches(name: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => name.startsWith(prefix));
}

function textOf(packet: Exclude<Packet, typeof FLUSH>): string {
  if (packet === DELIMITER) throw new FramingError('a delimiter inside the listing');
  return packetText(packet);
}

/** SHA-1 only: isomorphic-git reads no SHA-256 repositories. */
function isOid(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}
