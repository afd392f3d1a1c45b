import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { request } from 'node:http';
import { createContainerEngine } from '../containers/engine.ts';
import type { AttemptEnd } from '../core/engine.ts';
import { containersOf, engineForTests, pulled, until } from '../testing/engine.ts';
import { freePort } from '../testing/ports.ts';
import { contextOf } from '../testing/spec.ts';
import { connectDocker } from './connect.ts';
import { DockerRuntime } from './docker-runtime.ts';

const world = engineForTests('rollout');
const test = suite('rollout on a Docker engine');

if (world !== undefined) {
  const { docker, engine } = world;
  test.after(() => world.cleanUp());

  const CHECK = { http: { path: '/healthz', port: 8080 }, interval: '200ms', retries: 3 };
  /** Patience with what is to become good, none with what never will. */
  function web(version: string, environment: Record<string, string> = {}): { image: string; config: object } {
    const healthCheck = environment['HEALTHY'] === '0' ? CHECK : { ...CHECK, startPeriod: '40s' };
    return { image: `tagboat-test-web:${version}`, config: { environment, healthCheck, stopGrace: '0s' } };
  }
  function codeOf(end: AttemptEnd): string {
    return end.outcome === 'failed' ? end.code : end.outcome;
  }
  async function idOf(name: string): Promise<string> {
    return (await docker.getContainer(name).inspect()).Id;
  }
  async function namesOf(prefix: string): Promise<string[]> {
    const rows = await containersOf(docker, `tagboat.dev/prefix=${prefix}`);
    return rows.map((row) => `${row.Names[0]?.slice(1)} ${row.State}`).sort();
  }

  test('an update replaces what changed and touches nothing else', async () => {
    const prefix = world.prefix('update');
    const spec = (version: string) => world.spec(prefix, { db: { image: 'tagboat-test-db:16', config: { volumes: [{ name: 'data', path: '/data' }] } }, web: { ...web(version), dependsOn: ['db'] } });
    const first = await engine.deploy(spec('1.0.0'), undefined, contextOf(1));
    assert.is(first.outcome, 'succeeded', JSON.stringify(first.outcome === 'failed' && first.reason));
    const db = await idOf(`${prefix}-db`);
    const second = await engine.deploy(spec('1.1.0'), undefined, contextOf(2));
    assert.is(second.outcome, 'succeeded');
    assert.is(await idOf(`${prefix}-db`), db, 'the database is the same container');
    assert.equal(await namesOf(prefix), [`${prefix}-db running`, `${prefix}-web running`]);
    const digests = second.outcome === 'succeeded' ? second.digests : [];
    assert.ok(digests.every((one) => /^sha256:[0-9a-f]{64}$/.test(one.digest)));

    const repeated = contextOf(2, { resumed: true });
    await engine.deploy(spec('1.1.0'), undefined, repeated);
    assert.ok(repeated.steps.every((step) => !/^(switch|start|clean)/.test(step)), repeated.steps.join('\n'));

    // Pinned to what is on the node: the registry is not needed.
    const pinned = spec('1.1.0');
    pinned.images = pinned.images.map((image) => ({ ...image, image: image.image.replace('1.1.0', 'gone'), digest: digests.find((one) => one.name === image.name)?.digest ?? '' }));
    assert.is(codeOf(await engine.deploy(pinned, undefined, contextOf(3))), 'succeeded');
  });

  test('a broken update leaves the old one serving and says why', async () => {
    const prefix = world.prefix('broken');
    await engine.deploy(world.spec(prefix, { web: web('1.0.0') }), undefined, contextOf(1));
    const old = await idOf(`${prefix}-web`);
    const unhealthy = await engine.deploy(world.spec(prefix, { web: web('1.1.0', { HEALTHY: '0' }) }), undefined, contextOf(2));
    assert.is(codeOf(unhealthy), 'HealthCheckFailed');
    assert.ok(unhealthy.outcome === 'failed' && unhealthy.restored && unhealthy.evidence[0]?.healthOutput.some((line) => line.includes('404')), JSON.stringify(unhealthy));
    const crash = await engine.deploy(world.spec(prefix, { web: web('1.1.0', { CRASH: '1' }) }), undefined, contextOf(3));
    assert.is(codeOf(crash), 'ContainerExited');
    assert.ok(crash.outcome === 'failed' && crash.restored && crash.evidence[0]?.logLines.some((line) => line.includes('CRASH is set')), 'the log is in the evidence');
    assert.is(codeOf(await engine.deploy(world.spec(prefix, { web: web('9.9.9') }), undefined, contextOf(4))), 'ImageUnknown');
    const command = await engine.deploy(world.spec(prefix, { web: { image: 'busybox:1.36', config: { command: ['/no/such'] } } }), undefined, contextOf(5));
    assert.is(codeOf(command), 'ContainerStartFailed');
    assert.is(await idOf(`${prefix}-web`), old);
    assert.equal(await namesOf(prefix), [`${prefix}-web running`]);
  });

  test('a recreate puts the stopped old one back, on its port', async () => {
    const prefix = world.prefix('port');
    const port = await freePort();
    const config = { ports: [{ internal: 8080, external: port }] };
    const spec = (version: string, env: Record<string, string>) => {
      const one = web(version, env);
      return world.spec(prefix, { web: { ...one, config: { ...one.config, ...config }, strategy: 'recreate' } });
    };
    assert.is(codeOf(await engine.deploy(spec('1.0.0', {}), undefined, contextOf(1))), 'succeeded');
    assert.is(await get(port), '1.0.0');
    assert.is(codeOf(await engine.deploy(spec('1.1.0', { CRASH: '1' }), undefined, contextOf(2))), 'ContainerExited');
    assert.is(await get(port), '1.0.0');
    assert.is(codeOf(await engine.deploy(spec('1.2.0', {}), undefined, contextOf(3))), 'succeeded');
    assert.is(await get(port), '1.2.0');

    const other = world.prefix('rival');
    const taken = await engine.deploy(world.spec(other, { web: { image: 'busybox:1.36', config: { command: ['sleep', '60'], ports: [{ internal: 1, external: port }] } } }), undefined, contextOf(1));
    assert.is(codeOf(taken), 'PortInUse');
    assert.equal(await namesOf(other), []);
  });

  test('a stranger with the name is left alone', async () => {
    const prefix = world.prefix('taken');
    const stranger = await docker.createContainer({ name: `${prefix}-web`, Image: await pulled(docker, 'tagboat-test-web:1.0.0'), Labels: { 'tagboat.dev/team': 'others', 'tagboat.dev/prefix': prefix } });
    try {
      assert.is(codeOf(await engine.deploy(world.spec(prefix, { web: web('1.0.0') }), undefined, contextOf(1))), 'NameTaken');
      await engine.remove({ team: world.team, deployment: 'x', prefix, removeVolumes: true }, contextOf(2));
      assert.is((await stranger.inspect()).State.Status, 'created');
    } finally {
      await stranger.remove({ force: true });
    }
  });

  test('the agent’s own container is neither listed nor removed, even with our labels', async () => {
    const prefix = world.prefix('self');
    const labels = { 'tagboat.dev/team': world.team, 'tagboat.dev/prefix': prefix, 'tagboat.dev/image': 'agent', 'tagboat.dev/role': 'main' };
    const self = await docker.createContainer({ name: `${prefix}-agent`, Image: await pulled(docker, 'tagboat-test-web:1.0.0'), Labels: labels });
    const inside = createContainerEngine(new DockerRuntime({ ...connectDocker({ host: world.host }), isSelf: (id) => id === self.id }));
    assert.is((await inside.deploy(world.spec(prefix, { web: web('1.0.0') }), undefined, contextOf(1))).outcome, 'succeeded');
    assert.is(codeOf(await inside.deploy(world.spec(prefix, { agent: web('1.0.0') }), undefined, contextOf(2))), 'NameTaken');
    await inside.remove({ team: world.team, deployment: 'x', prefix, removeVolumes: false }, contextOf(3));
    assert.is((await self.inspect()).State.Status, 'created');
    await self.remove();
  });

  test('cancel and deadline restore', async () => {
    const prefix = world.prefix('cancel');
    await engine.deploy(world.spec(prefix, { web: web('1.0.0') }), undefined, contextOf(1));
    const old = await idOf(`${prefix}-web`);
    const slow = web('1.1.0', { HEALTHY: '0' });
    const spec = world.spec(prefix, { web: { ...slow, config: { ...slow.config, healthCheck: { ...CHECK, retries: 1000 } } } });
    const cancel = new AbortController();
    const context = contextOf(2, { cancel: cancel.signal });
    const running = engine.deploy(spec, undefined, context);
    await until(() => context.steps.some((step) => step.startsWith('start')), 'the start');
    cancel.abort();
    const cancelled = await running;
    assert.ok(cancelled.outcome === 'cancelled' && cancelled.restored);
    const late = await engine.deploy(spec, undefined, contextOf(3, { deadline: AbortSignal.timeout(5_000) }));
    assert.is(codeOf(late), 'DeadlineExceeded');
    assert.is(await idOf(`${prefix}-web`), old);
    assert.equal(await namesOf(prefix), [`${prefix}-web running`]);
  });

  test('jobs, waiting containers and helpers', async () => {
    const prefix = world.prefix('job');
    const busybox = 'busybox:1.36';
    const volumes = [{ name: 'data', path: '/data' }];
    const end = await engine.deploy(
      world.spec(prefix, {
        job: { image: busybox, config: { command: ['sh', '-c', 'exit 4'], expectedState: { state: 'exited', exitCode: 4 } } },
        idle: { image: busybox, config: { expectedState: { state: 'waiting' } } },
        web: {
          image: busybox,
          dependsOn: ['job'],
          config: {
            command: ['sh', '-c', 'cat /data/index.html /data/init; exec sleep 60'],
            volumes,
            configContainer: { image: 'nginx:1.27', volume: 'data', path: '/www' },
            initContainers: [{ name: 'mark', image: busybox, command: ['sh', '-c', 'echo $WORD > /data/init'], environment: { WORD: 'was here' }, volumes }],
            healthCheck: { command: ['grep', '-q', 'was here', '/data/init'], interval: '200ms' },
          },
        },
      }),
      undefined,
      contextOf(1),
    );
    assert.is(codeOf(end), 'succeeded', JSON.stringify(end.outcome === 'failed' ? end : ''));
    assert.equal(await namesOf(prefix), [`${prefix}-idle created`, `${prefix}-job exited`, `${prefix}-web running`]);
    assert.equal(end.containers.map((one) => `${one.imageName} ${one.state} ${one.exitCode} ${one.health}`).sort(), ['idle created 0 none', 'job exited 4 none', 'web running 0 healthy']);
    const lines: string[] = [];
    for await (const line of engine.logs({ prefix, container: `${prefix}-web`, tail: 10, follow: false }, AbortSignal.timeout(60_000))) lines.push(line.text);
    assert.equal(lines, ['It works.', 'was here']);

    const failing = await engine.deploy(world.spec(prefix, { job: { image: busybox, config: { command: ['sh', '-c', 'echo no; exit 5'], expectedState: { state: 'exited' } } } }), undefined, contextOf(2));
    assert.ok(failing.outcome === 'failed' && failing.code === 'ContainerExited' && failing.evidence[0]?.logLines[0] === 'no' && failing.restored);
    assert.equal(await namesOf(prefix), [`${prefix}-idle created`, `${prefix}-job exited`, `${prefix}-web running`]);
  });

  test('images of the node: built there, or kept while the registry is away', async () => {
    const prefix = world.prefix('local');
    await engine.deploy(world.spec(prefix, { web: web('1.0.0') }), undefined, contextOf(1));
    const away = `127.0.0.1:9/away:${prefix}`;
    await docker.getImage('tagboat-test-web:1.0.0').tag({ repo: '127.0.0.1:9/away', tag: prefix });
    try {
      const context = contextOf(2);
      const end = await engine.deploy(world.spec(prefix, { web: { ...web('1.0.0'), image: away } }), undefined, context);
      assert.is(codeOf(end), 'succeeded', JSON.stringify(end.outcome === 'failed' && end.reason));
      assert.ok(context.steps.some((step) => step.includes('cannot be reached')), context.steps.join('\n'));
    } finally {
      await docker.getImage(away).remove();
    }
    assert.is(codeOf(await engine.deploy(world.spec(prefix, { web: { ...web('1.0.0'), image: '127.0.0.1:9/nowhere:1' } }), undefined, contextOf(3))), 'RegistryUnreachable');

    const container = await docker.createContainer({ Image: await pulled(docker, 'tagboat-test-web:1.0.0') });
    await container.commit({ repo: 'built-here', tag: prefix });
    await container.remove();
    try {
      const context = contextOf(4);
      const end = await engine.deploy(world.spec(prefix, { web: { ...web('1.0.0'), image: `built-here:${prefix}` } }), undefined, context);
      assert.ok(end.outcome === 'succeeded' && end.digests[0]?.digest === '', JSON.stringify(end.outcome === 'failed' && end.reason));
      assert.ok(context.steps.some((step) => step.includes('built on this node')));
      await engine.remove({ team: world.team, deployment: 'x', prefix, removeVolumes: false }, contextOf(5));
    } finally {
      await docker.getImage(`built-here:${prefix}`).remove({ force: true });
    }
  });

  test('removal keeps volumes unless told, and may be repeated', async () => {
    const prefix = world.prefix('remove');
    await engine.deploy(world.spec(prefix, { db: { image: 'tagboat-test-db:16', config: { volumes: [{ name: 'data', path: '/data' }] } } }), undefined, contextOf(1));
    const target = { team: world.team, deployment: 'x', prefix };
    assert.is(codeOf(await engine.remove({ ...target, removeVolumes: false }, contextOf(2))), 'succeeded');
    assert.equal(await namesOf(prefix), []);
    assert.is((await docker.getVolume(`${prefix}-data`).inspect()).Name, `${prefix}-data`);
    assert.is((await docker.listNetworks({ filters: { name: [prefix] } })).length, 0);
    assert.is(codeOf(await engine.remove({ ...target, removeVolumes: true }, contextOf(2, { resumed: true }))), 'succeeded');
    assert.is((await docker.listVolumes({ filters: { name: [`${prefix}-data`] } })).Volumes?.length ?? 0, 0);
  });
}

function get(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path: '/', agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += String(chunk)));
      response.on('end', () => resolve(body.trim()));
    });
    call.on('error', reject);
    call.end();
  });
}

test.run();
