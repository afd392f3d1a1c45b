/**
 * Asks a registry for the digest that a tag has now: HEAD of the manifest, which registries do not count as a pull, with the password or
 * the token that the registry itself says how to get (OCI distribution). Credentials go to the registry that they are for and to the token
 * server that this registry names over TLS (or beside it on this machine), and nowhere else (R1).
 */
import { familiar, hostOf, parseReference } from './reference.ts';
import type { RegistryAccess } from './registry-access.ts';

const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
const LONGEST_TOKEN = 65_536;
const DEFAULT_PATIENCE_MS = 60_000;
const MOST_PATIENCE_MS = 3_600_000;

export type RegistryFault = 'ImageUnknown' | 'RegistryUnauthorized' | 'RegistryRateLimited' | 'RegistryUnreachable';

export type TagAnswer = { readonly digest: string } | { readonly fault: RegistryFault; readonly text: string; readonly retryAfterMs: number };

/** Never throws: what a registry may do wrong is an answer. */
export async function askForDigest(reference: string, access: RegistryAccess | undefined, signal: AbortSignal): Promise<TagAnswer> {
  const { repository, tag = 'latest' } = parseReference(reference);
  const host = hostOf(reference);
  const hub = host === 'docker.io';
  const own = familiar(repository);
  const name = hub ? (own.includes('/') ? own : `library/${own}`) : repository.slice(host.length + 1);
  const base = `${isLoopback(host) ? 'http' : 'https'}://${hub ? 'registry-1.docker.io' : host}`;
  const url = `${base}/v2/${name}/manifests/${tag}`;
  const credentials = access?.host === host.toLowerCase() ? access.credentials : undefined;
  const ask = (authorization: string | undefined): Promise<Response> =>
    // A redirect would carry the header on: a manifest is answered where it is asked for.
    fetch(url, { method: 'HEAD', headers: { accept: ACCEPT, ...(authorization !== undefined && { authorization }) }, signal, redirect: authorization === undefined ? 'follow' : 'error' });
  try {
    let answer = await ask(undefined);
    if (answer.status === 401) {
      const authorization = await authorize(answer.headers.get('www-authenticate') ?? '', base, credentials, signal);
      if (typeof authorization !== 'string') return authorization;
      answer = await ask(authorization);
    }
    const digest = answer.ok ? answer.headers.get('docker-content-digest') : null;
    if (digest !== null && /^sha256:[0-9a-f]{64}$/.test(digest)) return { digest };
    return faultOf(answer, reference);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { fault: 'RegistryUnreachable', text: `${reference}: ${cause instanceof Error ? cause.message : 'no answer'}`, retryAfterMs: 0 };
  }
}

function faultOf(answer: Response, reference: string): TagAnswer {
  const text = `${reference}: the registry answers ${answer.status}`;
  const asked = Number(answer.headers.get('retry-after') ?? NaN) * 1000;
  if (answer.status === 429) return { fault: 'RegistryRateLimited', text, retryAfterMs: Math.min(asked > 0 ? asked : DEFAULT_PATIENCE_MS, MOST_PATIENCE_MS) };
  if (answer.status === 404) return { fault: 'ImageUnknown', text, retryAfterMs: 0 };
  if (answer.status === 401 || answer.status === 403) return { fault: 'RegistryUnauthorized', text, retryAfterMs: 0 };
  return { fault: 'RegistryUnreachable', text, retryAfterMs: 0 };
}

/** The value of the header that the registry's challenge asks for. */
async function authorize(challenge: string, base: string, credentials: RegistryAccess['credentials'], signal: AbortSignal): Promise<string | TagAnswer> {
  const basic = credentials === undefined ? undefined : `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
  const refused: TagAnswer = { fault: 'RegistryUnauthorized', text: `${base}: the registry wants credentials`, retryAfterMs: 0 };
  if (/^basic\b/i.test(challenge)) return basic ?? refused;
  const parts = Object.fromEntries([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]));
  if (!/^bearer\s/i.test(challenge) || parts['realm'] === undefined || !URL.canParse(parts['realm'], base)) return refused;
  const realm = new URL(parts['realm'], base);
  if (realm.protocol !== 'https:' && !(isLoopback(realm.host) && isLoopback(new URL(base).host))) return refused;
  for (const key of ['service', 'scope']) if (parts[key] !== undefined) realm.searchParams.set(key, parts[key]);
  const answer = await fetch(realm, { headers: basic === undefined ? {} : { authorization: basic }, signal, redirect: 'error' });
  if (!answer.ok) return faultOf(answer, base);
  const text = await answer.text();
  const { token, access_token: accessToken } = (text.length > LONGEST_TOKEN ? {} : JSON.parse(text)) as { token?: unknown; access_token?: unknown };
  const found = token ?? accessToken;
  return typeof found === 'string' ? `Bearer ${found}` : refused;
}

function isLoopback(host: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(host);
}
