/**
 * Asks a registry for the digest that a tag has now (OCI distribution: HEAD of the manifest, with the token that the registry itself
 * says how to get). Where it does not answer, the kubelet, which may have a mirror or credentials, is left to find the image.
 */
import { familiar, parseReference } from '../core/reference.ts';
import type { RegistryAccess } from '../core/registry-access.ts';

const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
const LONGEST_TOKEN = 65_536;

interface Place {
  readonly host: string;
  readonly name: string;
}

function placeOf(repository: string): Place {
  const [first = '', ...rest] = repository.split('/');
  const named = rest.length > 0 && (first.includes('.') || first.includes(':') || first === 'localhost');
  if (named && first !== 'docker.io' && first !== 'index.docker.io') return { host: first, name: rest.join('/') };
  const own = familiar(repository);
  return { host: 'registry-1.docker.io', name: own.includes('/') ? own : `library/${own}` };
}

/** What runs on this very machine is asked without TLS, as engines do. */
function isLoopback(host: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(host);
}

/** `sha256:…`, or undefined where the registry gives none, or is not to be asked. Throws when it cannot be asked. */
export async function digestOfTag(reference: string, access: RegistryAccess | undefined, signal: AbortSignal): Promise<string | undefined> {
  const { repository, tag, digest } = parseReference(reference);
  if (digest !== undefined) return digest;
  if (access?.asked === false) return undefined;
  const { host, name } = placeOf(repository);
  const base = `${isLoopback(host) ? 'http' : 'https'}://${host}`;
  const url = `${base}/v2/${name}/manifests/${tag ?? 'latest'}`;
  // Never along a redirect: it may lead to another host.
  const ask = (authorization?: string): Promise<Response> => fetch(url, { method: 'HEAD', headers: { accept: ACCEPT, ...(authorization !== undefined && { authorization }) }, signal, redirect: authorization === undefined ? 'follow' : 'manual' });
  let answer = await ask();
  if (answer.status === 401) {
    const authorization = await authorizationFor(answer.headers.get('www-authenticate') ?? '', base, access?.credentials, signal);
    if (authorization === undefined) return undefined;
    answer = await ask(authorization);
  }
  const found = answer.ok ? answer.headers.get('docker-content-digest') : null;
  return found !== null && /^sha256:[0-9a-f]{64}$/.test(found) ? found : undefined;
}

/** What the registry asks for: the credentials themselves, or a token from the place that it names (anonymous where we have none). */
async function authorizationFor(challenge: string, base: string, credentials: RegistryAccess['credentials'], signal: AbortSignal): Promise<string | undefined> {
  const basic = credentials === undefined ? undefined : `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
  if (/^basic\b/i.test(challenge)) return basic;
  if (!/^bearer\s/i.test(challenge)) return undefined;
  const parts = Object.fromEntries([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]));
  if (parts['realm'] === undefined) return undefined;
  const realm = new URL(parts['realm'], base);
  if (realm.protocol !== 'https:' && realm.origin !== base) return undefined;
  for (const key of ['service', 'scope']) if (parts[key] !== undefined) realm.searchParams.set(key, parts[key]);
  const answer = await fetch(realm, { signal, redirect: 'manual', headers: basic !== undefined && mayHave(realm, new URL(base)) ? { authorization: basic } : {} });
  if (!answer.ok) return undefined;
  const text = await answer.text();
  if (text.length > LONGEST_TOKEN) return undefined;
  const { token, access_token: accessToken } = JSON.parse(text) as { token?: unknown; access_token?: unknown };
  const found = token ?? accessToken;
  return typeof found === 'string' ? `Bearer ${found}` : undefined;
}

/** Credentials are for the registry's own host (R1); its token service may be there, at a parent of its name, or be Docker Hub's. */
function mayHave(realm: URL, registry: URL): boolean {
  if (realm.host === registry.host) return true;
  return realm.port === '' && (registry.hostname.endsWith(`.${realm.hostname}`) || (registry.hostname === 'registry-1.docker.io' && realm.hostname === 'auth.docker.io'));
}
