/**
 * Who has set a field does not always hold it against us. A field that somebody once changed stays his in the API server's books, also when he has set it back, as he was told to: without more every later change of
 * it would fail. An object in which nothing differs from the record is nobody else's to hold. And how many
 * pods there are is an autoscaler's to say where there is one.
 */
import { AttemptFailure } from '../core/attempt-failure.ts';
import type { TargetMemory } from '../core/engine.ts';
import { ApiFailure, conflictsOf } from './api-failure.ts';
import { apply, isConflict, type Applied, type ApplyOptions } from './apply.ts';
import type { KubeApi } from './api.ts';
import { driftOfObject, isBaseline } from './baseline.ts';
import { findObject } from './find.ts';
import { applyOrReplace } from './replace.ts';
import { objectKey } from './objects/target-objects.ts';
import type { KubeObject } from './objects/types.ts';

export async function applyUnlessHeld(api: KubeApi, object: KubeObject, previous: TargetMemory | undefined, options: ApplyOptions): Promise<Applied> {
  try {
    return await applyOrReplace(api, object, options);
  } catch (error) {
    if (isAutoscaled(error)) {
      options.tell('replicas', `leaves the number of pods of ${objectKey(object)} to its autoscaler`);
      const { replicas: _, ...spec } = object['spec'] as { readonly replicas?: number };
      return applyOrReplace(api, { ...object, spec }, options);
    }
    if (!isConflict(error) || !(await isAsRecorded(api, object, previous, options.until))) throw error;
    return apply(api, object, { ...options, force: 'values' });
  }
}

/** An autoscaler acts through the cluster's own controllers. */
function isAutoscaled(error: unknown): boolean {
  const conflicts = error instanceof AttemptFailure && error.cause instanceof ApiFailure ? conflictsOf(error.cause) : [];
  return conflicts.length > 0 && conflicts.every(({ manager, field }) => manager === 'kube-controller-manager' && field === '.spec.replicas');
}

async function isAsRecorded(api: KubeApi, object: KubeObject, previous: TargetMemory | undefined, until: AbortSignal): Promise<boolean> {
  const key = objectKey(object);
  const before = isBaseline(previous?.baseline) ? previous.baseline.objects[key] : undefined;
  const live = before === undefined ? undefined : await findObject(api, object, until);
  return before !== undefined && live !== undefined && driftOfObject(key, before, live).length === 0;
}
