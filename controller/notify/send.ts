/** One POST to a channel. Bounded in time and size; redirects are not followed, and private addresses only if the operator allows. */
import { lookup as resolveName } from 'node:dns';
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { BlockList, isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import type { Secret } from '../secret.ts';
import { scrub } from '../scrub.ts';

export interface Sent {
  readonly status: number | null;
  /** '' when it arrived. Never holds the URL, which is a secret (R27). */
  readonly error: string;
  /** Trying again may help. */
  readonly retry: boolean;
  /** What the service asked for. */
  readonly retryAfterMs: number | null;
}

export interface SendOptions {
  readonly allowPrivate: boolean;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;
const ANSWER_BYTES = 4096;
const SHOWN = 120;

const PRIVATE = new BlockList();
for (const [network, bits] of [['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15], ['224.0.0.0', 3]] as const) PRIVATE.addSubnet(network, bits, 'ipv4');
for (const [network, bits] of [['::', 127], ['64:ff9b::', 96], ['fc00::', 7], ['fe80::', 10], ['ff00::', 8]] as const) PRIVATE.addSubnet(network, bits, 'ipv6');

function isPrivate(address: string): boolean {
  const four = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  return PRIVATE.check(four, isIP(four) === 6 ? 'ipv6' : 'ipv4');
}

class PrivateAddress extends Error {}

/** The address that was checked is the one that is dialled: a name cannot change its mind in between. */
const publicOnly: LookupFunction = (name, options, callback) => {
  resolveName(name, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '', 0);
    const open = addresses.filter(({ address }) => !isPrivate(address));
    const [first] = open;
    if (first === undefined) return callback(new PrivateAddress(), '', 0);
    if (options.all === true) callback(null, open);
    else callback(null, first.address, first.family);
  });
};

/** Never throws. */
export async function send(secret: Secret, body: unknown, headers: Readonly<Record<string, string>>, options: SendOptions): Promise<Sent> {
  const url = parse(secret);
  if (url === undefined) return { status: null, error: 'the URL in the controller’s configuration is no http or https URL', retry: false, retryAfterMs: null };
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (!options.allowPrivate && isIP(host) !== 0 && isPrivate(host)) return refusedPrivate();
  const payload = Buffer.from(JSON.stringify(body));
  const signal = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
  try {
    const { status, text, retryAfter } = await exchange(url, payload, headers, signal, options.allowPrivate);
    if (status >= 200 && status < 300) return { status, error: '', retry: false, retryAfterMs: null };
    const moved = status >= 300 && status < 400;
    const said = moved ? 'it redirects, which is not followed' : scrub(text, [url.href, url.pathname, ...url.pathname.split('/').filter((step) => step.length >= 8), url.search]).slice(0, SHOWN);
    return { status, error: `the channel answered ${status}${said === '' ? '' : `: ${said}`}`, retry: !moved && (status >= 500 || status === 408 || status === 425 || status === 429), retryAfterMs: retryAfter };
  } catch (error) {
    if (error instanceof PrivateAddress) return refusedPrivate();
    return { status: null, error: signal.aborted ? 'the channel did not answer in time' : `the channel could not be reached (${(error as NodeJS.ErrnoException).code ?? 'no reason given'})`, retry: true, retryAfterMs: null };
  }
}

function refusedPrivate(): Sent {
  return { status: null, error: 'the channel has a private address, which the controller’s configuration does not allow (notifications.allowPrivateAddresses)', retry: false, retryAfterMs: null };
}

function parse(secret: Secret): URL | undefined {
  try {
    const url = new URL(secret.reveal().trim());
    return url.protocol === 'https:' || url.protocol === 'http:' ? url : undefined;
  } catch {
    return undefined;
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: number | null;
}

function exchange(url: URL, payload: Buffer, headers: Readonly<Record<string, string>>, signal: AbortSignal, allowPrivate: boolean): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const open = url.protocol === 'https:' ? secureRequest : plainRequest;
    const call = open(url, { method: 'POST', agent: false, signal, headers: { ...headers, 'content-type': 'application/json', 'content-length': payload.length, 'user-agent': 'tagboat' }, ...(!allowPrivate && { lookup: publicOnly }) }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      const done = (): void => {
        response.destroy();
        resolve({ status: response.statusCode ?? 0, text: firstLine(Buffer.concat(chunks).toString('utf8')), retryAfter: retryAfterOf(response.headers['retry-after']) });
      };
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= ANSWER_BYTES) done();
      });
      response.on('end', done).on('error', reject);
    });
    call.on('error', reject);
    call.end(payload);
  });
}

function firstLine(text: string): string {
  return (text.slice(0, 500).split(/\r?\n/)[0] ?? '').replace(/[^\x20-\x7e]/g, ' ').trim();
}

/** Seconds or a date. */
function retryAfterOf(header: string | undefined): number | null {
  if (header === undefined) return null;
  if (/^\d{1,9}(\.\d+)?$/.test(header)) return Math.ceil(Number(header) * 1000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}
