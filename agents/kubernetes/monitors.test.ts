/** A kind that a cluster may know or not. Alone: what the cluster knows, it knows for the tests of all files. */
// @timeout 600
// @serial
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sleepUntil } from '../../controller/testing/sleep-until.ts';
import { clusterForTests } from '../testing/cluster.ts';
import { contextOf } from '../testing/spec.ts';
import { knowsMonitors } from './monitors.ts';

const world = await clusterForTests('monitors');
const test = suite('monitors of a cluster');

if (world !== undefined) {
  const { engine, team, api } = world;
  const signal = new AbortController().signal;
  const name = 'servicemonitors.monitoring.coreos.com';
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  test.after(() => world.cleanUp());

  /** Definitions come and go a moment after they were made or deleted. */
  const isKnown = async (): Promise<boolean> => (await knowsMonitors(api, signal)) && (await world.list('ServiceMonitor', 'default').then(() => true, () => false));
  const isForgotten = async (): Promise<boolean> => !(await knowsMonitors(api, signal)) && (await api.call({ method: 'GET', path: `${definitions}/${name}` }).then(() => false, () => true));

  test('metrics make a ServiceMonitor where the cluster knows it, and say so where it does not', async () => {
    const prefix = world.prefix('metrics');
    const config = { ports: [{ internal: 8080, external: 80 }], healthCheck: { http: { path: '/healthz', port: 8080 }, interval: '1s', retries: 60 }, kubernetes: { metrics: { port: 9100 } } };
    const spec = world.spec(prefix, { web: { image: 'tagboat-test-web:1.0.0', config } });
    await sleepUntil(isForgotten, { what: 'the end of what another test defined', timeoutMs: 180_000, intervalMs: 200 });
    const without = contextOf(1);
    const first = await engine.deploy(spec, undefined, without);
    assert.is(first.outcome, 'succeeded', first.outcome === 'succeeded' ? '' : first.reason);
    assert.ok(without.steps.some((step) => step.startsWith('metrics') && step.includes(name)), without.steps.join('\n'));
    const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } };
    const names = { plural: 'servicemonitors', singular: 'servicemonitor', kind: 'ServiceMonitor' };
    await api.call({ method: 'POST', path: definitions, body: { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name }, spec: { group: 'monitoring.coreos.com', scope: 'Namespaced', names, versions: [version] } } });
    try {
      await sleepUntil(isKnown, { what: 'the kind', timeoutMs: 180_000, intervalMs: 200 });
      const memory = { spec, attemptId: 1n, digests: first.outcome === 'succeeded' ? first.digests : [], baseline: await engine.baseline(spec, signal) };
      const second = await engine.deploy(spec, memory, contextOf(2));
      assert.is(second.outcome, 'succeeded', second.outcome === 'succeeded' ? '' : second.reason);
      assert.equal((await world.get('ServiceMonitor', prefix, 'web')).spec.endpoints, [{ port: 'tcp-9100', path: '/metrics' }]);
      const [observed] = await engine.observe(team, new Map([[prefix, { ...memory, attemptId: 2n, baseline: await engine.baseline(spec, signal) }]]), signal);
      assert.equal(observed?.drift, []);
      assert.is((await engine.remove({ team, deployment: 'x', prefix, removeVolumes: false }, contextOf(3))).outcome, 'succeeded');
    } finally {
      await api.call({ method: 'DELETE', path: `${definitions}/${name}` });
      await sleepUntil(isForgotten, { what: 'the end of the kind', timeoutMs: 180_000, intervalMs: 200 });
    }
  });
}

test.run();
