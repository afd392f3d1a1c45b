/**
 * Sealed values as the controller may see them: where they stand and for which keys they are. It has no
 * key, so nothing here opens anything. Pure.
 */
import type { ContainerConfig, Sealed, Secrets } from '../../schemas/gen/types.ts';
import { isSealedBlock, recipientsOf } from '../../proto/sealed.ts';
import { pointerStep } from './manifest.ts';

export { isRecipient, isWholeRecipient, recipientsOf } from '../../proto/sealed.ts';

export interface SealedPlace {
  /** JSON pointer to the block that has `sealed`. */
  readonly pointer: string;
  readonly block: Sealed;
}

/** Every sealed block below the value, in order. */
export function* sealedPlaces(value: unknown, pointer = ''): Generator<SealedPlace> {
  if (typeof value !== 'object' || value === null) return;
  if (isSealedBlock(value)) return yield { pointer, block: value };
  for (const [key, item] of Object.entries(value)) yield* sealedPlaces(item, pointer + pointerStep(key));
}

/** A copy in which every block holds this node's ciphertext alone; what has no block is the same object. */
export function sealedFor<T>(value: T, node: string): T {
  return mapBlocks(value, ({ sealed, ...rest }) => {
    const own = ciphertextFor(sealed, node);
    return Object.keys(sealed).length === 1 && own !== undefined ? undefined : { sealed: own === undefined ? {} : { [node]: own }, ...rest };
  }) as T;
}

/** A node may be called `constructor`, which every object has. */
function ciphertextFor(sealed: Sealed['sealed'], node: string): string | undefined {
  return Object.hasOwn(sealed, node) ? sealed[node] : undefined;
}

export type SealedFault = { readonly code: 'SealedInvalid' | 'SecretNotSealed' | 'SecretUnopenable'; readonly pointer: string; readonly text: string };

/**
 * Why a block will not open on the node, as far as that can be known without its key; the pointer is into the block. `known`: public
 * keys that the node is known to have; empty: nobody has said.
 */
export function faultOfSealed(block: Sealed, node: string, known: readonly string[]): SealedFault | undefined {
  const ciphertext = ciphertextFor(block.sealed, node);
  if (ciphertext === undefined) return { code: 'SecretNotSealed', pointer: '/sealed', text: `is not sealed for node ${node}` };
  const recipients = recipientsOf(ciphertext);
  const pointer = `/sealed${pointerStep(node)}`;
  if (recipients === undefined) return { code: 'SealedInvalid', pointer, text: damagedText(node) };
  if (known.length === 0 || recipients.some((recipient) => known.includes(recipient))) return undefined;
  return { code: 'SecretUnopenable', pointer, text: `is sealed to ${recipients.join(', ')}, and node ${node} has no such key` };
}

/** Said once for a place, whoever finds it. */
export function damagedText(node: string): string {
  return `the value for node ${node} is not what tagboat seal prints, or was cut`;
}

/** The `secrets` of a container and its helpers, with the pointers to them. */
export function secretsOf(config: ContainerConfig): readonly (readonly [pointer: string, secrets: Secrets])[] {
  const places: (readonly [string, Secrets | undefined])[] = [
    ['/secrets', config.secrets],
    ['/importContainer/secrets', config.importContainer?.secrets],
    ...(config.initContainers ?? []).map(({ secrets }, index) => [`/initContainers/${index}/secrets`, secrets] as const),
  ];
  return places.flatMap(([pointer, secrets]) => (secrets === undefined ? [] : [[pointer, secrets] as const]));
}

/** `undefined` from the callback leaves a block as it is. */
function mapBlocks(value: unknown, map: (block: Sealed) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isSealedBlock(value)) return map(value) ?? value;
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => mapBlocks(item, map));
    return items.every((item, index) => item === value[index]) ? value : items;
  }
  let changed = false;
  const entries = Object.entries(value).map(([key, item]: [string, unknown]) => {
    const mapped = mapBlocks(item, map);
    changed ||= mapped !== item;
    return [key, mapped] as const;
  });
  return changed ? Object.fromEntries(entries) : value;
}
