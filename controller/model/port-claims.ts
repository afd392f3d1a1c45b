/** Which deployment publishes which ports of a Docker node: one port belongs to one container, as one target has one owner. Pure. */
import type { ContainerConfig, NodeSpec } from '../../schemas/gen/types.ts';
import { placeIn } from './check-target.ts';
import type { Manifest } from './manifest.ts';
import { objectName } from './manifest.ts';
import { meet, portUses } from './port-uses.ts';
import type { Position } from './problem.ts';
import { problem } from './problem.ts';
import type { ResolvedImages } from './resolve-images.ts';
import type { RefusedClaim } from './route-claims.ts';
import { byClaim } from './target-claims.ts';

export interface PortClaim {
  readonly from: number;
  readonly to: number;
  readonly protocol: 'tcp' | 'udp';
  /** Undefined: all of the node's. */
  readonly address: string | undefined;
  readonly image: string;
  /** Where the manifest says so. */
  readonly place: Position;
}

export interface PortClaimant {
  readonly deployment: Manifest<'Deployment'>;
  readonly ports: readonly PortClaim[];
}

interface Held {
  readonly claimant: PortClaimant;
  readonly claim: PortClaim;
}

const NONE: readonly PortClaim[] = [];

/** The ports of its node that a deployment publishes. In a cluster each image has a Service, and so ports, of its own; what `networkMode: host` takes, nobody says. */
export function portsOf(deployment: Manifest<'Deployment'>, nodeType: NodeSpec['type'] | undefined, resolved: ResolvedImages): readonly PortClaim[] {
  if (nodeType !== 'docker') return NONE;
  const claims = resolved.images.filter(({ config }) => publishes(config)).flatMap((image) =>
    portUses(image, image.config, 0).map(({ from, to, protocol, address, pointer }): PortClaim => ({ from, to, protocol, address, image: image.name, place: placeIn(resolved, image, pointer, deployment) })),
  );
  return claims.length === 0 ? NONE : claims;
}

/** Whether it publishes anything on the node's own network. */
export function publishes({ replicas, networkMode, ports, portRanges }: ContainerConfig): boolean {
  return replicas !== 0 && networkMode !== 'host' && networkMode !== 'none' && ((ports?.length ?? 0) > 0 || (portRanges?.length ?? 0) > 0);
}

/**
 * A warning for each claim on a port that another deployment has: only the node knows whether both are ever held at a time (jobs end, a simulated node
 * holds none), and then the attempt says so (`PortInUse`). Who has it is who has a route (`routeProblems`). Ports of one deployment among themselves are looked at with the deployment (`PortConflict`).
 */
export function portProblems(claimants: readonly PortClaimant[], recordedOwners?: ReadonlyMap<string, string>): RefusedClaim[] {
  const order = byClaim(recordedOwners);
  const held = new Map<string, Map<string | undefined, Held[]>>();
  const refused: RefusedClaim[] = [];
  for (const claimant of claimants.filter(({ ports }) => ports.length > 0).sort((a, b) => order(a.deployment, b.deployment))) {
    const { deployment } = claimant;
    for (const claim of claimant.ports) {
      const key = `${deployment.spec.node} ${claim.protocol}`;
      const byAddress = held.get(key) ?? new Map<string | undefined, Held[]>();
      held.set(key, byAddress);
      const holders = [...byAddress].flatMap(([address, some]) => (meet(address, claim.address) ? holdersOf(some, claim) : []));
      const other = holders.find((one) => one.claimant !== claimant);
      if (other !== undefined) refused.push({ deployment, problem: taken(claimant, claim, other) });
      else if (holders.length === 0) insert(byAddress, { claimant, claim });
    }
  }
  return refused;
}

function taken({ deployment }: PortClaimant, claim: PortClaim, holder: Held): RefusedClaim['problem'] {
  const { deployment: owner } = holder.claimant;
  const port = `${Math.max(claim.from, holder.claim.from)}/${claim.protocol}`;
  const message = `image ${claim.image} of deployment ${deployment.name} publishes port ${port} of node ${owner.spec.node}, which image ${holder.claim.image} of deployment ${owner.name} publishes (${owner.file}:${owner.line})`;
  return problem('PortTaken', claim.place, message, { severity: 'warning', object: objectName(deployment) });
}

/** Spans on one address do not overlap: those that a claim meets lie side by side. */
function holdersOf(sorted: readonly Held[], { from, to }: PortClaim): Held[] {
  const last = lastFrom(sorted, to);
  let first = last;
  while (first >= 0 && sorted[first]!.claim.to >= from) first--;
  return sorted.slice(first + 1, last + 1);
}

function insert(byAddress: Map<string | undefined, Held[]>, one: Held): void {
  const some = byAddress.get(one.claim.address);
  if (some === undefined) byAddress.set(one.claim.address, [one]);
  else some.splice(lastFrom(some, one.claim.from) + 1, 0, one);
}

/** Index of the last span that begins at the port or below, -1 where none does. */
function lastFrom(sorted: readonly Held[], port: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]!.claim.from <= port) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
