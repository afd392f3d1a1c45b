/** What is wrong with a version and its product, as far as no schema can say it. */
import { KNOWN_REGISTRIES } from '../model/defaults.ts';
import { dependencyOrder } from '../model/dependency-order.ts';
import { parseImageRef } from '../model/image-ref.ts';
import type { Manifest, ManifestSet } from '../model/manifest.ts';
import { objectName, pointerStep } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { missing } from './missing-reference.ts';

/** A version against the set that it was read with: its own commit's. */
export function checkVersion(version: Manifest<'Version'>, set: ManifestSet): Problem[] {
  const { images, bundles = [] } = version.spec;
  const { ConfigBundle, Registry } = set.byKind;
  const problems = bundles.flatMap((name, index) => missing(version, 'ConfigBundle', name, `/spec/bundles/${index}`, ConfigBundle.keys(), ConfigBundle.has(name)));
  for (const [index, { registry }] of images.entries()) {
    if (registry === undefined) continue;
    problems.push(...missing(version, 'Registry', registry, `/spec/images/${index}/registry`, Registry.keys(), Registry.has(registry) || KNOWN_REGISTRIES.has(registry)));
  }
  return [...problems, ...ownProblems(version)];
}

/** Manifests never change and come from a cache, so what is wrong inside one is found once. */
const remembered = new WeakMap<Manifest<'Version'>, readonly Problem[]>();

function ownProblems(version: Manifest<'Version'>): readonly Problem[] {
  const known = remembered.get(version);
  if (known !== undefined) return known;
  const problems = checkImages(version);
  remembered.set(version, problems);
  return problems;
}

function checkImages(version: Manifest<'Version'>): Problem[] {
  const object = objectName(version);
  const { images } = version.spec;
  const problems: Problem[] = [];
  const indexOf = new Map<string, number>();
  for (const [index, image] of images.entries()) {
    const base = `/spec/images/${index}`;
    if (indexOf.has(image.name)) problems.push(problem('DuplicateName', version.position(`${base}/name`), `two images of the version are called ${image.name}`, { hint: 'Rename one of the two.', object }));
    else indexOf.set(image.name, index);
    if (parseImageRef(image.image) === null) problems.push(problem('ImageReference', version.position(`${base}/image`), `${image.image.slice(0, 200)} is no image reference`, { object }));
  }
  for (const [index, image] of images.entries()) {
    for (const [at, name] of (image.dependsOn ?? []).entries()) {
      problems.push(...missing(version, 'image', name, `/spec/images/${index}/dependsOn/${at}`, indexOf.keys(), indexOf.has(name)));
    }
  }
  for (const cycle of dependencyOrder(images.map(({ name, dependsOn = [] }) => ({ name, dependsOn }))).cycles) {
    const index = indexOf.get(cycle[0] as string) ?? 0;
    problems.push(problem('DependencyCycle', version.position(`/spec/images/${index}/dependsOn`), `images wait for each other: ${cycle.join(' → ')}`, { object }));
  }
  return problems;
}

/** A product that has no version to deploy, and a version that no product has. */
export function checkProducts(set: ManifestSet): Problem[] {
  const problems: Problem[] = [];
  for (const product of set.byKind.Product.values()) {
    if (product.spec.source !== undefined || set.byKind.Version.has(product.name)) continue;
    // The version of a complex product may live at its tags and other branches only.
    const severity = product.spec.type === 'simple' ? 'error' : 'warning';
    const hint = `Add a manifest of kind Version with metadata.name ${product.name}, or name its \`source\`.`;
    problems.push(problem('UnknownReference', product.position('/metadata/name'), `product ${product.name} has no Version manifest here`, { severity, hint, object: objectName(product) }));
  }
  for (const version of set.byKind.Version.values()) {
    if (set.byKind.Product.has(version.name)) continue;
    const [found] = missing(version, 'Product', version.name, '/metadata/name', set.byKind.Product.keys(), false);
    // A repository that other teams name as a product's source has versions only.
    if (found !== undefined) problems.push({ ...found, severity: 'warning' });
  }
  return problems;
}

/** A variable or secret that stands both in the short form and in `config`. */
export function checkShortForms(manifest: Manifest<'Deployment'> | Manifest<'ConfigBundle'>): Problem[] {
  const spec: Manifest<'ConfigBundle'>['spec'] = manifest.spec;
  return (['environment', 'secrets'] as const).flatMap((form) =>
    Object.keys(spec[form] ?? {})
      .filter((name) => Object.hasOwn(spec.config?.[form] ?? {}, name))
      .map((name) =>
        problem('SchemaViolation', manifest.keyPosition(`/spec/${form}${pointerStep(name)}`), `${name} is set in ${form} and in config.${form}, which are the same`, {
          hint: 'Remove one of the two.',
          object: objectName(manifest),
        }),
      ),
  );
}
