import { inspect } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Secret } from '../secret.ts';
import { parseRetryAfter } from './remote-error.ts';
import { authorizationFor, parseRemote } from './remote.ts';

const basic = parseRemote('https://git.example.test/acme/shop', { type: 'basic', username: 'robot', password: new Secret('canary:1') });
const token = parseRemote('http://git.example.test:3000/x', { type: 'token', token: new Secret('canary') });

test('credentials go to their own host and port only, and never over a weaker scheme (R1)', () => {
  const sent = (target: string): boolean => authorizationFor(basic, new URL(target)) !== undefined;
  assert.ok(sent('https://git.example.test/another/path'));
  assert.ok(sent('https://GIT.example.test:443/x'));
  for (const target of ['http://git.example.test/acme/shop', 'https://git.example.test:8443/x', 'https://example.test/x', 'https://git.example.test.evil.test/x', 'https://evil.test/git.example.test']) {
    assert.not(sent(target), target);
  }
  assert.is(authorizationFor(token, new URL('http://git.example.test/x')), undefined);
  assert.ok(authorizationFor(token, new URL('http://git.example.test:3000/y')));
});

test('the header is basic authentication; a token stands in the place of the password', () => {
  const decoded = (header: string | undefined): string => Buffer.from(header?.replace('Basic ', '') ?? '', 'base64').toString();
  assert.is(decoded(authorizationFor(basic, new URL(basic.url))), 'robot:canary:1');
  assert.is(decoded(authorizationFor(token, new URL(token.url))), 'x-access-token:canary');
  assert.is(decoded(authorizationFor(parseRemote('https://h.test/x', { type: 'token', username: 'oauth2', token: new Secret('t') }), new URL('https://h.test'))), 'oauth2:t');
});

test('a remote that is printed or serialised shows no secret (R27)', () => {
  assert.not.match(inspect(basic, { depth: 9 }) + JSON.stringify(basic), 'canary');
});

test('Retry-After in seconds and as a date, bounded', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  assert.is(parseRetryAfter('120', now), 120_000);
  assert.is(parseRetryAfter('Thu, 01 Jan 2026 00:01:00 GMT', now), 60_000);
  assert.is(parseRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now), 0);
  assert.is(parseRetryAfter('99999999999', now), 86_400_000);
  assert.is(parseRetryAfter('soon', now), undefined);
  assert.is(parseRetryAfter(null, now), undefined);
});

test.run();
