/**
 * What of a commit or tag object is signed, and the signature. Byte for byte as Git itself takes them apart: a commit is signed as it would be
 * without its `gpgsig` headers, a tag up to its last line that begins a signature. Pure.
 */

export interface Signed {
  readonly payload: Buffer;
  /** Armoured. */
  readonly signature: string;
}

/** Why there is nothing to verify. */
export interface Unsigned {
  readonly why: string;
}

/** The largest keys that OpenSSH and GnuPG make sign in 3 KB. */
const MAX_SIGNATURE_BYTES = 16_384;
const BEGINS = /^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE|SSH SIGNATURE)-----/;
const SPACE = 0x20;
const LINE_FEED = 0x0a;

/** `gpgsig` is the signature in repositories with SHA-1, the only ones that are read; `gpgsig-sha256` signs another form of the commit. */
export function signedCommit(bytes: Buffer): Signed | Unsigned {
  const { payload, signatures } = withoutSignatures(bytes);
  if (signatures.length > 1) return { why: 'has several signatures' };
  return signedBy(payload, signatures[0]);
}

export function signedTag(bytes: Buffer): Signed | Unsigned {
  let begin: number | undefined;
  for (let at = 0; at < bytes.length; at = nextLine(bytes, at)) if (BEGINS.test(bytes.toString('latin1', at, at + 40))) begin = at;
  if (begin === undefined) return signedBy(bytes, undefined);
  return signedBy(withoutSignatures(bytes.subarray(0, begin)).payload, bytes.subarray(begin));
}

function signedBy(payload: Buffer, signature: Buffer | undefined): Signed | Unsigned {
  if (signature === undefined) return { why: 'is not signed' };
  if (signature.length > MAX_SIGNATURE_BYTES) return { why: 'has a signature that is too large' };
  return { payload, signature: signature.toString('latin1') };
}

/** Takes out every header that begins with `gpgsig`, with the lines that continue it. */
function withoutSignatures(bytes: Buffer): { readonly payload: Buffer; readonly signatures: readonly Buffer[] } {
  const kept: Buffer[] = [];
  const signatures: Buffer[][] = [];
  let inside: 'signature' | 'other' | undefined;
  let at = 0;
  for (let next = 0; at < bytes.length && bytes[at] !== LINE_FEED; at = next) {
    next = nextLine(bytes, at);
    const line = bytes.subarray(at, next);
    if (inside !== undefined && line[0] === SPACE) {
      if (inside === 'signature') signatures.at(-1)?.push(line.subarray(1));
      continue;
    }
    const name = line.toString('latin1', 0, 7);
    inside = name === 'gpgsig ' ? 'signature' : name.startsWith('gpgsig') ? 'other' : undefined;
    if (inside === undefined) kept.push(line);
    else if (inside === 'signature') signatures.push([line.subarray(7)]);
  }
  return { payload: Buffer.concat([...kept, bytes.subarray(at)]), signatures: signatures.map((lines) => Buffer.concat(lines)) };
}

function nextLine(bytes: Buffer, at: number): number {
  const end = bytes.indexOf(LINE_FEED, at);
  return end < 0 ? bytes.length : end + 1;
}
