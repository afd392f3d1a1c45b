/**
 * What an image says of itself, read from its registry by digest: for nodes that do not hold the image themselves. Every part is checked
 * against its digest and bounded; what was read once is remembered, so a registry that counts pulls counts one.
 */
import { createHash } from 'node:crypto';
import type { ImageDemands } from './image-rules.ts';
import type { RegistryAccess } from './registry-access.ts';
import { MANIFESTS } from './registry-client.ts';
import { RegistrySession } from './registry-session.ts';

const LONGEST = 4_194_304;
const MOST_REMEMBERED = 500;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

interface Manifest {
  readonly manifests?: readonly { readonly digest?: unknown; readonly platform?: { readonly os?: unknown; readonly architecture?: unknown } }[];
  readonly config?: { readonly digest?: unknown };
}

export class ImageConfigs {
  readonly #known = new Map<string, ImageDemands>();

  /** `digest`: of the manifest or index that `reference` means. Undefined where the registry does not tell; never throws. */
  async demandsOf(reference: string, digest: string, access: RegistryAccess | undefined, signal: AbortSignal): Promise<ImageDemands | undefined> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const found = await read(new RegistrySession(reference, access, signal), digest).catch(() => undefined);
    if (found === undefined) return undefined;
    if (this.#known.size >= MOST_REMEMBERED) this.#known.delete(this.#known.keys().next().value ?? '');
    this.#known.set(digest, found);
    return found;
  }
}

async function read(session: RegistrySession, digest: string): Promise<ImageDemands | undefined> {
  let manifest = (await part(session, `manifests/${digest}`, digest)) as Manifest | undefined;
  if (Array.isArray(manifest?.manifests)) {
    // Labels do not differ between processors, or nearly never: this one's, else the first that is a system at all.
    const images = manifest.manifests.filter(({ platform }) => platform?.os === 'linux');
    const one = images.find(({ platform }) => platform?.architecture === (process.arch === 'x64' ? 'amd64' : process.arch)) ?? images[0];
    if (typeof one?.digest !== 'string') return undefined;
    manifest = (await part(session, `manifests/${one.digest}`, one.digest)) as Manifest | undefined;
  }
  if (typeof manifest?.config?.digest !== 'string') return undefined;
  const image = (await part(session, `blobs/${manifest.config.digest}`, manifest.config.digest)) as { readonly config?: { readonly Labels?: unknown; readonly Env?: unknown } | null } | undefined;
  if (typeof image?.config !== 'object' || image.config === null) return undefined;
  const { Labels: labels, Env: variables } = image.config;
  const texts = Object.entries(typeof labels === 'object' && labels !== null ? labels : {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return {
    labels: Object.fromEntries(texts),
    variables: Array.isArray(variables) ? variables.flatMap((one: unknown) => (typeof one === 'string' ? [one.split('=', 1)[0] ?? ''] : [])) : [],
  };
}

/** JSON with just this digest. */
async function part(session: RegistrySession, path: string, digest: string): Promise<unknown> {
  if (!DIGEST.test(digest)) return undefined;
  const answer = await session.ask('GET', path, path.startsWith('blobs/') ? '*/*' : MANIFESTS);
  if ('fault' in answer) return undefined;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += (chunk as Uint8Array).byteLength;
    if (size > LONGEST) return undefined;
    chunks.push(chunk as Uint8Array);
  }
  const bytes = Buffer.concat(chunks);
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` === digest ? JSON.parse(bytes.toString('utf8')) : undefined;
}
