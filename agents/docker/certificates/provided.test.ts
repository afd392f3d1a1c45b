import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ProvidedCertificates } from './provided.ts';

const home = mkdtempSync(join(tmpdir(), 'tagboat-provided-'));
test.after(() => rmSync(home, { recursive: true, force: true }));

/** Certificate and key as openssl prints them. */
function selfSigned(name: string, days: number): { readonly key: string; readonly certificate: string } {
  const { status, stdout, stderr } = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '-', '-days', String(days), '-subj', '/CN=test', '-addext', `subjectAltName=DNS:${name}`], { encoding: 'utf8' });
  assert.is(status, 0, stderr);
  const part = (kind: string): string => new RegExp(`-----BEGIN ${kind}-----[^-]+-----END ${kind}-----\n`).exec(stdout)?.[0] ?? '';
  return { key: part('PRIVATE KEY'), certificate: part('CERTIFICATE') };
}

let count = 0;
function folder(): { readonly path: string; readonly provided: ProvidedCertificates; put(name: string, text: string): void } {
  const path = join(home, String(count++));
  mkdirSync(path);
  return { path, provided: new ProvidedCertificates(path), put: (name, text) => writeFileSync(join(path, name), text) };
}

test('a file that is being written takes no certificate away; what it became is taken when it is whole', async () => {
  const { provided, put } = folder();
  const [first, next] = [selfSigned('a.test', 30), selfSigned('a.test', 60)];
  put('a.pem', first.certificate + first.key);
  assert.is(await provided.refresh(), true);
  const before = provided.find('a.test');
  assert.ok(before !== undefined && provided.fault === '');
  assert.is(await provided.refresh(), false, 'nothing moved');
  put('a.pem', next.certificate.slice(0, 200));
  assert.is(await provided.refresh(), true);
  assert.is(provided.find('a.test'), before);
  assert.match(provided.fault, /^a\.pem: there is no certificate in it$/);
  put('a.pem', next.certificate + next.key);
  assert.is(await provided.refresh(), true);
  assert.ok(provided.find('a.test') !== undefined && provided.find('a.test') !== before && provided.fault === '');
});

test('a directory that is away for a moment takes none away; a file that is gone does', async () => {
  const { path, provided, put } = folder();
  const { certificate, key } = selfSigned('a.test', 30);
  put('a.crt', certificate);
  await provided.refresh();
  assert.match(provided.fault, /^a\.crt: there is no private key in it$/);
  put('a.key', key);
  await provided.refresh();
  const found = provided.find('a.test');
  assert.ok(found !== undefined, 'the key beside it came later');
  renameSync(path, `${path}-away`);
  assert.is(await provided.refresh(), true);
  assert.is(provided.find('a.test'), found);
  assert.match(provided.fault, /cannot be read \(ENOENT\)/);
  renameSync(`${path}-away`, path);
  rmSync(join(path, 'a.crt'));
  await provided.refresh();
  assert.equal([provided.find('a.test'), provided.fault], [undefined, '']);
});

test('of those that cover a name the one that lasts longest; other files are left alone', async () => {
  const { provided, put } = folder();
  for (const [name, days] of [['b.pem', 30], ['a.pem', 90], ['c.cer', 60], ['d.txt', 900]] as const) {
    const { certificate, key } = selfSigned('a.test', days);
    put(name, certificate + key);
  }
  await provided.refresh();
  const days = ((provided.find('a.test')?.notAfter ?? 0) - Date.now()) / 86_400_000;
  assert.ok(days > 89 && days < 91, String(days));
  assert.is(provided.find('b.test'), undefined);
});

test.run();
