/** Which credentials an image is pulled with: those of the registry that it names, on that registry's own host, and no others (R1). */
import type { TargetRegistry, TargetSpec } from '../../schemas/gen/types.ts';
import { AttemptFailure } from './attempt-failure.ts';
import type { SecretOpener } from './engine.ts';
import { AgentError } from './errors.ts';
import { hostOf } from './reference.ts';

export interface RegistryAccess {
  readonly host: string;
  /** False for `unchecked`, which is pulled from and asked nothing. */
  readonly asked: boolean;
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
}

/** Finds the access of an image by its reference and the registry that it names; helpers name none and go by their host. */
export type AccessOf = (reference: string, registry: string | undefined) => RegistryAccess | undefined;

/** Opens the passwords of a specification. Throws AttemptFailure `SecretUnopenable`. */
export async function openRegistries(registries: TargetSpec['registries'], opener: SecretOpener): Promise<AccessOf> {
  const opened = new Map<string, RegistryAccess>();
  for (const registry of registries ?? []) {
    opened.set(registry.name, { host: registry.host.toLowerCase(), asked: registry.type !== 'unchecked', credentials: await openCredentials(registry, opener) });
  }
  return (reference, name) => {
    const host = hostOf(reference).toLowerCase();
    const access = name === undefined ? [...opened.values()].find((one) => one.host === host) : opened.get(name);
    return access?.host === host ? access : undefined;
  };
}

async function openCredentials({ name, credentials }: TargetRegistry, opener: SecretOpener): Promise<RegistryAccess['credentials']> {
  if (credentials === undefined) return undefined;
  try {
    return { username: credentials.username, password: (await opener.open(credentials.password)).toString('utf8') };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    throw new AttemptFailure('SecretUnopenable', `the password of registry ${name} does not open: ${error.message}; nothing was touched`, { cause: error });
  }
}
