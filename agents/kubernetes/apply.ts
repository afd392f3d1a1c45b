/**
 * Server-side apply: the API server merges, knows which fields are ours, takes away what we no longer say, and tells whom we
 * would overrule. Without force nothing of anybody else is overruled.
 */
import { AttemptFailure } from '../core/attempt-failure.ts';
import { pause } from '../core/pool.ts';
import { ApiFailure, conflictsOf, isMissing } from './api-failure.ts';
import type { KubeApi } from './api.ts';
import { patiently } from './api.ts';
import { kindOf, pathOf } from './kinds.ts';
import { FIELD_MANAGER, takenOver, type ManagedEntry } from './managed-fields.ts';
import { objectKey } from './objects/target-objects.ts';
import type { KubeObject } from './objects/types.ts';

/** How long one that is on its way out is waited for: what holds it (a cloud that takes a load balancer down) takes a minute. */
const LEAVING_MS = 120_000;
const LOOK_AGAIN_MS = 1_000;
/** How often an object may be written by others while we take its fields over. */
const ROUNDS = 20;

export interface Applied {
  readonly metadata: { readonly uid: string; readonly generation?: number; readonly resourceVersion?: string; readonly managedFields?: readonly ManagedEntry[]; readonly deletionTimestamp?: string; readonly finalizers?: readonly string[] };
}

export interface ApplyOptions {
  /** Until then a server that is away is waited for. */
  readonly until: AbortSignal;
  /** Overrule others, and take back what they added; `values`: leave that. */
  readonly force: boolean | 'values';
  tell(step: string, text: string): void;
}

/** Answers what the server has now. Throws AttemptFailure: `ObjectConflict` for fields that others own, and what api-failure.ts tells apart. */
export async function apply(api: KubeApi, object: KubeObject, options: ApplyOptions): Promise<Applied> {
  const { until, force, tell } = options;
  const path = pathOf(kindOf(object.kind), object.metadata.namespace, object.metadata.name);
  const doing = `apply ${objectKey(object)}`;
  const send = (): Promise<Applied> =>
    patiently(
      doing,
      until,
      () => api.call<Applied>({ method: 'PATCH', path, query: { fieldManager: FIELD_MANAGER, force: force !== false }, contentType: 'application/apply-patch+yaml', body: object }),
      (failure) => tell('wait', failure.message),
    );
  let applied = await send();
  const end = Date.now() + LEAVING_MS;
  // A server takes changes of what is on its way out, and then it is gone with them.
  for (let told = false; applied.metadata.deletionTimestamp !== undefined; applied = await send(), told = true) {
    if (!told) tell('wait', `${objectKey(object)} was removed and is not gone yet; waits for it`);
    if (Date.now() > end || until.aborted) throw new AttemptFailure('ObjectConflict', `${doing}: it was removed and does not go: ${(applied.metadata.finalizers ?? []).join(', ')} holds it. Look why, then deploy again`);
    await pause(LOOK_AGAIN_MS, until);
  }
  for (let round = 1; force === true; round++) {
    // Fields that somebody else added beside ours are not ours to remove, until we own them.
    const taken = takenOver(applied.metadata.managedFields ?? []);
    if (taken === undefined) break;
    const test = { op: 'test', path: '/metadata/resourceVersion', value: applied.metadata.resourceVersion };
    const body = [test, { op: 'replace', path: '/metadata/managedFields', value: taken }];
    try {
      await patiently(doing, until, () => api.call({ method: 'PATCH', path, query: { fieldManager: FIELD_MANAGER }, contentType: 'application/json-patch+json', body }));
    } catch (error) {
      if (!isOutdated(error) || round === ROUNDS) throw error;
    }
    applied = await send();
  }
  return applied;
}

/** The object was written in between (controllers write its status all the time), so that the test of its version failed. */
function isOutdated(error: unknown): boolean {
  return error instanceof AttemptFailure && error.cause instanceof ApiFailure && (error.cause.status === 422 || error.cause.status === 409);
}

/** For a restore: what somebody else holds was not changed by us before, and stays as he has it. */
export function isConflict(error: unknown): boolean {
  return error instanceof AttemptFailure && error.cause instanceof ApiFailure && conflictsOf(error.cause).length > 0;
}

/**
 * Removes one object, and (unless it is to be left as an orphan) what its controller made of it. Gone already is fine; one that was replaced meanwhile is left alone.
 */
export async function removeObject(api: KubeApi, object: { readonly kind: string; readonly metadata: { readonly name: string; readonly namespace?: string; readonly uid?: string } }, until: AbortSignal, propagationPolicy: 'Background' | 'Orphan' = 'Background'): Promise<void> {
  const { name, namespace, uid } = object.metadata;
  const path = pathOf(kindOf(object.kind), namespace, name);
  await patiently(`remove ${objectKey(object)}`, until, async () => {
    try {
      await api.call({ method: 'DELETE', path, body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy, ...(uid !== undefined && { preconditions: { uid } }) } });
    } catch (error) {
      if (isMissing(error)) return;
      if (error instanceof ApiFailure && error.status === 409) return;
      throw error;
    }
  });
}
