// @timeout 400
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TagboatError } from '../errors.ts';
import { Secret } from '../secret.ts';
import { TestRepository } from '../testing/git-repository.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { makeKey, SshServer, sshdOrSkip, type KeyPair } from '../testing/ssh-server.ts';
import { Mirror } from './mirror.ts';
import { listRefs } from './refs.ts';
import { parseRemote, type Credentials, type Remote } from './remote.ts';

const test = suite('git over ssh');
const sshd = sshdOrSkip('git over ssh');
const PREFIXES = ['refs/heads/', 'refs/tags/'];
const PASSPHRASE = 'c4n4ry passphrase';

/** A line that counts its connections and can end each of them after so many bytes of the server's. */
class Line {
  open = 0;
  made = 0;
  cutAfter = Infinity;
  readonly #server = createServer((client) => this.#carry(client));
  readonly #target: number;

  constructor(target: number) {
    this.#target = target;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  close(): void {
    this.#server.close();
  }

  #carry(client: Socket): void {
    this.open += 1;
    this.made += 1;
    const target = connect(this.#target, '127.0.0.1');
    let bytes = 0;
    client.on('error', () => target.destroy()).on('close', () => {
      this.open -= 1;
      target.destroy();
    });
    target.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.pipe(target);
    target.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > this.cutAfter) client.destroy();
      else client.write(chunk);
    });
  }
}

let keys: Record<'ed25519' | 'ecdsa' | 'rsa' | 'locked' | 'stranger', KeyPair>;
let server: SshServer;
let line: Line;
let repository: TestRepository;
let scratch: string;
let head = '';

