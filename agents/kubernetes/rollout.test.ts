/** Rollouts on a real cluster: in order, replaced, undone, stopped, and each failure with its reason as soon as it is certain. */
// @timeout 900
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AttemptEnd, TargetMemory } from '../core/engine.ts';
import type { ContainerConfig, TargetSpec } from '../../schemas/gen/types.ts';
import { sleepUntil } from '../../controller/testing/sleep-until.ts';
import { clusterForTests, type Live } from '../testing/cluster.ts';
import { contextOf } from '../testing/spec.ts';

const world = await clusterForTests('rollout');
const test = suite('rollouts on a cluster');

if (world !== undefined) {
  const { engine, team } = world;
  const signal = new AbortController().signal;
  test.after(() => world.cleanUp());

  /** Patience with what is to become good, none with what never will. */
  const check = (sick: boolean) => ({ http: { path: '/healthz', port: 8080 }, interval: '1s', retries: sick ? 3 : 60 });
  const web = (version: string, config: ContainerConfig = {}) => ({ image: `tagboat-test-web:${version}`, config: { ports: [{ internal: 8080, external: 80 }], healthCheck: check(config.environment?.['HEALTHY'] === '0'), ...config } });
  const db = { image: 'tagboat-test-db:16', config: {} };

  async function remember(spec: TargetSpec, attemptId: number, end: AttemptEnd): Promise<TargetMemory> {
    assert.is(end.outcome, 'succeeded', end.outcome === 'succeeded' ? '' : end.reason);
    const digests = end.outcome === 'succeeded' ? end.digests : [];
    return { spec, attemptId: BigInt(attemptId), digests, baseline: JSON.parse(JSON.stringify(await engine.baseline(spec, signal))) as unknown };
  }
  async function deployed(spec: TargetSpec, attemptId = 1, previous?: TargetMemory): Promise<TargetMemory> {
    return remember(spec, attemptId, await engine.deploy(spec, previous, contextOf(attemptId)));
  }
  function failedEnd(end: AttemptEnd): Extract<AttemptEnd, { outcome: 'failed' }> {
    if (end.outcome !== 'failed') throw new Error(`it ${end.outcome}`);
    return end;
  }
  async function images(prefix: string): Promise<string[]> {
    const deployments = await world!.list('Deployment', prefix);
    return deployments.map((one) => `${one.metadata.name} ${one.spec.template.spec.containers[0].image} ${one.status.availableReplicas ?? 0}/${one.spec.replicas}`).sort();
  }

  /** Through where the Service leads: nobody promises a route to its own address from here. */
  async function answerOf(prefix: string): Promise<string> {
    const { subsets = [] } = await world!.api.call<Live>({ method: 'GET', path: `/api/v1/namespaces/${prefix}/endpoints/web` });
    const [place] = subsets as Live[];
    const port = place?.ports.find((one: Live) => one.name === 'tcp-80').port as number;
    return place?.addresses === undefined ? 'nobody' : (await fetch(`http://${place.addresses[0].ip}:${port}/`, { signal: AbortSignal.timeout(30_000) })).text();
  }
  /** The cluster keeps its list of addresses by itself, a moment after the rollout. */
  async function leadsTo(prefix: string, answer: string): Promise<void> {
    await sleepUntil(async () => (await answerOf(prefix).catch(String)) === answer, { what: `${answer.trim()} behind the Service` });
  }

  test('a set comes up in its order, an update replaces it, what it no longer has goes, and a removal leaves nothing', async () => {
    const prefix = world.prefix('shop');
    const first = world.spec(prefix, { db, web: { ...web('1.0.0', { environment: { REGION: 'eu' } }), dependsOn: ['db'] }, extra: db });
    const context = contextOf(1);
    const memory = await remember(first, 1, await engine.deploy(first, undefined, context));
    assert.ok(context.steps.findIndex((step) => step.includes('Deployment db')) < context.steps.findIndex((step) => step.includes('Deployment web')), context.steps.join('\n'));
    const [observed] = await engine.observe(team, new Map([[prefix, memory]]), signal);
    assert.is(observed?.health, 'healthy', observed?.healthReason);
    assert.equal(observed?.drift, []);
    assert.equal(observed?.containers.map((one) => [one.imageName, one.state]), [['db', 'running'], ['extra', 'running'], ['web', 'running']]);
    assert.match(memory.digests.find((one) => one.name === 'web')?.digest ?? '', /^sha256:[0-9a-f]{64}$/);

    const service = await world.get('Service', prefix, 'web');
    assert.equal(service.spec.ports.map((one: { port: number; targetPort: number }) => [one.port, one.targetPort]), [[8080, 8080], [80, 8080]]);
    await leadsTo(prefix, '1.0.0\n');
    for (const kind of ['Deployment', 'Service', 'ConfigMap']) {
      for (const object of await world.list(kind, prefix)) {
        if (object.metadata.name === 'kube-root-ca.crt') continue;
        assert.is(object.metadata.labels['tagboat.dev/team'], team);
        assert.is(object.metadata.labels['tagboat.dev/deployment'], first.deployment);
        assert.is(object.metadata.labels['tagboat.dev/attempt'], '1');
      }
    }

    const before = (await world.list('Pod', prefix)).find((pod) => pod.metadata.labels['tagboat.dev/image'] === 'db');
    const second = world.spec(prefix, { db, web: { ...web('1.1.0', { environment: { REGION: 'us' } }), dependsOn: ['db'] } });
    await deployed(second, 2, memory);
    await leadsTo(prefix, '1.1.0\n');
    assert.is(await world.get('Deployment', prefix, 'extra'), undefined);
    assert.equal((await world.list('ConfigMap', prefix)).map((one) => one.data.REGION).filter(Boolean), ['us']);
    const after = (await world.list('Pod', prefix)).find((pod) => pod.metadata.labels['tagboat.dev/image'] === 'db');
    assert.is(after.metadata.uid, before.metadata.uid, 'what did not change was not touched');

    const removal = await engine.remove({ team, deployment: second.deployment, prefix, removeVolumes: false }, contextOf(3));
    assert.is(removal.outcome, 'succeeded', JSON.stringify(removal.outcome === 'failed' && removal.reason));
    assert.is(await world.get('Namespace', undefined, prefix), undefined);
  });

  test('a container that crashes fails with its log lines as soon as it is certain, and what ran before runs again', async () => {
    const prefix = world.prefix('crash');
    const memory = await deployed(world.spec(prefix, { web: web('1.0.0') }));
    const end = failedEnd(await engine.deploy(world.spec(prefix, { web: web('1.1.0', { environment: { CRASH: '1' } }) }, { timeouts: { attempt: '5m', pull: '2m', health: '4m' } }), memory, contextOf(2)));
    assert.is(end.code, 'ContainerExited', end.reason);
    assert.match(end.reason, /exit code 3/);
    assert.ok(end.evidence[0]?.logLines.some((line) => line.includes('CRASH is set')), JSON.stringify(end.evidence));
    assert.ok(end.restored, end.reason);
    assert.equal(await images(prefix), ['web tagboat-test-web:1.0.0 1/1']);
    const [observed] = await engine.observe(team, new Map([[prefix, memory]]), signal);
    assert.equal(observed?.drift, [], 'the restored set is the one that was recorded');
    assert.is((await world.list('ConfigMap', prefix)).filter((one) => one.metadata.name !== 'kube-root-ca.crt').length, 0, 'nothing of the failed one is left');
  });

  test('a failing check, an unknown image, a pod that no node takes and a quota fail with their reason', async () => {
    const prefix = world.prefix('why');
    const memory = await deployed(world.spec(prefix, { web: web('1.0.0') }));
    const timeouts = { attempt: '5m', pull: '2m', health: '4m' };
    async function reasonOf(image: ReturnType<typeof web>, attempt: number): Promise<Extract<AttemptEnd, { outcome: 'failed' }>> {
      const end = failedEnd(await engine.deploy(world!.spec(prefix, { web: image }, { timeouts }), memory, contextOf(attempt)));
      assert.ok(end.restored, end.reason);
      assert.equal(await images(prefix), ['web tagboat-test-web:1.0.0 1/1']);
      return end;
    }
    const sick = await reasonOf(web('1.1.0', { environment: { HEALTHY: '0' } }), 2);
    assert.is(sick.code, 'HealthCheckFailed', sick.reason);
    assert.match(sick.reason, /404/);
    assert.ok(sick.evidence[0]?.logLines.some((line) => line.includes('/healthz will fail')));
    const unknown = await reasonOf({ ...web('1.1.0'), image: `${world.registry}/library/tagboat-test-web:9.9.9` }, 3);
    assert.is(unknown.code, 'ImageUnknown', unknown.reason);
    const large = await reasonOf(web('1.1.0', { resources: { requests: { cpu: '900' } } }), 4);
    assert.is(large.code, 'Unschedulable', large.reason);
    assert.match(large.reason, /Insufficient cpu/);
    await world.api.call({ method: 'POST', path: `/api/v1/namespaces/${prefix}/resourcequotas`, body: { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'tight' }, spec: { hard: { pods: '1' } } } });
    const refused = await reasonOf(web('1.1.0'), 5);
    assert.is(refused.code, 'QuotaExceeded', refused.reason);
    assert.match(refused.reason, /exceeded quota: tight/);

    await world.api.call({ method: 'DELETE', path: `/api/v1/namespaces/${prefix}/resourcequotas/tight` });
    await world.remove('Service', prefix, 'web');
    await world.api.call({ method: 'POST', path: `/api/v1/namespaces/${prefix}/resourcequotas`, body: { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'none' }, spec: { hard: { services: '0' } } } });
    const half = failedEnd(await engine.deploy(world.spec(prefix, { web: { ...web('1.1.0', { ports: [] }), image: `${world.registry}/library/tagboat-test-web:9.9.9` } }, { timeouts }), memory, contextOf(6)));
    assert.match(half.reason, /Restore incomplete: apply Service web: .*exceeded quota: none/);
    assert.is(half.restored, false);
    assert.equal(await images(prefix), ['web tagboat-test-web:1.0.0 1/1'], 'what can be put back is put back');
  });

  test('a volume that has grown, and pods of a StatefulSet that crash, keep nobody from another version', async () => {
    const prefix = world.prefix('keeps');
    const storageClass = `grows-${prefix}`;
    const volumes = [0, 1, 2].map((index) => `${prefix}-${index}`);
    const { api } = world;
    await api.call({ method: 'POST', path: '/apis/storage.k8s.io/v1/storageclasses', body: { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: storageClass }, provisioner: 'example.org/none', allowVolumeExpansion: true } });
    await Promise.all(volumes.map((name) => api.call({
      method: 'POST',
      path: '/api/v1/persistentvolumes',
      body: { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name }, spec: { capacity: { storage: '10Mi' }, accessModes: ['ReadWriteOnce'], storageClassName: storageClass, hostPath: { path: `/tmp/${name}`, type: 'DirectoryOrCreate' } } },
    })));
    try {
      const volume = (name: string, size: string) => ({ volumes: [{ name, path: '/data', class: storageClass, size }] });
      const set = (size: string, version: string) => ({ quiet: web('1.0.0', { replicas: 0, ...volume('data', size) }), web: web(version, { replicas: 2, ...volume('own', '1Mi') }) });
      const small = await deployed(world.spec(prefix, set('1Mi', '1.0.0')));
      await sleepUntil(async () => (await world.get('PersistentVolumeClaim', prefix, 'data')).status.phase === 'Bound', { what: 'the claim to be bound', timeoutMs: 240_000 });
      const large = await deployed(world.spec(prefix, set('2Mi', '1.0.0')), 2, small);

      await world.patch('StatefulSet', prefix, 'web', { spec: { template: { spec: { containers: [{ name: 'web', env: [{ name: 'CRASH', value: '1' }] }] } } } });
      const state = async (): Promise<string> => JSON.stringify((await world.list('Pod', prefix)).flatMap((one) => one.status.containerStatuses ?? []).map((one) => one.state));
      await sleepUntil(async () => (await state()).includes('CrashLoopBackOff'), { what: 'a pod that crashes again and again', timeoutMs: 240_000 });
      const context = contextOf(3);
      // Of another manifest as well, so that what it makes its volumes of is labelled anew.
      const back = world.spec(prefix, set('1Mi', '1.1.0'), { selfHeal: true, deployment: 'renamed' });
      await remember(back, 3, await engine.deploy(back, large, context));
      assert.ok(context.steps.some((step) => step.startsWith('replace: makes StatefulSet web anew')), context.steps.join('\n'));
      assert.ok(context.steps.some((step) => step.startsWith('pod: removes the pod web-1')), context.steps.join('\n'));
      assert.is((await world.get('PersistentVolumeClaim', prefix, 'data')).spec.resources.requests.storage, '2Mi');
    } finally {
      await engine.remove({ team, deployment: 'x', prefix, removeVolumes: true }, contextOf(9));
      await Promise.all([...volumes.map((name) => `/api/v1/persistentvolumes/${name}`), `/apis/storage.k8s.io/v1/storageclasses/${storageClass}`].map((path) => api.call({ method: 'DELETE', path }).catch(() => undefined)));
    }
  });
}

test.run();
