/**
 * Requests about one repository of a registry (OCI distribution), with the password or the token that the registry itself says how to get.
 * Credentials go to the registry that they are for and to the token server that this registry names over TLS (or beside it on this machine),
 * and nowhere else (R1).
 */
import { familiar, hostOf, parseReference } from './reference.ts';
import type { RegistryAccess } from './registry-access.ts';

const LONGEST_TOKEN = 65_536;
const DEFAULT_PATIENCE_MS = 60_000;
const MOST_PATIENCE_MS = 3_600_000;
/** Blobs lie elsewhere often, but not behind a chain. */
const MOST_HOPS = 3;

export type RegistryFaultCode = 'ImageUnknown' | 'RegistryUnauthorized' | 'RegistryRateLimited' | 'RegistryUnreachable';

export interface RegistryFault {
  readonly fault: RegistryFaultCode;
  readonly text: string;
  readonly retryAfterMs: number;
}

/** Where a registry tells of an image. Docker Hub has another host than its references, and a name for images of nobody. */
export function repositoryAt(reference: string): { readonly base: string; readonly name: string } {
  const { repository } = parseReference(reference);
  const host = hostOf(reference);
  const hub = host === 'docker.io';
  const own = familiar(repository);
  const name = hub ? (own.includes('/') ? own : `library/${own}`) : repository.slice(host.length + 1);
  return { base: `${isLoopback(host) ? 'http' : 'https'}://${hub ? 'registry-1.docker.io' : host}`, name };
}

export class RegistrySession {
  readonly #reference: string;
  readonly #base: string;
  readonly #name: string;
  readonly #credentials: RegistryAccess['credentials'];
  readonly #signal: AbortSignal;
  #authorization: string | undefined;

  constructor(reference: string, access: RegistryAccess | undefined, signal: AbortSignal) {
    const host = hostOf(reference);
    const { base, name } = repositoryAt(reference);
    this.#reference = reference;
    this.#name = name;
    this.#base = base;
    this.#credentials = access?.host === host.toLowerCase() ? access.credentials : undefined;
    this.#signal = signal;
  }

  /** `manifests/1.0` or `blobs/sha256:…`. Throws what fetch throws; all that is no 2xx is a fault. */
  async ask(method: 'HEAD' | 'GET', path: string, accept: string): Promise<Response | RegistryFault> {
    let answer = await this.#fetch(method, path, accept);
    if (answer.status === 401 && this.#authorization === undefined) {
      const authorization = await this.#authorize(answer.headers.get('www-authenticate') ?? '');
      if (typeof authorization !== 'string') return authorization;
      this.#authorization = authorization;
      answer = await this.#fetch(method, path, accept);
    }
    return answer.ok ? answer : faultOf(answer, this.#reference);
  }

  /** A redirect would carry the header on: a manifest is answered where it is asked for, and a blob is fetched from elsewhere without it. */
  async #fetch(method: 'HEAD' | 'GET', path: string, accept: string): Promise<Response> {
    const url = `${this.#base}/v2/${this.#name}/${path}`;
    const authorization = this.#authorization;
    const blob = path.startsWith('blobs/');
    const options = { method, signal: this.#signal, redirect: blob ? 'manual' : authorization === undefined ? 'follow' : 'error' } as const;
    let answer = await fetch(url, { ...options, headers: { accept, ...(authorization !== undefined && { authorization }) } });
    for (let hop = 0; blob && hop < MOST_HOPS && answer.status >= 300 && answer.status < 400; hop++) {
      const to = new URL(answer.headers.get('location') ?? '', answer.url === '' ? url : answer.url);
      if (to.protocol !== 'https:' && !(isLoopback(to.host) && isLoopback(new URL(this.#base).host))) break;
      answer = await fetch(to, options);
    }
    return answer;
  }

  /** The value of the header that the registry's challenge asks for. */
  async #authorize(challenge: string): Promise<string | RegistryFault> {
    const credentials = this.#credentials;
    const basic = credentials === undefined ? undefined : `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
    const refused: RegistryFault = { fault: 'RegistryUnauthorized', text: `${this.#base}: the registry wants credentials`, retryAfterMs: 0 };
    if (/^basic\b/i.test(challenge)) return basic ?? refused;
    const parts = Object.fromEntries([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]));
    if (!/^bearer\s/i.test(challenge) || parts['realm'] === undefined || !URL.canParse(parts['realm'], this.#base)) return refused;
    const realm = new URL(parts['realm'], this.#base);
    if (realm.protocol !== 'https:' && !(isLoopback(realm.host) && isLoopback(new URL(this.#base).host))) return refused;
    for (const key of ['service', 'scope']) if (parts[key] !== undefined) realm.searchParams.set(key, parts[key]);
    const answer = await fetch(realm, { headers: basic === undefined ? {} : { authorization: basic }, signal: this.#signal, redirect: 'error' });
    if (!answer.ok) return faultOf(answer, this.#base);
    const text = await answer.text();
    const { token, access_token: accessToken } = (text.length > LONGEST_TOKEN ? {} : JSON.parse(text)) as { token?: unknown; access_token?: unknown };
    const found = token ?? accessToken;
    return typeof found === 'string' ? `Bearer ${found}` : refused;
  }
}

function faultOf(answer: Response, reference: string): RegistryFault {
  const text = `${reference}: the registry answers ${answer.status}`;
  const asked = Number(answer.headers.get('retry-after') ?? NaN) * 1000;
  if (answer.status === 429) return { fault: 'RegistryRateLimited', text, retryAfterMs: Math.min(asked > 0 ? asked : DEFAULT_PATIENCE_MS, MOST_PATIENCE_MS) };
  if (answer.status === 404) return { fault: 'ImageUnknown', text, retryAfterMs: 0 };
  if (answer.status === 401 || answer.status === 403) return { fault: 'RegistryUnauthorized', text, retryAfterMs: 0 };
  return { fault: 'RegistryUnreachable', text, retryAfterMs: 0 };
}

function isLoopback(host: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(host);
}
