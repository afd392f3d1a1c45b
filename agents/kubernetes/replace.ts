/**
 * What the API lets nobody change in place: what selects the pods of a workload, and what a StatefulSet makes its volumes of. Such a workload is taken away
 * and made anew under its name. Its pods stay where the new one selects them, too; else nothing serves meanwhile, which is said.
 */
import { AttemptFailure } from '../core/attempt-failure.ts';
import { pause } from '../core/pool.ts';
import { ApiFailure } from './api-failure.ts';
import { apply, removeObject, type Applied, type ApplyOptions } from './apply.ts';
import type { KubeApi } from './api.ts';
import { findObject } from './find.ts';
import { isManaged } from './managed-fields.ts';
import { objectKey } from './objects/target-objects.ts';
import type { KubeObject } from './objects/types.ts';

interface FixedParts {
  readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly volumeClaimTemplates?: readonly { readonly metadata?: { readonly name?: string }; readonly spec?: { readonly accessModes?: readonly string[]; readonly storageClassName?: string; readonly resources?: unknown } }[];
}

const GONE_MS = 60_000;
const LOOK_AGAIN_MS = 300;
const RUNS = new Set(['Deployment', 'StatefulSet']);

/** As `apply`, also where the object has to be made anew for it. A StatefulSet whose volumes are to be others is refused as before: those that there are do not change with it. */
export async function applyOrReplace(api: KubeApi, object: KubeObject, options: ApplyOptions): Promise<Applied> {
  try {
    return await apply(api, object, options);
  } catch (error) {
    if (!RUNS.has(object.kind) || !isFixed(error)) throw error;
    const live = await findObject(api, object, options.until);
    if (live === undefined || !isManaged(live.metadata.managedFields ?? [])) throw error;
    const was = (live['spec'] ?? {}) as FixedParts;
    const wanted = object['spec'] as FixedParts;
    const keepsPods = selectorText(was) === selectorText(wanted);
    if (keepsPods && volumesText(was) !== volumesText(wanted)) throw error;
    options.tell('replace', `makes ${objectKey(object)} anew, for ${keepsPods ? 'what its volumes are labelled with cannot change in place; its pods stay' : 'what selects its pods cannot change in place; it does not serve meanwhile'}`);
    await removeObject(api, { kind: object.kind, metadata: { ...object.metadata, uid: live.metadata.uid } }, options.until, keepsPods ? 'Orphan' : 'Background');
    // While it is on its way out it is still what it was, and refuses as before.
    for (const end = Date.now() + GONE_MS; (await findObject(api, object, options.until))?.metadata.uid === live.metadata.uid && Date.now() < end && !options.until.aborted; ) await pause(LOOK_AGAIN_MS, options.until);
    return apply(api, object, options);
  }
}

function isFixed(error: unknown): boolean {
  return error instanceof AttemptFailure && error.cause instanceof ApiFailure && error.cause.status === 422 && /field is immutable|updates to statefulset spec for fields other than/.test(error.cause.message);
}

function selectorText({ selector }: FixedParts): string {
  return JSON.stringify(Object.entries(selector?.matchLabels ?? {}).sort());
}

function volumesText({ volumeClaimTemplates = [] }: FixedParts): string {
  return JSON.stringify(volumeClaimTemplates.map(({ metadata, spec }) => [metadata?.name, spec?.accessModes, spec?.storageClassName, spec?.resources]));
}
