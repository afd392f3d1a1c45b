/** Two deployments with one address, as far as the versions at hand tell; the controller asks for the versions that it deploys. */
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import type { ManifestSet } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { resolveImages } from '../model/resolve-images.ts';
import { routeProblems, routesOf, type RouteClaimant } from '../model/route-claims.ts';
import { targetClaims } from '../model/target-claims.ts';
import { named } from './check-references.ts';

/** A warning where one of the two names a tag, whose content is not at hand. */
export function checkRoutes(set: ManifestSet): Problem[] {
  const { Product, Version, ConfigBundle, Node } = set.byKind;
  const claimants = [...targetClaims(set).values()].flatMap(({ owner: deployment }): RouteClaimant[] => {
    const { spec } = deployment;
    const version = Version.get(spec.product);
    if (version === undefined || Product.get(spec.product)?.spec.source !== undefined) return [];
    const versionBundles = named(version.spec.bundles, ConfigBundle);
    const deploymentBundles = named(spec.bundles, ConfigBundle);
    const layers = [...[...versionBundles, ...deploymentBundles, deployment].map((one) => one.spec.config), ...version.spec.images.map(({ config }) => config), ...Object.values(spec.images ?? {})];
    if (!layers.some(exposes)) return [];
    const routes = routesOf(deployment, Node.get(spec.node)?.spec.type, resolveImages({ version, versionBundles, deployment, deploymentBundles }));
    return routes.length === 0 ? [] : [{ deployment, routes, unsure: spec.version !== undefined }];
  });
  return routeProblems(claimants).map((refused) => refused.problem);
}

function exposes(config: ContainerConfig | undefined): boolean {
  return config?.expose !== undefined && config.expose !== 'none';
}
