// @timeout 400
/** Whose networks come and go on a real engine. */
import type Docker from 'dockerode';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import type { AttemptEnd } from '../core/engine.ts';
import { engineForTests, pulled, until } from '../testing/engine.ts';
import { contextOf } from '../testing/spec.ts';
import { LABEL } from '../containers/labels.ts';
import { connectDocker } from './connect.ts';
import { DockerRuntime } from './docker-runtime.ts';

const world = engineForTests('networks');
const test = suite('networks on a Docker engine');

if (world !== undefined) {
  const { docker, engine } = world;
  test.after(() => world.cleanUp());
  const codeOf = (end: AttemptEnd): string => (end.outcome === 'failed' ? end.code : end.outcome);

  test('two agents of one engine that make a network at the same moment have one', async () => {
    const [one, two] = [1, 2].map(() => new DockerRuntime(connectDocker({ host: world.host }))) as [DockerRuntime, DockerRuntime];
    for (const name of ['first', 'second', 'third'].map((word) => world.prefix(word))) {
      const labels = await Promise.all([one, two].map((runtime, index) => runtime.ensureNetwork(name, { [LABEL.team]: world.team, index: String(index) }, AbortSignal.timeout(60_000))));
      const found = (await docker.listNetworks()).filter(({ Name }) => Name === name);
      assert.is(found.length, 1);
      assert.equal(labels, [found[0]?.Labels, found[0]?.Labels]);
    }
  });

  test('a network that configurations name goes with the last target that is on it, and one that others made or use stays', async () => {
    const [one, two, shared, theirs, beside, dropped] = ['net-one', 'net-two', 'shared', 'theirs', 'beside', 'dropped'].map((name) => world.prefix(name)) as [string, string, string, string, string, string];
    const sleeper = (networks: readonly string[], more: ContainerConfig = {}) => ({ a: { image: 'busybox:1.36', config: { command: ['sleep', '600'], stopGrace: '0s', healthCheck: { settle: '0s' }, networks: [...networks], ...more } } });
    const there = async (): Promise<string[]> => (await docker.listNetworks()).map(({ Name }) => Name).filter((name) => [one, two, shared, theirs, beside, dropped].includes(name)).sort();
    const remove = async (prefix: string, attempt: number): Promise<void> => assert.is(codeOf(await engine.remove({ team: world.team, deployment: prefix, prefix, removeVolumes: false }, contextOf(attempt))), 'succeeded');
    await docker.createNetwork({ Name: theirs });
    let stranger: Docker.Container | undefined;
    try {
      assert.is(codeOf(await engine.deploy(world.spec(one, sleeper([shared, theirs, beside, dropped])), undefined, contextOf(1))), 'succeeded');
      assert.is(codeOf(await engine.deploy(world.spec(two, sleeper([shared, theirs])), undefined, contextOf(2))), 'succeeded');
      assert.equal(await there(), [one, two, shared, theirs, beside, dropped].sort());
      assert.is(codeOf(await engine.deploy(world.spec(one, sleeper([shared, theirs, beside])), undefined, contextOf(3))), 'succeeded');
      assert.equal(await there(), [one, two, shared, theirs, beside].sort(), 'the manifest no longer names it, and nobody else is on it');
      // Not Tagboat's and not running: it could not be started again without its network.
      stranger = await docker.createContainer({ Image: await pulled(docker, 'busybox:1.36'), HostConfig: { NetworkMode: beside } });
      await remove(one, 4);
      assert.equal(await there(), [two, shared, theirs, beside].sort(), 'two is on the shared one still');
      await stranger.remove();
      await remove(two, 5);
      assert.equal(await there(), [theirs]);
      const failing = sleeper([shared], { command: ['false'], restartPolicy: 'no', healthCheck: { settle: '40s' } });
      assert.is(codeOf(await engine.deploy(world.spec(one, failing), undefined, contextOf(6))), 'ContainerExited');
      assert.equal(await there(), [theirs], 'a first attempt that failed leaves none');
    } finally {
      await stranger?.remove({ force: true }).catch(() => undefined);
      await world.cleanUp();
      await docker.getNetwork(theirs).remove();
    }
  });

  test('a network that an attempt has made and nothing is on yet is not removed under its hands', async () => {
    const [one, two, shared] = [world.prefix('hands-one'), world.prefix('hands-two'), world.prefix('hands')];
    const image = { image: 'busybox:1.36', config: { command: ['sleep', '600'], stopGrace: '0s', healthCheck: { settle: '0s' }, networks: [shared] } };
    await engine.deploy(world.spec(one, { a: image }), undefined, contextOf(1));
    // The init container is on the target's own network alone, and while it runs there is no other.
    const slow = { ...image, config: { ...image.config, initContainers: [{ name: 'wait', image: 'busybox:1.36', command: ['sleep', '5'] }] } };
    const context = contextOf(2);
    const deploying = engine.deploy(world.spec(two, { a: slow }), undefined, context);
    await until(() => context.steps.some((step) => step.startsWith('init')), 'the init container');
    await engine.remove({ team: world.team, deployment: one, prefix: one, removeVolumes: false }, contextOf(3));
    const end = await deploying;
    assert.is(codeOf(end), 'succeeded', end.outcome === 'failed' ? end.reason : '');
  });
}

test.run();
