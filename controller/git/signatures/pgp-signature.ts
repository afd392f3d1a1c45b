/** Detached OpenPGP signatures, by openpgp.js, which is loaded when the first one is met. */
import type { Key } from 'openpgp';

/** What a signature by another clock may be ahead. */
const SKEW_MS = 600_000;
const MAX_KEYS = 2_000;

const remembered = new Map<string, Promise<readonly Key[]>>();

export type PgpVerdict = { readonly owner: number } | { readonly fault: 'unknown-key' | 'no-signature' | 'invalid'; readonly keyId: string };

/**
 * Whose signature it is: the index of an armoured key in `keys`. Both when it was made and at `now` the key (and its subkey) must be neither expired
 * nor revoked, else whoever finds an old key dates the signature back.
 */
export async function verifyPgpSignature(armoured: string, payload: Buffer, keys: readonly string[], now: Date): Promise<PgpVerdict> {
  const { createMessage, readSignature, verify } = await import('openpgp');
  const signature = await readSignature({ armoredSignature: armoured }).catch(() => undefined);
  const [id] = signature?.getSigningKeyIDs() ?? [];
  if (signature === undefined || id === undefined || signature.packets.length !== 1) return { fault: 'no-signature', keyId: '' };
  const keyId = id.toHex();
  let fault: 'unknown-key' | 'invalid' = 'unknown-key';
  for (const [owner, text] of keys.entries()) {
    for (const key of await keysOf(text)) {
      if (!key.getKeys(id).some((one) => one.getKeyID().equals(id))) continue;
      try {
        const message = await createMessage({ binary: new Uint8Array(payload) });
        const { signatures } = await verify({ message, signature, verificationKeys: key, date: new Date(now.getTime() + SKEW_MS), format: 'binary' });
        await signatures[0]?.verified;
        await key.getSigningKey(id, now);
        if (signatures.length === 1) return { owner };
      } catch {
        // Another key may have the same short name.
      }
      fault = 'invalid';
    }
  }
  return { fault, keyId };
}

async function keysOf(armoured: string): Promise<readonly Key[]> {
  const known = remembered.get(armoured);
  if (known !== undefined) return known;
  const { readKeys } = await import('openpgp');
  const keys = readKeys({ armoredKeys: armoured }).catch(() => []);
  if (remembered.size >= MAX_KEYS) remembered.clear();
  remembered.set(armoured, keys);
  return keys;
}
