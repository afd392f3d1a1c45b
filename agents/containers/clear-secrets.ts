/** Opening what an attempt needs, before anything is touched; and what a container gets of it. */
import type { ContainerConfig, Secrets, TargetImage } from '../../schemas/gen/types.ts';
import type { SecretOpener } from '../core/engine.ts';
import { AgentError } from '../core/errors.ts';
import { AttemptFailure } from '../core/attempt-failure.ts';
import type { ClearSecrets, SecretFile } from './runtime.ts';

const DEFAULT_MODE = 0o400;

/** Opened values by the block that they came from. Throws AttemptFailure `SecretUnopenable` for the first that does not open. */
export async function openSecrets(images: readonly TargetImage[], opener: SecretOpener): Promise<ReadonlyMap<object, Buffer>> {
  const opened = new Map<object, Buffer>();
  for (const image of images) {
    for (const secrets of secretsIn(image.config)) {
      for (const [name, block] of Object.entries(secrets)) {
        const value = await opener.open({ sealed: block.sealed }).catch((error: unknown) => {
          if (!(error instanceof AgentError)) throw error;
          throw new AttemptFailure('SecretUnopenable', `secret ${name} of image ${image.name} does not open: ${error.message}; nothing was touched`, { cause: error });
        });
        if (block.file === undefined && !isVariable(value)) {
          throw new AttemptFailure('SecretUnopenable', `secret ${name} of image ${image.name} holds bytes that no environment variable can hold; give it a file. Nothing was touched`);
        }
        opened.set(block, value);
      }
    }
  }
  return opened;
}

/** What a container with these secrets is created with. */
export function clearSecrets(secrets: Secrets | undefined, opened: ReadonlyMap<object, Buffer>): ClearSecrets {
  const environment: Record<string, string> = {};
  const files: SecretFile[] = [];
  for (const [name, block] of Object.entries(secrets ?? {})) {
    const content = opened.get(block);
    if (content === undefined) throw new RangeError(`secret ${name} was not opened`);
    if (block.file === undefined) environment[name] = content.toString('utf8');
    else files.push({ path: block.file, mode: block.mode === undefined ? DEFAULT_MODE : parseInt(block.mode, 8), content });
  }
  return { environment, files };
}

function secretsIn(config: ContainerConfig): Secrets[] {
  return [config.secrets, config.importContainer?.secrets, ...(config.initContainers ?? []).map((init) => init.secrets)].filter((secrets) => secrets !== undefined);
}

function isVariable(value: Buffer): boolean {
  return !value.includes(0) && Buffer.from(value.toString('utf8'), 'utf8').equals(value);
}
