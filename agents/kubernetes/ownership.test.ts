/** Whose a cluster's things are: no rights, credentials that ran out, namespaces and objects and fields of others, a namespace that stays. */
// @timeout 900
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttemptEnd, SecretOpener, TargetMemory } from '../core/engine.ts';
import type { ContainerConfig, TargetSpec } from '../../schemas/gen/types.ts';
import { clusterForTests, type Live } from '../testing/cluster.ts';
import { opener } from '../testing/everything-in-a-cluster.ts';
import { contextOf } from '../testing/spec.ts';
import { createKubernetesEngine } from './engine.ts';
import { namespacePath } from './kinds.ts';

const world = await clusterForTests('ownership');
const test = suite('ownership in a cluster');

if (world !== undefined) {
  const { engine, team, api } = world;
  const signal = new AbortController().signal;
  const folder = mkdtempSync(join(tmpdir(), 'tagboat-ownership-'));
  test.after(async () => {
    await world.cleanUp();
    rmSync(folder, { recursive: true, force: true });
  });

  const web = (version: string, config: ContainerConfig = {}) => ({ image: `tagboat-test-web:${version}`, config: { healthCheck: { http: { path: '/healthz', port: 8080 }, interval: '1s', retries: 60 }, ...config } });
  /** Objects without pods, which a node may take a minute to clear away. */
  const quiet = web('1.0.0', { replicas: 0 });
  async function deployed(spec: TargetSpec, attemptId = 1, secrets?: SecretOpener): Promise<TargetMemory> {
    const end = await engine.deploy(spec, undefined, contextOf(attemptId, secrets && { secrets }));
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
  /** The same cluster for somebody else. */
  function kubeconfigOf(user: object): string {
    const path = join(folder, `${Math.random().toString(36).slice(2)}.json`);
    const text = readFileSync(world!.kubeconfig, 'utf8');
    const server = /server: '?([^',}\s]+)/.exec(text)?.[1];
    const ca = /certificate-authority-data: ([^,}\s]+)/.exec(text)?.[1];
    writeFileSync(path, JSON.stringify({ apiVersion: 'v1', kind: 'Config', 'current-context': 'c', clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': ca } }], users: [{ name: 'u', user }], contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }] }));
    return path;
  }

  test('no rights, and credentials that are not valid (any more), are told apart', async () => {
    const prefix = world.prefix('rights');
    const { status } = await api.call<Live>({ method: 'POST', path: '/api/v1/namespaces/default/serviceaccounts/default/token', body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } } });
    const powerless = await createKubernetesEngine({ kubeconfig: kubeconfigOf({ token: status.token }) });
    const forbidden = failedEnd(await powerless.deploy(world.spec(prefix, { web: web('1.0.0') }), undefined, contextOf(1)));
    assert.is(forbidden.code, 'EngineForbidden', forbidden.reason);
    assert.match(forbidden.reason, /system:serviceaccount:default:default" cannot/);
    assert.ok(forbidden.restored);
    const path = kubeconfigOf({ token: 'expired' });
    const expired = await createKubernetesEngine({ kubeconfig: path });
    const unauthorized = failedEnd(await expired.deploy(world.spec(prefix, { web: web('1.0.0') }), undefined, contextOf(2)));
    assert.is(unauthorized.code, 'EngineUnauthorized', unauthorized.reason);
    assert.match(unauthorized.reason, /expired/);
    const message = await expired.version(signal).then(() => '', (error: Error) => error.message);
    assert.match(message, /Unauthorized/);
    // A token that was renewed in the file is taken up without a restart.
    writeFileSync(path, readFileSync(kubeconfigOf({ token: status.token }), 'utf8'));
    assert.match(await expired.version(signal), /^Kubernetes v\d/);
    await createKubernetesEngine({ kubeconfig: join(folder, 'none') }).then(() => assert.unreachable(), (error: { code: string }) => assert.is(error.code, 'ConfigInvalid'));
    await createKubernetesEngine({ kubeconfig: world.kubeconfig, context: 'none' }).then(() => assert.unreachable(), (error: { code: string }) => assert.is(error.code, 'ConfigInvalid'));
  });

  test('a namespace of somebody else is left alone, an empty one is adopted and given back', async () => {
    const taken = world.prefix('taken');
    await world.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: taken } });
    await world.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'theirs', namespace: taken }, data: { a: 'b' } });
    const refused = failedEnd(await engine.deploy(world.spec(taken, { web: quiet }), undefined, contextOf(1)));
    assert.is(refused.code, 'NameTaken', refused.reason);
    assert.match(refused.reason, /ConfigMap theirs/);
    assert.is((await world.get('Namespace', undefined, taken)).metadata.labels?.['tagboat.dev/team'], undefined);

    const own = failedEnd(await engine.deploy(world.spec('kube-public', { web: quiet }), undefined, contextOf(1)));
    assert.is(own.code, 'NameTaken', own.reason);

    const empty = world.prefix('empty');
    await world.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: empty, labels: { 'example.org/owner': 'people' } } });
    await deployed(world.spec(empty, { web: quiet }));
    const other = failedEnd(await engine.deploy(world.spec(empty, { web: quiet }, { team: 'another-team' }), undefined, contextOf(9)));
    assert.is(other.code, 'NameTaken', other.reason);
    const removal = await engine.remove({ team, deployment: 'x', prefix: empty, removeVolumes: false }, contextOf(2));
    assert.is(removal.outcome, 'succeeded');
    const after = await world.get('Namespace', undefined, empty);
    assert.equal([after.status.phase, after.metadata.labels['tagboat.dev/team'], after.metadata.labels['example.org/owner']], ['Active', undefined, 'people']);

    const mixed = world.prefix('mixed');
    await deployed(world.spec(mixed, { web: quiet }));
    await world.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'theirs', namespace: mixed, labels: (await world.get('Deployment', mixed, 'web')).metadata.labels }, data: { a: 'b' } });
    assert.is((await engine.remove({ team, deployment: 'x', prefix: mixed, removeVolumes: true }, contextOf(2))).outcome, 'succeeded');
    assert.equal([(await world.get('ConfigMap', mixed, 'theirs')).data.a, await world.get('Deployment', mixed, 'web')], ['b', undefined], 'labels that were copied make nothing ours');
  });

  test('an object or a field of somebody else is a conflict with his name, unless the manifest takes it', async () => {
    const prefix = world.prefix('conflict');
    const memory = await deployed(world.spec(prefix, { web: web('1.0.0') }));
    await world.create({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'db', namespace: prefix }, spec: { replicas: 0, selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'db', image: 'busybox:1.36' }] } } } });
    const foreign = failedEnd(await engine.deploy(world.spec(prefix, { web: web('1.1.0'), db: { image: 'tagboat-test-db:16' } }), memory, contextOf(2)));
    assert.is(foreign.code, 'ObjectConflict', foreign.reason);
    assert.match(foreign.reason, /Deployment db .* is not Tagboat's/);
    assert.is(await imageNow(prefix), 'tagboat-test-web:1.0.0');

    await world.patch('Deployment', prefix, 'web', { spec: { replicas: 2 } }, 'kubectl-scale');
    const field = failedEnd(await engine.deploy(world.spec(prefix, { web: web('1.1.0') }), memory, contextOf(3)));
    assert.is(field.code, 'ObjectConflict', field.reason);
    assert.match(field.reason, /spec\.replicas \(kubectl-scale\)/);
    assert.ok(field.restored, field.reason);
    const still = await world.get('Deployment', prefix, 'web');
    assert.equal([still.spec.replicas, still.spec.template.spec.containers[0].image], [2, 'tagboat-test-web:1.0.0']);
    const forced = await engine.deploy(world.spec(prefix, { web: web('1.1.0', { kubernetes: { forceConflicts: true } }) }), memory, contextOf(4));
    assert.is(forced.outcome, 'succeeded', forced.outcome === 'succeeded' ? '' : forced.reason);
    assert.is((await world.get('Deployment', prefix, 'web')).spec.replicas, 1);

    await world.patch('Deployment', prefix, 'web', { spec: { replicas: 2 } }, 'kube-controller-manager');
    const scaled = await engine.deploy(world.spec(prefix, { web: web('1.1.0', { environment: { A: '1' } }) }), memory, contextOf(6));
    assert.is(scaled.outcome, 'succeeded', scaled.outcome === 'failed' ? scaled.reason : '');
    assert.is((await world.get('Deployment', prefix, 'web')).spec.replicas, 2, 'an autoscaler says how many');
    await world.patch('Deployment', prefix, 'web', { spec: { paused: true } }, 'kubectl-rollout');
    const paused = failedEnd(await engine.deploy(world.spec(prefix, { web: web('1.2.0') }), memory, contextOf(5)));
    assert.is(paused.code, 'ObjectConflict', paused.reason);
    assert.match(paused.reason, /paused/);
  });

  test('what was set back by hand is nobody’s, and what cannot change in place is made anew', async () => {
    const prefix = world.prefix('anew');
    const front = (version: string) => web(version, { replicas: 0, name: 'front' });
    const memory = await deployed(world.spec(prefix, { web: front('1.0.0') }));
    const image = (tag: string) => ({ spec: { template: { spec: { containers: [{ name: 'front', image: `tagboat-test-web:${tag}` }] } } } });
    await world.patch('Deployment', prefix, 'front', image('1.1.0'), 'kubectl-set');
    assert.is(failedEnd(await engine.deploy(world.spec(prefix, { web: front('1.2.0') }), memory, contextOf(2))).code, 'ObjectConflict');
    await world.patch('Deployment', prefix, 'front', image('1.0.0'), 'kubectl-set');
    const spec = world.spec(prefix, { web: front('1.2.0') });
    const end = await engine.deploy(spec, memory, contextOf(3));
    assert.is(end.outcome, 'succeeded', end.outcome === 'failed' ? end.reason : '');
    assert.is(await imageNow(prefix, 'front'), 'tagboat-test-web:1.2.0');

    const renamed = await engine.deploy(world.spec(prefix, { shop: front('1.2.0') }), { ...memory, spec, baseline: await engine.baseline(spec, signal) }, contextOf(4));
    assert.is(renamed.outcome, 'succeeded', renamed.outcome === 'failed' ? renamed.reason : '');
    assert.is((await world.get('Deployment', prefix, 'front')).spec.selector.matchLabels['tagboat.dev/image'], 'shop');
  });

  test('a set whose secrets open no more is put back with those that the cluster has, and without a job that was cleared away', async () => {
    const prefix = world.prefix('sealed');
    const before = world.spec(prefix, { web: web('1.0.0', { replicas: 0, secrets: { PASSWORD: { sealed: { harbor: 'sealed-word' } } } }), job: { image: 'busybox:1.36', config: { command: ['true'], expectedState: { state: 'exited' } } } });
    const memory = await deployed(before, 1, opener);
    for (const one of await world.list('Job', prefix)) await world.remove('Job', prefix, one.metadata.name as string);
    // Refused after the rest was applied.
    const bad = web('1.1.0', { replicas: 0, environment: { A: '1' }, resources: { limits: { cpu: '1' }, requests: { cpu: '2' } } });
    const end = failedEnd(await engine.deploy(world.spec(prefix, { web: bad }), memory, contextOf(2)));
    assert.is(end.code, 'SpecRefused', end.reason);
    assert.ok(end.restored, end.reason);
    assert.is((await world.list('Secret', prefix)).filter((one) => one.type === 'Opaque' && one.data.PASSWORD === Buffer.from('word').toString('base64')).length, 1);
    assert.equal(await world.list('Job', prefix), []);
  });

  test('what was removed and is not gone yet is waited for, a volume that would go with its pods is left to people', async () => {
    const prefix = world.prefix('leaving');
    const held = { metadata: { finalizers: ['service.kubernetes.io/load-balancer-cleanup'] } };
    const more = web('1.0.0', { replicas: 0, ports: [{ internal: 8080 }], volumes: [{ name: 'data', path: '/data' }] });
    const both = world.spec(prefix, { web: quiet, more });
    const first = await deployed(both);
    await world.patch('Service', prefix, 'more', held);
    const less = world.spec(prefix, { web: quiet });
    const end = await engine.deploy(less, first, contextOf(2));
    const memory = { ...first, spec: less, attemptId: 2n, baseline: await engine.baseline(less, signal) };
    assert.is(end.outcome, 'succeeded');
    assert.ok((await world.get('Service', prefix, 'more')).metadata.deletionTimestamp, 'it is held');
    const context = contextOf(3);
    const waiting = { ...context, progress: (step: string, text: string) => {
      context.progress(step, text);
      if (step === 'wait') void world.patch('Service', prefix, 'more', { metadata: { finalizers: null } });
    } };
    const again = await engine.deploy(both, memory, waiting);
    assert.is(again.outcome, 'succeeded', again.outcome === 'failed' ? again.reason : '');
    assert.ok(context.steps.some((step) => step.startsWith('wait: Service more was removed')), context.steps.join('\n'));
    assert.is((await world.get('Service', prefix, 'more')).metadata.deletionTimestamp, undefined);
    const [observed] = await engine.observe(team, new Map([[prefix, memory]]), signal);
    assert.not.ok(observed?.drift.some((one) => one.actual === 'missing'), 'what went late was no part of the set');

    await world.patch('PersistentVolumeClaim', prefix, 'data', { metadata: { finalizers: ['example.org/in-use'] } });
    await world.remove('PersistentVolumeClaim', prefix, 'data');
    const refused = failedEnd(await engine.deploy(both, memory, contextOf(4)));
    assert.is(refused.code, 'ObjectConflict', refused.reason);
    assert.match(refused.reason, /removed the volume data.*nothing was touched/);
    await world.patch('PersistentVolumeClaim', prefix, 'data', { metadata: { finalizers: null } });
  });

  test('labels that somebody took away make nothing somebody else’s', async () => {
    const prefix = world.prefix('bare');
    const memory = await deployed(world.spec(prefix, { web: quiet }));
    const label = 'tagboat.dev/team';
    await world.patch('Deployment', prefix, 'web', { metadata: { labels: { [label]: null } } });
    const end = await engine.deploy(memory.spec, memory, contextOf(2));
    assert.is(end.outcome, 'succeeded', end.outcome === 'failed' ? end.reason : '');
    assert.is((await world.get('Deployment', prefix, 'web')).metadata.labels[label], team);
    const asks = await engine.deploy(world.spec(prefix, { web: web('1.0.0', { replicas: 0, healthCheck: { tcp: { port: 8080 } } }) }), memory, contextOf(4));
    assert.is(asks.outcome, 'succeeded', `a check of another kind: ${asks.outcome === 'failed' ? asks.reason : ''}`);
    await api.call({ method: 'PATCH', path: namespacePath(prefix), contentType: 'application/merge-patch+json', body: { metadata: { labels: { [label]: null } } } });
    assert.is((await engine.remove({ team, deployment: 'x', prefix, removeVolumes: false }, contextOf(3))).outcome, 'succeeded');
    assert.is(await world.get('Deployment', prefix, 'web'), undefined, 'a removal that does nothing is none');
  });

  test('a namespace that stays in Terminating is waited for, and then named with what holds it', async () => {
    const prefix = world.prefix('stuck');
    await deployed(world.spec(prefix, { web: quiet }));
    await world.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'holder', namespace: prefix, finalizers: ['example.org/hold'] } as never, data: {} });
    await api.call({ method: 'DELETE', path: namespacePath(prefix) });
    const timeouts = { attempt: '2m', pull: '1m', health: '5s' };
    const stuck = failedEnd(await engine.deploy(world.spec(prefix, { web: quiet }, { timeouts }), undefined, contextOf(2)));
    assert.is(stuck.code, 'NamespaceTerminating', stuck.reason);
    const waiting = contextOf(3);
    const later = engine.deploy(world.spec(prefix, { web: quiet }, { timeouts: { ...timeouts, health: '110s' } }), undefined, waiting);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await world.patch('ConfigMap', prefix, 'holder', { metadata: { finalizers: null } });
    const end = await later;
    assert.is(end.outcome, 'succeeded', end.outcome === 'succeeded' ? '' : end.reason);
    assert.ok(waiting.steps.some((step) => step.startsWith('wait')), waiting.steps.join('\n'));
  });

  test('a namespace that somebody removes in mid-rollout ends the attempt, and what ran before gets another one', async () => {
    const prefix = world.prefix('vanishes');
    const memory = await deployed(world.spec(prefix, { web: quiet }));
    const context = contextOf(2);
    const removing = { ...context, progress: (step: string, text: string) => {
      context.progress(step, text);
      if (text.includes('Deployment slow')) setTimeout(() => void api.call({ method: 'DELETE', path: namespacePath(prefix) }), 2000);
    } };
    const slow = web('1.1.0', { environment: { HEALTHY: '0' }, healthCheck: { http: { path: '/healthz', port: 8080 }, retries: 100 }, stopGrace: '1s' });
    const end = failedEnd(await engine.deploy(world.spec(prefix, { web: quiet, slow }), memory, removing));
    assert.is(end.code, 'ObjectConflict', end.reason);
    assert.match(end.reason, /somebody has removed/);
    assert.ok(end.restored, end.reason);
    assert.is(await imageNow(prefix), 'tagboat-test-web:1.0.0');
  });
}

test.run();
