/** A deployment that moves to another prefix of its node: the old one goes once the new one serves, which cannot be while both need what one alone can hold. Pure. */
import type { ContainerConfig, TargetSpec } from '../../schemas/gen/types.ts';
import { portConflicts, portUses } from '../model/port-uses.ts';
import type { DesiredDeployment, ObservedNode, Recorded, RecordedTarget } from './types.ts';

/** Why the way from one of its targets to the wanted one is barred; null where it is open. `from`: where it serves now. A simulated node holds no port. */
export function barredMove(wanted: DesiredDeployment, from: RecordedTarget, node: ObservedNode | undefined): string | null {
  if (!wanted.oneNetwork || node?.simulated === true || from.node !== wanted.node || from.prefix === wanted.prefix || from.liveSpec === null) return null;
  const what = sharedPort(from.liveSpec, wanted.spec) ?? sharedAddress(from.liveSpec, wanted.spec);
  return what === null ? null : `it would move from ${from.node}/${from.prefix} to ${wanted.node}/${wanted.prefix}, and both would need ${what}: take its manifest out in one commit and put it back in the next, or let it have another`;
}

/** The targets that each deployment is recorded to own, made when somebody first asks. */
export function targetsByOwner(recorded: Recorded): (deployment: string) => readonly RecordedTarget[] {
  let owners: Map<string, RecordedTarget[]> | undefined;
  return (deployment) => {
    if (owners === undefined) {
      owners = new Map();
      for (const target of recorded.targets.values()) owners.set(target.deployment, [...(owners.get(target.deployment) ?? []), target]);
    }
    return owners.get(deployment) ?? [];
  };
}

function sharedPort(old: TargetSpec, wanted: TargetSpec): string | null {
  const uses = [old, wanted].flatMap((spec, order) => spec.images.flatMap((image) => portUses(spec, image.config, order)));
  const conflict = portConflicts(uses).find(([one, other]) => one.owner !== other.owner);
  return conflict === undefined ? null : `port ${Math.max(conflict[0].from, conflict[1].from)}/${conflict[0].protocol} of the node`;
}

function sharedAddress(old: TargetSpec, wanted: TargetSpec): string | null {
  const taken = new Set(old.images.flatMap(({ config }) => addressOf(config) ?? []));
  const shared = wanted.images.flatMap(({ config }) => addressOf(config) ?? []).find((address) => taken.has(address));
  return shared === undefined ? null : `the address ${shared}`;
}

function addressOf({ expose = 'none', routing: { domain = '*', path = '/' } = {} }: ContainerConfig): string | undefined {
  return expose === 'none' ? undefined : `${domain.toLowerCase()}${path.replace(/(.)\/+$/, '$1')}`;
}
