/** What ran before runs again (R19, R21): the previous set applied and waited for, and what it does not have removed. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { AttemptFailure } from '../core/attempt-failure.ts';
import type { AttemptContext, ContainerState, TargetMemory } from '../core/engine.ts';
import { pooled } from '../core/pool.ts';
import type { KubeApi } from './api.ts';
import { apply, isConflict } from './apply.ts';
import { takeInventory } from './inventory.ts';
import { CLAIM } from './kinds.ts';
import { releaseNamespace } from './namespace.ts';
import { allObjects } from './objects/target-objects.ts';
import type { KubeObject } from './objects/types.ts';
import { containerStates } from './pods.ts';
import { prune, removeAll } from './prune.ts';
import { NamespaceWatch } from './rollout.ts';
import { imageOf, previousObjects } from './sets.ts';

/** Less than the worker gives an engine after the deadline. */
const RESTORE_MS = 100_000;

export interface RestoreResult {
  readonly restored: boolean;
  /** To be added to the reason of the failure; empty where all went well. */
  readonly text: string;
  readonly containers: readonly ContainerState[];
}

/** Never throws: the reason of the failure itself must not be lost over it. */
export async function restore(api: KubeApi, spec: TargetSpec, previous: TargetMemory | undefined, context: AttemptContext, why: string): Promise<RestoreResult> {
  const until = AbortSignal.timeout(RESTORE_MS);
  const tell = (step: string, text: string): void => context.progress(step, text);
  tell('restore', why);
  try {
    if (previous === undefined) {
      await undo(api, spec, until, tell);
      return { restored: true, text: '', containers: [] };
    }
    return await goBack(api, previous, context, until);
  } catch (error) {
    return { restored: false, text: ` The restore failed as well: ${error instanceof Error ? error.message : String(error)}`, containers: [] };
  }
}

/** Nothing ran before, so nothing is left; claims keep what was written to them. */
async function undo(api: KubeApi, spec: TargetSpec, until: AbortSignal, tell: AttemptContext['progress']): Promise<void> {
  const ours = (await takeInventory(api, spec, until)).filter((one) => one.ours);
  await removeAll(api, ours.filter((one) => one.kind !== CLAIM.kind), until);
  await releaseNamespace(api, spec, ours.some((one) => one.kind === CLAIM.kind), { until, patienceMs: RESTORE_MS / 2, tell });
}

async function goBack(api: KubeApi, previous: TargetMemory, context: AttemptContext, until: AbortSignal): Promise<RestoreResult> {
  const { spec } = previous;
  const tell = (step: string, text: string): void => context.progress(step, text);
  const objects = await previousObjects(api, previous, context.secrets, until);
  const watch = new NamespaceWatch(api, spec.prefix);
  try {
    const put = async (object: KubeObject): Promise<number | undefined> => {
      try {
        return (await apply(api, object, { until, force: spec.selfHeal, tell })).metadata.generation;
      } catch (error) {
        // Somebody else holds a field of it: he did before the attempt, which left it as it was.
        if (!isConflict(error)) throw error;
        tell('restore', error instanceof Error ? error.message : String(error));
        return undefined;
      }
    };
    await pooled(objects.ground, put);
    const applied = await pooled(objects.workloads, async (one) => ({ ...one, image: imageOf(spec, one), generation: (await put(one.object)) ?? 0 }));
    await pooled(objects.edge, put);
    let text = '';
    try {
      const late = (): void => {
        if (until.aborted) throw new AttemptFailure('RestoreFailed', `what ran before was applied again and did not come up within ${RESTORE_MS / 1000} s`);
      };
      await watch.untilGood(applied, spec.timeouts.health, late, until);
    } catch (error) {
      text = ` Restore incomplete: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (!(await prune(api, spec, allObjects(objects), { until, tell })) && text === '') text = ' Something of the failed attempt could not be removed; the next attempt does it.';
    return { restored: !text.startsWith(' Restore'), text, containers: containerStates(spec, watch.pods) };
  } finally {
    watch.close();
  }
}
