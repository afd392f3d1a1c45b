// @timeout 400
/** How containers fail to start or end, and what people are told of it: the words have to lead to the cause. */
import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import type { AttemptEnd } from '../core/engine.ts';
import { engineForTests, until } from '../testing/engine.ts';
import { contextOf } from '../testing/spec.ts';

const world = engineForTests('endings');
const test = suite('endings on a Docker engine');

if (world !== undefined) {
  const { docker, engine } = world;
  test.after(() => world.cleanUp());
  let count = 0;
  const deploy = (prefix: string, config: ContainerConfig): Promise<AttemptEnd> => engine.deploy(world.spec(prefix, { x: { image: 'busybox:1.36', config: { stopGrace: '0s', ...config } } }), undefined, contextOf(++count));
  const sleeper: ContainerConfig = { command: ['sleep', '600'], healthCheck: { settle: '500ms' } };

  const FAILING: readonly (readonly [what: string, config: ContainerConfig, code: string, told: RegExp])[] = [
    ['more memory than it may have', { command: ['sh', '-c', 'a=x; while true; do a=$a$a; done'], restartPolicy: 'no', resources: { limits: { memory: '16Mi' } }, healthCheck: { settle: '1m' } }, 'ContainerExited', /exit code 137.* for want of memory; raise resources\.limits\.memory/],
    ['a job without enough memory', { command: ['sh', '-c', 'a=x; while true; do a=$a$a; done'], resources: { limits: { memory: '16Mi' } }, expectedState: { state: 'exited' } }, 'ContainerExited', /expected 0: .* want of memory/],
    ['one that ends and is started again', { command: ['sh', '-c', 'sleep 1; exit 3'], restartPolicy: 'always', healthCheck: { settle: '1m' } }, 'ContainerExited', /ended by itself( with exit code 3)? and was restarted/],
    ['a command that is not there', { command: ['/no/such'] }, 'ContainerStartFailed', /starting \S+-x: exec: "\/no\/such".*look at command and args/],
    ['a user that the image does not know', { ...sleeper, user: 'nobody-knows' }, 'ContainerStartFailed', /starting \S+-x: .*nobody-knows.*use a number/],
    ['a directory that the node does not have', { ...sleeper, volumes: [{ path: '/d', type: 'bind', source: '/no/such/directory' }] }, 'ContainerCreateFailed', /\/no\/such\/directory\. Make it on the node/],
  ];
  test('a log driver that the engine does not have fails before anything is touched, and before the engine looks for a plugin of that name', async () => {
    const prefix = world.prefix('driver');
    const good: ContainerConfig = { ...sleeper, logConfig: { driver: 'local', options: { 'max-size': '1m' } } };
    assert.is((await deploy(prefix, good)).outcome, 'succeeded');
    const { Id: id } = await docker.getContainer(`${prefix}-x`).inspect();
    const context = contextOf(++count);
    const end = await engine.deploy(world.spec(prefix, { x: { image: 'busybox:1.36', config: { ...sleeper, logConfig: { driver: 'jsonfile' } } }, y: { image: 'busybox:9.9-never-asked-for' } }), undefined, context);
    assert.ok(end.outcome === 'failed' && end.code === 'Unsupported' && end.restored, JSON.stringify(end));
    assert.match(end.outcome === 'failed' ? end.reason : '', /^x sends its output to the log driver jsonfile, and the engine of this node has none of that name, nor a plugin \(it has .*journald, json-file, local.*\); nothing was touched/);
    assert.is((await docker.getContainer(`${prefix}-x`).inspect()).Id, id);
  });

  for (const [what, config, code, told] of FAILING) {
    test(what, async () => {
      const end = await deploy(world.prefix(`fails${count}`), config);
      assert.ok(end.outcome === 'failed' && end.code === code, JSON.stringify(end));
      assert.match(end.outcome === 'failed' ? end.reason : '', told);
      assert.not.match(end.outcome === 'failed' ? end.reason : '', /runc create failed|shim task/);
    });
  }

  test('a user by name is the one that the image knows', async () => {
    const prefix = world.prefix('user');
    assert.is((await deploy(prefix, { ...sleeper, user: 'app' })).outcome, 'succeeded');
    const top = (await docker.getContainer(`${prefix}-x`).top({ ps_args: '-o pid,uid' })) as { Processes: string[][] };
    assert.equal(top.Processes.map(([, uid]) => uid?.trim()), ['1000']);
  });

  test('a log driver with options of its own: what the container says arrives there, and can be read here as well', async () => {
    const heard: string[] = [];
    const server = createSocket('udp4', (message) => void heard.push(String(message)));
    await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
    const prefix = world.prefix('syslog');
    const address = `udp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const end = await deploy(prefix, { ...sleeper, command: ['sh', '-c', 'echo said aloud; exec sleep 600'], logConfig: { driver: 'syslog', options: { 'syslog-address': address, tag: 'of-the-test' } } });
      assert.is(end.outcome, 'succeeded', JSON.stringify(end));
      await until(() => heard.some((line) => line.includes('of-the-test') && line.includes('said aloud')), 'the line');
    } finally {
      server.close();
    }
  });

  test('a driver that keeps nothing leaves no evidence, and says so', async () => {
    const end = await deploy(world.prefix('silent'), { command: ['sh', '-c', 'echo lost; exit 3'], restartPolicy: 'no', logConfig: { driver: 'none' }, healthCheck: { settle: '1m' } });
    assert.ok(end.outcome === 'failed', JSON.stringify(end));
    assert.match(end.outcome === 'failed' ? (end.evidence[0]?.logLines.join() ?? '') : '', /could not be read.*does not support reading/);
  });

  test('nothing wanted and nothing there is healthy', async () => {
    const prefix = world.prefix('none');
    const spec = world.spec(prefix, { x: { image: 'busybox:1.36', config: { ...sleeper, replicas: 0 } } });
    const end = await engine.deploy(spec, undefined, contextOf(++count));
    assert.is(end.outcome, 'succeeded');
    const memories = new Map([[prefix, { spec, attemptId: BigInt(count), digests: [], baseline: await engine.baseline(spec, AbortSignal.timeout(60_000)) }]]);
    const seen = (await engine.observe(world.team, memories, AbortSignal.timeout(60_000))).find((one) => one.prefix === prefix);
    assert.equal([seen?.health, seen?.healthReason, seen?.containers, seen?.drift], ['healthy', '', [], []]);
  });
}

test.run();
