/** Which member signed an object. Whatever the object holds, the answer is a name or a reason; nothing throws. */
import type { TrustedMember } from '../../model/trust.ts';
import { sshKeyBlob } from '../../model/trust.ts';
import { verifyPgpSignature } from './pgp-signature.ts';
import type { Signed, Unsigned } from './signed-object.ts';
import { readSshSignature, sshFingerprint } from './ssh-signature.ts';

/** The member's e-mail address, or why nobody's signature counts (after "the commit …"). */
export type Signer = { readonly member: string } | { readonly why: string };

export async function signerOf(object: Signed | Unsigned, members: readonly TrustedMember[], now: Date): Promise<Signer> {
  if ('why' in object) return object;
  try {
    if (object.signature.startsWith('-----BEGIN SSH SIGNATURE-----')) return bySsh(object, members);
    if (object.signature.startsWith('-----BEGIN PGP SIGNATURE-----')) return await byPgp(object, members, now);
  } catch {
    return { why: 'has a signature that cannot be read' };
  }
  return { why: 'has a signature that is neither SSH nor OpenPGP' };
}

function bySsh({ signature, payload }: Signed, members: readonly TrustedMember[]): Signer {
  const read = readSshSignature(signature);
  const by = members.find(({ keys }) => keys.some(({ type, key }) => type === 'ssh' && sshKeyBlob(key)?.blob.equals(read.blob) === true));
  const name = sshFingerprint(read.blob);
  if (by === undefined) return { why: `is signed with ${name}, which no member lists` };
  return read.verifies(payload) ? { member: by.email } : { why: `has a signature with ${name} that is not of this content` };
}

async function byPgp({ signature, payload }: Signed, members: readonly TrustedMember[], now: Date): Promise<Signer> {
  const listed = members.flatMap(({ email, keys }) => keys.filter(({ type }) => type === 'gpg').map(({ key }) => ({ email, key })));
  const verdict = await verifyPgpSignature(signature, payload, listed.map(({ key }) => key), now);
  if ('owner' in verdict) return { member: listed[verdict.owner]!.email };
  if (verdict.fault === 'no-signature') return { why: 'has a signature that cannot be read' };
  if (verdict.fault === 'unknown-key') return { why: `is signed with the OpenPGP key ${verdict.keyId}, which no member lists` };
  return { why: `has a signature with the OpenPGP key ${verdict.keyId} that is not of this content, or the key or the signature has expired or was revoked` };
}
