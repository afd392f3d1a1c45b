/** Which image text goes into the pods: `repository@sha256:…` where a digest is known, so that a tag that moves does not split a rollout. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { ImageDigest } from '../core/engine.ts';
import { parseReference } from '../core/reference.ts';
import { pooled } from '../core/pool.ts';
import type { AccessOf, RegistryAccess } from '../core/registry-access.ts';
import { askForDigest } from '../core/registry-client.ts';
import { helperImages } from './objects/helpers.ts';
import type { Login } from './objects/pull-secret.ts';

/** A registry that is slower than this does not hold a rollout up. */
export const ASK_MS = 5_000;

/** By reference as the manifest has it: the text that was or is to be applied. */
export type Pins = ReadonlyMap<string, string>;

function pinned(reference: string, digest: string): string {
  return `${parseReference(reference).repository}@${digest}`;
}

/** For `BuildInput.reference`. A digest of the specification itself (a frozen version) comes first. */
export function referenceBy(pins: Pins): (image: string, digest: string | undefined) => string {
  return (image, digest) => (digest === undefined ? (pins.get(image) ?? image) : pinned(image, digest));
}

/** Every reference that the cluster pulls, with the registry that its image names; helpers name none. */
function* referencesOf(spec: TargetSpec): Generator<{ readonly reference: string; readonly registry: string | undefined; readonly digest: string | undefined }> {
  for (const image of spec.images) {
    yield { reference: image.image, registry: image.registry, digest: image.digest };
    for (const reference of helperImages(image.config)) yield { reference, registry: undefined, digest: undefined };
  }
}

/** What the nodes need to pull them: one login for each host (R1). */
export function loginsOf(spec: TargetSpec, accessOf: AccessOf): readonly Login[] {
  const found = new Map<string, Login>();
  for (const { reference, registry } of referencesOf(spec)) {
    const access = accessOf(reference, registry);
    if (access?.credentials !== undefined) found.set(access.host, { host: access.host, ...access.credentials });
  }
  return [...found.values()].sort((a, b) => (a.host < b.host ? -1 : 1));
}

/**
 * Asks the registries for every image that the specification does not pin itself. Where one does not answer, what was applied before
 * for the same reference stays.
 */
export async function resolvePins(spec: TargetSpec, accessOf: AccessOf, before: Pins, signal: AbortSignal, tell: (text: string) => void): Promise<Pins> {
  const open = new Map([...referencesOf(spec)].filter((one) => one.digest === undefined).map((one) => [one.reference, one.registry]));
  const pins = new Map<string, string>();
  const silent: string[] = [];
  await pooled([...open], async ([reference, registry]) => {
    const access = accessOf(reference, registry);
    const digest = await digestNow(reference, access, AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]));
    const pin = digest === undefined ? before.get(reference) : pinned(reference, digest);
    if (pin === undefined) silent.push(reference);
    else pins.set(reference, pin);
  });
  if (silent.length > 0) tell(`no registry gave a digest for ${silent.join(', ')}; the cluster finds the image by its tag`);
  return pins;
}

/** Undefined where the registry gives none, or is not to be asked: the kubelet, which may have a mirror or credentials, is left to find the image. */
async function digestNow(reference: string, access: RegistryAccess | undefined, signal: AbortSignal): Promise<string | undefined> {
  const { digest } = parseReference(reference);
  if (digest !== undefined || access?.asked === false) return digest;
  const answer = await askForDigest(reference, access, signal);
  return 'digest' in answer ? answer.digest : undefined;
}

/** Where no picture of the applied texts is at hand, the digests that the pods had. */
export function pinsOfDigests(digests: readonly ImageDigest[]): Pins {
  return new Map(digests.filter((one) => one.digest !== '').map((one) => [one.image, pinned(one.image, one.digest)]));
}