if (sshd !== null) {
  test.before(async () => {
    keys = { ed25519: makeKey('ed25519'), ecdsa: makeKey('ecdsa'), rsa: makeKey('rsa'), locked: makeKey('ed25519', PASSPHRASE), stranger: makeKey('ed25519') };
    server = await SshServer.start(sshd, [keys.ed25519, keys.ecdsa, keys.rsa, keys.locked]);
    line = await new Line(server.port).listen();
    repository = await TestRepository.create("it's one!");
    head = await repository.commit({ 'a.yaml': 'a: 1\n', 'big.bin': randomBytes(400_000) });
    await repository.tag('shop/1.0.0', head, { message: 'first' });
    scratch = await mkdtemp(path.join(os.tmpdir(), 'tagboat-ssh-'));
  });
  test.before.each(() => {
    line.cutAfter = Infinity;
  });
  test.after(async () => {
    line.close();
    await server.stop();
    await repository.remove();
    await rm(scratch, { recursive: true, force: true });
  });

  test('each kind of deploy key lists and fetches in protocol v2, and no connection is left', async () => {
    for (const [name, passphrase] of [['ed25519', null], ['ecdsa', null], ['rsa', null], ['locked', PASSPHRASE]] as const) {
      const remote = at(credentials(keys[name], { passphrase }));
      const requests: string[] = [];
      const made = line.made;
      const { refs, head: branch } = await listRefs(remote, { prefixes: PREFIXES, onRequest: ({ kind, ok }) => requests.push(`${kind} ${String(ok)}`) });
      assert.equal([...refs.keys()], ['refs/heads/main', 'refs/tags/shop/1.0.0'], name);
      assert.is(refs.get('refs/tags/shop/1.0.0')?.peeled, head);
      assert.is(branch, 'refs/heads/main');
      assert.equal(requests, ['list true'], 'one request is counted');
      if (name !== 'ed25519') assert.is(line.made - made, 1, 'a server known to speak v2 is asked in one connection');
      const mirror = await Mirror.open({ directory: path.join(scratch, name), remote });
      await mirror.fetch([...refs].map(([ref, { oid }]) => ({ ref, oid })));
      assert.is((await mirror.commit(head)).message.trim(), 'change');
      const next = await repository.commit({ [`${name}.yaml`]: 'b: 2\n' });
      const { bytes } = await mirror.fetch([{ ref: 'refs/heads/main', oid: next }]);
      assert.ok(bytes > 0 && bytes < 20_000, 'only what is missing comes');
      await mirror.close();
      await sleepUntil(() => line.open === 0, { what: 'every connection closed' });
    }
  });

  test('a server that takes no environment is spoken to in the classic protocol; scp\'s way of writing works', async () => {
    const classic = await SshServer.start(sshd, [keys.ed25519], { acceptGitProtocol: false });
    try {
      const known = classic.knownHosts();
      const remote = parseRemote(classic.url(repository.directory), credentials(keys.ed25519, { knownHosts: known }));
      for (let time = 0; time < 2; time += 1) {
        const { refs } = await listRefs(remote, { prefixes: PREFIXES });
        assert.equal([...refs.keys()], ['refs/heads/main', 'refs/tags/shop/1.0.0']);
      }
      const mirror = await Mirror.open({ directory: path.join(scratch, 'classic'), remote });
      await mirror.fetch([{ ref: 'refs/tags/shop/1.0.0', oid: await repository.git(['rev-parse', 'refs/tags/shop/1.0.0']) }]);
      assert.ok(mirror.has(head));
      await mirror.close();
    } finally {
      await classic.stop();
    }
    assert.is(parseRemote('git@git.example.test:acme/shop.git/').url, 'git@git.example.test:acme/shop.git');
  });

  test('an unknown, a changed and a revoked host key are refused before the deploy key is shown', async () => {
    const other = makeKey('ed25519').publicKey.split(' ').slice(0, 2).join(' ');
    const name = `[127.0.0.1]:${String(line.port)}`;
    const own = server.knownHosts(line.port);
    for (const [knownHosts, text] of [
      [`elsewhere.example.test ${other}\n`, /is not known: ssh-ed25519 SHA256:/],
      [`${name} ${other}\n`, /has changed/],
      [`@revoked ${own}`, /revoked/],
      [own.replace(name, '127.0.0.1'), /is not known/],
      [`${name},!${name} ${own.split(' ').slice(1).join(' ')}`, /is not known/],
    ] as const) {
      const error = await failure(() => listRefs(at(credentials(keys.ed25519, { knownHosts })), { prefixes: PREFIXES }));
      assert.is(error.code, 'RemoteHostKey');
      assert.match(error.message, text);
    }
    await sleepUntil(() => line.open === 0, { what: 'every connection closed' });
  });

  test('hashed lines and wildcards of known_hosts count; of several host keys the known one is asked for', async () => {
    const several = await SshServer.start(sshd, [keys.ed25519], { hostKeys: ['rsa', 'ecdsa', 'ed25519'] });
    try {
      for (const type of ['ssh-rsa', 'ecdsa-sha2-nistp256', 'ssh-ed25519']) {
        const single = several.knownHosts().split('\n').filter((one) => one.includes(type)).join('\n');
        const file = path.join(scratch, 'known');
        await writeFile(file, `# a comment\n${single}\n`);
        execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
        const hashed = await readFile(file, 'utf8');
        assert.match(hashed, '|1|');
        for (const knownHosts of [hashed, single.replace('127.0.0.1', '127.0.*')]) {
          const { refs } = await listRefs(parseRemote(several.url(repository.directory), credentials(keys.ed25519, { knownHosts })), { prefixes: PREFIXES });
          assert.is(refs.size, 2, type);
        }
      }
    } finally {
      await several.stop();
    }
  });

  test('a wrong deploy key, a missing one and a missing repository say so', async () => {
    const wrong = await failure(() => listRefs(at(credentials(keys.stranger)), { prefixes: PREFIXES }));
    assert.is(wrong.code, 'RemoteUnauthorized');
    assert.match(wrong.hint, 'deploy keys');
    const none = await failure(() => listRefs(parseRemote(server.url(repository.directory, line.port)), { prefixes: PREFIXES }));
    assert.is(none.code, 'RemoteUnauthorized');
    const gone = await failure(() => listRefs(parseRemote(server.url('/nowhere.git', line.port), credentials(keys.ed25519)), { prefixes: PREFIXES }));
    assert.is(gone.code, 'RemoteNotFound', gone.message);
    const locked = await failure(() => listRefs(at(credentials(keys.locked, { passphrase: 'c4n4ry wrong' })), { prefixes: PREFIXES }));
    assert.is(locked.code, 'RemoteUnauthorized');
    for (const error of [wrong, locked]) assert.not.match(`${error.message}${error.hint}${String(error.stack)}`, /PRIVATE KEY|c4n4ry/);
  });

  test('a server that hangs is left at the deadline, before its greeting and in its answer', async () => {
    const silent = createServer();
    const sockets = new Set<Socket>();
    silent.on('connection', (socket) => sockets.add(socket.resume().on('close', () => sockets.delete(socket)).on('error', () => undefined)));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const mute = parseRemote(`ssh://git@127.0.0.1:${String((silent.address() as AddressInfo).port)}/x.git`, credentials(keys.ed25519));
    assert.is((await failure(() => listRefs(mute, { prefixes: PREFIXES, timeoutMs: 300 }))).code, 'Timeout');
    await sleepUntil(() => sockets.size === 0, { what: 'the connection is closed' });
    silent.close();
    const sleepy = await SshServer.start(sshd, [keys.ed25519], { forceCommand: 'exec sleep 60' });
    const slow = await new Line(sleepy.port).listen();
    try {
      const remote = parseRemote(sleepy.url(repository.directory, slow.port), credentials(keys.ed25519, { knownHosts: sleepy.knownHosts(slow.port) }));
      assert.is((await failure(() => listRefs(remote, { prefixes: PREFIXES, timeoutMs: 2_000 }))).code, 'Timeout');
      await sleepUntil(() => slow.open === 0, { what: 'the connection is closed' });
    } finally {
      slow.close();
      await sleepy.stop();
    }
  });

  test('a pack that is cut or too large leaves the mirror as it was', async () => {
    const remote = at(credentials(keys.ed25519));
    const oid = await repository.git(['rev-parse', 'main']);
    const directory = path.join(scratch, 'cut');
    const mirror = await Mirror.open({ directory, remote });
    line.cutAfter = 150_000;
    assert.is((await failure(() => mirror.fetch([{ ref: 'refs/heads/main', oid }]))).code, 'RemoteUnreachable');
    assert.not(mirror.has(oid));
    line.cutAfter = Infinity;
    await mirror.close();
    const small = await Mirror.open({ directory, remote, limits: { maxFetchBytes: 100_000 } });
    assert.is((await failure(() => small.fetch([{ ref: 'refs/heads/main', oid }]))).code, 'RemoteTooLarge');
    await small.close();
    const whole = await Mirror.open({ directory, remote });
    await whole.fetch([{ ref: 'refs/heads/main', oid }]);
    assert.ok(whole.has(oid));
    await whole.close();
    await sleepUntil(() => line.open === 0, { what: 'every connection closed' });
  });
}

