/** An engine that goes away and comes back, by a proxy before its socket that a test may cut. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentError } from '../core/errors.ts';
import { engineForTests, until } from '../testing/engine.ts';
import { contextOf } from '../testing/spec.ts';
import { createDockerEngine } from './engine.ts';

const world = engineForTests('connection');
const test = suite('a Docker engine that goes away');

if (world !== undefined && world.host.startsWith('unix://')) {
  test.after(() => world.cleanUp());

  test('watching is resumed with a full look, attempts end with EngineUnreachable', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tagboat-socket-'));
    const socketPath = join(folder, 'd.sock');
    const open = new Set<Socket>();
    let server = await listen();
    function listen(): Promise<Server> {
      return new Promise((resolve) => {
        const fresh = createServer((inner) => {
          const outer = connect(world!.host.slice('unix://'.length));
          for (const socket of [inner, outer]) {
            open.add(socket);
            socket.on('close', () => open.delete(socket));
            socket.on('error', () => undefined);
          }
          inner.pipe(outer).pipe(inner);
        }).listen(socketPath, () => resolve(fresh));
      });
    }
    function cut(): Promise<void> {
      for (const socket of open) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    }

    const engine = createDockerEngine({ socketPath });
    const prefix = world.prefix('away');
    const spec = world.spec(prefix, { a: { image: 'busybox:1.36', config: { command: ['sleep', '600'], stopGrace: '0s' } } });
    assert.is((await engine.deploy(spec, undefined, contextOf(1))).outcome, 'succeeded');
    const stop = new AbortController();
    const told: (string | undefined)[] = [];
    const watching = engine.watch(world.team, (changed) => told.push(changed), stop.signal);
    await until(() => told.length > 0, 'the first look');

    await cut();
    await until(() => told.length > 1, 'the notice of the broken line');
    await engine.observe(world.team, new Map(), stop.signal).then(
      () => assert.unreachable('there is no engine'),
      (error: unknown) => assert.ok(error instanceof AgentError && error.code === 'EngineUnreachable', String(error)),
    );
    const end = await engine.deploy(spec, undefined, contextOf(2));
    assert.ok(end.outcome === 'failed' && end.code === 'EngineUnreachable' && !end.restored);

    told.length = 0;
    server = await listen();
    await until(() => told.includes(undefined), 'the full look after the return');
    told.length = 0;
    // The look may have come with a line that broke once more; then the next event is the first that is heard.
    await until(async () => {
      await world.docker.getContainer(`${prefix}-a`).restart({ t: 0 });
      return told.includes(prefix);
    }, 'events again');
    stop.abort();
    await watching;
    await cut();
    await rm(folder, { recursive: true });
  });
}

test.run();
