/**
 * The first step of an attempt: every image by digest on the node, before anything is touched (SPEC §4). What fails here
 * leaves the node as it was.
 */
import { pooled } from '../core/pool.ts';
import { familiar, parseReference } from '../core/reference.ts';
import { RuntimeError, type ContainerRuntime, type LocalImage } from './runtime.ts';

export interface WantedImage {
  /** As the manifest has it. */
  readonly reference: string;
  /** `sha256:…` that the version is frozen to, or that this attempt used before the agent restarted. */
  readonly pinned: string | undefined;
}

export interface ReadyImage {
  /** What a container is created from. */
  readonly source: string;
  /** `sha256:…`, '' for an image built on the node. */
  readonly digest: string;
}

export function imageKey(wanted: WantedImage): string {
  return `${wanted.reference} ${wanted.pinned ?? ''}`;
}

type Tell = (step: string, text: string) => void;

/** Resolves and pulls them, eight at a time, identical ones once. Keys of the answer are `imageKey`. Throws RuntimeError. */
export async function prepareImages(
  runtime: ContainerRuntime,
  wanted: readonly WantedImage[],
  tell: Tell,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ReadyImage>> {
  const unique = [...new Map(wanted.map((image) => [imageKey(image), image])).entries()];
  const pulls = new Map<string, Promise<void>>();
  const ready = await pooled(unique, async ([key, image]) => [key, await prepare(runtime, image, pulls, tell, signal)] as const);
  return new Map(ready);
}

async function prepare(
  runtime: ContainerRuntime,
  wanted: WantedImage,
  pulls: Map<string, Promise<void>>,
  tell: Tell,
  signal: AbortSignal,
): Promise<ReadyImage> {
  const { repository, tag, digest: written } = parseReference(wanted.reference);
  const pinned = wanted.pinned ?? written;
  const resolved = pinned ?? (await askRegistry(runtime, wanted.reference, tell, signal));
  if (typeof resolved !== 'string') return resolved;

  const source = `${repository}@${resolved}`;
  if ((await runtime.localImage(source, signal)) === undefined) {
    let pull = pulls.get(source);
    if (pull === undefined) {
      tell('pull', `pulls ${wanted.reference} (${resolved.slice(0, 19)})`);
      pull = runtime.pull(repository, resolved, pinned === undefined ? tag : undefined, signal);
      pulls.set(source, pull);
    }
    await pull;
  }
  return { source, digest: resolved };
}

/** A tag moves, so the registry is asked each time; only one that cannot be reached is replaced by what is here. */
async function askRegistry(runtime: ContainerRuntime, reference: string, tell: Tell, signal: AbortSignal): Promise<string | ReadyImage> {
  try {
    return await runtime.resolve(reference, signal);
  } catch (error) {
    if (!(error instanceof RuntimeError) || signal.aborted) throw error;
    const local = await runtime.localImage(reference, signal);
    if (local === undefined) throw error;
    const digest = digestOf(local, reference);
    if (digest === undefined && local.repoDigests.length === 0 && mayBeOwn(error)) {
      tell('pull', `uses ${reference} as built on this node (${local.id.slice(0, 19)}); no registry has it`);
      return { source: local.id, digest: '' };
    }
    if (error.code !== 'RegistryUnreachable') throw error;
    tell('pull', `the registry of ${reference} cannot be reached; uses the image that is on this node`);
    return digest ?? { source: local.id, digest: '' };
  }
}

/** Registries answer "denied" as well as "unknown" for a repository that they do not have. */
function mayBeOwn(error: RuntimeError): boolean {
  return error.code === 'RegistryUnreachable' || error.code === 'ImageUnknown' || error.code === 'RegistryUnauthorized';
}

function digestOf(image: LocalImage, reference: string): string | undefined {
  const repository = familiar(parseReference(reference).repository);
  return image.repoDigests.map((text) => parseReference(text)).find((one) => familiar(one.repository) === repository)?.digest;
}
