/** Registries: which host each stands for, and which of them an image may be pulled from with its credentials (R1). Pure. */
import type { RegistrySpec, TargetRegistry } from '../../schemas/gen/types.ts';
import { KNOWN_REGISTRIES } from './defaults.ts';
import { parseImageRef } from './image-ref.ts';
import type { Manifest } from './manifest.ts';
import { objectName } from './manifest.ts';
import type { Problem } from './problem.ts';
import { problem } from './problem.ts';
import type { ResolvedImage } from './resolve-images.ts';
import { faultOfSealed, sealedFor } from './sealed.ts';

const OWN_HOSTS = { hub: 'docker.io', github: 'ghcr.io', gitlab: 'registry.gitlab.com', google: 'gcr.io' } as const;

/** Host with its port, as an image reference has it. */
export function registryHost({ type, url }: RegistrySpec): string {
  if (type === 'hub') return OWN_HOSTS.hub;
  const host = url?.replace(/^https?:\/\//, '').replace(/\/.*$/, '').toLowerCase();
  if (host !== undefined && host !== '') return host;
  return type === 'v2' || type === 'unchecked' ? '' : OWN_HOSTS[type];
}

/** The registries that these images name, as an agent on this node gets them: its own ciphertexts, no others. */
export function targetRegistries(images: readonly ResolvedImage[], registries: ReadonlyMap<string, Manifest<'Registry'>>, node: string): TargetRegistry[] {
  return namedRegistries(images, registries).map(({ name, spec }) => ({
    name,
    type: spec.type,
    host: registryHost(spec),
    ...(spec.credentials === undefined ? {} : { credentials: { username: spec.credentials.username, password: sealedFor(spec.credentials.password, node) } }),
  }));
}

export interface CheckRegistriesInput {
  readonly deployment: Manifest<'Deployment'>;
  readonly images: readonly ResolvedImage[];
  /** Of the team's head: credentials change without a new version. */
  readonly registries: ReadonlyMap<string, Manifest<'Registry'>>;
  /** Public keys that the node is known to have. */
  readonly recipients: readonly string[];
}

/** An image of another host than its registry's, and passwords that will not open on the node. */
export function checkRegistries({ deployment, images, registries, recipients }: CheckRegistriesInput): Problem[] {
  const object = objectName(deployment);
  const problems: Problem[] = [];
  for (const image of images) {
    if (image.registry === undefined) continue;
    const registry = registries.get(image.registry);
    const known = KNOWN_REGISTRIES.has(image.registry);
    if (registry === undefined && !known) {
      problems.push(problem('UnknownReference', deployment.position('/spec/product'), `image ${image.name} names the registry ${image.registry}, which the team does not have`, { object }));
      continue;
    }
    const host = registry === undefined ? OWN_HOSTS.hub : registryHost(registry.spec);
    const own = parseImageRef(image.image)?.host;
    if (own !== undefined && own.toLowerCase() !== host) {
      problems.push(problem('RegistryMismatch', registry?.position('/spec') ?? deployment.position('/spec/product'), `image ${image.name} is on ${own}, and its registry ${image.registry} is ${host}`, { object }));
    }
  }
  const node = deployment.spec.node;
  for (const registry of namedRegistries(images, registries)) {
    const password = registry.spec.credentials?.password;
    const fault = password === undefined ? undefined : faultOfSealed(password, node, recipients);
    if (fault === undefined) continue;
    const message = fault.code === 'SealedInvalid' ? fault.text : `the password of registry ${registry.name} ${fault.text}`;
    problems.push(problem(fault.code, registry.position(`/spec/credentials/password${fault.pointer}`), message, { object }));
  }
  return problems;
}

/** Manifests of the registries that the images name, each once, by name. */
export function namedRegistries(images: readonly Pick<ResolvedImage, 'registry'>[], registries: ReadonlyMap<string, Manifest<'Registry'>>): Manifest<'Registry'>[] {
  const names = [...new Set(images.flatMap(({ registry }) => registry ?? []))].sort();
  return names.flatMap((name) => registries.get(name) ?? []);
}
