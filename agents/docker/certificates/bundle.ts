/** A certificate with its chain and its private key, as PEM: what the proxy takes. Pure; errors never hold a part of the text (R27). */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';

export interface Bundle {
  /** Certificate, chain, key, without a blank line. */
  readonly pem: string;
  /** DNS names, lower case. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-1 of the certificate, upper case, without colons: how the proxy calls it. */
  readonly fingerprint: string;
}

/** More does not go through the proxy's command line. */
const MOST_CHARACTERS = 15_000;
/** OpenSSL takes no shorter RSA key, and the proxy then none of its configuration. */
const LEAST_BITS = 2_048;

/** Throws a RangeError that says what is wrong, for people. */
export function readBundle(text: string): Bundle {
  const chain = (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(plain);
  const [keyText] = text.match(/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----[^-]+-----END (?:[A-Z]+ )?PRIVATE KEY-----/) ?? [];
  if (chain.length === 0) throw new RangeError('there is no certificate in it');
  if (keyText === undefined) throw new RangeError('there is no private key in it');
  let key: KeyObject;
  let certificates: X509Certificate[];
  try {
    key = createPrivateKey(keyText);
  } catch {
    throw new RangeError('its private key cannot be read; it must not be encrypted');
  }
  const { modulusLength = LEAST_BITS } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < LEAST_BITS) throw new RangeError(`its key has less than ${LEAST_BITS} bits`);
  try {
    certificates = chain.map((one) => new X509Certificate(one));
  } catch {
    throw new RangeError('a certificate in it cannot be read');
  }
  const at = certificates.findIndex((one) => one.checkPrivateKey(key));
  const leaf = certificates[at];
  if (leaf === undefined) throw new RangeError('its private key belongs to none of its certificates');
  const pem = [chain[at], ...chain.filter((_, index) => index !== at), key.export({ type: 'pkcs8', format: 'pem' }).toString().trim()].join('\n');
  if (pem.length > MOST_CHARACTERS) throw new RangeError(`it has more than ${MOST_CHARACTERS} characters`);
  return { pem, names: namesOf(leaf), notBefore: Date.parse(leaf.validFrom), notAfter: Date.parse(leaf.validTo), fingerprint: leaf.fingerprint.replaceAll(':', '') };
}

/** A wildcard covers one label; a route for all names below a domain needs just that wildcard. */
export function covers({ names }: Bundle, domain: string): boolean {
  return names.some((name) => name === domain || (name.startsWith('*.') && !domain.startsWith('*.') && domain.slice(domain.indexOf('.') + 1) === name.slice(2)));
}

function namesOf(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? '').split(', ').flatMap((entry) => /^DNS:([a-z0-9*._-]{1,253})$/i.exec(entry)?.[1]?.toLowerCase() ?? []);
}

function plain(pem: string): string {
  return pem.split('\n').map((line) => line.trim()).filter((line) => line !== '').join('\n');
}
