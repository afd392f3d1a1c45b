/**
 * Asks a registry for the digest that a tag has now (OCI distribution: HEAD of the manifest, with the token that the registry itself
 * says how to get). Where it does not answer, the kubelet, which may have a mirror or credentials, is left to find the image.
 */
import { familiar, parseReference } from '../core/reference.ts';

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

/** `sha256:…`, or undefined where the registry gives none. Throws when it cannot be asked. */
export async function digestOfTag(reference: string, signal: AbortSignal): Promise<string | undefined> {
  const { repository, tag, digest } = parseReference(reference);
  if (digest !== undefined) return digest;
  const { host, name } = placeOf(repository);
  const base = `${isLoopback(host) ? 'http' : 'https'}://${host}`;
  const url = `${base}/v2/${name}/manifests/${tag ?? 'latest'}`;
  let answer = await fetch(url, { method: 'HEAD', headers: { accept: ACCEPT }, signal, redirect: 'follow' });
  if (answer.status === 401) {
    const token = await tokenFor(answer.headers.get('www-authenticate') ?? '', base, signal);
    if (token === undefined) return undefined;
    answer = await fetch(url, { method: 'HEAD', headers: { accept: ACCEPT, authorization: `Bearer ${token}` }, signal, redirect: 'follow' });
  }
  const found = answer.ok ? answer.headers.get('docker-content-digest') : null;
  return found !== null && /^sha256:[0-9a-f]{64}$/.test(found) ? found : undefined;
}

/** An anonymous token, from the place that the registry names. */
async function tokenFor(challenge: string, base: string, signal: AbortSignal): Promise<string | undefined> {
  if (!/^bearer\s/i.test(challenge)) return undefined;
  const parts = Object.fromEntries([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]));
  if (parts['realm'] === undefined) return undefined;
  const realm = new URL(parts['realm'], base);
  if (realm.protocol !== 'https:' && realm.origin !== base) return undefined;
  for (const key of ['service', 'scope']) if (parts[key] !== undefined) realm.searchParams.set(key, parts[key]);
  const answer = await fetch(realm, { signal });
  if (!answer.ok) return undefined;
  const text = await answer.text();
  if (text.length > LONGEST_TOKEN) return undefined;
  const { token, access_token: accessToken } = JSON.parse(text) as { token?: unknown; access_token?: unknown };
  const found = token ?? accessToken;
  return typeof found === 'string' ? found : undefined;
}
