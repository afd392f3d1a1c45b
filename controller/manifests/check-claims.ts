/** Two deployments with one address or one port of a node, as far as the versions at hand tell; the controller asks for the versions that it deploys. */
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import type { ManifestSet } from '../model/manifest.ts';
import { portProblems, portsOf, type PortClaimant } from '../model/port-claims.ts';
import type { Problem } from '../model/problem.ts';
import { resolveImages } from '../model/resolve-images.ts';
import { routeProblems, routesOf, type RouteClaimant } from '../model/route-claims.ts';
import { targetClaims } from '../model/target-claims.ts';
import { named, type CheckOptions } from './check-references.ts';

/** A warning where one of the two names a tag whose content is not at hand. */
export function checkClaims(set: ManifestSet, versionAt?: CheckOptions['versionAt']): Problem[] {
  const { Product, ConfigBundle, Node } = set.byKind;
  const claimants = [...targetClaims(set).values()].flatMap(({ owner: deployment }): (RouteClaimant & PortClaimant)[] => {
    const { spec } = deployment;
    const at = versionAt?.(deployment) ?? { set, sure: spec.version === undefined };
    const version = at.set.byKind.Version.get(spec.product);
    if (version === undefined || Product.get(spec.product)?.spec.source !== undefined) return [];
    const versionBundles = named(version.spec.bundles, at.set.byKind.ConfigBundle);
    const deploymentBundles = named(spec.bundles, ConfigBundle);
    const layers = [...[...versionBundles, ...deploymentBundles, deployment].map((one) => one.spec.config), ...version.spec.images.map(({ config }) => config), ...Object.values(spec.images ?? {})];
    if (!layers.some(claims)) return [];
    const resolved = resolveImages({ version, versionBundles, deployment, deploymentBundles });
    const nodeType = Node.get(spec.node)?.spec.type;
    return [{ deployment, routes: routesOf(deployment, nodeType, resolved), ports: portsOf(deployment, nodeType, resolved), unsure: !at.sure }];
  });
  return [...routeProblems(claimants), ...portProblems(claimants)].map((refused) => refused.problem);
}

function claims(config: ContainerConfig | undefined): boolean {
  const isExposed = config?.expose !== undefined && config.expose !== 'none';
  return isExposed || config?.portRanges !== undefined || config?.ports?.some(({ external }) => external !== undefined) === true;
}
