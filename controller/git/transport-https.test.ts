/** Git over HTTPS against a real server with a certificate authority of its own. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TagboatError } from '../errors.ts';
import { Authority } from '../link/authority.ts';
import { Secret } from '../secret.ts';
import { TestRepository } from '../testing/git-repository.ts';
import { GitServer } from '../testing/git-server.ts';
import { Mirror } from './mirror.ts';
import { listRefs } from './refs.ts';
import { parseRemote, type Credentials } from './remote.ts';

const test = suite('git over https');
const PREFIXES = ['refs/heads/', 'refs/tags/'];
const BASIC: Credentials = { type: 'basic', username: 'robot', password: new Secret('c4n4ry-basic') };

let repository: TestRepository;
let server: GitServer;
let other: GitServer;
let extraCa = '';
let head = '';

test.before(async () => {
  repository = await TestRepository.create('shop');
  head = await repository.commit({ 'a.yaml': 'a: 1\n' });
  const { authority } = await Authority.create();
  extraCa = authority.certificate;
  const root = `${repository.directory}/..`;
  const start = async (): Promise<GitServer> => {
    const { chain, key } = await authority.issueServerCertificate(['127.0.0.1']);
    return await GitServer.start({ root, tls: { cert: chain, key } });
  };
  [server, other] = [await start(), await start()];
});
test.before.each(() => {
  for (const one of [server, other]) {
    one.log.length = 0;
    one.fault = undefined;
    one.auth = undefined;
  }
});
test.after(async () => {
  await server.close();
  await other.close();
  await repository.remove();
});

test('the configured authority is trusted, besides the known ones; without it or with another one nothing is sent', async () => {
  const url = `${server.url}/shop.git`;
  const stranger = (await Authority.create()).authority.certificate;
  for (const settings of [{}, { extraCa: stranger }]) {
    const error = await failure(() => listRefs(parseRemote(url, BASIC, settings), { prefixes: PREFIXES }));
    assert.is(error.code, 'RemoteUnreachable');
    assert.match(error.hint, 'gitCaFile');
  }
  assert.is(server.count(), 0, 'no request, so no credentials either');
  const { refs } = await listRefs(parseRemote(url, null, { extraCa }), { prefixes: PREFIXES });
  assert.is(refs.get('refs/heads/main')?.oid, head);
});

test('a certificate for another name is refused', async () => {
  const error = await failure(() => listRefs(parseRemote(`${server.url.replace('127.0.0.1', 'localhost')}/shop.git`, null, { extraCa }), { prefixes: PREFIXES }));
  assert.is(error.code, 'RemoteUnreachable');
  assert.match(error.hint, 'another name');
});

test('user name and password, and a token, list and fetch', async () => {
  const token: Credentials = { type: 'token', token: new Secret('c4n4ry-token') };
  for (const [credentials, auth] of [
    [BASIC, { username: 'robot', password: 'c4n4ry-basic' }],
    [token, { username: 'x-access-token', password: 'c4n4ry-token' }],
    [{ ...token, username: 'oauth2' }, { username: 'oauth2', password: 'c4n4ry-token' }],
  ] as const) {
    server.auth = auth;
    const remote = parseRemote(`${server.url}/shop.git`, credentials, { extraCa });
    const { refs } = await listRefs(remote, { prefixes: PREFIXES });
    const mirror = await Mirror.open({ directory: `${repository.directory}-${auth.username}`, remote });
    await mirror.fetch([...refs].map(([ref, { oid }]) => ({ ref, oid })));
    assert.ok(mirror.has(head));
    await mirror.close();
  }
  server.auth = { username: 'robot', password: 'another' };
  const refused = await failure(() => listRefs(parseRemote(`${server.url}/shop.git`, BASIC, { extraCa }), { prefixes: PREFIXES }));
  assert.is(refused.code, 'RemoteUnauthorized');
  assert.not.match(`${refused.message}${refused.hint}`, 'c4n4ry');
});

test('a redirect to another host or to plain HTTP is not followed and carries no credentials (R1)', async () => {
  const plain = await GitServer.start({ root: `${repository.directory}/..` });
  try {
    for (const target of [other, plain]) {
      server.fault = { status: 302, headers: { location: `${target.url}/shop.git/info/refs?service=git-upload-pack` } };
      const error = await failure(() => listRefs(parseRemote(`${server.url}/shop.git`, BASIC, { extraCa }), { prefixes: PREFIXES }));
      assert.is(error.code, 'RemoteProtocol');
      assert.match(error.message, 'not followed');
      assert.is(target.count(), 0);
    }
    assert.ok(server.log.every((request) => request.headers.authorization !== undefined), 'its own host is given them');
  } finally {
    await plain.close();
  }
});

test('a host that the operator did not name cannot lead into this machine', async () => {
  const error = await failure(() => listRefs(parseRemote(`${server.url.replace('127.0.0.1', 'localhost')}/shop.git`, null, { extraCa, guarded: true }), { prefixes: PREFIXES }));
  assert.is(error.code, 'RemoteUnreachable');
  assert.match(error.message, 'EOWNADDRESS');
  assert.is(server.count(), 0);
});

test.run();

async function failure(run: () => Promise<unknown>): Promise<TagboatError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof TagboatError) return error;
    throw error;
  }
  throw new Error('nothing failed');
}
