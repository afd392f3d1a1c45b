/** The engine itself is stopped and comes back, at rest and in the middle of an attempt. */
// @serial
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TargetMemory } from '../core/engine.ts';
import { engineForTests, pulled, until } from '../testing/engine.ts';
import { canHaveOwnEngine, ownEngine } from '../testing/own-engine.ts';
import { contextOf, specOf } from '../testing/spec.ts';
import { createDockerEngine } from './engine.ts';

const world = engineForTests('restart');
const test = suite('a Docker engine that is restarted');

if (world !== undefined && !canHaveOwnEngine()) process.stderr.write('\n!!! SKIPPED: engine restart: needs root, unshare and dockerd\n\n');

if (world !== undefined && canHaveOwnEngine()) {
  test('containers come back without lasting drift, and an attempt that it interrupted is finished', async () => {
    const own = await ownEngine();
    try {
      await own.docker.loadImage(await world.docker.getImage(await pulled(world.docker, 'busybox:1.36')).get());
      const engine = createDockerEngine({ socketPath: own.socketPath });
      const spec = (word: string, healthCheck: object) =>
        specOf('p', Object.fromEntries(['a', 'b'].map((name) => [name, { image: 'busybox:1.36', config: { command: ['sh', '-c', 'trap "exit 0" TERM; while true; do sleep 0.1; done'], environment: { WORD: word }, healthCheck } }])));
      const alive = { command: ['true'], interval: '200ms' };
      const first = spec('one', alive);
      const begun = await engine.deploy(first, undefined, contextOf(1));
      assert.is(begun.outcome, 'succeeded', JSON.stringify(begun.outcome === 'failed' && begun.reason));
      const signal = new AbortController().signal;
      const memory: TargetMemory = { spec: first, attemptId: 1n, digests: [], baseline: JSON.parse(JSON.stringify(await engine.baseline(first, signal))) };
      const watched = new AbortController();
      const told: (string | undefined)[] = [];
      const watching = engine.watch('acme', (prefix) => told.push(prefix), watched.signal);
      const fine = async (): Promise<boolean> => {
        const [target] = await engine.observe('acme', new Map([['p', memory]]), signal).catch(() => []);
        return target !== undefined && target.drift.length === 0 && target.health === 'healthy' && target.containers.length === 2;
      };
      assert.ok(await fine());

      await own.kill('SIGTERM');
      told.length = 0;
      await own.start();
      await until(() => told.includes(undefined), 'a full look after the restart');
      await until(fine, 'no drift after the restart');

      // In the middle of an attempt, with one old container set aside and a new one that is not good yet.
      const next = spec('two', { command: ['test', '-e', '/good'], interval: '200ms', retries: 1000 });
      const context = contextOf(2);
      const running = engine.deploy(next, memory, context);
      await until(() => context.steps.filter((step) => step.startsWith('start')).length === 2, 'the start of the new ones');
      await own.kill('SIGTERM');
      const broken = await running;
      assert.is(broken.outcome, 'failed');
      await own.start();
      const cancelled = await engine.deploy(next, memory, contextOf(2, { resumed: true, deadline: AbortSignal.timeout(5_000) }));
      assert.ok(cancelled.outcome === 'failed' && cancelled.restored, JSON.stringify(cancelled.outcome === 'failed' && cancelled.reason));
      await until(fine, 'the old ones again');
      watched.abort();
      await watching;
    } finally {
      await own.close();
    }
  });
}

test.run();
