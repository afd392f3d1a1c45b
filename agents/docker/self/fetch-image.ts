/** The image of another version, pulled through the engine. */
import { look } from '../../containers/calls.ts';
import { AgentError } from '../../core/errors.ts';
import { familiar, parseReference } from '../../core/reference.ts';
import type { DockerRuntime } from '../docker-runtime.ts';

/** Answers it by digest where the registry gives one, else by id: an image that is here and in no registry will do. Throws `UpdateFailed`. */
export async function fetchImage(runtime: DockerRuntime, image: string, signal: AbortSignal): Promise<string> {
  const { repository, tag, digest } = parseReference(image);
  const failure = await runtime.pull(repository, digest, tag, undefined, signal).then(() => undefined, (error: unknown) => error);
  const local = await runtime.localImage(image, look());
  if (local === undefined) throw new AgentError('UpdateFailed', `the image ${image} is not to be had: ${failure instanceof Error ? failure.message : String(failure)}`, { cause: failure });
  return local.repoDigests.find((one) => one.startsWith(`${familiar(repository)}@`)) ?? local.id;
}
