import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createContainerEngine } from '../containers/engine.ts';
import type { AttemptEnd, Engine, ObservedTarget, TargetMemory } from '../core/engine.ts';
import type { ContainerConfig, TargetSpec } from '../../schemas/gen/types.ts';
import { sleepUntil } from '../../controller/testing/sleep-until.ts';
import { contextOf, specOf } from '../testing/spec.ts';
import { createSimulatedEngine } from './engine.ts';
import type { Fault } from './faults.ts';
import { SimulatedRuntime } from './simulated-runtime.ts';

const delays = { pull: 0, start: 0, stop: 0, healthy: 0 };
const signal = new AbortController().signal;
const check = { http: { path: '/', port: 80 }, interval: '20ms', retries: 2 };

function codeOf(end: AttemptEnd): string {
  return end.outcome === 'failed' ? `${end.code}${end.restored ? ' restored' : ''}` : end.outcome;
}

async function observed(engine: Engine, spec: TargetSpec, baseline: unknown): Promise<ObservedTarget> {
  const memory: TargetMemory = { spec, attemptId: 1n, digests: [], baseline };
  const [target] = await engine.observe(spec.team, new Map([[spec.prefix, memory]]), signal);
  if (target === undefined) throw new Error('nothing observed');
  return target;
}

test('tags and faults end attempts with their code, and the old one stays', async () => {
  const faults: Fault[] = [];
  const engine = createSimulatedEngine({ delays, faults });
  assert.is(codeOf(await engine.deploy(specOf('p', { web: { image: 'web:1' } }), undefined, contextOf(1))), 'succeeded');
  const rows: [image: string, code: string][] = [['web:missing', 'ImageUnknown'], ['web:denied', 'RegistryUnauthorized'], ['web:crash', 'ContainerExited'], ['web:unhealthy', 'HealthCheckFailed'], ['web:does-not-exist', 'ImageUnknown'], ['registry.invalid/web:1', 'ImageUnknown']];
  for (const [image, code] of rows) {
    assert.is(codeOf(await engine.deploy(specOf('p', { web: { image, config: { healthCheck: check } } }), undefined, contextOf(2))), `${code} restored`, image);
  }
  const configs: [config: ContainerConfig, code: string][] = [[{ command: ['false'] }, 'ContainerExited restored'], [{ command: ['sh', '-c'], args: ['echo x; exit 2'] }, 'ContainerExited restored'], [{ healthCheck: { command: ['false'], interval: '20ms', retries: 2 } }, 'HealthCheckFailed restored'], [{ command: ['sh', '-c', 'exit 2'], expectedState: { state: 'exited', exitCode: 2 } }, 'succeeded'], [{ command: ['sh', '-c', 'test -e /x || exit 1'], healthCheck: check }, 'succeeded']];
  for (const [config, code] of configs) assert.is(codeOf(await engine.deploy(specOf('p', { web: { image: 'web:1', config } }), undefined, contextOf(2))), code, JSON.stringify(config));
  for (const at of ['resolve', 'pull', 'create', 'start'] as const) {
    faults.splice(0, faults.length, { at, image: 'web:2' });
    const end = await engine.deploy(specOf('p', { web: { image: 'web:2' } }), undefined, contextOf(3));
    assert.match(codeOf(end), /^(RegistryUnreachable|ImagePullFailed|ContainerCreateFailed|ContainerStartFailed) restored$/, at);
  }
  const [target] = await engine.observe('acme', new Map(), signal);
  assert.equal(target?.containers.map((one) => `${one.image} ${one.state}`), ['web:1 running']);
});

test('names that every object has are names like others', async () => {
  const engine = createSimulatedEngine({ delays });
  assert.is(codeOf(await engine.deploy(specOf('constructor', { constructor: { image: 'constructor', config: { volumes: [{ name: 'constructor', path: '/x' }] } } }), undefined, contextOf(1))), 'succeeded');
});

