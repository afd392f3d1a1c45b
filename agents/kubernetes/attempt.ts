/**
 * A Kubernetes attempt (SPEC §4), from the spec to the end of it:
 *
 *   secrets, digests, what the images demand (nothing is touched) → namespace → ground → level by level: apply, wait → edge → prune
 *   → else: the previous set applied again and waited for, what it does not have removed.
 *
 * Every step may be repeated, and all it needs to know is in the cluster and in what the core remembers of the last success. So an
 * attempt that is killed at any step is finished or undone by calling this again with the same attempt id.
 */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { AttemptCancelled, AttemptFailure, safePoint } from '../core/attempt-failure.ts';
import { milliseconds } from '../core/duration.ts';
import type { AttemptContext, AttemptEnd, TargetMemory } from '../core/engine.ts';
import type { ImageConfigs } from '../core/image-config.ts';
import { levelsOf } from '../core/levels.ts';
import { pooled } from '../core/pool.ts';
import { asFailure } from './api-failure.ts';
import type { KubeApi } from './api.ts';
import type { Applied } from './apply.ts';
import { refuseLeavingClaims, withSizesKept } from './claims.ts';
import { snapshot, type Earlier } from './earlier.ts';
import { takeInventory } from './inventory.ts';
import { ensureNamespace } from './namespace.ts';
import { LABEL } from './objects/labels.ts';
import { allObjects, objectKey, type TargetObjects } from './objects/target-objects.ts';
import type { KubeObject } from './objects/types.ts';
import { containerStates, digestsOf } from './pods.ts';
import { prune } from './prune.ts';
import { restore, type RestoreResult } from './restore.ts';
import { NamespaceWatch } from './rollout.ts';
import { applyUnlessHeld } from './set-back.ts';
import { imageOf, wantedObjects } from './sets.ts';
import { refuseUnsupported } from './supported.ts';

export async function rollOut(api: KubeApi, configs: ImageConfigs, spec: TargetSpec, previous: TargetMemory | undefined, context: AttemptContext): Promise<AttemptEnd> {
  // One that was begun before may have touched anything.
  let touched = context.resumed;
  let seen: Earlier | undefined;
  try {
    refuseUnsupported(spec);
    const objects = await wantedObjects(api, configs, spec, previous, context);
    safePoint(context);
    if (previous === undefined && !context.resumed) seen = await snapshot(api, spec, context.deadline);
    return await carryOut(api, spec, objects, previous, context, () => (touched = true));
  } catch (error) {
    return failed(error, touched ? (why) => restore(api, spec, previous, seen, context, why) : undefined);
  }
}

async function carryOut(api: KubeApi, spec: TargetSpec, objects: TargetObjects, previous: TargetMemory | undefined, context: AttemptContext, touch: () => void): Promise<AttemptEnd> {
  const tell = (step: string, text: string): void => context.progress(step, text);
  const options = { until: context.deadline, tell };
  await ensureNamespace(api, spec, context.attemptId, { ...options, patienceMs: milliseconds(spec.timeouts.health, '5m') });
  const claimed = claimedBy(spec);
  await refuseForeign(api, spec, objects, claimed, context.deadline);
  await refuseLeavingClaims(api, spec, objects, context.deadline);
  safePoint(context);
  touch();
  const watch = new NamespaceWatch(api, spec.prefix, tell);
  try {
    const put = (object: KubeObject): Promise<Applied> => applyUnlessHeld(api, object, previous, { ...options, force: spec.selfHeal || claimed(object) });
    await pooled(await withSizesKept(api, spec.prefix, objects.ground, options), put);
    const levels = levelsOf(objects.workloads);
    for (const [index, level] of levels.entries()) {
      safePoint(context);
      tell('apply', `applies ${level.map((one) => objectKey(one.object)).join(', ')}`);
      const appliedAt = Date.now();
      const applied = await pooled(level, async (one) => ({ ...one, image: imageOf(spec, one), appliedAt, generation: (await put(one.object)).metadata.generation ?? 0 }));
      if (index === levels.length - 1) await pooled(objects.edge, put);
      await watch.untilGood(applied, spec.timeouts.health, () => safePoint(context), AbortSignal.any([context.cancel, context.deadline]));
      tell('ready', `${level.map((one) => one.name).join(', ')} ${level.length === 1 ? 'is' : 'are'} as expected`);
    }
    const { pods } = watch;
    await prune(api, spec, allObjects(objects), { until: context.deadline, tell });
    return { outcome: 'succeeded', digests: digestsOf(spec, pods), containers: containerStates(spec, pods) };
  } finally {
    watch.close();
  }
}

/** Images whose objects the manifest lets Tagboat take from others by name. */
function claimedBy(spec: TargetSpec): (object: KubeObject) => boolean {
  const images = new Set(spec.images.filter((image) => image.config.kubernetes?.forceConflicts === true).map((image) => image.name));
  return (object) => images.has(object.metadata.labels?.[LABEL.image] ?? '');
}

/** An object under a name that we need, and that is not ours, belongs to somebody. Healing alone puts back what is ours and takes nothing else. */
async function refuseForeign(api: KubeApi, spec: TargetSpec, objects: TargetObjects, claimed: (object: KubeObject) => boolean, until: AbortSignal): Promise<void> {
  const wanted = new Set(allObjects(objects).filter((object) => !claimed(object)).map(objectKey));
  const foreign = (await takeInventory(api, spec, until)).find((one) => !one.ours && !one.lostLabels && wanted.has(objectKey(one)));
  if (foreign === undefined) return;
  throw new AttemptFailure('ObjectConflict', `${objectKey(foreign)} in the namespace ${spec.prefix} is there already and is not Tagboat's; nothing was touched. Remove or rename it, or say kubernetes.forceConflicts to take it over`);
}

/** The one exit of everything that did not succeed: restore, then say what happened. */
async function failed(error: unknown, goBack: ((why: string) => Promise<RestoreResult>) | undefined): Promise<AttemptEnd> {
  const cancelled = error instanceof AttemptCancelled;
  const cause = asFailure(error);
  const result = (await goBack?.(cancelled ? 'stops, as the controller asked' : `failed: ${cause.code}`)) ?? { restored: true, text: '', containers: [] };
  const reason = `${cancelled ? error.message : cause.message}${result.text}`;
  if (cancelled) return { outcome: 'cancelled', reason, restored: result.restored, containers: result.containers };
  return { outcome: 'failed', code: cause.code, reason, restored: result.restored, evidence: cause.evidence, containers: result.containers };
}
