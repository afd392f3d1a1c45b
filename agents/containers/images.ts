/**
 * The first step of an attempt: every image by digest on the node, before anything is touched (SPEC §4). What fails here
 * leaves the node as it was.
 */
import type { FailureCode } from '../core/engine.ts';
import type { ImageDemands } from '../core/image-rules.ts';
import { pause, pooled } from '../core/pool.ts';
import { familiar, parseReference } from '../core/reference.ts';
import type { RegistryAccess } from '../core/registry-access.ts';
import { RuntimeError, type ContainerRuntime, type LocalImage, type RegistryCredentials } from './runtime.ts';

export interface WantedImage {
  /** As the manifest has it. */
  readonly reference: string;
  /** `sha256:…` that the version is frozen to, or that this attempt used before the agent restarted. */
  readonly pinned: string | undefined;
  /** Undefined: nobody's credentials are needed. */
  readonly access?: RegistryAccess | undefined;
}

export interface ReadyImage {
  /** What a container is created from. */
  readonly source: string;
  /** `sha256:…`, '' for an image built on the node. */
  readonly digest: string;
  /** What the image itself says that it needs. */
  readonly demands: ImageDemands;
}

export function imageKey(wanted: Pick<WantedImage, 'reference' | 'pinned'>): string {
  return `${wanted.reference} ${wanted.pinned ?? ''}`;
}

type Tell = (step: string, text: string) => void;

interface Preparing {
  readonly runtime: ContainerRuntime;
  readonly pulls: Map<string, Promise<void>>;
  readonly tell: Tell;
  readonly signal: AbortSignal;
}

/** Pauses before another try, at a registry that asks for patience and at one that did not answer just now. */
const PAUSES_MS: { readonly [Code in FailureCode]?: readonly number[] } = { RegistryRateLimited: [2_000, 6_000], RegistryUnreachable: [1_000] };

/** Resolves and pulls them, eight at a time, identical ones once. Keys of the answer are `imageKey`. Throws RuntimeError. */
export async function prepareImages(
  runtime: ContainerRuntime,
  wanted: readonly WantedImage[],
  tell: Tell,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ReadyImage>> {
  // Of identical ones that with access counts: a helper may use the image of its container.
  const unique = new Map<string, WantedImage>();
  for (const image of wanted) if (unique.get(imageKey(image))?.access === undefined) unique.set(imageKey(image), image);
  const preparing: Preparing = { runtime, pulls: new Map(), tell, signal };
  const ready = await pooled([...unique], async ([key, image]) => [key, await prepare(preparing, image)] as const);
  return new Map(ready);
}

async function prepare(preparing: Preparing, wanted: WantedImage): Promise<ReadyImage> {
  const { runtime, pulls, tell, signal } = preparing;
  const { repository, tag, digest: written } = parseReference(wanted.reference);
  const pinned = wanted.pinned ?? written;
  const resolved = pinned ?? (await askRegistry(preparing, wanted));
  if (typeof resolved !== 'string') return resolved;

  const source = `${repository}@${resolved}`;
  let local = await runtime.localImage(source, signal);
  if (local === undefined) {
    let pull = pulls.get(source);
    if (pull === undefined) {
      tell('pull', `pulls ${wanted.reference} (${resolved.slice(0, 19)})`);
      pull = patiently(preparing, wanted, () => runtime.pull(repository, resolved, pinned === undefined ? tag : undefined, credentialsOf(wanted), signal));
      pulls.set(source, pull);
    }
    await pull;
    local = await runtime.localImage(source, signal);
  }
  return { source, digest: resolved, demands: demandsOf(local) };
}

/** A tag moves, so the registry is asked each time; only one that cannot be reached is replaced by what is here. */
async function askRegistry(preparing: Preparing, wanted: WantedImage): Promise<string | ReadyImage> {
  const { runtime, tell, signal } = preparing;
  const { reference } = wanted;
  try {
    if (wanted.access?.asked === false) return await pullUnchecked(preparing, wanted);
    return await patiently(preparing, wanted, () => runtime.resolve(reference, credentialsOf(wanted), signal));
  } catch (error) {
    if (!(error instanceof RuntimeError) || signal.aborted) throw error;
    const local = await runtime.localImage(reference, signal);
    if (local === undefined) throw error;
    const digest = digestOf(local, reference);
    if (digest === undefined && local.repoDigests.length === 0 && mayBeOwn(error)) {
      tell('pull', `uses ${reference} as built on this node (${local.id.slice(0, 19)}); no registry has it`);
      return { source: local.id, digest: '', demands: demandsOf(local) };
    }
    if (error.code !== 'RegistryUnreachable' && error.code !== 'RegistryRateLimited') throw error;
    tell('pull', `the registry of ${reference} ${error.code === 'RegistryUnreachable' ? 'cannot be reached' : 'takes no more requests for now'}; uses the image that is on this node`);
    return digest ?? { source: local.id, digest: '', demands: demandsOf(local) };
  }
}

/** By tag, and nothing is asked: what came is looked at afterwards. */
async function pullUnchecked(preparing: Preparing, wanted: WantedImage): Promise<ReadyImage> {
  const { runtime, tell, signal } = preparing;
  const { repository, tag } = parseReference(wanted.reference);
  tell('pull', `pulls ${wanted.reference}`);
  await patiently(preparing, wanted, () => runtime.pull(repository, undefined, tag, credentialsOf(wanted), signal));
  const local = await runtime.localImage(wanted.reference, signal);
  if (local === undefined) throw new RuntimeError('ImagePullFailed', `${wanted.reference} was pulled and is not on the node; nothing was touched`);
  const digest = digestOf(local, wanted.reference);
  const demands = demandsOf(local);
  return digest === undefined ? { source: local.id, digest: '', demands } : { source: `${repository}@${digest}`, digest, demands };
}

/** A few more tries, further and further apart, where a registry says "too many requests"; one where the line to it broke: what is here may be old. */
async function patiently<T>({ tell, signal }: Preparing, wanted: WantedImage, work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const ms = error instanceof RuntimeError ? PAUSES_MS[error.code]?.[tries] : undefined;
      if (ms === undefined || signal.aborted) throw error;
      const why = error instanceof RuntimeError && error.code === 'RegistryRateLimited' ? 'takes no more requests for now' : 'does not answer';
      tell('pull', `the registry of ${wanted.reference} ${why}; asks again in ${ms / 1000} s`);
      await pause(ms, signal);
    }
  }
}

function demandsOf(local: LocalImage | undefined): ImageDemands {
  return { labels: local?.labels ?? {}, variables: local?.variables ?? [] };
}

function credentialsOf({ access }: WantedImage): RegistryCredentials | undefined {
  return access?.credentials === undefined ? undefined : { host: access.host, ...access.credentials };
}

/** Registries answer "denied" as well as "unknown" for a repository that they do not have. */
function mayBeOwn(error: RuntimeError): boolean {
  return error.code === 'RegistryUnreachable' || error.code === 'ImageUnknown' || error.code === 'RegistryUnauthorized' || error.code === 'RegistryRateLimited';
}

function digestOf(image: LocalImage, reference: string): string | undefined {
  const repository = familiar(parseReference(reference).repository);
  return image.repoDigests.map((text) => parseReference(text)).find((one) => familiar(one.repository) === repository)?.digest;
}
