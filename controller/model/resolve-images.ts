/** A deployment's images with everything merged (SPEC §2, merge order): what render prints and what a plan uses. Pure. */
import type { ContainerConfig, Environment, Secrets } from '../../schemas/gen/types.ts';
import type { ConfigLayer, MergedConfig, Origin, VersionImage } from './config-merge.ts';
import { mergeConfig } from './config-merge.ts';
import { dependencyOrder } from './dependency-order.ts';
import type { Manifest } from './manifest.ts';
import { objectName, pointerStep, pointerSteps } from './manifest.ts';
import type { Problem } from './problem.ts';
import { problem } from './problem.ts';

export type ResolvedImage = VersionImage;

export interface ResolvedImages {
  /** Each after those it depends on. */
  readonly images: readonly ResolvedImage[];
  /** By image name, then by JSON pointer into its `config`. */
  readonly provenance: ReadonlyMap<string, ReadonlyMap<string, Origin>>;
  readonly problems: readonly Problem[];
}

/** A version either as its manifests, or as what was recorded of it (a frozen version; no places). */
export type VersionInput =
  | { readonly version: Manifest<'Version'>; readonly versionBundles: readonly Manifest<'ConfigBundle'>[] }
  | { readonly versionLayers: { readonly images: readonly VersionImage[] } };

export type ResolveInput = VersionInput & {
  readonly deployment: Manifest<'Deployment'>;
  readonly deploymentBundles: readonly Manifest<'ConfigBundle'>[];
};

/** Images and problems: bundle conflicts, overrides of images that the version does not have. Circles keep an order. */
export function resolveImages(input: ResolveInput): ResolvedImages {
  const { deployment } = input;
  const above = [...input.deploymentBundles.map((bundle) => bundleLayer(bundle, 'deployment')), deploymentLayer(deployment)];
  const resolved = mergeImages(imagesBelow(input), (name) => {
    const override = deployment.spec.images !== undefined && Object.hasOwn(deployment.spec.images, name) ? deployment.spec.images[name] : undefined;
    if (override === undefined) return above;
    const base = `/spec/images${pointerStep(name)}`;
    return [...above, { layer: 'override', config: override, position: (pointer) => deployment.position(base + pointer) }];
  }, objectName(deployment));
  const known = new Set(resolved.images.map((image) => image.name));
  const unknown = Object.keys(deployment.spec.images ?? {}).filter((name) => !known.has(name)).map((name) =>
    problem('UnknownReference', deployment.keyPosition(`/spec/images${pointerStep(name)}`), `the version has no image ${name}`, {
      hint: `Images of this version: ${[...known].join(', ')}.`,
      object: objectName(deployment),
    }),
  );
  return { ...resolved, problems: [...resolved.problems, ...unknown] };
}

/**
 * A version by itself: its images with its own bundles merged, what a freeze keeps. Conflicts of bundles are reported here
 * although a deployment may still decide them.
 */
export function resolveVersionImages(version: Manifest<'Version'>, versionBundles: readonly Manifest<'ConfigBundle'>[]): ResolvedImages {
  return mergeImages(imagesBelow({ version, versionBundles }), () => [], objectName(version));
}

interface ImageBelow {
  readonly image: Omit<VersionImage, 'config'>;
  readonly layers: readonly ConfigLayer[];
}

function imagesBelow(input: VersionInput): readonly ImageBelow[] {
  if ('versionLayers' in input) {
    return input.versionLayers.images.map(({ config, ...image }) => ({
      image,
      layers: [{ layer: 'frozen version', config, position: () => ({ file: '', line: 0, column: 0 }) }],
    }));
  }
  const { version } = input;
  const bundles = input.versionBundles.map((bundle) => bundleLayer(bundle, 'version'));
  return version.spec.images.map((image, index) => ({
    image: { name: image.name, image: image.image, ...(image.registry === undefined ? {} : { registry: image.registry }), dependsOn: image.dependsOn ?? [] },
    layers: [...bundles, { layer: 'version', config: image.config ?? {}, position: (pointer) => version.position(`/spec/images/${index}/config${pointer}`) }],
  }));
}

function mergeImages(below: readonly ImageBelow[], layersAbove: (name: string) => readonly ConfigLayer[], object: string): ResolvedImages {
  const provenance = new Map<string, ReadonlyMap<string, Origin>>();
  const problems: Problem[] = [];
  const images = below.map(({ image, layers }) => {
    const merged = mergeConfig([...layers, ...layersAbove(image.name)]);
    provenance.set(image.name, merged.provenance);
    problems.push(...conflictProblems(merged, image.name, object));
    return { ...image, config: merged.config };
  });
  return { images: dependencyOrder(images).ordered, provenance, problems: distinct(problems) };
}

function conflictProblems(merged: MergedConfig, image: string, object: string): Problem[] {
  return merged.conflicts.map(({ pointer, origins }) => {
    const places = origins.map((origin) => `${origin.layer} (${origin.file}:${origin.line})`).join(' and ');
    const at = origins.at(-1) as Origin;
    return problem('BundleConflict', at, `${places} set ${pointer.slice(1).replaceAll('/', '.')} differently for image ${image}`, { object });
  });
}

/** One conflict shows once, not for each image that has it. */
function distinct(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems.filter((item) => {
    const id = `${item.file}:${item.line}:${item.column}`;
    return seen.has(id) ? false : seen.add(id) !== undefined;
  });
}

function bundleLayer(bundle: Manifest<'ConfigBundle'>, of: 'version' | 'deployment'): ConfigLayer {
  return { layer: `bundle ${bundle.name}`, group: `bundles of the ${of}`, ...specLayer(bundle) };
}

function deploymentLayer(deployment: Manifest<'Deployment'>): ConfigLayer {
  return { layer: 'deployment', ...specLayer(deployment) };
}

/** `environment` and `secrets` are short for those of `config`; a name set in both is a problem elsewhere, here the short form wins. */
function specLayer(manifest: Manifest<'Deployment'> | Manifest<'ConfigBundle'>): Pick<ConfigLayer, 'config' | 'position'> {
  const spec: { readonly environment?: Environment; readonly secrets?: Secrets; readonly config?: ContainerConfig } = manifest.spec;
  const { environment, secrets } = spec;
  if (environment === undefined && secrets === undefined) return { config: spec.config ?? {}, position: (pointer) => manifest.position(`/spec/config${pointer}`) };
  return {
    config: {
      ...spec.config,
      ...(environment && { environment: { ...spec.config?.environment, ...environment } }),
      ...(secrets && { secrets: { ...spec.config?.secrets, ...secrets } }),
    },
    position: (pointer) => {
      const [key, name] = pointerSteps(pointer);
      const short = key === 'environment' ? environment : key === 'secrets' ? secrets : undefined;
      const isShort = short !== undefined && (name === undefined || Object.hasOwn(short, name));
      return manifest.position(isShort ? `/spec${pointer}` : `/spec/config${pointer}`);
    },
  };
}
