import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TagboatError } from '../errors.ts';
import { Secret } from '../secret.ts';
import { TestRepository } from '../testing/git-repository.ts';
import { GitServer } from '../testing/git-server.ts';
import { listRefs, requireRef } from './refs.ts';
import { retryAfterOf } from './remote-error.ts';
import { parseRemote } from './remote.ts';
import type { RequestRecord } from './transport.ts';

const test = suite('refs');
const PREFIXES = ['refs/heads/main', 'refs/tags/'];
let repository: TestRepository;
let server: GitServer;
let classic: GitServer;
let first: string;
let tags: Record<'light' | 'annotated' | 'chain', string>;

test.before(async () => {
  repository = await TestRepository.create('shop');
  first = await repository.commit({ 'a.yaml': 'a' });
  const annotated = await repository.tag('shop/1.0.0', first, { message: 'first' });
  tags = { light: await repository.tag('light', first), annotated, chain: await repository.tag('chain', annotated, { message: 'tag of a tag' }) };
  await repository.commit({ 'b.yaml': 'b' }, 'other', { branch: 'feature' });
  const root = path.dirname(repository.directory);
  server = await GitServer.start({ root });
  classic = await GitServer.start({ root, classicOnly: true });
});
test.before.each(() => {
  server.log.length = 0;
  server.fault = undefined;
  server.auth = undefined;
});
test.after(async () => {
  await server.close();
  await classic.close();
  await repository.remove();
});

const remotes = (): [string, string][] => [
  ['protocol v2', `${server.url}/shop.git`],
  ['classic protocol', `${classic.url}/shop.git`],
  ['a path', repository.directory],
  ['a file URL', `file://${repository.directory}`],
];

async function failure(run: () => Promise<unknown>): Promise<TagboatError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof TagboatError) return error;
    throw error;
  }
  throw new Error('nothing failed');
}

test('every way to a repository gives the same refs: branches by prefix, tags peeled through chains, HEAD', async () => {
  for (const [way, url] of remotes()) {
    const { refs, head } = await listRefs(parseRemote(url), { prefixes: PREFIXES });
    assert.equal(
      Object.fromEntries(refs),
      {
        'refs/heads/main': { oid: first },
        'refs/tags/chain': { oid: tags.chain, peeled: first },
        'refs/tags/light': { oid: first },
        'refs/tags/shop/1.0.0': { oid: tags.annotated, peeled: first },
      },
      way,
    );
    assert.is(head, 'refs/heads/main', way);
  }
});

test('a listing is one request: the first time with a word about the protocol before, then alone', async () => {
  const fresh = await GitServer.start({ root: path.dirname(repository.directory) });
  try {
    const records: RequestRecord[] = [];
    for (let time = 0; time < 3; time += 1) await listRefs(parseRemote(`${fresh.url}/shop.git`), { prefixes: PREFIXES, onRequest: (record) => records.push(record) });
    assert.is(fresh.count('ls-refs'), 3);
    assert.is(fresh.count('advertise'), 1);
    assert.equal(records.map((record) => [record.kind, record.ok]), [['list', true], ['list', true], ['list', true]]);
    assert.ok(records.every((record) => record.bytes > 0 && record.remote === `${fresh.url}/shop.git`));
  } finally {
    await fresh.close();
  }
});

test('an empty repository and a missing ref are told apart from a failure', async () => {
  const empty = await TestRepository.create('empty');
  try {
    assert.is((await listRefs(parseRemote(empty.directory), { prefixes: PREFIXES })).refs.size, 0);
  } finally {
    await empty.remove();
  }
  const remote = parseRemote(`${server.url}/shop.git`);
  const listed = await listRefs(remote, { prefixes: ['refs/heads/'] });
  assert.is((await failure(async () => requireRef(remote, listed, 'refs/heads/gone'))).code, 'RefMissing');
});

test('401: the right credentials are sent at once, wrong ones and none are refused, and no text holds them', async () => {
  server.auth = { username: 'robot', password: 'canary-4711' };
  const url = `${server.url}/shop.git`;
  const listed = await listRefs(parseRemote(url, { type: 'basic', username: 'robot', password: new Secret('canary-4711') }), { prefixes: PREFIXES });
  assert.is(listed.refs.size, 4);
  for (const credentials of [undefined, { type: 'token', token: new Secret('canary-4712') } as const]) {
    const error = await failure(() => listRefs(parseRemote(url, credentials), { prefixes: PREFIXES }));
    assert.is(error.code, 'RemoteUnauthorized');
    assert.not.match(JSON.stringify([error.message, error.hint, error.stack]), 'canary');
  }
  server.auth = undefined;
  server.fault = { status: 500, body: 'boom canary-4712 canary' };
  const echoed = await failure(() => listRefs(parseRemote(url, { type: 'token', token: new Secret('canary-4712') }), { prefixes: PREFIXES }));
  assert.not.match(echoed.message, 'canary-4712');
  assert.match(echoed.message, 'boom');
});

test('a URL with user information is refused, by a text without it', async () => {
  for (const url of ['https://robot:canary@example.test/x.git', 'http://canary@example.test/x', 'ssh://git:canary@example.test/x', 'ftp://example.test/x', 'relative/path', 'file://host/x']) {
    const error = await failure(async () => parseRemote(url));
    assert.is(error.code, 'ConfigInvalid');
    assert.not.match(error.message, 'canary');
  }
  assert.is(parseRemote('https://Example.test/x.git/').url, 'https://example.test/x.git');
});

