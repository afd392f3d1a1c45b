/** Opens every sealed value of a specification before anything is touched. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { AttemptFailure } from '../core/attempt-failure.ts';
import type { SecretOpener } from '../core/engine.ts';
import { ciphertextOf, secretKeys } from './objects/environment.ts';

/** Values by ciphertext. Throws AttemptFailure `SecretUnopenable` with the place, never with a value (R27). */
export async function openSecrets(spec: TargetSpec, opener: SecretOpener): Promise<ReadonlyMap<string, string>> {
  const opened = new Map<string, string>();
  for (const image of spec.images) {
    for (const [key, secret] of secretKeys(image.config)) {
      try {
        opened.set(ciphertextOf(secret, spec.node), (await opener.open({ sealed: secret.sealed })).toString('base64'));
      } catch (error) {
        throw new AttemptFailure('SecretUnopenable', `the secret ${key} of ${image.name} cannot be opened: ${error instanceof Error ? error.message : String(error)}; nothing was touched`, { cause: error });
      }
    }
  }
  return opened;
}
