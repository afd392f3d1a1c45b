// @timeout 1200
// @serial
/**
 * What an agent may do in a cluster is what it does: the printed manifest is applied, an agent works under its ServiceAccount through every
 * operation, and what it asked for is compared with what the ClusterRole grants. A verb that is missing fails, and so does one too many.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { Secrets } from '../../agents/core/secrets.ts';
import { createKubernetesEngine } from '../../agents/kubernetes/engine.ts';
import { openPodExchange } from '../../agents/kubernetes/self/pod-exchange.ts';
import { openStateKeeper } from '../../agents/kubernetes/state-keeper.ts';
import { seal } from '../../proto/sealed.ts';
import { CLUSTER_RIGHTS } from '../link/cluster-rights.ts';
import { ApiRecorder } from './api-recorder.ts';
import { clusterOrSkip } from './cluster.ts';
import type { TestCluster } from './cluster.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { PRODUCT, deploymentManifest } from './story.ts';

const PREFIX = `rights${process.pid}`;
const CLASS = PREFIX;
const SYSTEM = 'tagboat-system';
const NODE = 'apiVersion: tagboat/v1\nkind: Node\nmetadata: { name: harbor }\nspec: { type: kubernetes }\n';
/** As small as one may be; the real one comes with an operator that the agent does not need. */
const MONITORS = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'servicemonitors.monitoring.coreos.com' },
  spec: {
    group: 'monitoring.coreos.com',
    names: { kind: 'ServiceMonitor', listKind: 'ServiceMonitorList', plural: 'servicemonitors', singular: 'servicemonitor' },
    scope: 'Namespaced',
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } }],
  },
};

/** Every kind of object that a deployment can have. */
function everything(secret: string, command = ''): string {
  return `apiVersion: tagboat/v1
kind: Version
metadata: { name: shop }
spec:
  images:
    - name: web
      image: tagboat-test-web:1.0.0
      config:
        environment: { GREETING: hello }
        secrets: { PASSWORD: { sealed: { harbor: "${secret}" } } }
        ports: [ { internal: 8080 } ]
        expose: http
        routing: { domain: shop.example.org, port: 8080 }
        volumes: [ { name: files, path: /files, class: ${CLASS}, size: 1Mi } ]
        kubernetes: { metrics: { port: 8080 } }
        healthCheck: { http: { path: /healthz, port: 8080 }, interval: 1s, retries: 60 }
    - name: db
      image: tagboat-test-db:16
      config:
        replicas: 2${command}
        volumes: [ { name: data, path: /data, class: ${CLASS}, size: 1Mi } ]
        healthCheck: { settle: 1s }
        stopGrace: 1s
    - name: task
      image: busybox:1.36
      config:
        command: [ sh, -c, "echo done" ]
        expectedState: { state: exited, exitCode: 0, timeout: 60s }
`;
}

const LITTLE = `apiVersion: tagboat/v1
kind: Version
metadata: { name: shop }
spec:
  images:
    - name: web
      image: tagboat-test-web:1.1.0
      config:
        healthCheck: { http: { path: /healthz, port: 8080 }, interval: 1s, retries: 60 }
`;