test('404, no Git server, unreachable, too slow, too large: each has its code', async () => {
  const code = async (url: string, options: { timeoutMs?: number; maxBytes?: number } = {}): Promise<string> => (await failure(() => listRefs(parseRemote(url), { prefixes: PREFIXES, ...options }))).code;
  assert.is(await code(`${server.url}/nothing.git`), 'RemoteNotFound');
  assert.is(await code('/nonexistent/repository'), 'RemoteNotFound');
  assert.is(await code(path.dirname(repository.directory)), 'RemoteNotFound');
  assert.is(await code('http://127.0.0.1:1/x.git'), 'RemoteUnreachable');
  assert.is(await code(`${classic.url}/shop.git`, { maxBytes: 100 }), 'RemoteTooLarge');
  server.fault = { status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>Welcome</h1>' };
  assert.is(await code(`${server.url}/shop.git`), 'RemoteProtocol');
  server.fault = { status: 200, headers: { 'content-type': 'application/x-git-upload-pack-advertisement' }, body: 'not git at all' };
  assert.is(await code(`${server.url}/shop.git`), 'RemoteProtocol');
  server.fault = { delayMs: 2_000 };
  assert.is(await code(`${server.url}/shop.git`, { timeoutMs: 60 }), 'Timeout');
});

test('a listing that is cut anywhere is a failure, never a shorter list', async () => {
  for (const target of [server, classic]) {
    const remote = parseRemote(`${target.url}/shop.git`);
    await listRefs(remote, { prefixes: PREFIXES });
    const whole = target.log.at(-1)?.bytes ?? 0;
    assert.ok(whole > 100);
    // whole - 4 is a cut between two packets: only the missing end tells.
    for (const cutAfterBytes of [0, 3, 60, whole - 4, whole - 1]) {
      for (const politely of [false, true]) {
        target.fault = { cutAfterBytes, politely };
        const error = await failure(() => listRefs(remote, { prefixes: PREFIXES }));
        assert.ok(['RemoteUnreachable', 'RemoteProtocol'].includes(error.code), `${error.code} after ${String(cutAfterBytes)}`);
      }
      target.fault = undefined;
      assert.is((await listRefs(remote, { prefixes: PREFIXES })).refs.size, 4);
    }
  }
});

test('429: what the server asked for comes with the error', async () => {
  server.fault = { status: 429, headers: { 'retry-after': '17' } };
  const error = await failure(() => listRefs(parseRemote(`${server.url}/shop.git`), { prefixes: PREFIXES }));
  assert.is(error.code, 'RemoteUnreachable');
  assert.is(retryAfterOf(error), 17_000);
});

test('a redirect within the host is followed with credentials; one to another host sends nothing there', async () => {
  const seen: (string | undefined)[] = [];
  const other = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.end();
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  try {
    server.auth = { username: 'robot', password: 'canary' };
    const remote = parseRemote(`${server.url}/old.git`, { type: 'basic', username: 'robot', password: new Secret('canary') });
    server.fault = { status: 301, headers: { location: '/shop.git/info/refs?service=git-upload-pack' }, kind: 'advertise', times: 1 };
    assert.is((await listRefs(remote, { prefixes: PREFIXES })).refs.size, 4);
    assert.is(server.log[1]?.url, '/shop.git/info/refs?service=git-upload-pack');
    assert.is(server.log[1]?.status, 200);
    for (const host of ['127.0.0.1', 'localhost']) {
      server.fault = { status: 302, headers: { location: `http://${host}:${String((other.address() as AddressInfo).port)}/x?token=canary` } };
      const error = await failure(() => listRefs(remote, { prefixes: PREFIXES }));
      assert.is(error.code, 'RemoteProtocol');
      assert.not.match(error.message, 'canary');
    }
    assert.equal(seen, []);
    server.fault = { status: 302, headers: { location: '/again' } };
    server.log.length = 0;
    assert.is((await failure(() => listRefs(remote, { prefixes: PREFIXES }))).code, 'RemoteProtocol');
    assert.ok(server.count() <= 4, 'a circle of redirects ends');
  } finally {
    other.closeAllConnections();
    await new Promise((resolve) => other.close(resolve));
  }
});

test("the caller's signal ends a listing with its own reason", async () => {
  server.fault = { delayMs: 2_000 };
  const reason = new Error('shutting down');
  const abort = new AbortController();
  setTimeout(() => abort.abort(reason), 40);
  try {
    await listRefs(parseRemote(`${server.url}/shop.git`), { prefixes: PREFIXES, signal: abort.signal });
    assert.unreachable();
  } catch (error) {
    assert.is(error, reason);
  }
});

test('a working copy and its worktrees are repositories, too', async () => {
  const root = path.dirname(repository.directory);
  await repository.git(['clone', '--quiet', repository.directory, path.join(root, 'copy')]);
  await repository.git(['-C', path.join(root, 'copy'), 'worktree', 'add', '--quiet', '-b', 'side', path.join(root, 'tree')]);
  for (const name of ['copy', 'tree']) {
    const { refs } = await listRefs(parseRemote(path.join(root, name)), { prefixes: ['refs/heads/'] });
    assert.equal([...refs.keys()], ['refs/heads/main', 'refs/heads/side']);
  }
});

test.run();
