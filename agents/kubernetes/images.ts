/** Which image text goes into the pods: `repository@sha256:…` where a digest is known, so that a tag that moves does not split a rollout. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { ImageDigest } from '../core/engine.ts';
import { parseReference } from '../core/reference.ts';
import { pooled } from '../core/pool.ts';
import { helperImages } from './objects/helpers.ts';
import { digestOfTag } from './registry.ts';

/** A registry that is slower than this does not hold a rollout up. */
const ASK_MS = 5_000;

/** By reference as the manifest has it: the text that was or is to be applied. */
export type Pins = ReadonlyMap<string, string>;

function pinned(reference: string, digest: string): string {
  return `${parseReference(reference).repository}@${digest}`;
}

/** For `BuildInput.reference`. A digest of the specification itself (a frozen version) comes first. */
export function referenceBy(pins: Pins): (image: string, digest: string | undefined) => string {
  return (image, digest) => (digest === undefined ? (pins.get(image) ?? image) : pinned(image, digest));
}

/**
 * Asks the registries for every image that the specification does not pin itself. Where one does not answer, what was applied before
 * for the same reference stays.
 */
export async function resolvePins(spec: TargetSpec, before: Pins, signal: AbortSignal, tell: (text: string) => void): Promise<Pins> {
  const references = new Set(spec.images.flatMap((image) => [...(image.digest === undefined ? [image.image] : []), ...helperImages(image.config)]));
  const pins = new Map<string, string>();
  const silent: string[] = [];
  await pooled([...references], async (reference) => {
    const digest = await digestOfTag(reference, AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)])).catch(() => undefined);
    const pin = digest === undefined ? before.get(reference) : pinned(reference, digest);
    if (pin === undefined) silent.push(reference);
    else pins.set(reference, pin);
  });
  if (silent.length > 0) tell(`no registry gave a digest for ${silent.join(', ')}; the cluster finds the image by its tag`);
  return pins;
}

/** Where no picture of the applied texts is at hand, the digests that the pods had. */
export function pinsOfDigests(digests: readonly ImageDigest[]): Pins {
  return new Map(digests.filter((one) => one.digest !== '').map((one) => [one.image, pinned(one.image, one.digest)]));
}
