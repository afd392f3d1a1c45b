/** Every field of the configuration on a real cluster: it is honoured, it shows no drift, applied again it changes nothing, and a change of hand shows. */
// @timeout 900
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ObservedTarget, TargetMemory } from '../core/engine.ts';
import { sleepUntil } from '../../controller/testing/sleep-until.ts';
import { clusterForTests, type Live } from '../testing/cluster.ts';
import { everythingInACluster, opener } from '../testing/everything-in-a-cluster.ts';
import { contextOf } from '../testing/spec.ts';

const world = await clusterForTests('everything');
const test = suite('every field on a cluster');

if (world !== undefined) {
  const { engine, team, api } = world;
  const signal = new AbortController().signal;
  const prefix = world.prefix('all');
  const storageClass = `slow-${prefix}`;
  const volumes = [0, 1, 2].map((index) => `${prefix}-${index}`);
  let memory: TargetMemory;

  test.after(async () => {
    await world.cleanUp();
    await Promise.all(volumes.map((name) => api.call({ method: 'DELETE', path: `/api/v1/persistentvolumes/${name}` }).catch(() => undefined)));
  });

  async function observe(): Promise<ObservedTarget> {
    const [found] = await engine.observe(team, new Map([[prefix, memory]]), signal);
    if (found === undefined) throw new Error('not observed');
    return found;
  }
  async function driftFields(): Promise<string[]> {
    return (await observe()).drift.map((one) => `${one.container}: ${one.field}`);
  }

  test('the set comes up', async () => {
    await Promise.all(volumes.map((name) => api.call({
      method: 'POST',
      path: '/api/v1/persistentvolumes',
      body: { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name }, spec: { capacity: { storage: '10Mi' }, accessModes: ['ReadWriteMany', 'ReadWriteOnce'], storageClassName: storageClass, hostPath: { path: `/tmp/${name}`, type: 'DirectoryOrCreate' } } },
    })));
    const spec = world.spec(prefix, everythingInACluster(storageClass), { timeouts: { attempt: '8m', pull: '3m', health: '5m' } });
    const end = await engine.deploy(spec, undefined, contextOf(1, { secrets: opener }));
    assert.is(end.outcome, 'succeeded', end.outcome === 'succeeded' ? '' : `${end.reason} ${JSON.stringify('evidence' in end && end.evidence)}`);
    memory = { spec, attemptId: 1n, digests: end.outcome === 'succeeded' ? end.digests : [], baseline: JSON.parse(JSON.stringify(await engine.baseline(spec, signal))) as unknown };
  });

  test('the container gets what the manifest says', async () => {
    const lines: string[] = [];
    for await (const line of engine.logs({ prefix, container: 'all', tail: 10, follow: false }, signal)) lines.push(line.text.trim());
    assert.equal(lines[0]?.split('|'), ['eu', '', 'a=b', '$(REGION) $$', '4', 'canary-password', 'canary-file', '/tmp', '1000:1000', 'It works.', 'store canary-token', 'eu canary-password all canary-own']);
    const deployment = await world.get('Deployment', prefix, 'all');
    const { spec: pod, metadata: podMeta } = deployment.spec.template;
    const [main] = pod.containers;
    assert.is(deployment.spec.replicas, 2);
    assert.is(deployment.spec.strategy.type, 'RollingUpdate');
    assert.is(pod.terminationGracePeriodSeconds, 2);
    assert.is(pod.automountServiceAccountToken, false);
    assert.is(main.tty, true);
    assert.equal(main.securityContext, { runAsUser: 1000, runAsGroup: 1000, capabilities: { add: ['NET_ADMIN', 'SYS_TIME'], drop: ['MKNOD'] } });
    assert.equal(main.resources, { limits: { cpu: '500m', memory: '64Mi' }, requests: { cpu: '10m', memory: '16Mi' } });
    assert.equal(main.ports.map((one: Live) => `${one.protocol} ${one.containerPort}`), ['TCP 8080', 'UDP 53', 'TCP 9000', 'TCP 7000', 'TCP 7001', 'TCP 7002', 'TCP 9100']);
    assert.equal(main.readinessProbe.httpGet.path, '/');
    assert.equal([main.readinessProbe.periodSeconds, main.readinessProbe.timeoutSeconds, main.readinessProbe.failureThreshold], [2, 1, 5], 'whole seconds');
    assert.is(main.livenessProbe.initialDelaySeconds, 1);
    assert.equal(main.startupProbe.exec.command, ['test', '-e', '/scratch/started']);
    assert.equal(pod.initContainers.map((one: Live) => one.name), ['config-files', 'import-data', 'init-prepare']);
    const mounts = Object.fromEntries(main.volumeMounts.map((one: Live) => [one.mountPath, one]));
    assert.is(mounts['/host'].readOnly, true);
    const byName = Object.fromEntries(pod.volumes.map((one: Live) => [one.name, one]));
    assert.equal(byName[mounts['/scratch'].name].emptyDir, { medium: 'Memory', sizeLimit: '1Mi' });
    assert.is(byName['data'].persistentVolumeClaim.claimName, 'data');
    assert.equal([podMeta.labels.tier, podMeta.labels.part, podMeta.labels['tagboat.dev/team'], podMeta.annotations.note], ['web', 'deployment', team, 'of the deployment']);
    const claim = await world.get('PersistentVolumeClaim', prefix, 'data');
    assert.equal([claim.spec.accessModes, claim.spec.storageClassName, claim.spec.resources.requests.storage], [['ReadWriteMany'], storageClass, '5Mi']);
  });

  test('ports, routes and metrics lead to it', async () => {
    const inside = await world.get('Service', prefix, 'all');
    assert.is(inside.spec.type, 'ClusterIP');
    assert.equal(inside.spec.ports.map((one: Live) => `${one.name}>${one.targetPort}`), ['tcp-8080>8080', 'udp-53>53', 'tcp-9000>9000', 'tcp-7000>7000', 'tcp-7001>7001', 'tcp-7002>7002', 'tcp-9100>9100']);
    assert.equal([inside.metadata.annotations['prometheus.io/scrape'], inside.metadata.annotations['prometheus.io/port'], inside.metadata.annotations['prometheus.io/path'], inside.metadata.annotations.note], ['true', '9100', '/stats', 'of the service']);
    const outside = await world.get('Service', prefix, 'all-lb');
    assert.equal([outside.spec.type, outside.metadata.annotations['example.org/size'], outside.metadata.labels.part], ['LoadBalancer', 'small', 'service']);
    assert.equal(outside.spec.ports.map((one: Live) => `${one.port}>${one.targetPort}`), ['80>8080', '27000>7000', '27001>7001', '27002>7002']);
    assert.equal((await world.get('Service', prefix, 'all-lb-udp')).spec.ports.map((one: Live) => `${one.port}>${one.targetPort}`), ['5353>53']);
    const ingress = await world.get('Ingress', prefix, 'all');
    assert.is(ingress.spec.ingressClassName, 'nginx');
    assert.equal(ingress.spec.tls, [{ hosts: ['shop.example.org'], secretName: 'all-tls' }]);
    assert.equal(ingress.spec.rules[0], { host: 'shop.example.org', http: { paths: [{ path: '/api(/|$)(.*)', pathType: 'ImplementationSpecific', backend: { service: { name: 'all', port: { number: 8080 } } } }] } });
    const notes = ingress.metadata.annotations;
    assert.is(notes['nginx.ingress.kubernetes.io/rewrite-target'], '/$2');
    assert.is(notes['nginx.ingress.kubernetes.io/proxy-body-size'], '20971520');
    assert.match(notes['nginx.ingress.kubernetes.io/cors-allow-headers'], /X-Forwarded-For.*X-Shop-Region/);
    assert.is(notes['cert-manager.io/cluster-issuer'], 'letsencrypt');
    assert.is(notes.note, 'of the ingress');
    assert.is((await world.get('Service', prefix, 'named')).spec.selector['tagboat.dev/container'], 'frontend');
    assert.is((await world.get('Ingress', prefix, 'frontend')).spec.tls, undefined);
    assert.is((await world.get('Deployment', prefix, 'frontend')).spec.strategy.type, 'Recreate');
  });

  test('what writes to a volume of its own several times is a StatefulSet, what ends is a Job, none is none', async () => {
    const set = await world.get('StatefulSet', prefix, 'many');
    assert.is(set.spec.replicas, 2);
    const claims = (await world.list('PersistentVolumeClaim', prefix)).map((one) => one.metadata.name).sort();
    assert.equal(claims, ['data', 'own-many-0', 'own-many-1']);
    const [job] = await world.list('Job', prefix);
    assert.match(job.metadata.name, /^job-[0-9a-f]{10}$/);
    assert.is((await world.get('Deployment', prefix, 'none')).spec.replicas, 0);
    const observed = await observe();
    assert.equal(observed.containers.map((one) => [one.imageName, one.state, one.health]).sort(), [['all', 'running', 'healthy'], ['all', 'running', 'healthy'], ['job', 'exited', 'none'], ['many', 'running', 'none'], ['many', 'running', 'none'], ['named', 'running', 'healthy']]);
    assert.is(observed.health, 'healthy', observed.healthReason);
  });

  test('nothing of it is drift, and the same content applied again changes nothing', async () => {
    assert.equal((await observe()).drift, []);
    assert.not.match(JSON.stringify(memory, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)).replaceAll('sealed-canary', ''), /canary/, 'no secret in what is remembered');
    assert.not.match(JSON.stringify(memory.baseline), new RegExp(Buffer.from('canary-password').toString('base64')));
    const pods = (await world.list('Pod', prefix)).map((one) => one.metadata.uid).sort();
    const context = contextOf(2, { secrets: opener });
    const end = await engine.deploy(memory.spec, memory, context);
    assert.is(end.outcome, 'succeeded', end.outcome === 'succeeded' ? '' : end.reason);
    assert.equal((await world.list('Pod', prefix)).map((one) => one.metadata.uid).sort(), pods, 'no pod was replaced');
    assert.ok(!context.steps.some((step) => step.startsWith('prune')), context.steps.join('\n'));
    assert.equal((await observe()).drift, [], 'the attempt is another one, and that is all');
    assert.is((await world.get('Deployment', prefix, 'all')).metadata.labels['tagboat.dev/attempt'], '2');
    memory = { ...memory, attemptId: 2n, baseline: await engine.baseline(memory.spec, signal) };
  });

  test('each change of hand shows, and healing takes it back, what was added included', async () => {
    await world.patch('Deployment', prefix, 'none', { spec: { replicas: 1, template: { spec: { containers: [{ name: 'none', env: [{ name: 'SNEAKED', value: 'in' }] }] } } } });
    await world.patch('Service', prefix, 'named', { spec: { ports: [{ port: 8080, protocol: 'TCP', targetPort: 9999 }] } });
    await world.patch('Service', prefix, 'all', { metadata: { labels: { part: 'other' } } });
    await world.remove('Ingress', prefix, 'frontend');
    const fields = await driftFields();
    for (const wanted of ['Deployment none: spec.replicas', 'Service all: metadata.labels.part', 'Ingress frontend: object', 'Deployment none: spec.template.spec.containers[none].env[SNEAKED]']) {
      assert.ok(fields.some((field) => field.startsWith(wanted)), `${wanted} of ${fields.join(', ')}`);
    }
    assert.ok(fields.some((field) => field.startsWith('Service named: spec.ports[8080/TCP]')), fields.join(', '));

    const refused = await engine.deploy(memory.spec, memory, contextOf(3, { secrets: opener }));
    assert.is(refused.outcome === 'failed' && refused.code, 'ObjectConflict', JSON.stringify(refused.outcome === 'failed' && refused.reason));
    assert.match(refused.outcome === 'failed' ? refused.reason : '', /kubectl-edit/);

    const healing = { ...memory.spec, selfHeal: true };
    const end = await engine.deploy(healing, memory, contextOf(4, { secrets: opener }));
    assert.is(end.outcome, 'succeeded', end.outcome === 'succeeded' ? '' : end.reason);
    memory = { ...memory, attemptId: 4n };
    const left = (await observe()).drift;
    assert.equal(left.map((one) => `${one.container}: ${one.field}`), ['Ingress frontend: object'], JSON.stringify(left));
    assert.match(left[0]?.actual ?? '', /^replaced by/);
    assert.is((await world.get('Deployment', prefix, 'none')).spec.template.spec.containers[0].env, undefined);
    memory = { ...memory, baseline: await engine.baseline(memory.spec, signal) };
    assert.equal((await observe()).drift, []);
  });

  test('changes are told within seconds', async () => {
    const stop = new AbortController();
    const told: (string | undefined)[] = [];
    const watching = engine.watch(team, (changed) => told.push(changed), stop.signal);
    async function until(condition: () => boolean, what: string): Promise<void> {
      for (const end = Date.now() + 120_000; !condition(); ) {
        if (Date.now() > end) throw new Error(`${what} did not come; told ${told.join()}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    try {
      await until(() => told.length > 0, 'the first full look');
      await new Promise((resolve) => setTimeout(resolve, 1000));
      assert.equal((await observe()).drift, [], 'the informers see what the lists saw');
      // What is told first may be of something else that is going on: pods come and go by themselves.
      const shows = (field: string): Promise<unknown> => sleepUntil(async () => (await driftFields()).includes(field), { what: field, timeoutMs: 120_000 });
      told.length = 0;
      await world.patch('Deployment', prefix, 'none', { spec: { replicas: 1 } });
      await until(() => told.includes(prefix), 'the change');
      await shows('Deployment none: spec.replicas');
      assert.equal(await driftFields(), ['Deployment none: spec.replicas']);
      told.length = 0;
      await world.remove('Deployment', prefix, 'frontend');
      await until(() => told.includes(prefix), 'the removal');
      await shows('Deployment frontend: object');
      const observed = await observe();
      assert.is(observed.health, 'degraded');
      assert.match(observed.healthReason, /frontend/);
    } finally {
      stop.abort();
      await watching;
    }
  });

  test('a removal keeps the volumes and their namespace, and takes both when it is told so', async () => {
    const kept = await engine.remove({ team, deployment: 'x', prefix, removeVolumes: false }, contextOf(5));
    assert.is(kept.outcome, 'succeeded', JSON.stringify(kept.outcome === 'failed' && kept.reason));
    assert.equal((await world.list('PersistentVolumeClaim', prefix)).length, 3);
    assert.equal((await world.list('Secret', prefix)).filter((one) => one.type === 'Opaque'), []);
    assert.equal(await engine.observe(team, new Map(), signal), []);
    const all = await engine.remove({ team, deployment: 'x', prefix, removeVolumes: true }, contextOf(6));
    assert.is(all.outcome, 'succeeded', JSON.stringify(all.outcome === 'failed' && all.reason));
    assert.is(await world.get('Namespace', undefined, prefix), undefined);
  });
}

test.run();
