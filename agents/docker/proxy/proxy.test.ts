// @timeout 900
/** Requests through the node's proxy, on a real engine: they are led, and not one of them fails while containers come, go and fail. */
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../../testing/ports.ts';
import { sleepUntil } from '../../../controller/testing/sleep-until.ts';
import type { ContainerConfig } from '../../../schemas/gen/types.ts';
import type { AttemptEnd } from '../../core/engine.ts';
import { engineForTests, pulled, until } from '../../testing/engine.ts';
import { contextOf } from '../../testing/spec.ts';
import { createDockerEngine } from '../engine.ts';

const world = engineForTests('proxy');
/** Of its own: tests of one engine run beside each other. */
const PROXY_NAME = 'tagboat-proxy-http';
const test = suite('the proxy of a Docker node');

interface Answer {
  readonly status: number;
  readonly body: string;
}

if (world !== undefined) {
  const { docker, host } = world;
  const port = await freePort();
  const httpsPort = await freePort();
  const engine = createDockerEngine({ host, proxy: { name: PROXY_NAME, httpPort: port, httpsPort } });
  let attempt = 0;
  test.after(() => world.cleanUp());

  const ask = (path: string, options: { readonly agent?: Agent; readonly domain?: string; readonly body?: string; readonly chunked?: boolean } = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { agent, domain = 'shop.example.org', body, chunked } = options;
      const headers = { host: domain, ...(body !== undefined && (chunked === true ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length })) };
      const sent = request({ host: '127.0.0.1', port, path, method: body === undefined ? 'GET' : 'POST', headers, agent, timeout: 60_000 }, (response: IncomingMessage) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part)).on('end', () => resolve({ status: response.statusCode ?? 0, body: text.trim() })).on('error', reject);
      });
      sent.on('error', reject).on('timeout', () => sent.destroy(new Error(`no answer to ${domain}${path} within a minute`)));
      sent.end(body);
    });

  /** With what is to become good; none with what never will. */
  const patience = ({ environment }: ContainerConfig): object => (environment?.['HEALTHY'] === '0' ? {} : { startPeriod: '40s' });
  const web = (version: string, more: ContainerConfig = {}): { image: string; config: ContainerConfig } => ({
    image: `tagboat-test-web:${version}`,
    config: { expose: 'http', routing: { domain: 'shop.example.org', port: 8080 }, healthCheck: { http: { path: '/healthz', port: 8080 }, interval: '200ms', retries: 3, ...patience(more) }, stopGrace: '1s', ...more },
  });
  const deploy = async (prefix: string, images: Parameters<typeof world.spec>[1]): Promise<AttemptEnd> => engine.deploy(world.spec(prefix, images), undefined, contextOf(++attempt));
  const good = async (prefix: string, images: Parameters<typeof world.spec>[1]): Promise<void> => {
    const end = await deploy(prefix, images);
    assert.is(end.outcome, 'succeeded', end.outcome === 'failed' ? `${end.code}: ${end.reason}` : '');
  };
  const remove = async (prefix: string): Promise<void> => {
    const end = await engine.remove({ team: world.team, deployment: prefix, prefix, removeVolumes: false }, contextOf(++attempt));
    assert.is(end.outcome, 'succeeded', end.outcome === 'failed' ? end.reason : '');
  };

  /** Asks without a pause on connections that stay open, until told to stop. */
  function load(width: number): { stop(): Promise<{ readonly answers: number; readonly bad: readonly string[] }> } {
    const agent = new Agent({ keepAlive: true, maxSockets: width });
    let going = true;
    let answers = 0;
    const bad: string[] = [];
    const loops = Array.from({ length: width }, async () => {
      while (going) {
        try {
          const { status, body } = await ask('/', { agent });
          answers++;
          if (status !== 200) bad.push(`${status} ${body}`);
        } catch (error) {
          bad.push(error instanceof Error ? error.message : String(error));
        }
      }
    });
    return {
      stop: async () => {
        going = false;
        await Promise.all(loops);
        agent.destroy();
        return { answers, bad };
      },
    };
  }

  /** `/cgi-bin/wait` takes a while and tells who answers. */
  const slow = (version: string): { image: string; config: ContainerConfig } => ({
    image: 'busybox:1.36',
    config: {
      command: ['sh', '-c', `mkdir -p /tmp/w/cgi-bin; printf '#!/bin/sh\\nsleep 4\\nprintf "Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n${version}"\\n' > /tmp/w/cgi-bin/wait; chmod 755 /tmp/w/cgi-bin/wait; echo ${version} > /tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w`],
      expose: 'http',
      routing: { domain: 'shop.example.org', port: 8080 },
      healthCheck: { http: { path: '/index.html', port: 8080 }, interval: '200ms', startPeriod: '40s' },
      stopGrace: '8s',
    },
  });

  test('names, paths, limits: the narrowest route answers, and what nobody answers is 404', async () => {
    const prefix = world.prefix('routes');
    await good(prefix, {
      any: web('1.0.0', { routing: { port: 8080 } }),
      wild: web('1.1.0', { routing: { domain: '*.example.org', port: 8080 } }),
      shop: web('1.2.0', { ports: [{ internal: 8080 }], routing: { domain: 'shop.example.org' } }),
      api: web('main', { routing: { domain: 'shop.example.org', path: '/api', stripPath: true, uploadLimit: '1Ki', port: 8080 } }),
    });
    assert.equal((await ask('/', { domain: 'elsewhere.test' })).body, '1.0.0');
    assert.equal((await ask('/', { domain: 'a.example.org' })).body, '1.1.0');
    assert.equal((await ask('/', { domain: 'SHOP.example.org:80' })).body, '1.2.0');
    assert.equal((await ask('/api')).body, 'main');
    assert.equal((await ask('/api/index.html?x=1')).body, 'main', 'the path is stripped');
    assert.equal((await ask('/apiary')).status, 404, 'the path ends at a segment: this one is the shop\'s own 404');
    assert.is((await ask('/api/healthz', { body: 'x'.repeat(1025) })).status, 413);
    assert.is((await ask('/api/healthz', { body: 'x', chunked: true })).status, 411, 'what has no length cannot be limited');

    await good(prefix, { wild: web('1.1.0', { routing: { domain: '*.example.org', port: 8080 } }) });
    assert.is((await ask('/', { domain: 'elsewhere.test' })).status, 404);
    assert.equal((await ask('/')).body, '1.1.0');
    await remove(prefix);
    assert.is(await docker.getContainer(PROXY_NAME).inspect().catch(() => undefined), undefined, 'the proxy goes with the last route');
    assert.equal((await docker.listNetworks()).filter(({ Name }) => Name === prefix), [], 'and holds no network back');
  });

  test('no request fails while updates, failures and neighbours come and go', async () => {
    const prefix = world.prefix('steady');
    const neighbour = world.prefix('next');
    await good(prefix, { web: web('1.0.0') });
    const running = load(6);
    for (const version of ['1.1.0', '1.2.0', '1.0.0']) await good(prefix, { web: web(version) });
    const unhealthy = await deploy(prefix, { web: web('1.1.0', { environment: { HEALTHY: '0' } }) });
    assert.is(unhealthy.outcome, 'failed');
    await good(neighbour, { web: web('main', { routing: { domain: 'next.example.org', port: 8080 } }) });
    await good(prefix, { web: web('1.2.0') });
    await remove(neighbour);
    const { answers, bad } = await running.stop();
    assert.equal(bad, []);
    assert.ok(answers > 100, `${answers} answers`);
    assert.equal((await ask('/')).body, '1.2.0');
    await remove(prefix);
  });

  test('a request under way is answered by the container that it went to', async () => {
    const prefix = world.prefix('slow');
    await good(prefix, { web: slow('first') });
    const pending = ask('/cgi-bin/wait');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await good(prefix, { web: slow('second') });
    assert.equal(await pending, { status: 200, body: 'first' });
    assert.equal((await ask('/index.html')).body, 'second');
    await remove(prefix);
  });

  test('an attempt that is stopped when requests go to the new container already: what that one has begun, it answers before it goes', async () => {
    const prefix = world.prefix('stopped');
    await good(prefix, { web: slow('first') });
    const stop = new AbortController();
    let toOld: Promise<Answer | string> | undefined;
    const progress = (step: string, text: string): void => {
      if (step === 'route' && text.startsWith('leads requests to the new')) toOld = ask('/cgi-bin/wait').catch((error: unknown) => String(error));
    };
    const deploying = engine.deploy(world.spec(prefix, { web: slow('second') }), undefined, { ...contextOf(++attempt, { cancel: stop.signal }), progress });
    // While the old one is waited for.
    await sleepUntil(async () => (await ask('/index.html')).body === 'second', { what: 'the new container', timeoutMs: 60_000 });
    const toNew = ask('/cgi-bin/wait').catch((error: unknown) => String(error));
    await new Promise((resolve) => setTimeout(resolve, 300));
    stop.abort();
    const end = await deploying;
    assert.ok(end.outcome === 'cancelled' && end.restored, JSON.stringify(end));
    assert.equal([await toOld, await toNew], [{ status: 200, body: 'first' }, { status: 200, body: 'second' }]);
    assert.equal((await ask('/index.html')).body, 'first');
    await remove(prefix);
  });

  test('a proxy that is started again while no agent is there leads to the container of now', async () => {
    const prefix = world.prefix('again');
    for (const version of ['1.0.0', '1.1.0']) await good(prefix, { web: web(version) });
    await docker.getContainer(PROXY_NAME).restart({ t: 0 });
    await sleepUntil(async () => (await ask('/').catch(() => undefined))?.body === '1.1.0', { what: 'an answer of the container of now' });
    await remove(prefix);
  });

  test('an address is one deployment\'s; a port that is taken, a stranger of its name: refused before anything is touched', async () => {
    const prefix = world.prefix('mine');
    await good(prefix, { web: web('1.0.0') });
    const taken = await deploy(world.prefix('thief'), { web: web('1.1.0') });
    assert.is(taken.outcome === 'failed' && taken.code, 'RouteTaken');
    assert.equal((await ask('/')).body, '1.0.0');

    const other = createDockerEngine({ host, proxy: { name: PROXY_NAME, httpPort: port, httpsPort } });
    const foreign = await other.deploy({ ...world.spec(world.prefix('foreign'), { web: web('1.1.0') }), team: `${world.team}-2` }, undefined, contextOf(++attempt));
    assert.is(foreign.outcome === 'failed' && foreign.code, 'NameTaken', 'R1: one node\'s ports lead to one team');
    await remove(prefix);

    const holder = await docker.createContainer({ Image: await pulled(docker, 'busybox:1.36'), Cmd: ['sleep', '600'], Labels: { 'tagboat.dev/team': world.team }, ExposedPorts: { '80/tcp': {} }, HostConfig: { PortBindings: { '80/tcp': [{ HostPort: String(port) }] } } });
    await holder.start();
    const blocked = await deploy(prefix, { web: web('1.0.0') });
    assert.is(blocked.outcome === 'failed' && blocked.code, 'PortInUse');
    await holder.remove({ force: true });
    await good(prefix, { web: web('1.0.0') });
    await remove(prefix);
  });

  test('a proxy that is removed, paused, restarted or unable to start, a container with a new address: put right within seconds', async () => {
    const prefix = world.prefix('tended');
    await good(prefix, { web: web('1.0.0') });
    const stop = new AbortController();
    const watching = engine.watch(world.team, () => undefined, stop.signal);
    const answers = async (): Promise<boolean> => (await ask('/').catch(() => undefined))?.body === '1.0.0';
    await docker.getContainer(PROXY_NAME).restart({ t: 0 });
    await until(answers, 'answers after a restart of the proxy');
    await docker.getContainer(PROXY_NAME).remove({ force: true });
    await docker.getContainer(`${prefix}-web`).restart({ t: 0 });
    await until(answers, 'answers from a proxy made anew');
    await docker.getContainer(PROXY_NAME).pause();
    await until(answers, 'answers after a pause');
    // What the engine cannot start any more: a network of it was pruned while it was stopped.
    const pruned = await docker.createNetwork({ Name: `${prefix}-pruned`, Labels: { 'tagboat.dev/team': `${world.team}-2` } });
    await pruned.connect({ Container: PROXY_NAME });
    const { Id: unable } = await docker.getContainer(PROXY_NAME).inspect();
    // Again, should it have been started meanwhile.
    const prune = async (): Promise<void> => docker.getContainer(PROXY_NAME).stop({ t: 0 }).catch(() => undefined).then(() => pruned.remove());
    await until(() => prune().then(() => true, () => false), 'the end of a network');
    await until(answers, 'answers from another proxy');
    assert.is.not((await docker.getContainer(PROXY_NAME).inspect()).Id, unable);
    // Something else takes the address that the container had.
    const { Networks } = (await docker.getContainer(`${prefix}-web`).inspect()).NetworkSettings;
    const before = Networks[prefix]!.IPAddress;
    await docker.getContainer(`${prefix}-web`).stop({ t: 0 });
    const squatter = await docker.createContainer({ Image: await pulled(docker, 'busybox:1.36'), Cmd: ['sleep', '600'], Labels: { 'tagboat.dev/team': world.team }, NetworkingConfig: { EndpointsConfig: { [prefix]: { IPAMConfig: {} } } } });
    await squatter.start();
    await docker.getContainer(`${prefix}-web`).start();
    assert.is.not((await docker.getContainer(`${prefix}-web`).inspect()).NetworkSettings.Networks[prefix]!.IPAddress, before);
    await until(answers, 'answers at the new address');
    stop.abort();
    await watching;
    await squatter.remove({ force: true });
    await remove(prefix);
  });
}

test.run();
