/**
 * Server-side apply: the API server merges, knows which fields are ours, takes away what we no longer say, and tells whom we
 * would overrule. Without force nothing of anybody else is overruled.
 */
import { AttemptFailure } from '../core/attempt-failure.ts';
import { ApiFailure, conflictsOf, isMissing } from './api-failure.ts';
import type { KubeApi } from './api.ts';
import { patiently } from './api.ts';
import { kindOf, pathOf } from './kinds.ts';
import { FIELD_MANAGER, takenOver, type ManagedEntry } from './managed-fields.ts';
import { objectKey } from './objects/target-objects.ts';
import type { KubeObject } from './objects/types.ts';

/** How often an object may be written by others while we take its fields over. */
const ROUNDS = 20;

export interface Applied {
  readonly metadata: { readonly uid: string; readonly generation?: number; readonly resourceVersion?: string; readonly managedFields?: readonly ManagedEntry[] };
}

export interface ApplyOptions {
  /** Until then a server that is away is waited for. */
  readonly until: AbortSignal;
  /** Overrule others, and take back what they added. */
  readonly force: boolean;
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
      () => api.call<Applied>({ method: 'PATCH', path, query: { fieldManager: FIELD_MANAGER, force }, contentType: 'application/apply-patch+yaml', body: object }),
      (failure) => tell('wait', failure.message),
    );
  let applied = await send();
  for (let round = 1; force; round++) {
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
 * Removes one object, and what its controller made of it. Gone already is fine; one that was replaced meanwhile is left alone.
 */
export async function removeObject(api: KubeApi, object: { readonly kind: string; readonly metadata: { readonly name: string; readonly namespace?: string; readonly uid?: string } }, until: AbortSignal): Promise<void> {
  const { name, namespace, uid } = object.metadata;
  const path = pathOf(kindOf(object.kind), namespace, name);
  await patiently(`remove ${objectKey(object)}`, until, async () => {
    try {
      await api.call({ method: 'DELETE', path, body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background', ...(uid !== undefined && { preconditions: { uid } }) } });
    } catch (error) {
      if (isMissing(error)) return;
      if (error instanceof ApiFailure && error.status === 409) return;
      throw error;
    }
  });
}
