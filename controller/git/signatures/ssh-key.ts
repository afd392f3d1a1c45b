/** Public keys of OpenSSH and what they signed; the arithmetic is OpenSSL's. RSA with SHA-1 and short RSA keys do not count. */
import { createHash, createPublicKey, verify } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { SshWire } from './ssh-wire.ts';

const CURVES = {
  nistp256: { crv: 'P-256', width: 32, hash: 'sha256' },
  nistp384: { crv: 'P-384', width: 48, hash: 'sha384' },
  nistp521: { crv: 'P-521', width: 66, hash: 'sha512' },
} as const;
const RSA_HASHES: Readonly<Record<string, string>> = { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' };
const MIN_RSA_BYTES = 256;

/** Whether `signature` (RFC 4253 §6.6) is that of the key over `data`. Throws RangeError for bytes that are none, and for algorithms that do not count. */
export function verifiesSsh(blob: Buffer, signature: Buffer, data: Buffer): boolean {
  const key = new SshWire(blob);
  const type = key.text();
  const wire = new SshWire(signature);
  const format = wire.text();
  const value = wire.string();
  if (type === 'ssh-rsa') {
    const hash = RSA_HASHES[format];
    const e = key.integer();
    const n = key.integer();
    key.end();
    wire.end();
    if (hash === undefined || n.length < MIN_RSA_BYTES || value.length > n.length) throw new RangeError('a weak key or signature');
    // OpenSSH leaves leading zeros out.
    return verify(hash, data, imported({ kty: 'RSA', n: n.toString('base64url'), e: e.toString('base64url') }), Buffer.concat([Buffer.alloc(n.length - value.length), value]));
  }
  if (format !== type) throw new RangeError('another algorithm than the key has');
  const onHardware = type.startsWith('sk-');
  if (/^(?:sk-)?ssh-ed25519(?:@openssh\.com)?$/.test(type)) {
    const x = key.string();
    return verify(null, whatWasSigned(onHardware, key, wire, data), imported({ kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') }), value);
  }
  const curve = /^(?:sk-)?ecdsa-sha2-(nistp\d+)(?:@openssh\.com)?$/.exec(type)?.[1];
  if (curve === undefined || !Object.hasOwn(CURVES, curve) || key.text() !== curve) throw new RangeError('an unknown type of key');
  const { crv, width, hash } = CURVES[curve as keyof typeof CURVES];
  const point = key.string();
  if (point.length !== 1 + 2 * width || point[0] !== 4) throw new RangeError('no point of the curve');
  const numbers = new SshWire(value);
  const pair = Buffer.concat([numbers.integer(width), numbers.integer(width)]);
  numbers.end();
  const jwk = { kty: 'EC', crv, x: point.subarray(1, 1 + width).toString('base64url'), y: point.subarray(1 + width).toString('base64url') };
  return verify(hash, whatWasSigned(onHardware, key, wire, data), { key: imported(jwk), dsaEncoding: 'ieee-p1363' }, pair);
}

/** A security key signs digests, its counter and whether somebody touched it (OpenSSH, PROTOCOL.u2f). */
function whatWasSigned(onHardware: boolean, key: SshWire, signature: SshWire, data: Buffer): Buffer {
  const signed = onHardware ? Buffer.concat([sha256(key.string()), signature.take(5), sha256(data)]) : data;
  key.end();
  signature.end();
  return signed;
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function imported(key: JsonWebKey): KeyObject {
  return createPublicKey({ key, format: 'jwk' });
}
