/**
 * From a push to an available Deployment on a cluster, against `kubectl apply && kubectl rollout status` of the very same objects in another
 * namespace, in turn, in one run; and what an agent needs to watch 500 pods. The poll's tick is taken out, as in the bench of 20 containers.
 */
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createKubernetesEngine } from '../../agents/kubernetes/engine.ts';
import { packageRoot } from '../package-root.ts';
import { clusterOrSkip } from '../testing/cluster.ts';
import type { TestCluster } from '../testing/cluster.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { Stack } from '../testing/stack.ts';
import { PRODUCT } from '../testing/story.ts';

/** Besides one to warm up; TAGBOAT_BENCH_ROUNDS says otherwise. */
const ROUNDS = Number(process.env['TAGBOAT_BENCH_ROUNDS'] ?? 7);
const PODS = 500;
const BASE = `b${process.pid}`;
const NODE = 'apiVersion: tagboat/v1\nkind: Node\nmetadata: { name: harbor }\nspec: { type: kubernetes }\n';
const VERSION = `apiVersion: tagboat/v1
kind: Version
metadata: { name: shop }
spec:
  images:
    - name: web
      image: tagboat-test-web:1.0.0
      config:
        environment: { GREETING: hello }
        ports: [ { internal: 8080 } ]
        stopGrace: 1s
        healthCheck: { http: { path: /healthz, port: 8080 }, interval: 1s }
`;

interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>>; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

async function tagboat(stack: Stack, prefix: string): Promise<number> {
  await stack.repository.commit({ [`deployments/${prefix}.yaml`]: `apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: ${prefix} }\nspec: { product: shop, node: harbor, prefix: ${prefix} }\n` }, prefix);
  const begun = performance.now();
  stack.controller.pollSoon('acme');
  await stack.until(prefix, `${prefix} to be up`, (row) => row.status === 'successful' && row.sync === 'synced', 120_000);
  return performance.now() - begun;
}

/** What Tagboat made there, as a person would have written it for another namespace. */
async function sameObjects(cluster: TestCluster, from: string, to: string): Promise<readonly ApiObject[]> {
  const found = await Promise.all(['configmaps', 'services', 'deployments'].map((kind) => cluster.list<ApiObject>(kind, from)));
  const made = found.flat().filter((one) => one.metadata.labels?.['tagboat.dev/prefix'] === from);
  const relabel = (text: string): unknown => JSON.parse(text.replaceAll(`"tagboat.dev/`, '"bench.example/'));
  const objects = made.map(({ status: _status, ...object }): ApiObject => {
    const spec = object.spec === undefined ? {} : { spec: Object.fromEntries(Object.entries(object.spec).filter(([key]) => key !== 'clusterIP' && key !== 'clusterIPs')) };
    return relabel(JSON.stringify({ ...object, ...spec, metadata: { name: object.metadata.name, labels: object.metadata.labels, namespace: to } })) as ApiObject;
  });
  return [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: to } }, ...objects];
}

async function bare(cluster: TestCluster, objects: readonly ApiObject[], namespace: string): Promise<number> {
  const begun = performance.now();
  await cluster.apply(...objects);
  for (const one of objects.filter(({ kind }) => kind === 'Deployment')) await cluster.kubectl(['rollout', 'status', '--namespace', namespace, `deployment/${one.metadata.name}`, '--timeout', '100s']);
  return performance.now() - begun;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function times(cluster: TestCluster, stack: Stack): Promise<void> {
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    const [one, other] = [`${BASE}t${round}`, `${BASE}k${round}`];
    const took = await tagboat(stack, one);
    const objects = await sameObjects(cluster, one, other);
    const peer = await bare(cluster, objects, other);
    if (round > 0) {
      ours.push(took); // the first round is the warm-up of both
      theirs.push(peer);
    }
    await cluster.sweep([other]);
  }
  console.table({
    'Tagboat, push to available': { ms: Math.round(median(ours)), 'against kubectl': `${(median(ours) / median(theirs)).toFixed(2)} (goal 1.15)` },
    'kubectl apply && kubectl rollout status': { ms: Math.round(median(theirs)) },
  });
}

/** Pods that no machine takes: they are watched like others, and nothing has to run. */
async function memory(cluster: TestCluster, stack: Stack): Promise<void> {
  const { join: word } = await stack.controller.nodes.mintEnrolment('acme', 'quay', 'bench');
  const root = packageRoot();
  // As it is installed: what runs from source holds its compiler, too. Not in one piece: the controller lives in this process.
  await promisify(execFile)('npm', ['run', '--silent', 'build'], { cwd: root });
  const agent = spawn(process.execPath, [join(root, 'dist/controller/cli/tagboat.js'), 'agent', 'kubernetes', '--kubeconfig', cluster.kubeconfig, '--join', word, '--directory', join(stack.home, 'quay')], { stdio: 'ignore' });
  const rss = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid ?? 0}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  try {
    await sleepUntil(async () => (await stack.get<{ name: string; status: string }[]>('/nodes')).some((node) => node.name === 'quay' && node.status === 'connected'), { what: 'the agent', timeoutMs: 60_000 });
    await sleep(5_000);
    const before = rss();
    const namespace = `${BASE}p`;
    const pod = (index: number): object => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `p${index}`, namespace, labels: { 'tagboat.dev/team': 'acme', 'tagboat.dev/prefix': namespace, 'tagboat.dev/deployment': namespace } },
      spec: { nodeSelector: { nowhere: 'true' }, containers: [{ name: 'web', image: 'tagboat-test-web:1.0.0', env: Array.from({ length: 10 }, (_unused, at) => ({ name: `VARIABLE_${at}`, value: 'x'.repeat(40) })) }] },
    });
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await cluster.apply(...Array.from({ length: PODS }, (_unused, index) => pod(index)));
    await sleep(15_000);
    console.table({ 'agent process, nothing deployed': { MiB: Math.round(before) }, [`agent process, ${PODS} pods watched (Pending)`]: { MiB: Math.round(rss()) } });
  } finally {
    agent.kill('SIGTERM');
    await sleepUntil(() => agent.exitCode !== null || agent.signalCode !== null, { what: 'the end of the agent' }).catch(() => agent.kill('SIGKILL'));
  }
}

const cluster = await clusterOrSkip('the bench of a cluster');
if (cluster !== null) {
  const files = { 'nodes/harbor.yaml': NODE, 'nodes/quay.yaml': NODE.replace('harbor', 'quay'), 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': VERSION };
  const stack = await Stack.start(files, { engine: await createKubernetesEngine({ kubeconfig: cluster.kubeconfig }), poll: '0 0 0 1 1 *' });
  try {
    await times(cluster, stack);
    await memory(cluster, stack);
  } finally {
    await stack.stop();
    await cluster.sweep([...Array.from({ length: ROUNDS + 1 }, (_unused, round) => `${BASE}t${round}`), `${BASE}p`]);
  }
}
