/** Networks and volumes: made before the first container, labelled, never in the way of a second attempt. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { AttemptContext } from '../core/engine.ts';
import { change } from './calls.ts';
import { networkOf, type WantedContainer } from './container-spec.ts';
import { AttemptFailure } from '../core/attempt-failure.ts';
import { LABEL } from './labels.ts';
import { ensureNetworks } from './networks.ts';
import { pooled } from '../core/pool.ts';
import type { ContainerRuntime } from './runtime.ts';

export async function ensureGround(runtime: ContainerRuntime, spec: TargetSpec, wanted: readonly WantedContainer[], context: AttemptContext): Promise<void> {
  const own = networkOf(spec);
  const plans = wanted.flatMap((one) => [one.plan, ...one.helpers]);
  const networks = new Set(plans.flatMap((plan) => plan.networks.map((network) => network.name)));
  const labels = { [LABEL.team]: spec.team, [LABEL.deployment]: spec.deployment, [LABEL.prefix]: spec.prefix };
  // Networks that the config names may be shared, so they carry no prefix and may outlive the target.
  const there = await ensureNetworks(runtime, context.attemptId, new Map([...networks].map((name) => [name, name === own ? labels : { [LABEL.team]: spec.team }])));
  const { [LABEL.team]: team, [LABEL.prefix]: prefix } = there.get(own) ?? labels;
  if (team !== spec.team || prefix !== spec.prefix) {
    throw new AttemptFailure('NameTaken', `a network named ${own} exists on the node and is not Tagboat's for this team and prefix; no container was touched. Remove it or choose another prefix`);
  }
  const volumes = new Set(plans.flatMap((plan) => Object.values(plan.volumeNames)));
  await pooled([...volumes], (name) => runtime.ensureVolume(name, labels, change()));
  if (volumes.size > 0) context.progress('volume', `volumes ${[...volumes].join(', ')}`);
}
