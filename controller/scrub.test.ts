import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scrub } from './scrub.ts';

const CANARY = 'c4n4ryVALUE0123456789';

test('masks secrets in plain text and inside JSON, and keeps the rest (R27)', () => {
  const pem = `-----BEGIN EC PRIVATE KEY-----\n${CANARY}\n-----END EC PRIVATE KEY-----`;
  const texts = [
    `fetch https://bob:${CANARY}@git.example/shop.git failed`,
    `postgres://tagboat:p@ss${CANARY}@localhost/db`,
    `https://${CANARY}@git.example/x`,
    `Authorization: Bearer ${CANARY}`,
    `authorization: ${CANARY}`,
    `got Basic ${CANARY}=`,
    `AGE-SECRET-KEY-1${CANARY.toUpperCase()}`,
    `GET /hook?a=1&token=${CANARY}&b=2`,
    `ghp_${CANARY}`,
    `glpat-${CANARY}`,
    `eyJ${CANARY}.eyJ${CANARY}.${CANARY}`,
    `key ${pem} end`,
  ];
  for (const text of texts) {
    assert.not.match(scrub(text).toUpperCase(), CANARY.toUpperCase(), text);
    const json = scrub(JSON.stringify({ before: 1, message: text, after: 2 }));
    assert.not.match(json.toUpperCase(), CANARY.toUpperCase(), json);
    const parsed = JSON.parse(json) as { before: number; after: number };
    assert.is(parsed.before + parsed.after, 3, `still JSON: ${json}`);
  }
  const keyed = scrub(JSON.stringify({ password: `a"${CANARY}`, accessToken: CANARY, name: 'shop' }));
  assert.not.match(keyed, CANARY);
  assert.is((JSON.parse(keyed) as { name: string }).name, 'shop');
  assert.not.match(scrub(`x ${CANARY} y`, [CANARY]), CANARY);
});

test('leaves innocent text alone', () => {
  const innocent = 'https://git.example/acme/shop.git at main: token expired, basic auth refused, sha256:0123abcd by ann@example.org';
  assert.is(scrub(innocent), innocent);
  assert.is(scrub('see https://example.org/x?y=a@b'), 'see https://example.org/x?y=a@b');
});

test.run();
