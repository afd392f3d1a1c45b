/** What ran before runs again (R19, R21): the previous set applied and waited for, and what it does not have removed. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { AttemptFailure } from '../core/attempt-failure.ts';
import type { AttemptContext, ContainerState, TargetMemory } from '../core/engine.ts';
import { pooled } from '../core/pool.ts';
import type { KubeApi } from './api.ts';
import { isConflict } from './apply.ts';
import { withSizesKept } from './claims.ts';
import { earlierOf, type Earlier } from './earlier.ts';
import { takeInventory } from './inventory.ts';
import { CLAIM } from './kinds.ts';
import { ensureNamespace, releaseNamespace } from './namespace.ts';
import { LABEL } from './objects/labels.ts';
import { objectKey } from './objects/target-objects.ts';
import type { KubeObject } from './objects/types.ts';
import { prune, removeAll } from './prune.ts';
import { applyOrReplace } from './replace.ts';
import { NamespaceWatch } from './rollout.ts';

/** Less than the worker gives an engine after the deadline. */
const RESTORE_MS = 100_000;

export interface RestoreResult {
  readonly restored: boolean;
  /** To be added to the reason of the failure; empty where all went well. */
  readonly text: string;
  readonly containers: readonly ContainerState[];
}

/** Never throws: the reason of the failure itself must not be lost over it. */
export async function restore(api: KubeApi, spec: TargetSpec, previous: TargetMemory | undefined, seen: Earlier | undefined, context: AttemptContext, why: string): Promise<RestoreResult> {
  const until = AbortSignal.timeout(RESTORE_MS);
  const tell = (step: string, text: string): void => context.progress(step, text);
  tell('restore', why);
  try {
    const earlier = previous === undefined ? seen : await earlierOf(api, previous, context.secrets, until);
    if (earlier !== undefined) return await goBack(api, spec, earlier, context, until);
    return await undo(api, spec, context, until);
  } catch (error) {
    return { restored: false, text: ` The restore failed as well: ${error instanceof Error ? error.message : String(error)}`, containers: [] };
  }
}

/** Nothing ran before, so nothing is left; claims keep what was written to them. */
async function undo(api: KubeApi, spec: TargetSpec, context: AttemptContext, until: AbortSignal): Promise<RestoreResult> {
  const ours = (await takeInventory(api, spec, until)).filter((one) => one.ours);
  const made = ours.filter((one) => one.kind !== CLAIM.kind);
  // An agent that lost its memory and its attempt: what is of another attempt ran before, and is not ours to remove.
  if (made.some((one) => one.metadata.labels?.[LABEL.attempt] !== String(context.attemptId))) {
    return { restored: false, text: ' What ran before is not known to this agent; what is in the namespace was left as it is.', containers: [] };
  }
  await removeAll(api, made, until);
  await releaseNamespace(api, spec, made.length < ours.length, { until, patienceMs: RESTORE_MS / 2, tell: (step, text) => context.progress(step, text) });
  return { restored: true, text: '', containers: [] };
}

/**
 * A job that is no longer there has done its work and was cleared away; run again, it would do it to the data of another version. Where nothing at all is left (somebody has removed the
 * namespace), it is part of what is made anew.
 */
async function withoutDoneJobs(api: KubeApi, spec: TargetSpec, { workloads }: Earlier, until: AbortSignal): Promise<Earlier['workloads']> {
  const present = new Set((await takeInventory(api, spec, until)).filter((one) => one.ours).map(objectKey));
  const runs = workloads.filter(({ object }) => object.kind !== 'Job');
  if (runs.length > 0 && !runs.some(({ object }) => present.has(objectKey(object)))) return workloads;
  return workloads.filter(({ object }) => object.kind !== 'Job' || present.has(objectKey(object)));
}

async function goBack(api: KubeApi, spec: TargetSpec, earlier: Earlier, context: AttemptContext, until: AbortSignal): Promise<RestoreResult> {
  const tell = (step: string, text: string): void => context.progress(step, text);
  // Somebody may have removed it meanwhile.
  await ensureNamespace(api, spec, context.attemptId, { until, patienceMs: RESTORE_MS / 2, tell });
  const watch = new NamespaceWatch(api, spec.prefix, tell);
  try {
    const refused = new Map<KubeObject, string>();
    const put = async (object: KubeObject): Promise<number | undefined> => {
      try {
        return (await applyOrReplace(api, object, { until, force: earlier.force, tell })).metadata.generation;
      } catch (error) {
        if (!(error instanceof AttemptFailure)) throw error;
        tell('restore', error.message);
        // Somebody else holds a field of it: he did before the attempt, which left it as it was. What the cluster refuses by now must not keep the rest away.
        if (!isConflict(error)) refused.set(object, error.message);
        return undefined;
      }
    };
    await pooled(await withSizesKept(api, spec.prefix, earlier.ground, { until, tell }), put);
    const appliedAt = Date.now();
    const workloads = await withoutDoneJobs(api, spec, earlier, until);
    const applied = await pooled(workloads, async (one) => ({ ...one, appliedAt, generation: (await put(one.object)) ?? 0 }));
    await pooled(earlier.edge, put);
    let text = refused.size === 0 ? '' : ` Restore incomplete: ${[...refused.values()].join('; ')}`;
    try {
      const late = (): void => {
        if (until.aborted) throw new AttemptFailure('RestoreFailed', `what ran before was applied again and did not come up within ${RESTORE_MS / 1000} s`);
      };
      await watch.untilGood(applied.filter(({ object }) => !refused.has(object)), earlier.healthTimeout, late, until);
    } catch (error) {
      text = `${text === '' ? ' Restore incomplete:' : `${text};`} ${error instanceof Error ? error.message : String(error)}`;
    }
    if (!(await prune(api, spec, [...earlier.ground, ...earlier.kept, ...earlier.workloads.map((one) => one.object), ...earlier.edge], { until, tell })) && text === '') text = ' Something of the failed attempt could not be removed; the next attempt does it.';
    return { restored: !text.startsWith(' Restore'), text, containers: earlier.states(watch.pods) };
  } finally {
    watch.close();
  }
}
