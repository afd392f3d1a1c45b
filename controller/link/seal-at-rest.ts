/** Encryption of what the database keeps but must not know: AES-256-GCM under a key from a file of mode 0600 (R27). */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { TagboatError } from '../errors.ts';

const KEY_BYTES = 32;

/**
 * The key in the file, made at first start. Replicas of one database share the file. Throws `ConfigInvalid` if others may
 * read it or if it is no key.
 */
export function loadOrCreateKeyFile(path: string): Buffer {
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // Of nobody else: replicas in containers have one and the same process id.
    const temporary = `${path}.${randomBytes(6).toString('hex')}`;
    writeFileSync(temporary, `${randomBytes(KEY_BYTES).toString('base64')}\n`, { mode: 0o600, flag: 'wx' });
    chmodSync(temporary, 0o600);
    try {
      linkSync(temporary, path); // the first one wins, whole
    } catch (error) {
      if (!existsSync(path)) throw error;
    } finally {
      unlinkSync(temporary);
    }
  }
  const { mode, uid } = statSync(path);
  // A mounted Secret belongs to root, and is read as one of the group.
  if ((mode & (uid === process.getuid?.() ? 0o077 : 0o037)) !== 0) throw new TagboatError('ConfigInvalid', `The key file ${path} can be read by others`, { hint: `chmod 600 ${path}` });
  const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64');
  if (key.length !== KEY_BYTES) throw new TagboatError('ConfigInvalid', `The key file ${path} does not hold 32 bytes in base64`);
  return key;
}

export function sealAtRest(key: Buffer, text: string): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

/** Throws `ConfigInvalid` when the key is not the one it was sealed with. */
export function openAtRest(key: Buffer, sealed: Buffer): string {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12));
    decipher.setAuthTag(sealed.subarray(12, 28));
    return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString('utf8');
  } catch (error) {
    throw new TagboatError('ConfigInvalid', 'The stored certificate authority does not open with this encryption key', { cause: error, hint: 'Restore the key file that the controller made at its first start.' });
  }
}
