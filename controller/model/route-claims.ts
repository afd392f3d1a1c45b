/** Which deployment answers which address of a Docker node: one address leads to one image, as one target has one owner. Pure. */
import type { NodeSpec } from '../../schemas/gen/types.ts';
import { placeIn } from './check-target.ts';
import type { Manifest } from './manifest.ts';
import { objectName } from './manifest.ts';
import type { Position, Problem } from './problem.ts';
import { problem } from './problem.ts';
import type { ResolvedImages } from './resolve-images.ts';
import { byClaim } from './target-claims.ts';

export interface RouteClaim {
  /** Domain and path, as the proxy compares them; the scheme does not count. `*` for every name. */
  readonly address: string;
  readonly image: string;
  /** Where the manifest says so. */
  readonly place: Position;
}

export interface RouteClaimant {
  readonly deployment: Manifest<'Deployment'>;
  readonly routes: readonly RouteClaim[];
  /** It may be another version that is deployed, with other routes. */
  readonly unsure?: boolean;
}

export interface RefusedClaim {
  readonly deployment: Manifest<'Deployment'>;
  readonly problem: Problem;
}

const NONE: readonly RouteClaim[] = [];

/** The addresses that a deployment asks for. In a cluster they are the business of its ingress controller. */
export function routesOf(deployment: Manifest<'Deployment'>, nodeType: NodeSpec['type'] | undefined, resolved: ResolvedImages): readonly RouteClaim[] {
  if (nodeType !== 'docker') return NONE;
  const routes = resolved.images.flatMap((image): RouteClaim[] => {
    const { expose = 'none', routing: { domain, path = '/' } = {} } = image.config;
    if (expose === 'none') return [];
    const pointer = domain !== undefined ? '/routing/domain' : path !== '/' ? '/routing/path' : '/expose';
    return [{ address: `${domain?.toLowerCase() ?? '*'}${path.replace(/(.)\/+$/, '$1')}`, image: image.name, place: placeIn(resolved, image, pointer, deployment) }];
  });
  return routes.length === 0 ? NONE : routes;
}

/**
 * A problem for each claim that comes second. An address belongs to a deployment that is recorded as the owner of its target before one
 * that is not, then to the first by file and line. `recordedOwners`: deployment names by `node/prefix`.
 */
export function routeProblems(claimants: readonly RouteClaimant[], recordedOwners?: ReadonlyMap<string, string>): RefusedClaim[] {
  const claims = new Map<string, { readonly claimant: RouteClaimant; readonly route: RouteClaim }[]>();
  for (const claimant of claimants) {
    for (const route of claimant.routes) {
      const key = `${claimant.deployment.spec.node} ${route.address}`;
      const others = claims.get(key);
      if (others === undefined) claims.set(key, [{ claimant, route }]);
      else others.push({ claimant, route });
    }
  }
  const order = byClaim(recordedOwners);
  return [...claims.values()].flatMap((claimed) => {
    if (claimed.length === 1) return [];
    const [first, ...refused] = claimed.sort((a, b) => order(a.claimant.deployment, b.claimant.deployment));
    const { deployment: owner, unsure = false } = first!.claimant;
    return refused.map(({ claimant: { deployment, unsure: mayDiffer = false }, route }) => {
      const message = `image ${route.image} of deployment ${deployment.name} wants ${route.address} on node ${owner.spec.node}, which leads to image ${first!.route.image} of deployment ${owner.name} (${owner.file}:${owner.line})`;
      return { deployment, problem: problem('RouteTaken', route.place, message, { severity: unsure || mayDiffer ? 'warning' : 'error', object: objectName(deployment) }) };
    });
  });
}
