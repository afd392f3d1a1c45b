/** Asks a registry for the digest that a tag has now: HEAD of the manifest, which registries do not count as a pull. */
import { parseReference } from './reference.ts';
import type { RegistryAccess } from './registry-access.ts';
import { RegistrySession } from './registry-session.ts';
import type { RegistryFault } from './registry-session.ts';

/** Every kind of manifest that an image may be. */
export const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

export type TagAnswer = { readonly digest: string } | RegistryFault;

/** Never throws: what a registry may do wrong is an answer. */
export async function askForDigest(reference: string, access: RegistryAccess | undefined, signal: AbortSignal): Promise<TagAnswer> {
  const { tag = 'latest' } = parseReference(reference);
  try {
    const answer = await new RegistrySession(reference, access, signal).ask('HEAD', `manifests/${tag}`, MANIFESTS);
    if ('fault' in answer) return answer;
    const digest = answer.headers.get('docker-content-digest');
    if (digest !== null && /^sha256:[0-9a-f]{64}$/.test(digest)) return { digest };
    return { fault: 'RegistryUnreachable', text: `${reference}: the registry answers ${answer.status} without a digest`, retryAfterMs: 0 };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { fault: 'RegistryUnreachable', text: `${reference}: ${cause instanceof Error ? cause.message : 'no answer'}`, retryAfterMs: 0 };
  }
}
