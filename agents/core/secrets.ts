/**
 * The node's own keys for sealed values, and everything that was opened with them. The keys are made here, in a file that only
 * this user may read, and never leave it; nothing ever removes one. What was opened is masked in all that the agent says (R27).
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Sealed, TargetSpec } from '../../schemas/gen/types.ts';
import { isSealedBlock, SealedError, unseal } from '../../proto/sealed.ts';
import type { SecretOpener } from './engine.ts';
import { AgentError } from './errors.ts';
import { makePrivateDirectory, writeNew, writeWhole } from './files.ts';
import { Mask } from './mask.ts';

const FILE = 'secrets.key';
/** More of them than anybody rotates through, few enough to try them all. */
const MOST_KEYS = 32;
const IDENTITY = /^AGE-SECRET-KEY-1[0-9A-Z]{58}$/;

interface KeyPair {
  readonly identity: string;
  readonly recipient: string;
}

export class Secrets implements SecretOpener {
  readonly #path: string;
  readonly #mask = new Mask();
  #place: { readonly team: string; readonly node: string } | undefined;
  #keys: readonly KeyPair[] = [];
  #read = '';

  private constructor(path: string) {
    this.#path = path;
  }

  /** Loads the keys, or makes the first. Throws `SecretsUnreadable` for a file that is there and is none; it is left alone. */
  static async open(directory: string): Promise<Secrets> {
    makePrivateDirectory(directory);
    const secrets = new Secrets(join(directory, FILE));
    if (!existsSync(secrets.#path)) await addFirstKey(directory);
    await secrets.refresh();
    return secrets;
  }

  /** Whose values these keys open: known once the node is enrolled. */
  serve(place: { readonly team: string; readonly node: string }): void {
    this.#place = place;
  }

  /** Public keys, the current one first. */
  get recipients(): readonly string[] {
    return this.#keys.map((key) => key.recipient);
  }

  /** Looks whether the file has changed: a rotation while the agent runs. */
  async refresh(): Promise<void> {
    const { mtimeMs, ino, size } = statSync(this.#path);
    const version = `${mtimeMs} ${ino} ${size}`;
    if (version === this.#read) return;
    this.#keys = await readKeys(this.#path);
    this.#read = version;
  }

  async open(block: Sealed): Promise<Buffer> {
    const place = this.#place;
    if (place === undefined) throw new AgentError('SecretUnopenable', 'this agent is not enrolled');
    const ciphertext = Object.hasOwn(block.sealed, place.node) ? block.sealed[place.node] : undefined;
    if (ciphertext === undefined) throw new AgentError('SecretUnopenable', `it is not sealed for node ${place.node}; seal it with: tagboat seal --node ${place.node}`);
    await this.refresh();
    try {
      const value = await unseal(ciphertext, place, this.#keys.map((key) => key.identity));
      this.#mask.add(ciphertext, value);
      return value;
    } catch (error) {
      if (!(error instanceof SealedError)) throw error;
      const hint = error.fault === 'no-key' ? `; the current key is ${this.recipients[0] ?? 'missing'}. Seal the value again` : '';
      throw new AgentError('SecretUnopenable', `${error.message}${hint}`, { cause: error });
    }
  }

  /** Opens what a remembered specification holds, so that its values are masked after a restart, too. */
  async recall(specs: Iterable<TargetSpec>): Promise<void> {
    for (const spec of specs) for (const block of sealedIn(spec)) await this.open(block).catch(() => undefined);
  }

  /** A copy with every opened value masked in every string of it. */
  scrub<T>(value: T): T {
    return this.#mask.apply(value);
  }
}

/** Makes a new current key; those before it go on opening what was sealed to them. Answers its recipient. */
export async function addKey(directory: string): Promise<string> {
  const path = join(directory, FILE);
  if (existsSync(path) && (await readKeys(path)).length >= MOST_KEYS) throw new AgentError('ConfigInvalid', `${path} holds ${MOST_KEYS} keys already; take out those that nothing is sealed to`);
  const { entry, recipient } = await makeKey();
  makePrivateDirectory(directory);
  // Read and written in one go, so that no key that somebody adds meanwhile is lost; the first one of a directory is for whoever links it first.
  if (!writeNew(path, entry)) writeWhole(path, `${entry}${readFileSync(path, 'utf8')}`);
  return recipient;
}

/** Two processes may find that there is none, and values may be sealed to the key of either: only one makes it. */
async function addFirstKey(directory: string): Promise<void> {
  writeNew(join(directory, FILE), (await makeKey()).entry);
}

async function makeKey(): Promise<{ readonly entry: string; readonly recipient: string }> {
  const { generateX25519Identity, identityToRecipient } = await import('age-encryption');
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  return { entry: `# created: ${new Date().toISOString()}\n# public key: ${recipient}\n${identity}\n`, recipient };
}

/** Every sealed block of a specification, wherever it stands. */
function* sealedIn(value: unknown): Generator<Sealed> {
  if (typeof value !== 'object' || value === null) return;
  if (isSealedBlock(value)) yield value;
  else for (const item of Object.values(value)) yield* sealedIn(item);
}

async function readKeys(path: string): Promise<KeyPair[]> {
  const lines = readFileSync(path, 'utf8').split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  const { identityToRecipient } = await import('age-encryption');
  try {
    if (lines.length === 0 || !lines.every((line) => IDENTITY.test(line))) throw new Error('not lines of AGE-SECRET-KEY-1…');
    return await Promise.all(lines.map(async (identity) => ({ identity, recipient: await identityToRecipient(identity) })));
  } catch {
    // Without the cause, which may quote a key.
    throw new AgentError('SecretsUnreadable', `${path} does not hold the keys of this node's secrets; put the file back, or move it away to begin with a new key (what is sealed to the old one has to be sealed again)`);
  }
}
