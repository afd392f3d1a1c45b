/** Removes what this deployment made before and no longer has. Never a volume (R20), never what somebody else made. */
import type { AttemptContext } from '../core/engine.ts';
import { pooled } from '../core/pool.ts';
import type { KubeApi } from './api.ts';
import { removeObject } from './apply.ts';
import { takeInventory, type Found } from './inventory.ts';
import { CLAIM } from './kinds.ts';
import { objectKey } from './objects/target-objects.ts';
import type { KubeObject } from './objects/types.ts';

/**
 * The inventory is the cluster's own, so what a prune that was interrupted or refused left is found by the next one. Never throws: a new set that
 * serves is a success whatever is left of the old one. Answers whether nothing is left.
 */
export async function prune(api: KubeApi, target: { readonly team: string; readonly prefix: string }, wanted: readonly KubeObject[], options: { readonly until: AbortSignal; tell: AttemptContext['progress'] }): Promise<boolean> {
  const keep = new Set(wanted.map(objectKey));
  try {
    const orphans = (await takeInventory(api, target, options.until)).filter((one) => one.ours && one.kind !== CLAIM.kind && !keep.has(objectKey(one)));
    if (orphans.length === 0) return true;
    options.tell('prune', `removes ${orphans.map(objectKey).join(', ')}`);
    await removeAll(api, orphans, options.until);
    return true;
  } catch (error) {
    options.tell('prune', `something of before could not be removed and is left to the next attempt: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

/** What runs goes before what it uses. */
export async function removeAll(api: KubeApi, found: readonly Found[], until: AbortSignal): Promise<void> {
  const runs = new Set(['Ingress', 'ServiceMonitor', 'Deployment', 'StatefulSet', 'Job']);
  await pooled(found.filter((one) => runs.has(one.kind)), (one) => removeObject(api, one, until));
  await pooled(found.filter((one) => !runs.has(one.kind)), (one) => removeObject(api, one, until));
}
