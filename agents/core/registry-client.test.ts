import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { askForDigest, type TagAnswer } from './registry-client.ts';
import { repositoryAt } from './registry-session.ts';

const test = suite('asking a registry');
const DIGEST = `sha256:${'ab'.repeat(32)}`;
const CREDENTIALS = { username: 'bot', password: 'c4n4ry' };

/** A registry that answers as told, and what it heard. */
async function ask(answer: (request: IncomingMessage, response: ServerResponse, host: string) => void, forHost?: string): Promise<{ answer: TagAnswer; heard: string[] }> {
  const heard: string[] = [];
  let host = '';
  const server = createServer((request, response) => {
    heard.push(`${request.method} ${request.url} ${request.headers.authorization ?? '-'}`);
    answer(request, response, host);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    return { answer: await askForDigest(`${host}/acme/web:1`, { host: forHost ?? host, asked: true, credentials: CREDENTIALS }, AbortSignal.timeout(60_000)), heard };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const BASIC = `Basic ${Buffer.from('bot:c4n4ry').toString('base64')}`;

const REPOSITORIES: readonly (readonly [reference: string, at: string])[] = [
  ['nginx', 'https://registry-1.docker.io library/nginx'],
  ['nginx:1.27', 'https://registry-1.docker.io library/nginx'],
  ['acme/web:1', 'https://registry-1.docker.io acme/web'],
  ['docker.io/library/nginx:1', 'https://registry-1.docker.io library/nginx'],
  ['docker.io/nginx:1', 'https://registry-1.docker.io library/nginx'],
  ['index.docker.io/acme/web', 'https://registry-1.docker.io acme/web'],
  ['ghcr.io/acme/web:1.2.0', 'https://ghcr.io acme/web'],
  ['registry.gitlab.com/group/sub/project/web:main', 'https://registry.gitlab.com group/sub/project/web'],
  ['europe-docker.pkg.dev/project/images/web:1', 'https://europe-docker.pkg.dev project/images/web'],
  ['registry.example.org:5000/web', 'https://registry.example.org:5000 web'],
  ['localhost:5000/web:2', 'http://localhost:5000 web'],
];
for (const [reference, at] of REPOSITORIES) {
  test(`${reference} is asked for where its registry answers`, () => {
    const { base, name } = repositoryAt(reference);
    assert.is(`${base} ${name}`, at);
  });
}

test('a password goes only to who asks for it, by HEAD', async () => {
  const { answer, heard } = await ask((request, response) => (request.headers.authorization === BASIC ? response.writeHead(200, { 'docker-content-digest': DIGEST }) : response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' })).end());
  assert.equal(answer, { digest: DIGEST });
  assert.equal(heard, ['HEAD /v2/acme/web/manifests/1 -', `HEAD /v2/acme/web/manifests/1 ${BASIC}`]);
});

test('credentials of another host stay here, and no token server off this machine gets them in clear (R1)', async () => {
  const other = await ask((_request, response) => response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end(), 'registry.example.org');
  assert.ok('fault' in other.answer && other.answer.fault === 'RegistryUnauthorized' && other.heard.every((line) => line.endsWith(' -')));
  const thief = await ask((_request, response) => response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://tokens.example.org/token",service="x"' }).end());
  assert.ok('fault' in thief.answer && thief.answer.fault === 'RegistryUnauthorized' && thief.heard.length === 1);
  const turned = await ask((request, response) => (request.headers.authorization === undefined ? response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }) : response.writeHead(307, { location: 'http://127.0.0.1:9/' })).end());
  assert.ok('fault' in turned.answer && turned.answer.fault === 'RegistryUnreachable', 'a redirect with credentials is not followed');
});

test('faults are told apart, and patience is what the registry asks for', async () => {
  const rows: readonly (readonly [number, Record<string, string>, string, number])[] = [
    [404, {}, 'ImageUnknown', 0],
    [403, {}, 'RegistryUnauthorized', 0],
    [429, { 'retry-after': '7' }, 'RegistryRateLimited', 7_000],
    [429, {}, 'RegistryRateLimited', 60_000],
    [429, { 'retry-after': '999999999' }, 'RegistryRateLimited', 3_600_000],
    [500, {}, 'RegistryUnreachable', 0],
    [200, { 'docker-content-digest': 'md5:nonsense' }, 'RegistryUnreachable', 0],
  ];
  for (const [status, headers, fault, retryAfterMs] of rows) {
    const { answer } = await ask((_request, response) => response.writeHead(status, headers).end());
    assert.ok('fault' in answer);
    assert.equal([answer.fault, answer.retryAfterMs], [fault, retryAfterMs]);
  }
  const silent = await askForDigest('127.0.0.1:9/acme/web:1', undefined, AbortSignal.timeout(60_000));
  assert.ok('fault' in silent && silent.fault === 'RegistryUnreachable');
});

test.run();
