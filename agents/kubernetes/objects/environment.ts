/** Environment and secrets: immutable objects whose names change with their content, so that old pods never read new values. Pure. */
import type { V1EnvFromSource, V1EnvVar, V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import type { ContainerConfig, Sealed, Secret, Secrets } from '../../../schemas/gen/types.ts';
import { derivedName, imageLabels, shortHash, texts, workloadName } from './labels.ts';
import type { ImageInput, KubeObject } from './types.ts';

const SECRET_VOLUME = 'tagboat-secrets';

/** Kubernetes replaces `$(NAME)` in commands and values; Docker does not, and a manifest means the same on both. */
export function literal(text: unknown): string {
  return String(text).replaceAll('$', '$$$$');
}

export function plainEnvironment(environment: Readonly<Record<string, unknown>> | undefined): V1EnvVar[] {
  return Object.entries(texts(environment)).map(([name, value]) => ({ name, value: literal(value) }));
}

/** Sealed values of the container and of its helpers, by key of the one Secret that holds them all. */
export function secretKeys(config: ContainerConfig): ReadonlyMap<string, Secret> {
  const keys = new Map<string, Secret>();
  const add = (part: string, secrets: Secrets | undefined): void => {
    for (const [name, secret] of Object.entries(secrets ?? {})) keys.set(keyOf(part, name), secret);
  };
  add('', config.secrets);
  add('import-data', config.importContainer?.secrets);
  for (const init of config.initContainers ?? []) add(`init-${init.name}`, init.secrets);
  return keys;
}

/** @param part the helper's name, empty for the container itself. */
function keyOf(part: string, name: string): string {
  return part === '' ? name : `${part}.${name}`;
}

export function secretEnvironment(input: ImageInput, part: string, secrets: Secrets | undefined): V1EnvVar[] {
  const variables = Object.entries(secrets ?? {}).filter(([, secret]) => secret.file === undefined);
  return variables.map(([name]) => ({ name, valueFrom: { secretKeyRef: { name: secretName(input), key: keyOf(part, name) } } }));
}

export function secretFiles(input: ImageInput, part: string, secrets: Secrets | undefined): V1VolumeMount[] {
  return Object.entries(secrets ?? {}).flatMap(([name, { file }]) => (file === undefined ? [] : [{ name: SECRET_VOLUME, mountPath: file, subPath: keyOf(part, name), readOnly: true }]));
}

export function secretVolumes(input: ImageInput): V1Volume[] {
  const items = [...secretKeys(input.image.config)].filter(([, secret]) => secret.file !== undefined).map(([key, secret]) => ({ key, path: key, mode: readable(secret.mode) }));
  return items.length === 0 ? [] : [{ name: SECRET_VOLUME, secret: { secretName: secretName(input), defaultMode: 0o444, items } }];
}

/** A cluster gives such files to root; who runs as somebody else can read them only if everybody in the container may. */
function readable(mode = '0400'): number {
  const bits = Number.parseInt(mode, 8);
  return (bits & 0o400) === 0 ? bits : bits | 0o044;
}

export function environmentSources(input: ImageInput): V1EnvFromSource[] {
  return hasEnvironment(input) ? [{ configMapRef: { name: configMapName(input) } }] : [];
}

function hasEnvironment({ image }: ImageInput): boolean {
  return Object.keys(image.config.environment ?? {}).length > 0;
}

function configMapName({ image }: ImageInput): string {
  return derivedName(workloadName(image), `env-${shortHash(texts(image.config.environment))}`);
}

/** Of the ciphertexts: a digest of the values themselves would let everybody who sees the name try them out. */
function secretName(input: ImageInput): string {
  const { node } = input.spec;
  return derivedName(workloadName(input.image), `secrets-${shortHash([...secretKeys(input.image.config)].map(([key, sealed]) => [key, ciphertextOf(sealed, node)]).sort())}`);
}

export function ciphertextOf(sealed: Sealed, node: string): string {
  return (Object.hasOwn(sealed.sealed, node) ? sealed.sealed[node] : undefined) ?? '';
}

export function environmentObjects(input: ImageInput): KubeObject[] {
  const { spec, image, attemptId, opened } = input;
  const labels = imageLabels(spec, image, attemptId);
  const objects: KubeObject[] = [];
  if (hasEnvironment(input)) {
    objects.push({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: configMapName(input), namespace: spec.prefix, labels }, immutable: true, data: texts(image.config.environment) });
  }
  const keys = secretKeys(image.config);
  if (keys.size > 0) {
    const data = Object.fromEntries([...keys].map(([key, sealed]) => [key, opened?.get(ciphertextOf(sealed, spec.node)) ?? '']));
    objects.push({ apiVersion: 'v1', kind: 'Secret', metadata: { name: secretName(input), namespace: spec.prefix, labels }, type: 'Opaque', immutable: true, data });
  }
  return objects;
}
