/**
 * The sealed value: what `tagboat seal` makes, what validation reads of it without a key, and what the agent opens. An age
 * file (age-encryption.org/v1) in base64. Beside the stanzas that wrap its key stands one that names each recipient in
 * clear, so that everybody sees for which key it was made; team and node stand inside the ciphertext.
 */
import { bech32 } from '@scure/base';

const INTRO = 'age-encryption.org/v1\n';
/** Unknown stanzas are passed over by age itself, so plain `age -d` with the node's identity opens the file too. */
const RECIPIENT_STANZA = 'tagboat.dev/recipient';
const RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/;
/** Small secrets of different lengths give ciphertexts of one length. */
const PAD_TO = 256;
/** What fits into the schema's limit of a ciphertext with room for ten recipients. */
export const LARGEST_SECRET_BYTES = 48 * 1024;

/** Whose value it is. */
export interface SealedFor {
  readonly team: string;
  readonly node: string;
}

export type SealedFault = 'malformed' | 'no-key' | 'elsewhere';

/** Why a sealed value does not open; the text is for people and holds nothing of the value. */
export class SealedError extends Error {
  readonly fault: SealedFault;

  constructor(fault: SealedFault, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SealedError';
    this.fault = fault;
  }
}

/** An object whose `sealed` maps nodes to ciphertexts; a secret that happens to be called `sealed` is none. */
export function isSealedBlock(value: object): value is { sealed: Record<string, string> } {
  if (!('sealed' in value) || typeof value.sealed !== 'object' || value.sealed === null) return false;
  return Object.values(value.sealed).every((item) => typeof item === 'string');
}

interface Envelope extends SealedFor {
  readonly tagboat: 1;
  readonly value: string;
}

export function isRecipient(text: string): boolean {
  return RECIPIENT.test(text);
}

/** Whether the check sum in a recipient is right: a letter that was mistyped or cut off is found without a key. */
export function isWholeRecipient(text: string): boolean {
  return isRecipient(text) && bech32.decodeUnsafe(text, false)?.prefix === 'age';
}

/** The recipients that a well-formed sealed value was made for; undefined for anything else. Needs no key and decrypts nothing. */
export function recipientsOf(ciphertext: string): readonly string[] | undefined {
  const bytes = decode(ciphertext);
  if (bytes === undefined) return undefined;
  // The header is text and ends with its MAC; behind it are a nonce of 16 bytes and at least one tag of 16.
  const header = bytes.toString('latin1');
  if (!header.startsWith(INTRO)) return undefined;
  const mac = /\n--- [A-Za-z0-9+/]{43}\n/.exec(header);
  if (mac === null || bytes.length < mac.index + mac[0].length + 32) return undefined;
  const lines = header.slice(INTRO.length, mac.index).split('\n');
  const named = lines.flatMap((line) => (line.startsWith(`-> ${RECIPIENT_STANZA} `) ? [line.slice(RECIPIENT_STANZA.length + 4)] : []));
  const wrapped = lines.filter((line) => line.startsWith('-> X25519 ')).length;
  return named.length > 0 && named.length === wrapped && named.every(isRecipient) ? named : undefined;
}

/** Encrypts for the holders of any of the recipients; answers the base64 text. Throws RangeError for a recipient or a size that cannot be. */
export async function seal(value: Uint8Array, { team, node }: SealedFor, recipients: readonly string[]): Promise<string> {
  if (value.length > LARGEST_SECRET_BYTES) throw new RangeError(`the value has ${value.length} bytes; a secret has at most ${LARGEST_SECRET_BYTES}`);
  if (recipients.length === 0) throw new RangeError('there is no recipient');
  const { Encrypter, Stanza } = await import('age-encryption');
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    if (!isRecipient(recipient)) throw new RangeError(`${recipient.slice(0, 80)} is no age recipient`);
    try {
      encrypter.addRecipient(recipient);
    } catch (error) {
      throw new RangeError(`${recipient} is no age recipient: its check sum is wrong`, { cause: error });
    }
  }
  encrypter.addRecipient({ wrapFileKey: () => recipients.map((recipient) => new Stanza([RECIPIENT_STANZA, recipient], new Uint8Array())) });
  const text = JSON.stringify({ tagboat: 1, team, node, value: Buffer.from(value).toString('base64') } satisfies Envelope);
  const sealed = await encrypter.encrypt(text.padEnd(Math.ceil(text.length / PAD_TO) * PAD_TO));
  return Buffer.from(sealed).toString('base64');
}

/**
 * Opens it with whichever identity fits (`AGE-SECRET-KEY-1…`). Throws SealedError: `malformed`, `no-key`, or `elsewhere` for one
 * that names another team or node.
 */
export async function unseal(ciphertext: string, place: SealedFor, identities: readonly string[]): Promise<Buffer> {
  const recipients = recipientsOf(ciphertext);
  const bytes = decode(ciphertext);
  if (recipients === undefined || bytes === undefined) throw new SealedError('malformed', 'it is not what tagboat seal prints');
  const { Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  let envelope: unknown;
  try {
    envelope = JSON.parse(await decrypter.decrypt(bytes, 'text'));
  } catch (error) {
    if (error instanceof Error && /no identity matched/i.test(error.message)) throw new SealedError('no-key', `it is sealed to ${recipients.join(', ')}, and this node has no such key`);
    // The library's text stays out: what was decrypted may be in it.
    throw new SealedError('malformed', 'its content was changed or was not made by tagboat seal');
  }
  if (!isEnvelope(envelope)) throw new SealedError('malformed', 'its content was not made by tagboat seal');
  if (envelope.team !== place.team || envelope.node !== place.node) {
    throw new SealedError('elsewhere', `it was sealed for node ${envelope.node} of team ${envelope.team}, and this is node ${place.node} of team ${place.team}`);
  }
  return Buffer.from(envelope.value, 'base64');
}

function isEnvelope(value: unknown): value is Envelope {
  if (typeof value !== 'object' || value === null) return false;
  const { tagboat, team, node, value: inner } = value as Record<string, unknown>;
  return tagboat === 1 && typeof team === 'string' && typeof node === 'string' && typeof inner === 'string';
}

function decode(text: string): Buffer | undefined {
  const packed = text.replaceAll(/\s+/g, '');
  if (packed === '' || packed.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(packed)) return undefined;
  return Buffer.from(packed, 'base64');
}
