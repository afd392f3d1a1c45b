/** Brings certificates into the proxy: into its files, for every start to come, and by commands into the process that runs. */
import { createHash } from 'node:crypto';
import { look } from '../../containers/calls.ts';
import type { Bundle } from '../certificates/bundle.ts';
import type { HaproxyCli } from './haproxy-cli.ts';
import { CERTIFICATES_PATH, certificatePath, PROOFS_PATH } from './haproxy-config.ts';
import type { ProxyContainer } from './proxy-container.ts';

/** By name. */
export type Bundles = ReadonlyMap<string, Bundle>;
/** What certificate authorities are answered, by path. */
export type Proofs = ReadonlyMap<string, string>;

export function proofsText(proofs: Proofs): string {
  return [...proofs].map(([path, text]) => `${path} ${text}\n`).join('');
}

/** What the list of certificates begins with tells which ones lie there. */
function listText(bundles: Bundles): string {
  const mark = createHash('sha256').update(JSON.stringify([...bundles].map(([domain, { fingerprint }]) => [domain, fingerprint]))).digest('hex').slice(0, 16);
  return `# certificates ${mark}\n${[...bundles.keys()].map((domain) => `${certificatePath(domain)} ${domain}\n`).join('')}`;
}

/** Files of a new proxy. */
export function emptyFiles(): readonly (readonly [path: string, text: string])[] {
  return [[CERTIFICATES_PATH, listText(new Map())], [PROOFS_PATH, '']];
}

/** True if they were other ones. Keys of names that have left are overwritten. */
export async function storeBundles(bundles: Bundles, proofs: Proofs, proxy: ProxyContainer, cli: HaproxyCli): Promise<boolean> {
  const list = listText(bundles);
  if ((await cli.head(CERTIFICATES_PATH, look())) === list.split('\n')[0]) return false;
  const gone = [...(await cli.certificates(look())).keys()].filter((domain) => !bundles.has(domain));
  await proxy.put([
    ...[...bundles].map(([domain, { pem }]) => [certificatePath(domain), `${pem}\n`] as const),
    ...gone.map((domain) => [certificatePath(domain), ''] as const),
    [PROOFS_PATH, proofsText(proofs)],
    [CERTIFICATES_PATH, list],
  ]);
  return true;
}

/** False if the running process did not take them all; a reload then reads the files. No connection is closed here. */
export async function serveBundles(bundles: Bundles, cli: HaproxyCli): Promise<boolean> {
  const before = await cli.certificates(look());
  const differing = [...bundles].filter(([domain, { fingerprint }]) => before.get(domain) !== fingerprint);
  const gone = [...before.keys()].filter((domain) => !bundles.has(domain));
  if (differing.length + gone.length === 0) return true;
  for (const [domain] of differing) await cli.takeCertificate(domain, before.has(domain), look());
  for (const domain of gone) await cli.dropCertificate(domain, look());
  const after = await cli.certificates(look());
  return after.size === bundles.size && [...bundles].every(([domain, { fingerprint }]) => after.get(domain) === fingerprint);
}
