/**
 * Volumes as they are, which outlive sets: a claim never shrinks, so an earlier set that asks for less gets what there is (R18), and one that
 * somebody has removed goes, with its data, as soon as the last pod that uses it ends: that is not for an attempt to bring about (R20).
 */
import { quantity } from '../../proto/quantity.ts';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { AttemptFailure } from '../core/attempt-failure.ts';
import { pause } from '../core/pool.ts';
import type { KubeApi } from './api.ts';
import { patiently } from './api.ts';
import { CLAIM, pathOf } from './kinds.ts';
import { allObjects, objectKey, type TargetObjects } from './objects/target-objects.ts';
import type { KubeObject } from './objects/types.ts';

interface Claim {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec?: ClaimSpec;
}
interface ClaimSpec {
  readonly resources?: { readonly requests?: { readonly storage?: string } };
}

/** One that no pod uses is gone within this time. */
const UNUSED_MS = 15_000;
const LOOK_AGAIN_MS = 500;

async function claimsIn(api: KubeApi, namespace: string, until: AbortSignal): Promise<readonly Claim[]> {
  const { items = [] } = await patiently('look at the volumes', until, () => api.call<{ items?: readonly Claim[] }>({ method: 'GET', path: pathOf(CLAIM, namespace) }));
  return items;
}

/** Throws AttemptFailure `ObjectConflict` while a claim that the set uses is being removed and is still in use. */
export async function refuseLeavingClaims(api: KubeApi, { prefix }: TargetSpec, objects: TargetObjects, until: AbortSignal): Promise<void> {
  const uses = claimsOf(objects);
  for (const end = Date.now() + UNUSED_MS; ; await pause(LOOK_AGAIN_MS, until)) {
    const leaving = (await claimsIn(api, prefix, until)).filter(({ metadata }) => metadata.deletionTimestamp !== undefined && uses(metadata.name)).map(({ metadata }) => metadata.name);
    if (leaving.length === 0) return;
    if (Date.now() < end && !until.aborted) continue;
    throw new AttemptFailure('ObjectConflict', `somebody has removed the volume ${leaving.join(', ')}, which goes with all that is in it as soon as no pod uses it any more; nothing was touched. Save what is in it, then remove the pods that use it, and deploy again`);
  }
}

/** By name: those of the set itself, and those that its StatefulSets make, `<volume>-<workload>-<number>`. */
function claimsOf(objects: TargetObjects): (name: string) => boolean {
  const names = new Set(allObjects(objects).filter((one) => one.kind === CLAIM.kind).map((one) => one.metadata.name));
  const made = objects.workloads.flatMap(({ object }) => {
    const { volumeClaimTemplates = [] } = object['spec'] as { readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[] };
    return volumeClaimTemplates.map(({ metadata }) => `${metadata.name}-${object.metadata.name}-`);
  });
  return (name) => names.has(name) || made.some((start) => name.startsWith(start) && /^\d+$/.test(name.slice(start.length)));
}

/** The same objects, in which no claim asks for less than it has. */
export async function withSizesKept(api: KubeApi, prefix: string, objects: readonly KubeObject[], options: { readonly until: AbortSignal; tell(step: string, text: string): void }): Promise<readonly KubeObject[]> {
  if (!objects.some((one) => one.kind === CLAIM.kind)) return objects;
  const sizes = new Map((await claimsIn(api, prefix, options.until)).map(({ metadata, spec }) => [metadata.name, sizeOf(spec)]));
  return objects.map((object) => {
    if (object.kind !== CLAIM.kind) return object;
    const spec = object['spec'] as ClaimSpec;
    const has = sizes.get(object.metadata.name);
    const wants = sizeOf(spec);
    if (has === undefined || wants === undefined || !isLarger(has, wants)) return object;
    options.tell('volume', `${objectKey(object)} has ${has} and keeps it: a volume does not shrink to ${wants}`);
    return { ...object, spec: { ...spec, resources: { ...spec.resources, requests: { ...spec.resources?.requests, storage: has } } } };
  });
}

function sizeOf(spec: ClaimSpec | undefined): string | undefined {
  return spec?.resources?.requests?.storage;
}

function isLarger(a: string, b: string): boolean {
  try {
    return quantity(a) > quantity(b);
  } catch {
    return false; // Words that only the cluster knows are left to it.
  }
}
