import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { engineForTests } from '../testing/engine.ts';
import { contextOf } from '../testing/spec.ts';
import type { LogLine } from '../core/engine.ts';

const world = engineForTests('logs');
const test = suite('logs of a Docker engine');

if (world !== undefined) {
  const { engine } = world;
  test.after(() => world.cleanUp());
  const busybox = 'busybox:1.36';

  test('both streams, a terminal, the tail, and following until told to stop', async () => {
    const prefix = world.prefix('logs');
    const script = 'echo one; echo two >&2; echo three; i=0; while true; do i=$((i+1)); echo tick $i; sleep 0.2; done';
    const end = await engine.deploy(
      world.spec(prefix, {
        plain: { image: busybox, config: { command: ['sh', '-c', script], stopGrace: '0s' } },
        tty: { image: busybox, config: { command: ['sh', '-c', 'echo "{\\"json\\": 1}"; exec sleep 60'], tty: true, stopGrace: '0s', healthCheck: { settle: '200ms' } } },
      }),
      undefined,
      contextOf(1),
    );
    assert.is(end.outcome, 'succeeded', JSON.stringify(end.outcome === 'failed' && end.reason));

    const stop = new AbortController();
    const followed: LogLine[] = [];
    for await (const line of engine.logs({ prefix, container: `${prefix}-plain`, tail: 1000, follow: true }, stop.signal)) {
      followed.push(line);
      if (line.text === 'tick 3') stop.abort();
    }
    assert.ok(followed.some((line) => line.stream === 'stderr' && line.text === 'two'));
    assert.equal(followed.filter((line) => line.stream === 'stdout').slice(0, 3).map((line) => line.text), ['one', 'three', 'tick 1']);
    assert.ok(followed.every((line) => Math.abs(line.at.getTime() - Date.now()) < 60_000));

    // A reader that leaves early ends the engine's side as well.
    for await (const line of engine.logs({ prefix, container: `${prefix}-plain`, tail: 1, follow: true }, new AbortController().signal)) {
      if (line.text !== '') break;
    }
    const terminal: string[] = [];
    for await (const line of engine.logs({ prefix, container: `${prefix}-tty`, tail: 5, follow: false }, AbortSignal.timeout(60_000))) terminal.push(line.text);
    assert.equal(terminal, ['{"json": 1}']);
  });

  test('only containers of Tagboat have logs to give', async () => {
    const stranger = await world.docker.createContainer({ name: world.prefix('stranger'), Image: busybox });
    try {
      const reading = engine.logs({ prefix: 'x', container: world.prefix('stranger'), tail: 1, follow: false }, AbortSignal.timeout(60_000));
      await (async () => {
        for await (const line of reading) assert.unreachable(line.text);
      })().then(
        () => assert.unreachable('must be refused'),
        (error: Error) => assert.match(error.message, /no container/),
      );
    } finally {
      await stranger.remove();
    }
  });
}

test.run();
