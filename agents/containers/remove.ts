/** Taking a target away: containers, then networks that nobody else is on, and its volumes only if told (R20). May be repeated. */
import type { AttemptContext, AttemptEnd, RemoveTarget } from '../core/engine.ts';
import { change, look } from './calls.ts';
import { AttemptCancelled, safePoint } from '../core/attempt-failure.ts';
import { asFailure } from './failure.ts';
import { allOf, takeInventory } from './inventory.ts';
import { LABEL } from './labels.ts';
import { removeUnusedNetworks } from './networks.ts';
import { pooled } from '../core/pool.ts';
import { retire } from './restore.ts';
import { statesOf } from './states.ts';
import type { Router } from './route.ts';
import type { ContainerRuntime } from './runtime.ts';

export async function removeTarget(runtime: ContainerRuntime, target: RemoveTarget, context: AttemptContext, router?: Router): Promise<AttemptEnd> {
  try {
    safePoint(context);
    const inventory = await takeInventory(runtime, target.team, target.prefix, look());
    const containers = allOf(inventory);
    if (containers.length > 0) context.progress('remove', `removes ${containers.map((one) => one.name).join(', ')}`);
    if (containers.some((one) => one.labels[LABEL.route] !== undefined)) {
      // A way that cannot be closed, or a proxy that is broken, is no reason to keep what it leads to.
      await router?.lead(target, 'none', context.deadline).catch((error: unknown) => context.progress('route', `requests could not be led away first: ${textOf(error)}`));
    }
    await pooled(containers, (one) => retire(runtime, one));
    // One that is left over may be another target's, and goes with the next target that does.
    const unused = await removeUnusedNetworks(runtime, target.team).catch((error: unknown) => {
      context.progress('network', `networks that nothing uses may be left: ${textOf(error)}`);
      return [];
    });
    const networks = unused.filter((name) => name !== target.prefix);
    if (networks.length > 0) context.progress('network', `removed the networks ${networks.join(', ')}, which nothing used any more`);
    if (target.removeVolumes) {
      const volumes = await runtime.volumes({ [LABEL.team]: target.team, [LABEL.prefix]: target.prefix }, look());
      if (volumes.length > 0) context.progress('volume', `removes the volumes ${volumes.join(', ')}`);
      await pooled(volumes, (name) => runtime.removeVolume(name, change()));
    }
    return { outcome: 'succeeded', digests: [], containers: [] };
  } catch (error) {
    const containers = await takeInventory(runtime, target.team, target.prefix, look()).then((left) => statesOf(left, new Set()), () => []);
    // Cancelled before the first step: everything still runs. After it nothing can be put back, and the next removal goes on.
    if (error instanceof AttemptCancelled) return { outcome: 'cancelled', reason: error.message, restored: true, containers };
    const { code, message } = asFailure(error);
    return { outcome: 'failed', code, reason: message, restored: false, evidence: [], containers };
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
