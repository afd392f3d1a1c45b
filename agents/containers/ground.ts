/** Networks and volumes: made before the first container, labelled, never in the way of a second attempt. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { AttemptContext } from '../core/engine.ts';
import { change, look } from './calls.ts';
import { networkOf, type WantedContainer } from './container-spec.ts';
import { AttemptFailure } from '../core/attempt-failure.ts';
import { takeInventory } from './inventory.ts';
import { LABEL } from './labels.ts';
import { pooled } from '../core/pool.ts';
import type { Target } from './restore.ts';
import type { ContainerRuntime } from './runtime.ts';

export async function ensureGround(runtime: ContainerRuntime, spec: TargetSpec, wanted: readonly WantedContainer[], context: AttemptContext): Promise<void> {
  const own = networkOf(spec);
  const plans = wanted.flatMap((one) => [one.plan, ...one.helpers]);
  const networks = new Set(plans.flatMap((plan) => plan.networks.map((network) => network.name)));
  const labels = { [LABEL.team]: spec.team, [LABEL.deployment]: spec.deployment, [LABEL.prefix]: spec.prefix };
  await pooled([...networks], async (name) => {
    // Networks that the config names may be shared, so they carry no prefix and outlive the target.
    const wantedLabels = name === own ? labels : { [LABEL.team]: spec.team };
    const there = await runtime.ensureNetwork(name, wantedLabels, change());
    if (name === own && (there[LABEL.team] !== spec.team || there[LABEL.prefix] !== spec.prefix)) {
      throw new AttemptFailure('NameTaken', `a network named ${name} exists on the node and is not Tagboat's for this team and prefix; no container was touched. Remove it or choose another prefix`);
    }
  });
  const volumes = new Set(plans.flatMap((plan) => Object.values(plan.volumeNames)));
  await pooled([...volumes], (name) => runtime.ensureVolume(name, labels, change()));
  if (volumes.size > 0) context.progress('volume', `volumes ${[...volumes].join(', ')}`);
}

/** After a first deployment that failed: an empty network is no trace to leave. Volumes stay in any case (R20). */
export async function removeGround(runtime: ContainerRuntime, target: Target): Promise<void> {
  const inventory = await takeInventory(runtime, target.team, target.prefix, look());
  if (inventory.finals.size > 0 || inventory.aside.length > 0 || inventory.done.length > 0) return;
  await removeNetworks(runtime, target);
}

export async function removeNetworks(runtime: ContainerRuntime, target: Target): Promise<void> {
  const names = await runtime.networks({ [LABEL.team]: target.team, [LABEL.prefix]: target.prefix }, look());
  await pooled(names, (name) => runtime.removeNetwork(name, change()));
}
