import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatImageRef, parseImageRef } from './image-ref.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

test('references in full', () => {
  assert.equal(parseImageRef('postgres:16'), { host: 'docker.io', path: 'library/postgres', tag: '16' });
  assert.equal(parseImageRef('acme/shop'), { host: 'docker.io', path: 'acme/shop', tag: 'latest' });
  assert.equal(parseImageRef('localhost/shop'), { host: 'localhost', path: 'shop', tag: 'latest' });
  assert.equal(parseImageRef('index.docker.io/busybox'), { host: 'docker.io', path: 'library/busybox', tag: 'latest' });
  assert.equal(parseImageRef('registry.example.org:5000/a/b/c:v1'), { host: 'registry.example.org:5000', path: 'a/b/c', tag: 'v1' });
  assert.equal(parseImageRef(`ghcr.io/acme/web@${DIGEST}`), { host: 'ghcr.io', path: 'acme/web', digest: DIGEST });
  assert.equal(parseImageRef(`ghcr.io/acme/web:1@${DIGEST}`), { host: 'ghcr.io', path: 'acme/web', tag: '1', digest: DIGEST });
  assert.equal(parseImageRef('[::1]:5000/web'), { host: '[::1]:5000', path: 'web', tag: 'latest' });
});

test('what is no reference', () => {
  for (const text of ['', 'a b', 'Shop', 'acme/Shop', 'a//b', '/a', 'a/', 'a:', 'a:b:c/d', 'a@sha256:12', `a@md5:${'a'.repeat(64)}`, 'a:-x', 'a..b', '-a', 'http://a/b', 'a'.repeat(300)]) {
    assert.is(parseImageRef(text), null, text);
  }
});

test('the full form means the same, and no text makes it throw', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-zA-Z0-9.:/@_-]{0,30}$/), (text) => {
      const ref = parseImageRef(text);
      if (ref !== null) assert.equal(parseImageRef(formatImageRef(ref)), ref);
    }),
  );
});

test.run();
