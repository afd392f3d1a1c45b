/** Brings certificates into the proxy: into its files, for every start to come, and by commands into the process that runs. */
import { createHash } from 'node:crypto';
import { look } from '../../containers/calls.ts';
import type { Bundle } from '../certificates/bundle.ts';
import type { HaproxyCli } from './haproxy-cli.ts';
import { candidatePath, CERTIFICATES_PATH, certificatePath, PROOFS_PATH } from './haproxy-config.ts';
import type { ProxyContainer } from './proxy-container.ts';

/** What certificate authorities are answered, by path. */
export type Proofs = ReadonlyMap<string, string>;

export function proofsText(proofs: Proofs): string {
  return [...proofs].map(([path, text]) => `${path} ${text}\n`).join('');
}

/** What the list of certificates begins with tells which ones lie there. `fingerprints` by name. */
function listText(fingerprints: ReadonlyMap<string, string>): string {
  const mark = createHash('sha256').update(JSON.stringify([...fingerprints].sort())).digest('hex').slice(0, 16);
  return `# certificates ${mark}\n${[...fingerprints.keys()].map((domain) => `${certificatePath(domain)} ${domain}\n`).join('')}`;
}

/** What its configuration names must be there; a proxy of an agent that knew no certificates has none of it. */
export async function ensureFiles(proxy: ProxyContainer, cli: HaproxyCli): Promise<void> {
  if ((await cli.head(CERTIFICATES_PATH, look())) === '') await proxy.put(emptyFiles());
}

/** Files of a new proxy. */
export function emptyFiles(): readonly (readonly [path: string, text: string])[] {
  return [[CERTIFICATES_PATH, listText(new Map())], [PROOFS_PATH, '']];
}

/**
 * Answers the names whose certificates are in service. The running process takes them first: only what it takes is there for its next start,
 * which one bad certificate would else prevent. No connection is closed. Keys that have served are overwritten.
 */
export async function bringBundles(bundles: ReadonlyMap<string, Bundle>, proxy: ProxyContainer, cli: HaproxyCli): Promise<ReadonlySet<string>> {
  const wanted = new Map([...bundles].map(([domain, { fingerprint }]) => [domain, fingerprint]));
  const isAsBefore = (await cli.head(CERTIFICATES_PATH, look())) === listText(wanted).split('\n')[0];
  // As long as no route has TLS the running process need not be asked.
  if (isAsBefore && wanted.size === 0) return new Set();
  const before = await cli.certificates(look());
  const differing = [...bundles].filter(([domain, { fingerprint }]) => before.get(domain) !== fingerprint);
  const gone = [...before.keys()].filter((domain) => !wanted.has(domain));
  if (isAsBefore && differing.length + gone.length === 0) return new Set(wanted.keys());
  await proxy.put(differing.map(([domain, { pem }]) => [candidatePath(domain), `${pem}\n`]));
  for (const [domain] of differing) await cli.takeCertificate(domain, before.has(domain), look());
  for (const domain of gone) await cli.dropCertificate(domain, look());
  const after = new Map([...(await cli.certificates(look()))].filter(([domain]) => wanted.has(domain)));
  const taken = new Set([...wanted].filter(([domain, fingerprint]) => after.get(domain) === fingerprint).map(([domain]) => domain));
  await proxy.put([
    ...differing.flatMap(([domain, { pem }]) => [[candidatePath(domain), ''] as const, ...(taken.has(domain) ? [[certificatePath(domain), `${pem}\n`] as const] : [])]),
    ...gone.map((domain) => [certificatePath(domain), ''] as const),
    [CERTIFICATES_PATH, listText(after)],
  ]);
  return taken;
}
