import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Fault } from '../simulated/faults.ts';
import { SimulatedRuntime } from '../simulated/simulated-runtime.ts';
import { contextOf, specOf } from '../testing/spec.ts';
import { HealthMonitor } from './monitor.ts';
import { rollOut } from './rollout.ts';
import type { ContainerDetails } from './runtime.ts';

test('a container that goes bad is told after its retries, and told again when it recovers', async () => {
  const faults: Fault[] = [];
  const runtime = new SimulatedRuntime({ delays: { pull: 0, start: 0, stop: 0, healthy: 0 }, faults });
  const spec = specOf('p', { web: { image: 'web:1', config: { healthCheck: { tcp: { port: 80 }, interval: '20ms', retries: 3 } } } });
  await rollOut(runtime, spec, undefined, contextOf(1));
  const monitor = new HealthMonitor(runtime, { gentleMs: 30, tickMs: 5 });
  monitor.adopt([spec]);
  const details = (await runtime.inspect('p-web')) as ContainerDetails;
  assert.is((await monitor.healthOf('p-web', details))?.health, 'healthy');
  assert.is(await monitor.healthOf('p-other', details), undefined);

  const stop = new AbortController();
  const told: string[] = [];
  const running = monitor.run((prefix) => told.push(prefix), stop.signal);
  faults.push({ at: 'health', image: 'web' });
  await seen(async () => (await monitor.healthOf('p-web', details))?.health === 'unhealthy' && told.length > 0);
  assert.equal([...new Set(told)], ['p']);
  faults.length = 0;
  await seen(async () => (await monitor.healthOf('p-web', details))?.health === 'healthy');
  stop.abort();
  await running;
});

test('what was looked at before it answered is asked again as its check says, not at the gentle pace', async () => {
  const faults: Fault[] = [];
  const runtime = new SimulatedRuntime({ delays: { pull: 0, start: 0, stop: 0, healthy: 0 }, faults });
  const spec = specOf('p', { web: { image: 'web:1', config: { healthCheck: { tcp: { port: 80 }, interval: '20ms', retries: 1000 } } } });
  await rollOut(runtime, spec, undefined, contextOf(1));
  const monitor = new HealthMonitor(runtime, { gentleMs: 60_000, tickMs: 5 });
  monitor.adopt([spec]);
  await monitor.healthOf('p-web', (await runtime.inspect('p-web')) as ContainerDetails);
  const next = specOf('p', { web: { image: 'web:2', config: { healthCheck: { tcp: { port: 80 }, interval: '20ms', retries: 1000 } } } });
  await rollOut(runtime, next, { spec, attemptId: 1n, digests: [], baseline: undefined }, contextOf(2));
  const details = (await runtime.inspect('p-web')) as ContainerDetails;
  faults.push({ at: 'health', image: 'web' });
  assert.is((await monitor.healthOf('p-web', details))?.health, 'starting');
  const stop = new AbortController();
  const running = monitor.run(() => undefined, stop.signal);
  faults.length = 0;
  try {
    await seen(async () => (await monitor.healthOf('p-web', details))?.health === 'healthy');
  } finally {
    stop.abort();
    await running;
  }
});

async function seen(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('not within a minute');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test.run();
