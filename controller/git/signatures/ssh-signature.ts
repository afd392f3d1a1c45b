/** Detached signatures as `ssh-keygen -Y sign` makes them (OpenSSH, PROTOCOL.sshsig). Pure. */
import { createHash } from 'node:crypto';
import { verifiesSsh } from './ssh-key.ts';
import { sshString, SshWire } from './ssh-wire.ts';

const MAGIC = 'SSHSIG';
/** Says what the signature is for, so that one made for e-mail or a file is none of a commit. */
const NAMESPACE = 'git';
const HASHES: readonly string[] = ['sha256', 'sha512'];

interface SshSignature {
  /** Key material of who signed. */
  readonly blob: Buffer;
  verifies(payload: Buffer): boolean;
}

/** Throws RangeError for what is no such signature, or one for something else than Git. */
export function readSshSignature(armoured: string): SshSignature {
  const base64 = /^-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END SSH SIGNATURE-----\s*$/.exec(armoured)?.[1];
  if (base64 === undefined) throw new RangeError('no armour');
  const wire = new SshWire(Buffer.from(base64, 'base64'));
  if (wire.take(MAGIC.length).toString('latin1') !== MAGIC || wire.uint32() !== 1) throw new RangeError('another version');
  const blob = wire.string();
  const namespace = wire.text();
  const reserved = wire.string();
  const hash = wire.text();
  const signature = wire.string();
  wire.end();
  if (namespace !== NAMESPACE) throw new RangeError('made for something else');
  if (!HASHES.includes(hash)) throw new RangeError('an unknown hash');
  const framed = (payload: Buffer): Buffer => Buffer.concat([Buffer.from(MAGIC), sshString(namespace), sshString(reserved), sshString(hash), sshString(createHash(hash).update(payload).digest())]);
  return { blob, verifies: (payload) => verifiesSsh(blob, signature, framed(payload)) };
}

/** As `ssh-keygen -l` prints it. */
export function sshFingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}
