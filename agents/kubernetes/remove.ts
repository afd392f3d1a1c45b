/** Taking a target away: what runs, what it used, its volumes only if told (R20), its namespace only if nothing else is in it. May be repeated. */
import type { AttemptContext, AttemptEnd, RemoveTarget } from '../core/engine.ts';
import { AttemptCancelled, safePoint } from '../core/attempt-failure.ts';
import { pause } from '../core/pool.ts';
import { asFailure } from './api-failure.ts';
import type { KubeApi } from './api.ts';
import { patiently } from './api.ts';
import { takeInventory } from './inventory.ts';
import { CLAIM, POD, pathOf } from './kinds.ts';
import { readNamespace, releaseNamespace } from './namespace.ts';
import { LABEL, labelValue } from './objects/labels.ts';
import { objectKey } from './objects/target-objects.ts';
import { removeAll } from './prune.ts';

/** Containers stop with their own grace; the namespace with the cluster's. */
const PODS_MS = 120_000;
const NAMESPACE_MS = 60_000;
const LOOK_AGAIN_MS = 300;

export async function removeTarget(api: KubeApi, target: RemoveTarget, context: AttemptContext): Promise<AttemptEnd> {
  const tell = (step: string, text: string): void => context.progress(step, text);
  const until = context.deadline;
  let begun = false;
  try {
    safePoint(context);
    // Labels of the objects say whose they are; those of the namespace may have been taken away.
    if ((await readNamespace(api, target.prefix, until)) === undefined) return { outcome: 'succeeded', digests: [], containers: [] };
    const ours = (await takeInventory(api, target, until)).filter((one) => one.ours);
    const claims = ours.filter((one) => one.kind === CLAIM.kind);
    const others = ours.filter((one) => one.kind !== CLAIM.kind);
    safePoint(context);
    begun = true;
    if (others.length > 0) tell('remove', `removes ${others.map(objectKey).join(', ')}`);
    await removeAll(api, others, until);
    await podsGone(api, target, until);
    if (target.removeVolumes && claims.length > 0) {
      tell('volume', `removes the volumes ${claims.map((one) => one.metadata.name).join(', ')}`);
      await removeAll(api, claims, until);
    }
    await releaseNamespace(api, target, claims.length > 0 && !target.removeVolumes, { until, patienceMs: NAMESPACE_MS, tell });
    return { outcome: 'succeeded', digests: [], containers: [] };
  } catch (error) {
    // Cancelled before the first step: everything still runs. After it nothing can be put back, and the next removal goes on.
    if (error instanceof AttemptCancelled) return { outcome: 'cancelled', reason: error.message, restored: !begun, containers: [] };
    const { code, message } = asFailure(error);
    return { outcome: 'failed', code, reason: message, restored: !begun, evidence: [], containers: [] };
  }
}

async function podsGone(api: KubeApi, { team, prefix }: RemoveTarget, until: AbortSignal): Promise<void> {
  const labelSelector = `${LABEL.team}=${labelValue(team)},${LABEL.prefix}=${prefix}`;
  const end = Date.now() + PODS_MS;
  while (!until.aborted && Date.now() < end) {
    const { items = [] } = await patiently('look at the pods', until, () => api.call<{ items?: unknown[] }>({ method: 'GET', path: pathOf(POD, prefix), query: { labelSelector, limit: 1 } }));
    if (items.length === 0) return;
    await pause(LOOK_AGAIN_MS, until);
  }
}
