import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sleepUntil } from '../../../controller/testing/sleep-until.ts';
import { readBundle } from './bundle.ts';
import { Certificates } from './certificates.ts';
import { CertificateStore } from './store.ts';

const home = mkdtempSync(join(tmpdir(), 'tagboat-store-'));
test.after(() => rmSync(home, { recursive: true, force: true }));

const { stdout: pem } = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '-', '-days', '30', '-subj', '/CN=test', '-addext', 'subjectAltName=DNS:a.test,DNS:b.test'], { encoding: 'utf8' });
const bundle = readBundle(pem);
const AFTER = bundle.notAfter + 1;

/** Both names have a certificate, and one that could not be renewed. */
function folder(name: string): { readonly directory: string; readonly store: CertificateStore; files(): string[] } {
  const directory = join(home, name);
  const store = new CertificateStore(directory);
  for (const domain of ['a.test', 'b.test']) {
    store.saveBundle(domain, bundle);
    store.saveSetback(domain, { failures: 1, nextAt: AFTER, reason: 'x' });
  }
  return { directory, store, files: () => readdirSync(directory).sort() };
}

const ALL = ['a.test.json', 'a.test.pem', 'b.test.json', 'b.test.pem'];

test('what has ended goes, with why it has no successor, once nobody wants the name; what is wanted or holds stays', () => {
  const { store, files } = folder('tidy');
  store.tidy(new Set(), AFTER - 2);
  assert.equal(files(), ALL, 'it holds');
  store.tidy(new Set(['a.test', 'b.test']), AFTER);
  assert.equal(files(), ALL, 'better an old one than none');
  store.tidy(new Set(['a.test']), AFTER);
  assert.equal(files(), ['a.test.json', 'a.test.pem']);
});

test('an agent that starts takes no certificate away before it knows what is wanted', async () => {
  const { directory, files } = folder('start');
  const certificates = new Certificates({ directory, now: () => AFTER });
  const stop = new AbortController();
  let rounds = 0;
  const running = certificates.run({ show: async () => undefined, install: async () => undefined, changed: () => void rounds++ }, stop.signal);
  try {
    await sleepUntil(() => rounds === 1, { what: 'the first round' });
    assert.equal(files(), ALL);
    certificates.want(['a.test']);
    await sleepUntil(() => rounds === 2, { what: 'the second round' });
    assert.equal(files(), ['a.test.json', 'a.test.pem']);
    assert.match(certificates.trouble('a.test')?.reason ?? '', /the certificate of a\.test ended at/);
  } finally {
    stop.abort();
    await running;
  }
});

test.run();
