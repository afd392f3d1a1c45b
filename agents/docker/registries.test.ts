// @timeout 400
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seal } from '../../proto/sealed.ts';
import type { TargetRegistry, TargetSpec } from '../../schemas/gen/types.ts';
import type { AttemptEnd } from '../core/engine.ts';
import { Secrets } from '../core/secrets.ts';
import { containersOf, engineForTests, pulled } from '../testing/engine.ts';
import { PASSWORD, startRegistry, USER } from '../testing/registry.ts';
import { contextOf, type TestContext } from '../testing/spec.ts';

const world = engineForTests('registries');
const test = suite('registries of a Docker engine');

if (world !== undefined) {
  const { docker, engine } = world;
  const directory = mkdtempSync(join(tmpdir(), 'tagboat-registries-'));
  const secrets = await Secrets.open(directory);
  secrets.serve({ team: world.team, node: 'harbor' });
  const [basic, tokens] = await Promise.all([startRegistry('basic'), startRegistry('token')]);
  test.before(async () => {
    await pullBusybox();
    for (const registry of [basic, tokens]) await registry.push(docker, 'busybox:1.36', 'acme/web:1.0.0');
  });
  test.after(() => world.cleanUp());
  test.after(() => rmSync(directory, { recursive: true, force: true }));
  test.after(async () => void (await Promise.all([basic.stop(), tokens.stop()])));

  async function pullBusybox(): Promise<void> {
    const stream = await docker.createImage({ fromImage: 'busybox', tag: '1.36' });
    for await (const _chunk of stream as AsyncIterable<Buffer>);
  }
  async function registry(host: string, options: { password?: string; type?: TargetRegistry['type'] } = {}): Promise<TargetRegistry> {
    const sealed = await seal(Buffer.from(options.password ?? PASSWORD), { team: world!.team, node: 'harbor' }, secrets.recipients);
    return { name: 'private', type: options.type ?? 'v2', host, credentials: { username: USER, password: { sealed: { harbor: sealed } } } };
  }
  let attempts = 0;
  const contexts: TestContext[] = [];
  async function deploy(prefix: string, image: string, registries: TargetRegistry[]): Promise<AttemptEnd> {
    const spec: TargetSpec = world!.spec(world!.prefix(prefix), { web: { image, config: { command: ['sh', '-c', 'trap "exit 0" TERM; while true; do sleep 1; done'] } } }, { registries });
    if (registries.length > 0) spec.images = spec.images.map((one) => ({ ...one, registry: 'private' }));
    const context = contextOf(++attempts, { secrets });
    contexts.push(context);
    return engine.deploy(spec, undefined, context);
  }
  const codeOf = (end: AttemptEnd): string => (end.outcome === 'failed' ? end.code : end.outcome);

  for (const [name, place] of [['a password', basic], ['a token', tokens]] as const) {
    test(`a registry that wants ${name}: with it, without it, with a wrong one, and a tag that is not there`, async () => {
      const image = `${place.host}/acme/web:1.0.0`;
      assert.is(codeOf(await deploy('none', image, [])), 'RegistryUnauthorized');
      assert.is(codeOf(await deploy('wrong', image, [await registry(place.host, { password: 'not-the-password' })])), 'RegistryUnauthorized');
      const end = await deploy('right', image, [await registry(place.host)]);
      assert.is(end.outcome, 'succeeded', JSON.stringify(end.outcome === 'failed' && end.reason));
      assert.match(end.outcome === 'succeeded' ? (end.digests[0]?.digest ?? '') : '', /^sha256:[0-9a-f]{64}$/);
      assert.is(codeOf(await deploy('unknown', `${place.host}/acme/web:9.9.9`, [await registry(place.host)])), 'ImageUnknown');
      // Nothing may answer from what the node has by now.
      await docker.getImage(image).remove({ force: true }).catch(() => undefined);
    });
  }

  test('a token for another repository is refused', async () => {
    assert.is(codeOf(await deploy('other', `${tokens.host}/others/web:1.0.0`, [await registry(tokens.host)])), 'RegistryUnauthorized');
  });

  test('an unchecked registry is pulled from, and the digest is what came', async () => {
    const end = await deploy('unchecked', `${basic.host}/acme/web:1.0.0`, [await registry(basic.host, { type: 'unchecked' })]);
    assert.is(end.outcome, 'succeeded', JSON.stringify(end.outcome === 'failed' && end.reason));
    assert.match(end.outcome === 'succeeded' ? (end.digests[0]?.digest ?? '') : '', /^sha256:/);
    assert.is(codeOf(await deploy('unchecked2', `${basic.host}/acme/web:9.9.9`, [await registry(basic.host, { type: 'unchecked' })])), 'ImageUnknown');
  });

  test('credentials go to their own host and to no other, whatever the specification says (R1)', async () => {
    const heard: string[] = [];
    const thief = createServer((request, response) => {
      heard.push(`${request.url ?? ''} ${request.headers.authorization ?? '-'}`);
      response.writeHead(401, { 'www-authenticate': 'Basic realm="give"' }).end();
    });
    await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve));
    const host = `127.0.0.1:${(thief.address() as AddressInfo).port}`;
    try {
      assert.is(codeOf(await deploy('thief', `${host}/acme/web:1.0.0`, [await registry(basic.host)])), 'RegistryUnauthorized');
      assert.ok(heard.length > 0 && heard.every((line) => line.endsWith(' -')), heard.join('\n'));
    } finally {
      thief.closeAllConnections();
      thief.close();
    }
  });

  test('too many requests are told apart from silence, and asked again with patience', async () => {
    let asked = 0;
    const busy = createServer((_request, response) => {
      asked++;
      response.writeHead(429, { 'content-type': 'application/json' }).end('{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit"}]}');
    });
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
    const host = `127.0.0.1:${(busy.address() as AddressInfo).port}`;
    assert.is(codeOf(await deploy('busy', `${host}/acme/web:1.0.0`, [])), 'RegistryRateLimited');
    assert.ok(asked >= 3 && asked < 20, `asked ${asked} times`);
    assert.is(contexts.at(-1)?.steps.filter((step) => step.includes('asks again in')).length, 2);
    busy.closeAllConnections();
    busy.close();
    assert.is(codeOf(await deploy('silent', `${host}/acme/web:1.0.0`, [])), 'RegistryUnreachable');
  });

  test('a line to the registry that breaks once is no reason to fail, nor to take an older image of the node for the newest', async () => {
    let cuts = 1;
    const fragile = createServer((asked, response) => {
      if (cuts-- > 0) return void asked.socket.destroy();
      get(`http://${world.registry}${asked.url ?? ''}`, { method: asked.method ?? 'GET', headers: asked.headers }, (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers))).on('error', () => response.destroy());
    });
    await new Promise<void>((resolve) => fragile.listen(0, '127.0.0.1', resolve));
    const image = `127.0.0.1:${(fragile.address() as AddressInfo).port}/library/busybox:1.36`;
    try {
      for (const word of ['first', 'second']) {
        cuts = 1;
        assert.is(codeOf(await deploy('fragile', image, [])), 'succeeded', word);
        assert.is(contexts.at(-1)?.steps.filter((step) => step.includes('asks again in')).length, 1);
        assert.not.ok(contexts.at(-1)?.steps.some((step) => step.includes('cannot be reached')));
      }
    } finally {
      fragile.closeAllConnections();
      fragile.close();
      await docker.getImage(image).remove({ force: true }).catch(() => undefined);
    }
  });

  test('what an image demands of its environment is looked at before anything is touched', async () => {
    const name = world.prefix('rules');
    const container = await docker.createContainer({ Image: await pulled(docker, 'busybox:1.36'), Cmd: ['true'] });
    await container.commit({ repo: name, tag: '1', changes: 'LABEL org.dyrectorio.env.REGION=required,string\nLABEL org.dyrectorio.env.KEY=required,secret' });
    await container.remove();
    try {
      const config = { command: ['sleep', '60'], healthCheck: { settle: '0s' }, stopGrace: '1s' };
      const prefix = world.prefix('demanding');
      const unmet = await engine.deploy(world.spec(prefix, { web: { image: `${name}:1`, config: { ...config, environment: { KEY: 'clear' } } } }), undefined, contextOf(++attempts, { secrets }));
      assert.is(codeOf(unmet), 'EnvironmentIncomplete');
      assert.match(unmet.outcome === 'failed' ? unmet.reason : '', /web: KEY is a secret and stands in clear.*; web: REGION is required and not set; nothing was touched/);
      assert.equal(await containersOf(docker, `tagboat.dev/prefix=${prefix}`), []);
      const sealed = { sealed: { harbor: await seal(Buffer.from('x'), { team: world.team, node: 'harbor' }, secrets.recipients) } };
      const met = await engine.deploy(world.spec(prefix, { web: { image: `${name}:1`, config: { ...config, environment: { REGION: 'eu' }, secrets: { KEY: sealed } } } }), undefined, contextOf(++attempts, { secrets }));
      assert.is(met.outcome, 'succeeded', JSON.stringify(met.outcome === 'failed' && met.reason));
    } finally {
      await world.cleanUp();
      await docker.getImage(`${name}:1`).remove({ force: true });
    }
  });

  test('no password in anything that was told', () => {
    assert.ok(contexts.length > 8);
    assert.not.ok(contexts.some((context) => context.steps.join('\n').includes(PASSWORD)));
  });
}

test.run();