test('what the agent cannot do is refused before anything happens', async () => {
  const engine = createSimulatedEngine({ delays });
  for (const config of [{ replicas: 2 }, { expose: 'http' as const }, { kubernetes: {} }]) {
    assert.is(codeOf(await engine.deploy(specOf('p', { web: { image: 'web:1', config } }), undefined, contextOf(1))), 'Unsupported restored', JSON.stringify(config));
  }
  assert.equal(await engine.observe('acme', new Map(), signal), []);
});

test('a change of the health check alone touches no container', async () => {
  const engine = createSimulatedEngine({ delays });
  await engine.deploy(specOf('p', { web: { image: 'web:1' } }), undefined, contextOf(1));
  const context = contextOf(2);
  const end = await engine.deploy(specOf('p', { web: { image: 'web:1', config: { healthCheck: check } } }), undefined, context);
  assert.is(end.outcome, 'succeeded');
  assert.ok(context.steps.some((step) => step.startsWith('keep')) && !context.steps.some((step) => step.startsWith('start')), context.steps.join());
});

test('a renamed deployment adopts its containers (R10)', async () => {
  const engine = createSimulatedEngine({ delays });
  const first = await engine.deploy(specOf('p', { web: { image: 'web:1' } }), undefined, contextOf(1));
  const second = await engine.deploy(specOf('p', { web: { image: 'web:1' } }, { deployment: 'renamed' }), undefined, contextOf(2));
  assert.is(second.containers[0]?.id, first.containers[0]?.id);
});

test('a tag that moves during an attempt does not split it', async () => {
  let digest = `sha256:${'1'.repeat(64)}`;
  const runtime = new SimulatedRuntime({ delays, digestOf: () => digest });
  const engine = createContainerEngine(runtime);
  const spec = specOf('p', { web: { image: 'web:main' } });
  await engine.deploy(spec, undefined, contextOf(1));
  digest = `sha256:${'2'.repeat(64)}`;
  const resumed = await engine.deploy(spec, undefined, contextOf(1, { resumed: true }));
  assert.ok(resumed.outcome === 'succeeded' && resumed.digests[0]?.digest.endsWith('1'));
  const next = await engine.deploy(spec, undefined, contextOf(2));
  assert.ok(next.outcome === 'succeeded' && next.digests[0]?.digest.endsWith('2'));
});

test('health is told: healthy, degraded, missing', async () => {
  const faults: Fault[] = [];
  const runtime = new SimulatedRuntime({ delays, faults });
  const spec = specOf('p', { web: { image: 'web:1', config: { healthCheck: check } }, job: { image: 'job:1', config: { expectedState: { state: 'exited' } } } });
  const engine = createContainerEngine(runtime);
  await engine.deploy(spec, undefined, contextOf(1));
  const baseline = await engine.baseline(spec, signal);
  const fine = await observed(engine, spec, baseline);
  assert.is(fine.health, 'healthy', fine.healthReason);
  assert.equal(fine.drift, []);
  faults.push({ at: 'health', image: 'web:1' });
  // Another engine has no result yet, so it asks.
  const bad = await observed(createContainerEngine(runtime), spec, baseline);
  assert.is(bad.health, 'degraded');
  assert.match(bad.healthReason, /p-web: GET \/ on port 80: fails/);
  runtime.tamper('p-web', (one) => (one.state = 'exited'));
  assert.match((await observed(engine, spec, baseline)).healthReason, /p-web: it is exited/);
  await engine.remove({ team: 'acme', deployment: 'x', prefix: 'p', removeVolumes: false }, contextOf(2));
  assert.is((await observed(engine, spec, baseline)).health, 'missing');
});

test('identical images are pulled once', async () => {
  const context = contextOf(1);
  await createSimulatedEngine({ delays }).deploy(specOf('p', { a: { image: 'web:1' }, b: { image: 'web:1' }, c: { image: 'other:1' } }), undefined, context);
  assert.equal(context.steps.filter((step) => step.startsWith('pull')).map((step) => step.split(' ')[2] ?? '').sort(), ['other:1', 'web:1']);
});

