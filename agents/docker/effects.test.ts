// @timeout 400
/** What each field of the configuration does on a real engine, seen from inside the container or from the node. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseStrategy } from '../../controller/plan/strategy.ts';
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import type { AttemptEnd } from '../core/engine.ts';
import { INSIDE, samples } from '../testing/effects.ts';
import { containersOf, engineForTests, pulled, until } from '../testing/engine.ts';
import { freePorts } from '../testing/ports.ts';
import { contextOf } from '../testing/spec.ts';
import { connectDocker } from './connect.ts';
import { DockerRuntime } from './docker-runtime.ts';

const world = engineForTests('effects');
const test = suite('fields on a Docker engine');

if (world !== undefined) {
  const { docker, engine } = world;
  const runtime = new DockerRuntime({ ...connectDocker({ host: world.host }), isSelf: () => false });
  const prefix = world.prefix('fields');
  const port = await freePorts(4);
  const directory = mkdtempSync(join(tmpdir(), 'tagboat-effects-'));
  writeFileSync(join(directory, 'word'), 'of the node\n');
  const sideNetwork = world.prefix('beside');
  const all = samples({ port, network: sideNetwork, directory });
  const named = (image: string): string => `${prefix}-${all[image]?.config.name ?? image}`;
  const inspect = (image: string) => docker.getContainer(named(image)).inspect();
  async function inside(image: string, run: string): Promise<string> {
    const { output } = await runtime.exec(named(image), ['sh', '-c', run], 60_000, AbortSignal.timeout(60_000));
    return output.slice(`sh -c ${run}: `.length).replace(/^exit code \d+: /, '').trim();
  }
  function codeOf(end: AttemptEnd): string {
    return end.outcome === 'failed' ? end.code : end.outcome;
  }

  test('all samples come up', async () => {
    const end = await engine.deploy(world.spec(prefix, all), undefined, contextOf(1));
    assert.is(end.outcome, 'succeeded', JSON.stringify(end.outcome === 'failed' && [end.reason, end.evidence]));
  });
  test.after(async () => {
    await world.cleanUp();
    rmSync(directory, { recursive: true, force: true });
  });

  for (const { fields, container, run, gives } of INSIDE) {
    test(`${fields.join(', ')}: ${run.slice(0, 60)}`, async () => {
      const output = await inside(container, run);
      if (typeof gives === 'string') assert.is(output, gives);
      else assert.match(output, gives);
    });
  }

  test('everything applied again touches nothing', async () => {
    const context = contextOf(2);
    assert.is(codeOf(await engine.deploy(world.spec(prefix, all), undefined, context)), 'succeeded');
    assert.equal(context.steps.filter((step) => /^(switch|start|init|restore)/.test(step)), []);
  });

  test('name, replicas, labels', async () => {
    assert.is((await inspect('renamed')).Name, `/${prefix}-other`);
    const rows = await containersOf(docker, `tagboat.dev/prefix=${prefix}`, 'tier=web');
    assert.equal(rows.map((row) => row.Names[0]), [`/${prefix}-plain`]);
    assert.is((await docker.listContainers({ all: true, filters: { name: [`${prefix}-absent`] } })).length, 0);
  });

  test('volumes[].name: the volume is the target’s and outlives the container', async () => {
    assert.is((await docker.getVolume(`${prefix}-kept`).inspect()).Labels['tagboat.dev/prefix'], prefix);
  });

  test('ports, portRanges: TCP', async () => {
    assert.ok(await answers('127.0.0.1', port));
    assert.ok(await answers('127.0.0.1', port + 2), 'the second of the range');
    assert.not.ok(await answers('127.0.0.1', port + 1), 'nothing listens behind the first');
    const { NetworkSettings: { Ports } } = await inspect('ports');
    assert.equal(Ports['8080/tcp']?.filter((one) => one.HostPort === String(port)).map((one) => one.HostIp), ['127.0.0.1']);
    assert.not.ok(await answers('127.0.0.2', port), 'ports[].address');
  });

  test('ports, portRanges: UDP, there and back', async () => {
    assert.is(await echoed(port, 'to the port'), '53 heard to the port\n');
    assert.is(await echoed(port + 3, 'to the range'), '60 heard to the range\n');
  });

  test('logConfig: the driver writes what its options say', async () => {
    const { LogPath } = await inspect('logs');
    const [first] = readFileSync(LogPath, 'utf8').split('\n');
    assert.equal((JSON.parse(first ?? '') as { attrs: unknown }).attrs, { REGION: 'eu' });
  });

  test('docker.stdin, docker.ipcMode, docker.dns.servers', async () => {
    assert.ok((await inspect('input')).State.Running, 'cat waits for its input');
    assert.is(await inside('many', 'busybox readlink /proc/self/ns/ipc'), readlinkSync('/proc/self/ns/ipc'));
    assert.equal((await inspect('names')).HostConfig.Dns, ['127.0.0.1']);
  });

  test('docker.privileged', async () => {
    const signal = AbortSignal.timeout(60_000);
    const labels = { 'tagboat.dev/team': world.team };
    const id = await runtime.create({ name: `${prefix}-mighty`, image: await pulled(docker, 'busybox:1.36'), config: { command: ['sleep', '600'], docker: { privileged: true } }, labels, networks: [], volumeNames: {}, secrets: { environment: {}, files: [] } }, signal);
    assert.ok((await docker.getContainer(id).inspect()).HostConfig.Privileged);
    try {
      await runtime.start(id, signal);
    } catch (error) {
      // Where the engine itself runs confined, it has no such power to give.
      assert.match((error as Error).message, /unable to apply caps/);
      return;
    }
    const { output } = await runtime.exec(id, ['grep', 'Seccomp:', '/proc/1/status'], 60_000, signal);
    assert.match(output, /\t0$/);
  });

  test('docker.gpus: the engine is asked for them, and without such a driver the deployment says so', async () => {
    const own = world.prefix('gpus');
    const gpus = [{ count: 1 }, { driver: 'no-such-driver', ids: ['0'], capabilities: ['gpu', 'utility'] }];
    const end = await engine.deploy(world.spec(own, { a: { image: 'busybox:1.36', config: { command: ['sleep', '600'], docker: { gpus: gpus.slice(0, 1) } } } }), undefined, contextOf(1));
    assert.match(JSON.stringify(end), /could not select device driver .*gpu.* of the node/);
    const signal = AbortSignal.timeout(60_000);
    const id = await runtime.create({ name: `${own}-asks`, image: await pulled(docker, 'busybox:1.36'), config: { docker: { gpus } }, labels: { 'tagboat.dev/team': world.team }, networks: [], volumeNames: {}, secrets: { environment: {}, files: [] } }, signal);
    const { DeviceRequests = [] } = (await docker.getContainer(id).inspect()).HostConfig;
    assert.equal(DeviceRequests.map(({ Driver, Count, DeviceIDs, Capabilities }) => [Driver, Count, DeviceIDs ?? null, Capabilities]), [['', 1, null, [['gpu']]], ['no-such-driver', 0, ['0'], [['gpu', 'utility']]]]);
  });

  test('restartPolicy, docker.maxRestarts', async () => {
    await inside('restarts', 'kill -TERM 1');
    await until(async () => {
      const { State, RestartCount } = await inspect('restarts');
      return State.Status === 'exited' && RestartCount === 2;
    }, 'two restarts and no third');
  });

  test('docker.stopSignal, stopGrace', async () => {
    await docker.getContainer(named('signal')).stop();
    assert.is((await inspect('signal')).State.ExitCode, 7);
    assert.is(((await inspect('plain')).Config as { StopTimeout?: number }).StopTimeout, 7);
  });

  test('strategy: which one stops first', async () => {
    for (const strategy of ['start-first', 'recreate'] as const) {
      const own = world.prefix(strategy);
      const spec = (word: string) => world.spec(own, { a: { image: 'busybox:1.36', config: { command: ['sleep', '600'], environment: { WORD: word }, strategy }, strategy: chooseStrategy('a', { strategy }, 'auto').strategy } });
      await engine.deploy(spec('one'), undefined, contextOf(1));
      const context = contextOf(2);
      await engine.deploy(spec('two'), undefined, context);
      assert.ok(context.steps.some((step) => step.includes(strategy === 'recreate' ? 'aside and stops it' : 'aside, still running')), context.steps.join('\n'));
    }
  });

  test('expectedState.timeout, expectedState.exitCode', async () => {
    const own = world.prefix('late');
    const job = (command: string, expectedState: ContainerConfig['expectedState']) => world.spec(own, { job: { image: 'busybox:1.36', config: { command: ['sh', '-c', command], ...(expectedState && { expectedState }) } } });
    assert.is(codeOf(await engine.deploy(job('exec sleep 600', { state: 'exited', timeout: '500ms' }), undefined, contextOf(1))), 'ExpectedStateNotReached');
    assert.is(codeOf(await engine.deploy(job('exit 4', { state: 'exited', exitCode: 3 }), undefined, contextOf(2))), 'ContainerExited');
  });

  test('configContainer.keepFiles: without it files that the image lacks go, hidden ones too', async () => {
    const own = world.prefix('keep');
    const spec = (keepFiles: boolean, word: string) =>
      world.spec(own, {
        a: {
          image: 'busybox:1.36',
          config: {
            command: ['sh', '-c', 'echo $(ls -A /data); touch /data/own /data/.hidden; exec sleep 600'],
            environment: { WORD: word },
            volumes: [{ name: 'data', path: '/data' }],
            configContainer: { image: 'nginx:1.27', volume: 'data', path: '/www', keepFiles },
          },
          strategy: 'recreate',
        },
      });
    const listed: string[] = [];
    for (const [index, keep] of [true, true, false].entries()) {
      assert.is(codeOf(await engine.deploy(spec(keep, String(index)), undefined, contextOf(index + 1))), 'succeeded');
      await until(async () => (await logOf(`${own}-a`, own)).length > 0, 'the list');
      listed.push(await logOf(`${own}-a`, own));
    }
    assert.equal(listed, ['index.html', '.hidden index.html own', 'index.html']);
  });

  test('a helper that fails leaves the old one serving, with its log as evidence (R19)', async () => {
    const own = world.prefix('helper');
    const spec = (config: ContainerConfig) => world.spec(own, { a: { image: 'busybox:1.36', config: { command: ['sleep', '600'], volumes: [{ name: 'data', path: '/data' }], ...config }, strategy: 'recreate' } });
    await engine.deploy(spec({}), undefined, contextOf(1));
    const before = (await docker.getContainer(`${own}-a`).inspect()).Id;
    const failing: ContainerConfig[] = [
      { importContainer: { image: 'busybox:1.36', volume: 'data', command: ['sh', '-c', 'echo no such bucket; exit 9'] } },
      { configContainer: { image: 'busybox:1.36', volume: 'data', path: '/no/such' } },
      { initContainers: [{ name: 'x', image: 'busybox:1.36', command: ['sh', '-c', 'echo no such table; exit 1'] }] },
    ];
    for (const [index, config] of failing.entries()) {
      const end = await engine.deploy(spec(config), undefined, contextOf(index + 2));
      assert.ok(end.outcome === 'failed' && end.code === 'ContainerExited' && end.restored, codeOf(end));
      assert.match(end.outcome === 'failed' ? end.reason : '', new RegExp(`^the ${['import container', 'config container', 'init container x'][index]} of ${own}-a \\(`));
      assert.match(end.outcome === 'failed' ? (end.evidence[0]?.logLines.join() ?? '') : '', /no such/i);
      const rows = await containersOf(docker, `tagboat.dev/prefix=${own}`);
      assert.equal(rows.map((row) => [row.Id, row.State]), [[before, 'running']]);
    }
    const bounded = { ...spec({ importContainer: { image: 'busybox:1.36', volume: 'data', command: ['sleep', '600'] } }), timeouts: { attempt: '1m', pull: '1m', health: '1s' } };
    assert.is(codeOf(await engine.deploy(bounded, undefined, contextOf(9))), 'ExpectedStateNotReached');
  });

  /** Serves after a second, or when it is told to. */
  const web = (healthCheck: ContainerConfig['healthCheck'], after = 1) => ({ image: 'busybox:1.36', config: { command: ['sh', '-c', `sleep ${after}; echo ok > /www/late; exec httpd -f -p 8080 -h /www`], stopGrace: '0s', ...(healthCheck && { healthCheck }) } });
  const checked = async (name: string, healthCheck: ContainerConfig['healthCheck'], after?: number): Promise<AttemptEnd> => engine.deploy(world.spec(world.prefix(name), { web: web(healthCheck, after) }), undefined, contextOf(1));

  test('healthCheck: http, tcp and command', async () => {
    const rhythm = { interval: '200ms', retries: 200 };
    assert.is(codeOf(await checked('http', { http: { path: '/late', port: 8080 }, ...rhythm })), 'succeeded');
    assert.is(codeOf(await checked('tcp', { tcp: { port: 8080 }, ...rhythm })), 'succeeded');
    assert.is(codeOf(await checked('command', { command: ['test', '-e', '/www/late'], ...rhythm })), 'succeeded');
    assert.is(codeOf(await checked('path', { http: { path: '/never', port: 8080 }, startPeriod: '1s', interval: '200ms', retries: 2 })), 'HealthCheckFailed');
    assert.is(codeOf(await checked('closed', { tcp: { port: 9999 }, interval: '100ms', retries: 2 })), 'HealthCheckFailed');
  });

  test('healthCheck: retries, interval, startPeriod, timeout and settle', async () => {
    const soon = await checked('retries', { http: { path: '/late', port: 8080 }, interval: '50ms', retries: 2 }, 30);
    assert.ok(soon.outcome === 'failed' && soon.reason.includes('2 times'), codeOf(soon));
    assert.is(codeOf(await checked('period', { http: { path: '/late', port: 8080 }, interval: '50ms', retries: 2, startPeriod: '40s' })), 'succeeded');
    assert.is(codeOf(await checked('interval', { http: { path: '/late', port: 8080 }, interval: '10s', retries: 2 })), 'succeeded', 'the second of two probes is late enough');
    const slow = await checked('timeout', { command: ['sleep', '5'], timeout: '300ms', interval: '100ms', retries: 1 });
    assert.ok(slow.outcome === 'failed' && slow.reason.includes('no end within 300 ms'), codeOf(slow));
    const short = { image: 'busybox:1.36', config: { command: ['sh', '-c', 'sleep 1; exit 3'], restartPolicy: 'no' as const } };
    const settled = await engine.deploy(world.spec(world.prefix('settle'), { a: { ...short, config: { ...short.config, healthCheck: { settle: '40s' } } } }), undefined, contextOf(1));
    assert.is(codeOf(settled), 'ContainerExited');
  });

  async function logOf(container: string, of: string): Promise<string> {
    const lines: string[] = [];
    for await (const line of engine.logs({ prefix: of, container, tail: 10, follow: false }, AbortSignal.timeout(60_000))) lines.push(line.text);
    return lines.join('\n').trim();
  }
}

/** What comes back for a datagram to a port of the node. A datagram may be lost, so a few are sent, one after the other. */
async function echoed(to: number, word: string): Promise<string> {
  const socket = createSocket('udp4');
  try {
    for (let tries = 0; tries < 10; tries++) {
      const answer = once(socket, 'message', { signal: AbortSignal.timeout(1_000) }).then(([message]) => String(message), () => undefined);
      socket.send(`${word}\n`, to, '127.0.0.1');
      const heard = await answer;
      if (heard !== undefined) return heard;
    }
    return 'no answer to ten datagrams';
  } finally {
    socket.close();
  }
}

/** Something behind the port says something or closes in order; a proxy with nobody behind it just closes. */
function answers(host: string, at: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: at, timeout: 30_000 }, () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.once('data', () => finish(true)).once('error', () => finish(false)).once('close', () => finish(false)).once('timeout', () => finish(false));
    function finish(answered: boolean): void {
      socket.destroy();
      resolve(answered);
    }
  });
}

test.run();
