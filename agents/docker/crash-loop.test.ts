// @timeout 400
/** What began to end all the time after it had been deployed well: the push that mends it has to go through. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { containersOf, engineForTests, until } from '../testing/engine.ts';
import { contextOf, type SpecImage } from '../testing/spec.ts';

const world = engineForTests('crash-loop');
const test = suite('containers in a crash loop on a Docker engine');

if (world !== undefined) {
  const { docker, engine } = world;
  test.after(() => world.cleanUp());

  /** Good at its first start and at no other. */
  const once: SpecImage = { image: 'busybox:1.36', config: { command: ['sh', '-c', 'if [ -e /tmp/ran ]; then exit 3; fi; touch /tmp/ran; sleep 2'], stopGrace: '0s' } };
  const mended: SpecImage = { image: 'busybox:1.36', config: { command: ['sleep', '600'], stopGrace: '0s' } };
  const broken: SpecImage = { image: 'busybox:1.36', config: { command: ['sh', '-c', 'exit 4'], stopGrace: '0s', healthCheck: { settle: '5s' } } };

  for (const strategy of ['start-first', 'recreate'] as const) {
    test(`are replaced, and put back for what is no better (${strategy})`, async () => {
      const prefix = world.prefix(strategy);
      const spec = (web: SpecImage) => world.spec(prefix, { web: { ...web, strategy } });
      const there = async (): Promise<string[]> => (await containersOf(docker, `tagboat.dev/prefix=${prefix}`)).map((row) => `${row.Names[0]?.slice(1)} ${row.Id}`);
      assert.is((await engine.deploy(spec(once), undefined, contextOf(1))).outcome, 'succeeded');
      const before = await there();
      const waiting = (): Promise<void> => until(async () => {
        const { State: state, RestartCount: count } = await docker.getContainer(`${prefix}-web`).inspect();
        return state.Restarting && count > 4;
      }, 'the engine to wait with the next start');

      await waiting();
      const worse = await engine.deploy(spec(broken), undefined, contextOf(2));
      assert.ok(worse.outcome === 'failed' && worse.code === 'ContainerExited' && worse.restored, JSON.stringify(worse));
      assert.equal(await there(), before, 'the very same, under its name');

      await waiting();
      const end = await engine.deploy(spec(mended), undefined, contextOf(3));
      assert.is(end.outcome, 'succeeded', JSON.stringify(end.outcome === 'failed' && end.reason));
      const after = await containersOf(docker, `tagboat.dev/prefix=${prefix}`);
      assert.equal(after.map((row) => [row.Names[0]?.slice(1), row.State]), [[`${prefix}-web`, 'running']]);
    });
  }
}

test.run();
