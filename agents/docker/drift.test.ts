import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Drift, ObservedTarget, TargetMemory } from '../core/engine.ts';
import { engineForTests, until } from '../testing/engine.ts';
import { everything } from '../testing/everything.ts';
import { freePorts } from '../testing/ports.ts';
import { contextOf } from '../testing/spec.ts';
import type { TargetSpec } from '../../schemas/gen/types.ts';

const world = engineForTests('drift');
const test = suite('drift on a Docker engine');

if (world !== undefined) {
  const { docker, engine, team } = world;
  const signal = new AbortController().signal;
  const sideNetwork = world.prefix('side');
  test.after(() => world.cleanUp());

  async function deployed(prefix: string, spec: TargetSpec): Promise<TargetMemory> {
    const end = await engine.deploy(spec, undefined, contextOf(1));
    assert.is(end.outcome, 'succeeded', JSON.stringify(end.outcome === 'failed' && end.reason));
    // As the core keeps it: through JSON.
    const baseline: unknown = JSON.parse(JSON.stringify(await engine.baseline(spec, signal)));
    return { spec, attemptId: 1n, digests: [], baseline };
  }
  async function observe(prefix: string, memory: TargetMemory): Promise<ObservedTarget> {
    const targets = await engine.observe(team, new Map([[prefix, memory]]), signal);
    const found = targets.find((one) => one.prefix === prefix);
    if (found === undefined) throw new Error('not observed');
    return found;
  }
  function fieldsOf(drift: readonly Drift[]): string[] {
    return [...new Set(drift.map((one) => one.field))];
  }
  const sleeper = { image: 'busybox:1.36', config: { command: ['sleep', '600'], stopGrace: '0s' } };

  test('a container with every field set shows no drift, and each change of hand does', async () => {
    const prefix = world.prefix('every');
    const port = await freePorts(4);
    const spec = world.spec(prefix, { all: { image: 'busybox:1.36', config: everything(port, sideNetwork), strategy: 'recreate' } });
    const memory = await deployed(prefix, spec);
    const name = `${prefix}-all`;
    const fine = await observe(prefix, memory);
    assert.equal(fine.drift, []);
    assert.is(fine.health, 'healthy', fine.healthReason);
    const info = await docker.getContainer(name).inspect();
    assert.is(info.Config.Labels['tagboat.dev/team'], team, 'labels of the manifest do not override our own');

    await docker.getContainer(name).update({ Memory: 32 * 1024 * 1024, MemorySwap: 64 * 1024 * 1024 });
    assert.ok(fieldsOf((await observe(prefix, memory)).drift).includes('hostConfig.Memory'));
    await docker.getContainer(name).update({ Memory: 64 * 1024 * 1024, MemorySwap: 128 * 1024 * 1024 });
    assert.equal((await observe(prefix, memory)).drift, []);

    await docker.getNetwork(sideNetwork).disconnect({ Container: name });
    assert.ok(fieldsOf((await observe(prefix, memory)).drift).some((field) => field.startsWith(`networks.${sideNetwork}`)));
    await docker.getNetwork(sideNetwork).connect({ Container: name, EndpointConfig: { Aliases: ['all', 'second-name'] } });
    assert.equal((await observe(prefix, memory)).drift, []);

    await docker.getContainer(name).restart({ t: 0 });
    assert.equal((await observe(prefix, memory)).drift, [], 'a restart is no drift');
    // The same content applied again touches nothing and shows nothing.
    await engine.deploy(spec, memory, contextOf(2));
    assert.is((await docker.getContainer(name).inspect()).Id, info.Id);
    assert.equal((await observe(prefix, memory)).drift, []);
  });

  test('stopped, removed, renamed, replaced and additional containers are drift', async () => {
    const prefix = world.prefix('hand');
    const memory = await deployed(prefix, world.spec(prefix, { a: sleeper, b: sleeper }));
    await docker.getContainer(`${prefix}-a`).stop({ t: 0 });
    const stopped = await observe(prefix, memory);
    assert.equal(stopped.drift.map((one) => [one.container, one.field, one.expected, one.actual]), [[`${prefix}-a`, 'state', 'running', 'exited']]);
    assert.is(stopped.health, 'degraded');
    await docker.getContainer(`${prefix}-a`).start();
    assert.equal((await observe(prefix, memory)).drift, []);

    await docker.getContainer(`${prefix}-b`).rename({ name: `${prefix}-c` });
    const renamed = await observe(prefix, memory);
    assert.equal(renamed.drift.map((one) => `${one.container} ${one.expected} ${one.actual}`).sort(), [`${prefix}-b present missing`, `${prefix}-c missing extra`]);
    await docker.getContainer(`${prefix}-c`).rename({ name: `${prefix}-b` });

    const labels = (await docker.getContainer(`${prefix}-b`).inspect()).Config.Labels;
    await docker.getContainer(`${prefix}-b`).remove({ force: true });
    assert.equal((await observe(prefix, memory)).drift.map((one) => `${one.container} ${one.field} ${one.actual}`), [`${prefix}-b container missing`]);
    const forged = await docker.createContainer({ name: `${prefix}-b`, Image: 'busybox:1.36', Entrypoint: ['sleep', '60'], Cmd: [], Env: ['SNEAKED=in'], Labels: labels });
    await forged.start();
    const replaced = fieldsOf((await observe(prefix, memory)).drift);
    assert.ok(replaced.includes('container') && replaced.includes('config.env.SNEAKED'), replaced.join());

    // Healing is a deployment of the same spec under a new attempt; it touches only what was changed.
    const untouched = (await docker.getContainer(`${prefix}-a`).inspect()).Id;
    const healing = contextOf(3);
    assert.is((await engine.deploy(memory.spec, memory, healing)).outcome, 'succeeded');
    assert.ok(healing.steps.some((step) => step.startsWith('drift') && step.includes(`${prefix}-b was changed`)), healing.steps.join('\n'));
    assert.is((await docker.getContainer(`${prefix}-a`).inspect()).Id, untouched);
    const healed = { ...memory, attemptId: 3n, baseline: await engine.baseline(memory.spec, signal) };
    assert.equal((await observe(prefix, healed)).drift, []);
    assert.is((await observe(prefix, healed)).attemptId, 3n);
  });

  test('changes are told within seconds, the agent’s own probes are not', async () => {
    const prefix = world.prefix('watch');
    const config = { ...sleeper.config, healthCheck: { command: ['true'] } };
    const memory = await deployed(prefix, world.spec(prefix, { a: { image: sleeper.image, config } }));
    const stop = new AbortController();
    const told: (string | undefined)[] = [];
    const watching = engine.watch(team, (changed) => told.push(changed), stop.signal);
    await until(() => told.length > 0, 'the first full look');
    await observe(prefix, memory);
    told.length = 0;
    for (let round = 0; round < 5; round++) await docker.getContainer(`${prefix}-a`).exec({ Cmd: ['true'] }).then((exec) => exec.start({}));
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(told, []);
    await docker.getContainer(`${prefix}-a`).update({ CpuShares: 77 });
    await until(() => told.includes(prefix), 'the event of the update');
    assert.equal(fieldsOf((await observe(prefix, memory)).drift), ['hostConfig.CpuShares'], 'a look that asks only for what changed sees it');
    told.length = 0;
    await docker.getContainer(`${prefix}-a`).kill();
    await until(() => told.includes(prefix), 'the event of the kill');
    assert.ok(fieldsOf((await observe(prefix, memory)).drift).includes('state'));
    told.length = 0;
    await docker.getNetwork(prefix).disconnect({ Container: `${prefix}-a`, Force: true });
    await until(() => told.includes(prefix), 'the event of the network');
    assert.ok(fieldsOf((await observe(prefix, memory)).drift).some((field) => field.startsWith('networks.')));
    assert.is((await engine.deploy(memory.spec, memory, contextOf(2))).outcome, 'succeeded');
    const healed = { ...memory, attemptId: 2n, baseline: await engine.baseline(memory.spec, signal) };
    assert.equal((await observe(prefix, healed)).drift, []);
    assert.ok((await docker.getContainer(`${prefix}-a`).inspect()).NetworkSettings.Networks[prefix] !== undefined, 'joined again');
    stop.abort();
    await watching;
  });
}

test.run();
