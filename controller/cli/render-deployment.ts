/** Deployment manifest → merged images with origins; secrets are shown as a digest of their ciphertext (R27). */
import { maskSecrets } from '../plan/mask.ts';
import type { Manifest, ManifestSet } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { resolveImages } from '../model/resolve-images.ts';
import { named } from '../manifests/check-references.ts';
import type { LocalVersions } from './local-versions.ts';

export interface RenderedOrigin {
  readonly layer: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface RenderedImage {
  readonly name: string;
  readonly image: string;
  readonly registry?: string;
  readonly dependsOn: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
  /** By JSON pointer into `config`. */
  readonly provenance: Readonly<Record<string, RenderedOrigin>>;
}

export interface RenderedDeployment {
  readonly name: string;
  readonly product: string;
  /** The semver number, the branch, or '' for the team's branch. */
  readonly version: string;
  /** The tag that the version was read at, or 'files at hand'. */
  readonly readAt: string;
  readonly node: string;
  readonly prefix: string;
  readonly images: readonly RenderedImage[];
}

/** Deployments without a version to merge are left out with a problem, unless `set` has told of it already. */
export function renderDeployments(
  deployments: readonly Manifest<'Deployment'>[],
  set: ManifestSet,
  versions: LocalVersions,
): { readonly rendered: readonly RenderedDeployment[]; readonly problems: readonly Problem[] } {
  const rendered: RenderedDeployment[] = [];
  const problems: Problem[] = [];
  for (const deployment of deployments) {
    const { spec } = deployment;
    const { set: source, tag } = versions.at(deployment);
    const version = source.byKind.Version.get(spec.product);
    if (version === undefined) {
      const hint = 'Run render where the version manifest can be read; one of another repository is not fetched.';
      problems.push(problem('VersionUnreadable', deployment.position('/spec/product'), `the version manifest of ${spec.product} is not here`, { hint, severity: 'warning' }));
      continue;
    }
    const resolved = resolveImages({
      version,
      versionBundles: named(version.spec.bundles, source.byKind.ConfigBundle),
      deployment,
      deploymentBundles: named(spec.bundles, set.byKind.ConfigBundle),
    });
    rendered.push({
      name: deployment.name,
      product: spec.product,
      version: spec.version ?? spec.branch ?? '',
      readAt: tag === undefined ? 'files at hand' : `tag ${tag}`,
      node: spec.node,
      prefix: spec.prefix,
      images: resolved.images.map(({ config, ...image }) => ({ ...image, config: { ...maskSecrets(config) }, provenance: originsOf(resolved.provenance.get(image.name)) })),
    });
  }
  return { rendered, problems };
}

function originsOf(origins: Iterable<readonly [string, RenderedOrigin]> | undefined): Record<string, RenderedOrigin> {
  return Object.fromEntries([...(origins ?? [])].map(([pointer, { layer, file, line, column }]) => [pointer, { layer, file, line, column }]));
}