function check(cluster: TestCluster): void {
  const test = suite('the rights of an agent in a cluster');
  let stack: Stack;
  let recorder: ApiRecorder | undefined;

  test.before(async () => {
    await cluster.gone(SYSTEM);
    await cluster.offerVolumes(CLASS, 3);
    await cluster.apply(MONITORS);
    stack = await Stack.start(
      { 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': LITTLE },
      {
        engine: async (running) => {
          const { manifest } = await running.controller.nodes.mintEnrolment('acme', 'harbor', 'test');
          // The pod of the manifest has no image here; its rights are used by the agent of this process.
          const documents = parseAllDocuments(manifest ?? '').map((one) => one.toJS() as { kind: string });
          await cluster.apply(...documents.filter(({ kind }) => kind !== 'Deployment'));
          await cluster.kubectl(['apply', '--dry-run=server', '--filename', '-'], manifest ?? '');
          recorder = await ApiRecorder.start(cluster, { namespace: SYSTEM, name: 'tagboat-agent-acme-harbor' });
          return createKubernetesEngine({ kubeconfig: recorder.kubeconfig });
        },
      },
    );
  });
  test.after(async () => {
    await stack.stop();
    await recorder?.close();
    await cluster.sweep([PREFIX, SYSTEM], [CLASS]);
    await cluster.kubectl(['delete', 'customresourcedefinition', '--ignore-not-found', MONITORS.metadata.name]);
    await cluster.kubectl(['delete', 'clusterrole,clusterrolebinding', '--ignore-not-found', 'tagboat-agent-acme-harbor']);
  });

  test('are those that it uses, no verb more and none less', async () => {
    const secrets = await Secrets.open(join(stack.home, 'agent'));
    const secret = await seal(Buffer.from('s3cret'), { team: 'acme', node: 'harbor' }, secrets.recipients);

    const first = await stack.push({ 'products/shop/version.yaml': everything(secret), 'deployments/shop.yaml': deploymentManifest(PREFIX, '  branch: main\n  selfHeal: true\n  removeVolumes: true\n') });
    await stack.settled('shop', 'main', first);
    const broken = await stack.push({ 'products/shop/version.yaml': everything(secret, '\n        command: [ sh, -c, "exit 3" ]') }, 'break it');
    const failed = await stack.until('shop', 'the broken one has failed', (row) => row.status === 'failed' && row.commit === broken);
    assert.match(failed.reason, /ContainerExited/);
    const second = await stack.push({ 'products/shop/version.yaml': LITTLE }, 'everything else is cleared away');
    await stack.settled('shop', 'main', second);
    const mended = await stack.push({ 'products/shop/version.yaml': everything(secret) }, 'mend it');
    await stack.settled('shop', 'main', mended);

    await cluster.kubectl(['delete', 'configmap,service,ingress', '--namespace', PREFIX, '--all']);
    await sleepUntil(async () => (await cluster.list('ingresses', PREFIX)).length > 0, { what: 'what was taken away to come back', timeoutMs: 240_000 });
    await stack.until('shop', 'the drift is healed', (row) => !row.drifted && row.health === 'healthy' && row.status === 'successful');

    await stack.push({ 'deployments/shop.yaml': null }, 'remove');
    await sleepUntil(async () => (await stack.deployment('shop')) === undefined, { what: 'the removal', timeoutMs: 300_000 });

    // And what the agent does beside its engine: keeping its own state.
    const keeper = await openStateKeeper({ kubeconfig: recorder!.kubeconfig, namespace: SYSTEM, name: 'tagboat-agent-acme-harbor', directory: join(stack.home, 'agent'), log: { warn: () => undefined } });
    await keeper.restore(AbortSignal.timeout(120_000));
    await keeper.save();
    // And exchanging itself.
    await exchangeItself(cluster, recorder!.kubeconfig, join(stack.home, 'self'));

    const granted = CLUSTER_RIGHTS.flatMap(({ apiGroups, resources, verbs }) => apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)))).sort();
    const used = [...recorder!.used].sort();
    console.log(`granted and used: ${granted.length} and ${used.length}\n${byResource(used)}`);
    assert.equal([...recorder!.refused], [], 'what the agent asked for and may not do');
    assert.equal(used.filter((one) => !granted.includes(one)), [], 'what others than the ClusterRole grant to the agent');
    assert.equal(granted.filter((one) => !recorder!.used.has(one)), [], 'what the agent may do and does not');
  });

  test.run();
}

/** An agent that is to become what nobody can pull, and goes on: every request of an exchange but the one that accepts it, which is one more patch. */
async function exchangeItself(cluster: TestCluster, kubeconfig: string, directory: string): Promise<void> {
  const place = { kubeconfig, namespace: SYSTEM, name: 'tagboat-agent-acme-harbor', directory };
  const labels = { 'app.kubernetes.io/instance': 'acme-harbor' };
  const containers = [{ name: 'agent', image: 'busybox:1.36', imagePullPolicy: 'IfNotPresent', command: ['sleep', '3600'] }];
  const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 1, containers } };
  await cluster.apply({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: place.name, namespace: SYSTEM }, spec: { replicas: 1, strategy: { type: 'Recreate' }, selector: { matchLabels: labels }, template } });
  const pod = await sleepUntil(() => cluster.servingPod(SYSTEM, 'busybox:1.36').catch(() => null), { what: 'the pod of an agent', timeoutMs: 240_000 });
  const log = { info: () => undefined, warn: () => undefined };
  mkdirSync(directory);
  const keeper = await openStateKeeper({ ...place, log });
  const exchange = await openPodExchange({ ...place, pod: pod!.metadata.name, certain: true, keeper, deadlineMs: 20_000, log });
  const signal = AbortSignal.timeout(240_000);
  assert.is(await exchange.role('1.0.0', signal), 'agent');
  await exchange.prepare({ version: '2.0.0', image: 'NO/IMAGE:2.0.0' }, signal);
  assert.is(await exchange.handOver(signal), 'guard');
  assert.is(await exchange.guard(signal), 'agent');
  assert.match(exchange.lastFailure()?.reason ?? '', /NO\/IMAGE:2\.0\.0 is no image reference/);
  const zombie = await openPodExchange({ ...place, pod: `${pod!.metadata.name}-of-before`, certain: true, keeper, deadlineMs: 20_000, log });
  assert.is(await zombie.role('1.0.0', signal), 'loser', 'a process whose pod is gone from the API does not serve');
}

/** One line a resource. */
function byResource(words: readonly string[]): string {
  const verbs = new Map<string, string[]>();
  for (const [resource = '', verb = ''] of words.map((one) => one.split(' '))) verbs.set(resource, [...(verbs.get(resource) ?? []), verb]);
  return [...verbs].map(([resource, all]) => `  ${resource.replace(/^\//, '')}: ${all.join(' ')}`).join('\n');
}

const cluster = await clusterOrSkip('the rights of an agent in a cluster');
if (cluster !== null) check(cluster);
