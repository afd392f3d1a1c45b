/** What can stop an attempt half-way, each with its reason in the record and nothing lost: a refusal, a cancel, the deadline, an API server that is away, the end of the agent. */
// @timeout 900
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AttemptEnd, Engine, TargetMemory } from '../core/engine.ts';
import { faultProxy, type FaultProxy } from '../../controller/testing/fault-proxy.ts';
import { sleepUntil } from '../../controller/testing/sleep-until.ts';
import type { ContainerConfig, TargetSpec } from '../../schemas/gen/types.ts';
import { clusterForTests } from '../testing/cluster.ts';
import { contextOf } from '../testing/spec.ts';
import { createKubernetesEngine } from './engine.ts';

const world = await clusterForTests('trouble');
const test = suite('trouble on a cluster');

if (world !== undefined) {
  const { engine, team } = world;
  const signal = new AbortController().signal;
  const folder = mkdtempSync(join(tmpdir(), 'tagboat-trouble-'));
  test.after(async () => {
    await world.cleanUp();
    rmSync(folder, { recursive: true, force: true });
  });

  const web = (version: string, config: ContainerConfig = {}) => ({ image: `tagboat-test-web:${version}`, config: { healthCheck: { http: { path: '/healthz', port: 8080 }, interval: '1s', retries: 60 }, ...config } });
  async function deployed(spec: TargetSpec, attemptId = 1): Promise<TargetMemory> {
    const end = await engine.deploy(spec, undefined, contextOf(attemptId));
    assert.is(end.outcome, 'succeeded', end.outcome === 'succeeded' ? '' : end.reason);
    return { spec, attemptId: BigInt(attemptId), digests: end.outcome === 'succeeded' ? end.digests : [], baseline: await engine.baseline(spec, signal) };
  }
  function failedEnd(end: AttemptEnd): Extract<AttemptEnd, { outcome: 'failed' }> {
    if (end.outcome !== 'failed') throw new Error(`it ${end.outcome}`);
    return end;
  }
  async function imageNow(prefix: string, name = 'web'): Promise<string> {
    return (await world!.get('Deployment', prefix, name))?.spec.template.spec.containers[0].image as string;
  }
  /** The same cluster over a line that can be cut. */
  async function behindProxy(): Promise<{ readonly proxy: FaultProxy; readonly proxied: Engine }> {
    const text = readFileSync(world!.kubeconfig, 'utf8');
    const [, host, port] = /server: '?https:\/\/([^:'/]+):(\d+)/.exec(text) ?? [];
    const proxy = await faultProxy(Number(port));
    const path = join(folder, `proxied-${proxy.port}`);
    writeFileSync(path, text.replace(`${host}:${port}`, `127.0.0.1:${proxy.port}`));
    return { proxy, proxied: await createKubernetesEngine({ kubeconfig: path }) };
  }

  test('a prune that fails is no failure, shows, and is finished by the next attempt', async () => {
    const prefix = world.prefix('prune');
    const memory = await deployed(world.spec(prefix, { web: web('1.0.0'), gone: web('1.0.0', { environment: { A: '1' } }) }));
    const { proxy, proxied } = await behindProxy();
    const over = new AbortController();
    const context = contextOf(2, { deadline: over.signal });
    const cutting = { ...context, progress: (step: string, text: string) => {
      context.progress(step, text);
      if (step !== 'prune') return;
      proxy.cut();
      setTimeout(() => over.abort(), 500);
    } };
    const spec = world.spec(prefix, { web: web('1.0.0') });
    const end = await proxied.deploy(spec, memory, cutting);
    await proxy.close();
    assert.is(end.outcome, 'succeeded', end.outcome === 'succeeded' ? '' : end.reason);
    assert.ok(context.steps.some((step) => step.startsWith('prune') && step.includes('left to the next attempt')), context.steps.join('\n'));
    assert.is(await imageNow(prefix, 'gone'), 'tagboat-test-web:1.0.0');
    await deployed(spec, 3);
    assert.is(await imageNow(prefix, 'gone'), undefined);
    assert.equal((await world.list('ConfigMap', prefix)).filter((one) => one.metadata.name !== 'kube-root-ca.crt'), []);
  });

  test('an API server that is away in mid-rollout is waited for', async () => {
    const prefix = world.prefix('away');
    const memory = await deployed(world.spec(prefix, { web: web('1.0.0') }));
    const { proxy, proxied } = await behindProxy();
    const told: (string | undefined)[] = [];
    const stop = new AbortController();
    const watching = proxied.watch(team, (changed) => told.push(changed), stop.signal);
    const context = contextOf(2);
    const cutting = { ...context, progress: (step: string, text: string) => {
      context.progress(step, text);
      if (step !== 'apply') return;
      proxy.cut();
      setTimeout(() => proxy.mend(), 3000);
    } };
    const end = await proxied.deploy(world.spec(prefix, { web: web('1.1.0', { environment: { A: '1' } }) }), memory, cutting);
    assert.is(end.outcome, 'succeeded', end.outcome === 'succeeded' ? '' : end.reason);
    assert.is(await imageNow(prefix), 'tagboat-test-web:1.1.0');
    assert.ok(context.steps.some((step) => step.startsWith('wait: ') && step.includes('cannot be reached')), context.steps.join('\n'));
    // A watch that is just being taken up tells that anything may have changed; after that each change is told by itself.
    told.length = 0;
    for (let round = 0; !told.includes(prefix) && round < 30; round++) {
      await world.patch('Deployment', prefix, 'web', { spec: { replicas: (round % 2) + 2 } });
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    stop.abort();
    await watching;
    assert.ok(told.includes(prefix), `the watches were taken up again: ${told.join()}`);
    proxy.cut();
    const gone = failedEnd(await proxied.deploy(world.spec(prefix, { web: web('1.2.0') }), memory, contextOf(3, { deadline: AbortSignal.timeout(1500) })));
    assert.is(gone.code, 'EngineUnreachable', gone.reason);
    assert.is(await imageNow(prefix), 'tagboat-test-web:1.1.0');
    await proxy.close();
  });

  test('what the cluster refuses leaves the old set and says why; a cancelled attempt goes back', async () => {
    const prefix = world.prefix('back');
    const memory = await deployed(world.spec(prefix, { web: web('1.0.0') }));
    const invalid = failedEnd(await engine.deploy(world.spec(prefix, { web: web('1.1.0', { resources: { limits: { cpu: '1' }, requests: { cpu: '2' } } }) }), memory, contextOf(2)));
    assert.is(invalid.code, 'SpecRefused', invalid.reason);
    assert.match(invalid.reason, /must be less than or equal to cpu limit/);
    assert.ok(invalid.restored);
    const unsupported = failedEnd(await engine.deploy(world.spec(prefix, { web: web('1.1.0', { user: 'postgres' }) }), memory, contextOf(3)));
    assert.is(unsupported.code, 'Unsupported');
    const cancel = new AbortController();
    const context = contextOf(4, { cancel: cancel.signal });
    setTimeout(() => cancel.abort(), 2500);
    const end = await engine.deploy(world.spec(prefix, { web: web('1.1.0', { environment: { HEALTHY: '0' }, healthCheck: { http: { path: '/healthz', port: 8080 }, retries: 100 } }) }, { timeouts: { attempt: '5m', pull: '2m', health: '4m' } }), memory, context);
    assert.is(end.outcome, 'cancelled');
    assert.ok(end.outcome === 'cancelled' && end.restored, end.outcome === 'cancelled' ? end.reason : '');
    assert.is(await imageNow(prefix), 'tagboat-test-web:1.0.0');
    const late = failedEnd(await engine.deploy(world.spec(prefix, { web: web('1.1.0', { environment: { HEALTHY: '0' }, healthCheck: { http: { path: '/healthz', port: 8080 }, retries: 100 } }) }), memory, contextOf(5, { deadline: AbortSignal.timeout(10_000) })));
    assert.is(late.code, 'DeadlineExceeded', late.reason);
    assert.ok(late.restored, late.reason);
    const [observed] = await engine.observe(team, new Map([[prefix, memory]]), signal);
    assert.equal(observed?.drift, []);
  });

  test('an agent that remembers nothing goes back to what the cluster says that ran', async () => {
    const prefix = world.prefix('forgot');
    const image = web('1.0.0', { environment: { A: '1' }, ports: [{ internal: 8080, external: 80 }], volumes: [{ path: '/a', type: 'tmpfs' }], capabilities: { add: ['NET_ADMIN'] } });
    const memory = await deployed(world.spec(prefix, { web: image }));
    const end = failedEnd(await engine.deploy(world.spec(prefix, { web: web('1.1.0', { environment: { CRASH: '1' } }), more: { image: 'tagboat-test-db:16' } }), undefined, contextOf(2)));
    assert.is(end.code, 'ContainerExited', end.reason);
    assert.ok(end.restored, end.reason);
    const [observed] = await engine.observe(team, new Map([[prefix, memory]]), signal);
    assert.equal(observed?.drift, []);
    assert.is(observed?.health, 'healthy', observed?.healthReason);
  });

  test('an agent that is killed in mid-rollout finishes or restores when it comes back', async () => {
    const script = fileURLToPath(new URL('../testing/killed-cluster-agent.ts', import.meta.url));
    const good = world.prefix('killgood');
    const bad = world.prefix('killbad');
    await Promise.all([good, bad].map(async (prefix) => {
      const memory = await deployed(world.spec(prefix, { db: { image: 'tagboat-test-db:16' }, web: { ...web('1.0.0', { environment: { A: '1' } }), dependsOn: ['db'] } }));
      const after = world.spec(prefix, { db: { image: 'tagboat-test-db:16', config: { environment: { B: '2' } } }, web: { ...web('1.1.0', { environment: prefix === bad ? { CRASH: '1' } : { A: '2' } }), dependsOn: ['db'] } });
      const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify({ kubeconfig: world.kubeconfig, spec: after, attemptId: 2 })], { stdio: ['ignore', 'pipe', 'inherit'] });
      const gone = once(child, 'exit');
      let said = '';
      child.stdout.on('data', (text: Buffer) => void (said += String(text)));
      await sleepUntil(() => /apply: .*Deployment web/.test(said) || child.exitCode !== null, { what: `web to be applied, not ${said}`, timeoutMs: 240_000, intervalMs: 5 });
      child.kill('SIGKILL');
      await gone;
      const end = await engine.deploy(after, memory, contextOf(2, { resumed: true }));
      assert.is(end.outcome, prefix === bad ? 'failed' : 'succeeded', end.outcome === 'failed' ? end.reason : '');
      assert.is(await imageNow(prefix), `tagboat-test-web:${prefix === bad ? '1.0.0' : '1.1.0'}`);
      if (end.outcome === 'failed') assert.ok(end.restored, end.reason);
      const maps = (await world.list('ConfigMap', prefix)).filter((one) => one.metadata.name !== 'kube-root-ca.crt').map((one) => JSON.stringify(one.data)).sort();
      assert.equal(maps, prefix === bad ? ['{"A":"1"}'] : ['{"A":"2"}', '{"B":"2"}'], 'nothing of the other set is left');
    }));
  });
}

test.run();
