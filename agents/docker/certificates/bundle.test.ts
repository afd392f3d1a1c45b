import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { covers, readBundle } from './bundle.ts';

function openssl(args: readonly string[], input?: string): string {
  const made = spawnSync('openssl', args, { encoding: 'utf8', input });
  assert.is(made.status, 0, made.stderr);
  return made.stdout;
}
const selfSigned = (key: readonly string[], names = 'DNS:Shop.Example.test, DNS:*.wild.test, IP:127.0.0.1'): string => openssl(['req', '-x509', ...key, '-nodes', '-keyout', '-', '-days', '3', '-subj', '/CN=other.test', '-addext', `subjectAltName=${names}`]);
const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
const faultOf = (text: string): string => {
  try {
    readBundle(text);
  } catch (error) {
    assert.instance(error, RangeError);
    return (error as Error).message;
  }
  return '';
};
const part = (text: string, kind: string): string => new RegExp(`-----BEGIN ${kind}-----[^-]+-----END ${kind}-----`).exec(text)?.[0] ?? '';

test('certificate, chain and key in any order and with text between them; the proxy\'s name of it', () => {
  const [own, other] = [selfSigned(EC), selfSigned(EC)];
  const text = `${part(own, 'PRIVATE KEY')}\nBag Attributes\n\n${part(other, 'CERTIFICATE')}\r\n\n${part(own, 'CERTIFICATE')}`;
  const bundle = readBundle(text);
  assert.equal(bundle.names, ['shop.example.test', '*.wild.test']);
  assert.ok(bundle.pem.startsWith(part(own, 'CERTIFICATE')), 'the one that the key belongs to comes first');
  assert.not.match(bundle.pem, /\n\n|\r|Bag/);
  assert.equal(bundle.pem.match(/-----BEGIN [A-Z ]+-----/g), ['-----BEGIN CERTIFICATE-----', '-----BEGIN CERTIFICATE-----', '-----BEGIN PRIVATE KEY-----'], 'each once, the key last');
  const [, told = ''] = /=([0-9A-F:]+)/.exec(openssl(['x509', '-noout', '-fingerprint', '-sha1'], part(own, 'CERTIFICATE'))) ?? [];
  assert.is(bundle.fingerprint, told.replaceAll(':', ''));
  assert.ok(bundle.notAfter - bundle.notBefore > 2 * 86_400_000 && bundle.notAfter > Date.now());
});

test('a wildcard covers one label, and a route for all names below a domain wants just that', () => {
  const bundle = readBundle(selfSigned(EC));
  assert.equal(['shop.example.test', 'a.wild.test', '*.wild.test', 'a.b.wild.test', 'wild.test', '*.example.test', 'other.test'].map((domain) => covers(bundle, domain)), [true, true, true, false, false, false, false]);
});

test('what is wrong is said, and nothing of the key', () => {
  const own = selfSigned(EC);
  const key = part(own, 'PRIVATE KEY');
  assert.match(faultOf('nonsense'), /no certificate/);
  assert.match(faultOf(part(own, 'CERTIFICATE')), /no private key/);
  assert.match(faultOf(`${part(selfSigned(EC), 'CERTIFICATE')}\n${key}`), /belongs to none/);
  assert.match(faultOf(`${part(own, 'CERTIFICATE')}\n${openssl(['pkey', '-aes128', '-passout', 'pass:x'], key)}`), /encrypted/);
  assert.match(faultOf(selfSigned(['-newkey', 'rsa:1024'])), /less than 2048 bits/);
  assert.is(faultOf(selfSigned(['-newkey', 'rsa:2048'])), '');
  assert.match(faultOf(`${part(own, 'CERTIFICATE').replace(/MII.{20}/, 'MIIAAAAAAAAAAAAAAAAAAAA')}\n${key}`), /cannot be read/);
});

test.run();
