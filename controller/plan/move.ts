/** A deployment that moves to another prefix of its node: the old one goes once the new one serves, which cannot be while both need what one alone can hold. Pure. */
import { holdingsOf, sharedHolding } from './holdings.ts';
import type { DesiredDeployment, ObservedNode, Recorded, RecordedTarget } from './types.ts';

/** Why the way from one of its targets to the wanted one is barred; null where it is open. `from`: where it serves now. A simulated node holds no port. */
export function barredMove(wanted: DesiredDeployment, from: RecordedTarget, node: ObservedNode | undefined): string | null {
  if (!wanted.oneNetwork || node?.simulated === true || from.node !== wanted.node || from.prefix === wanted.prefix || from.liveSpec === null) return null;
  const what = sharedHolding(holdingsOf(from.liveSpec), holdingsOf(wanted.spec));
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