test('nothing is touched while a pull can still fail', async () => {
  const faults: Fault[] = [];
  const runtime = new SimulatedRuntime({ delays, faults });
  const engine = createContainerEngine(runtime);
  await engine.deploy(specOf('p', { a: { image: 'a:1' }, b: { image: 'b:1' } }), undefined, contextOf(1));
  const before = await runtime.list();
  faults.push({ at: 'pull', image: 'b:2' });
  const context = contextOf(2);
  await engine.deploy(specOf('p', { a: { image: 'a:2' }, b: { image: 'b:2' }, c: { image: 'c:1' } }), undefined, context);
  assert.equal(await runtime.list(), before);
  assert.ok(context.steps.every((step) => /^(pull|restore)/.test(step)), context.steps.join());
});

test('healing replaces what was changed by hand and keeps the rest (R24)', async () => {
  const runtime = new SimulatedRuntime({ delays });
  const engine = createContainerEngine(runtime);
  const spec = specOf('p', { a: { image: 'a:1' }, b: { image: 'b:1' } });
  await engine.deploy(spec, undefined, contextOf(1));
  const memory: TargetMemory = { spec, attemptId: 1n, digests: [], baseline: await engine.baseline(spec, signal) };
  const before = new Map((await runtime.list()).map((one) => [one.name, one.id]));
  runtime.tamper('p-b', (one) => void one.networks.pop());
  assert.equal((await observed(engine, spec, memory.baseline)).drift.map((one) => one.container), ['p-b']);
  await engine.deploy(spec, memory, contextOf(2));
  const after = new Map((await runtime.list()).map((one) => [one.name, one.id]));
  assert.is(after.get('p-a'), before.get('p-a'));
  assert.is.not(after.get('p-b'), before.get('p-b'));
});

test('secret values are in no drift and no baseline (R27)', async () => {
  const runtime = new SimulatedRuntime({ delays });
  const engine = createContainerEngine(runtime);
  const spec = specOf('p', { web: { image: 'web:1', config: { environment: { PASSWORD: 'canary', OPEN: 'shown' } } } });
  await engine.deploy(spec, undefined, contextOf(1));
  const [image] = spec.images;
  const secret: TargetSpec = { ...spec, images: image === undefined ? [] : [{ ...image, config: { ...image.config, secrets: { PASSWORD: { sealed: {} } } } }] };
  const baseline = await engine.baseline(secret, signal);
  assert.not.match(JSON.stringify(baseline), /canary/);
  assert.match(JSON.stringify(baseline), /shown/);
  await runtime.remove((await runtime.list())[0]?.id ?? '');
  await engine.deploy(specOf('p', { web: { image: 'web:1', config: { environment: { PASSWORD: 'canary2', OPEN: 'other' } } } }), undefined, contextOf(2));
  const { drift } = await observed(engine, secret, baseline);
  assert.ok(drift.some((one) => one.field === 'config.env.OPEN' && one.actual === 'other'));
  assert.not.match(JSON.stringify(drift), /canary/);
});

test('a demo finds its containers after a restart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tagboat-simulated-'));
  const stateFile = join(folder, 'state.json');
  const spec = specOf('p', { web: { image: 'web:1', config: { volumes: [{ name: 'data', path: '/d' }] } } });
  await createSimulatedEngine({ delays, stateFile }).deploy(spec, undefined, contextOf(1));
  const again = createSimulatedEngine({ delays, stateFile });
  const context = contextOf(2);
  await again.deploy(spec, undefined, context);
  assert.ok(context.steps.some((step) => step.startsWith('keep')));
  rmSync(folder, { recursive: true });
});

test('watching tells changes once', async () => {
  const engine = createSimulatedEngine({ delays });
  const stop = new AbortController();
  const told: (string | undefined)[] = [];
  const watching = engine.watch('acme', (prefix) => told.push(prefix), stop.signal);
  await sleepUntil(() => told.length > 0, { what: 'the first full look' });
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(told, [undefined]);
  await engine.deploy(specOf('p', { web: { image: 'web:1' } }), undefined, contextOf(1));
  await sleepUntil(() => told.length > 1, { what: 'the change' });
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(told, [undefined, 'p']);
  stop.abort();
  await watching;
});

test.run();