test('addresses: what is SSH, where it leads, and what is refused', async () => {
  for (const url of ['ssh://git@example.test:2222/~/x.git', 'git+ssh://example.test/x', 'git@example.test:x', 'git@[::1]:acme/x.git']) assert.is(parseRemote(url).url, url);
  for (const url of ['ssh://git@example.test', 'git@example.test:--upload-pack=x', 'ssh://git@example.test/x?y', 'git@-oProxyCommand=x:y']) {
    assert.is((await failure(async () => parseRemote(url))).code, 'ConfigInvalid', url);
  }
  const token: Credentials = { type: 'token', token: new Secret('c4n4ry') };
  const wrongKind = await failure(async () => parseRemote('git@example.test:x', token));
  assert.match(wrongKind.message, 'credentials of type ssh');
  const key: Credentials = { type: 'ssh', privateKey: new Secret('c4n4ry'), passphrase: null, knownHosts: '' };
  assert.match((await failure(async () => parseRemote('https://example.test/x', key))).message, 'over SSH only');
});

test.run();

function credentials(pair: KeyPair, options: { readonly passphrase?: string | null; readonly knownHosts?: string } = {}): Credentials {
  const passphrase = options.passphrase === undefined || options.passphrase === null ? null : new Secret(options.passphrase);
  return { type: 'ssh', privateKey: new Secret(pair.privateKey), passphrase, knownHosts: options.knownHosts ?? server.knownHosts(line.port) };
}

function at(how: Credentials): Remote {
  return parseRemote(server.url(encodeURI(repository.directory), line.port), how);
}

async function failure(run: () => Promise<unknown>): Promise<TagboatError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof TagboatError) return error;
    throw error;
  }
  throw new Error('nothing failed');
}
