import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Secret } from '../secret.ts';
import { sourceRemote, type SourceRule } from './source-policy.ts';

const TOKEN = { type: 'token', token: new Secret('c4n4ry') } as const;

function allowed(repository: string, ...rules: (string | SourceRule)[]): boolean {
  return 'remote' in sourceRemote(repository, { rules: rules.map((rule) => (typeof rule === 'string' ? { url: rule, credentials: null } : rule)) });
}

test('nothing is allowed unless a pattern says so', () => {
  assert.not(allowed('https://git.example.org/acme/shop.git'));
  assert.ok(allowed('https://git.example.org/acme/shop.git', 'https://git.example.org/acme/*'));
  assert.ok(allowed('https://git.example.org/acme/a/b/shop', 'https://git.example.org/acme/**'));
  assert.ok(allowed('https://GIT.example.org/acme/shop/', 'https://git.example.org/acme/shop'));
  assert.ok(allowed('git@git.example.org:acme/shop.git', 'git@git.example.org:acme/*'));
  for (const repository of ['https://git.example.org/acme/a/b', 'https://git.example.org/other/x', 'https://git.example.org.evil.test/acme/x', 'http://git.example.org/acme/x', 'https://git.example.org:8443/acme/x']) {
    assert.not(allowed(repository, 'https://git.example.org/acme/*'), repository);
  }
});

test('paths of this machine, user information and ambiguous URLs are never sources', () => {
  for (const repository of ['/etc', 'file:///etc', '/srv/x.git', 'https://u:c4n4ry@h.test/x', 'ftp://h.test/x', 'relative', '']) assert.not(allowed(repository, '**', '*', '/**', 'file:///**'), repository);
  for (const repository of ['https://h.test/acme/../secret', 'https://h.test/acme/%2e%2e/secret', 'https://h.test/acme%2f..%2fsecret', 'https://h.test/acme/..\\secret', 'ssh://git@h.test/acme/../secret', 'git@h.test:../secret']) {
    assert.not(allowed(repository, 'https://h.test/acme/**', 'ssh://git@h.test/acme/**', 'git@h.test:**'), repository);
  }
});

test('loopback and link-local addresses only where a pattern names them literally', () => {
  const own = ['http://127.0.0.1/x', 'http://127.1:3000/x', 'http://2130706433/x', 'http://0x7f.1/x', 'http://localhost/x', 'http://a.localhost./x', 'http://0.0.0.0/x', 'http://[::1]/x', 'http://[::ffff:127.0.0.1]/x', 'http://169.254.169.254/latest/meta-data', 'http://[fe80::1]/x', 'ssh://git@127.0.0.1/x', 'git@localhost:x'];
  for (const repository of own) assert.not(allowed(repository, '**', 'http://*/**', 'http://**', 'ssh://git@*/**', 'git@*:**'), repository);
  assert.ok(allowed('http://127.0.0.1:3000/x', 'http://127.0.0.1:3000/*'));
  assert.ok(allowed('http://git.example.org/x', 'http://*/**'));
});

test('a host that a wildcard chose is guarded at the connection too; credentials come from the first rule that matches', () => {
  const rules = [{ url: 'https://git.example.org/acme/**', credentials: TOKEN }, { url: 'https://*.example.org/**', credentials: null }];
  const found = (repository: string): { guarded: boolean; signedIn: boolean } => {
    const result = sourceRemote(repository, { rules, extraCa: 'pem' });
    if ('refused' in result) throw new Error(result.refused);
    assert.is(result.remote.extraCa, 'pem');
    return { guarded: result.remote.guarded === true, signedIn: result.remote.credentials !== undefined };
  };
  assert.equal(found('https://git.example.org/acme/x'), { guarded: false, signedIn: true });
  assert.equal(found('https://git.example.org/other/x'), { guarded: true, signedIn: false });
  assert.equal(found('https://other.example.org/acme/x'), { guarded: true, signedIn: false });
});

test('a refusal repeats no password', () => {
  const result = sourceRemote('https://u:c4n4ry@h.test/x', { rules: [] });
  assert.not.match(JSON.stringify(result), 'c4n4ry');
});

test.run();
