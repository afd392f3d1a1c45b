/** Who owns which target (R10). */
import type { Manifest, ManifestSet } from './manifest.ts';
import { comparePlaces } from './manifest.ts';

export interface TargetClaim {
  /** `node/prefix` */
  readonly target: string;
  readonly owner: Manifest<'Deployment'>;
  /** The others, in the order of their places. */
  readonly refused: readonly Manifest<'Deployment'>[];
}

/** Of those who want one thing: who is recorded as the owner of its target before who is not, then by file and line. */
export function byClaim(recordedOwners: ReadonlyMap<string, string> | undefined): (a: Manifest<'Deployment'>, b: Manifest<'Deployment'>) => number {
  const rank = ({ name, spec }: Manifest<'Deployment'>): number => (recordedOwners?.get(`${spec.node}/${spec.prefix}`) === name ? 0 : 1);
  return (a, b) => rank(a) - rank(b) || comparePlaces(a, b);
}

const NOBODY: readonly Manifest<'Deployment'>[] = [];

/**
 * One claim for each target. The owner is the recorded one while it still claims the target, else the first by file and line.
 * `recordedOwners`: deployment names by `node/prefix`, from the database; `validate` has none.
 */
export function targetClaims(set: ManifestSet, recordedOwners?: ReadonlyMap<string, string>): ReadonlyMap<string, TargetClaim> {
  const claimants = new Map<string, Manifest<'Deployment'>[]>();
  for (const deployment of set.byKind.Deployment.values()) {
    const target = `${deployment.spec.node}/${deployment.spec.prefix}`;
    const others = claimants.get(target);
    if (others === undefined) claimants.set(target, [deployment]);
    else others.push(deployment);
  }
  const claims = new Map<string, TargetClaim>();
  for (const [target, deployments] of claimants) {
    const [first, second] = deployments as [Manifest<'Deployment'>, ...Manifest<'Deployment'>[]];
    if (second === undefined) {
      claims.set(target, { target, owner: first, refused: NOBODY });
      continue;
    }
    deployments.sort(comparePlaces);
    const recorded = recordedOwners?.get(target);
    const owner = deployments.find((deployment) => deployment.name === recorded) ?? deployments[0] ?? first;
    claims.set(target, { target, owner, refused: deployments.filter((deployment) => deployment !== owner) });
  }
  return claims;
}
