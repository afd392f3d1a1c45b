// @timeout 1500
// @serial
/**
 * An agent in a pod becomes the version that its manifest wants, in a real cluster and under a real controller, from the printed manifest: a good one and every kind of bad one, with
 * either pod taken away in the middle. Versions are images made from the one of the Dockerfile; pods share the network of this machine, where API server and controller are.
 */
import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createKubernetesEngine } from '../../agents/kubernetes/engine.ts';
import { packageVersion } from '../package-root.ts';
import { clusterOrSkip } from './cluster.ts';
import type { TestCluster } from './cluster.ts';
import { fitted } from './cluster-agent.ts';
import { buildImage, docker, IMAGE } from './image.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { deploymentManifest, dockerOrSkip, PRODUCT } from './story.ts';

const SYSTEM = 'tagboat-system';
const NAME = 'tagboat-agent-acme-quay';
const OLD = packageVersion();
const REPOSITORY = `${process.env['TAGBOAT_TEST_REGISTRY'] ?? ''}/tagboat-cluster-update`;
const PREFIX = `podupdate${process.pid}`;
/** What is said when it is too late for them: longer than a start takes here, shorter than a person's patience. */
const DEADLINE = '45s';
/** As long as that, or longer where the one that looks at the clock had to wait for it. */
const TOO_LATE = /had not taken it after (4[5-9]|[5-9]\d|\d{3}) s/;

interface NodeRow {
  readonly name: string;
  readonly status: string;
  readonly agentVersion: string;
  readonly agentUpdate: { readonly version: string; readonly code: string; readonly reason: string } | null;
}
interface AgentPod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly containers: readonly { readonly image: string }[] };
  readonly status: { readonly startTime?: string; readonly containerStatuses?: readonly { readonly restartCount: number; readonly state: { readonly running?: { readonly startedAt: string } } }[] };
}
interface AgentDeployment {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
  readonly spec: { readonly strategy: object; readonly template: { readonly spec: { readonly containers: readonly { readonly image: string; readonly readinessProbe?: object }[] } } };
}

const node = (name: string, version?: string): string => `apiVersion: tagboat/v1\nkind: Node\nmetadata: { name: ${name} }\nspec: { type: kubernetes${version === undefined ? '' : `, agentVersion: ${version}`} }\n`;
/** Its pods take a while to be good, so that there is an attempt in hand. */
const VERSION = (image: string): string => `apiVersion: tagboat/v1
kind: Version
metadata: { name: shop }
spec: { images: [ { name: web, image: "tagboat-test-web:${image}", config: { healthCheck: { settle: 4s }, stopGrace: 1s } } ] }
`;

function check(cluster: TestCluster): void {
  const test = suite('another version of an agent in a cluster');
  let stack: Stack;
  let applied: readonly object[] = [];

  const quay = async (): Promise<NodeRow | undefined> => (await stack.get<NodeRow[]>('/nodes')).find(({ name }) => name === 'quay');
  const want = (version: string): Promise<string> => stack.push({ 'nodes/quay.yaml': node('quay', version) }, `agent ${version}`);
  /** What is on its way out and does not run is listed for a while. */
  const pods = async (): Promise<readonly AgentPod[]> => (await cluster.list<AgentPod>('pods', SYSTEM)).filter((pod) => pod.metadata.deletionTimestamp === undefined || runs(pod));
  const deployment = async (): Promise<AgentDeployment> => (await cluster.list<AgentDeployment>('deployments', SYSTEM))[0]!;
  const ofVersion = async (version: string): Promise<AgentPod | undefined> => (await pods()).find(({ metadata, spec }) => metadata.deletionTimestamp === undefined && spec.containers[0]!.image === `${REPOSITORY}:${version}`);
  const runs = (pod: AgentPod | undefined): boolean => pod?.status.containerStatuses?.[0]?.state.running !== undefined;

  async function until(what: string, condition: (row: NodeRow) => boolean, timeoutMs = 240_000): Promise<NodeRow> {
    let last: NodeRow | undefined;
    try {
      return await sleepUntil(async () => ((last = await quay()) !== undefined && condition(last) ? last : null), { what, timeoutMs, intervalMs: 200 });
    } catch (error) {
      const logs = await cluster.kubectl(['logs', '--namespace', SYSTEM, '--selector', 'app.kubernetes.io/name=tagboat-agent', '--tail', '12', '--prefix']).catch(String);
      throw new Error(`${String(error)}; the node is ${JSON.stringify(last)}\n${logs}\n${await cluster.kubectl(['get', 'pods,deployments', '--namespace', SYSTEM, '--output', 'wide'])}`);
    }
  }

  /** One pod, and the Deployment as it was printed but for the image. */
  async function alone(version: string): Promise<AgentPod> {
    await until(`${version} to be connected`, (row) => row.status === 'connected' && row.agentVersion === version);
    await sleepUntil(async () => (await pods()).length === 1 && (await deployment()).metadata.annotations['tagboat.dev/exchange'] === undefined, { what: 'the end of the exchange', timeoutMs: 150_000, intervalMs: 300 });
    const { spec } = await deployment();
    assert.equal(spec.strategy, { type: 'Recreate' });
    assert.is(spec.template.spec.containers[0]!.image, `${REPOSITORY}:${version}`);
    const [only] = await pods();
    assert.is(only?.spec.containers[0]!.image, `${REPOSITORY}:${version}`);
    return only!;
  }

  async function failure(version: string, reason: RegExp): Promise<void> {
    const { agentUpdate } = await until(`the failure of ${version}`, (row) => row.agentUpdate?.version === version && row.agentUpdate.code !== '' && row.status === 'connected');
    assert.is(agentUpdate?.code, 'AgentUpdateFailed', agentUpdate?.reason);
    assert.match(agentUpdate?.reason ?? '', reason);
    assert.match(agentUpdate?.reason ?? '', /tried again after/);
  }

  function image(version: string, ...steps: readonly string[]): void {
    execFileSync('docker', ['build', '--quiet', '--tag', `${REPOSITORY}:${version}`, '-'], { input: [`FROM ${IMAGE}`, ...steps].join('\n'), env: { ...process.env, DOCKER_BUILDKIT: '0' }, stdio: ['pipe', 'ignore', 'pipe'] });
  }
  const says = (version: string): string => `RUN sed -i 's/"version": "${OLD}"/"version": "${version}"/' /opt/tagboat/package.json`;

  test.before(async () => {
    await cluster.gone(SYSTEM);
    for (const version of ['0.8.0', '0.8.1']) image(version, 'USER 0', says(version), 'USER node');
    image('0.9.1', 'ENTRYPOINT ["sh", "-c", "echo cannot start >&2; exit 7"]');
    for (const version of ['0.9.2', '0.9.4']) image(version, 'USER 0', says(version), "RUN sed -i 's/tagboat-controller/nobody/' /opt/tagboat/dist/proto/join.js", 'USER node');
    image('0.9.3');
    docker('tag', IMAGE, `${REPOSITORY}:${OLD}`);
    const files = { 'nodes/quay.yaml': node('quay'), 'nodes/harbor.yaml': node('harbor', '0.8.0'), 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': VERSION('1.0.0') };
    // The one of this process serves harbor, from outside of the cluster.
    stack = await Stack.start(files, { engine: () => createKubernetesEngine({ kubeconfig: cluster.kubeconfig }), settings: { TAGBOAT_AGENT_IMAGE: `${REPOSITORY}:${OLD}` } });
    const { manifest } = await stack.controller.nodes.mintEnrolment('acme', 'quay', 'test');
    applied = await fitted(cluster, manifest ?? '', ['--update-deadline', DEADLINE]);
    await cluster.apply(...applied);
    await alone(OLD);
  });
  test.after(async () => {
    await stack.stop();
    await cluster.sweep([SYSTEM, PREFIX]);
    await cluster.kubectl(['delete', 'clusterrole,clusterrolebinding', '--ignore-not-found', NAME]);
  });

  const BAD: readonly (readonly [version: string, what: string, reason: RegExp])[] = [
    ['0.9.2', 'that starts and cannot connect', TOO_LATE],
    ['0.9.0', 'whose image does not exist', /the registry does not have .*:0\.9\.0/],
    ['0.9.1', 'that crashes', /exit code 7: cannot start/],
    ['0.9.3', 'whose image holds another one', new RegExp(`holds version ${OLD.replaceAll('.', '\\.')} and not 0\\.9\\.3`)],
  ];
  for (const [version, what, reason] of BAD) {
    test(`${what} leaves the pod from before, which says why and does not try again`, async () => {
      const [before] = await pods();
      await want(version);
      await failure(version, reason);
      const after = await alone(OLD);
      assert.equal([after.metadata.uid, after.status.containerStatuses?.[0]?.restartCount], [before?.metadata.uid, 0]);
    });
  }

  test('a deployment is carried out after all that', async () => {
    await stack.push({ 'deployments/shop.yaml': deploymentManifest(PREFIX, '  branch: main\n').replace('harbor', 'quay') });
    await stack.settled('shop', 'main');
  });

  test('a bad one whose guard is taken away by force: another pod of the version before serves', async () => {
    await want('0.9.2');
    await sleepUntil(async () => runs(await ofVersion('0.9.2')), { what: 'the one on trial', timeoutMs: 150_000, intervalMs: 100 });
    const guard = await ofVersion(OLD);
    await cluster.kubectl(['delete', 'pod', '--namespace', SYSTEM, '--force', '--grace-period', '0', guard!.metadata.name]);
    await failure('0.9.2', TOO_LATE);
    assert.is.not((await alone(OLD)).metadata.uid, guard!.metadata.uid);
  });

  test('who applies another manifest in the middle wins', async () => {
    const [before] = await pods();
    await want('0.9.4');
    await sleepUntil(async () => runs(await ofVersion('0.9.4')), { what: 'the one on trial', timeoutMs: 150_000, intervalMs: 100 });
    await cluster.apply(...applied);
    await failure('0.9.4', /another manifest was applied/);
    assert.is((await alone(OLD)).metadata.uid, before?.metadata.uid, 'of that manifest, and serving');
  });

  test('a good one comes when the attempt in hand is done, with the state of the one before', async () => {
    await stack.push({ 'products/shop/version.yaml': VERSION('1.1.0') });
    await stack.until('shop', 'the attempt to begin', ({ status }) => status === 'in-progress');
    await want('0.8.0');
    const now = await alone('0.8.0');
    assert.is((await quay())?.agentUpdate, null);
    await stack.settled('shop', 'main');
    const [{ attempts }] = (await stack.history('shop')) as unknown as [{ attempts: { outcome: string; finishedAt: string }[] }];
    assert.ok(attempts.every(({ outcome }) => outcome === 'succeeded'), 'the attempt in hand was not cut off');
    const last = Math.max(...attempts.map(({ finishedAt }) => Date.parse(finishedAt)));
    assert.ok(Date.parse(now.status.startTime ?? '') >= Math.floor(last / 1_000) * 1_000, `${now.status.startTime} is after ${new Date(last).toISOString()}`);
  });

  test('a good one whose pod is taken away while it is on trial: the next pod is the agent', async () => {
    await want('0.8.1');
    const trial = await sleepUntil(async () => {
      const pod = await ofVersion('0.8.1');
      return runs(pod) ? pod : null;
    }, { what: 'the one on trial', timeoutMs: 150_000, intervalMs: 50 });
    await cluster.kubectl(['delete', 'pod', '--namespace', SYSTEM, '--wait=false', trial!.metadata.name]);
    const now = await alone('0.8.1');
    assert.is.not(now.metadata.uid, trial!.metadata.uid);
    const { rows } = await stack.get<{ rows: { action: string; object: string; result: string }[] }>('/audit?limit=1000');
    assert.equal(rows.filter(({ action, object }) => action === 'node.enrolled' && object === 'node/quay').map(({ result }) => result), ['accepted'], 'it is the same agent, and used no other token');
    const change = await stack.push({ 'products/shop/version.yaml': VERSION('1.2.0') });
    await stack.settled('shop', 'main', change);
  });

  test('an agent outside of the cluster says that it does not exchange itself', async () => {
    const row = (await stack.get<NodeRow[]>('/nodes')).find(({ name }) => name === 'harbor');
    assert.is(row?.agentUpdate?.code, 'AgentUpdateUnsupported');
    assert.match(row?.agentUpdate?.reason ?? '', /bring it up to date as it was installed/);
  });

  test.run();
}

const engine = await dockerOrSkip('another version of an agent in a cluster');
const cluster = engine === null ? null : await clusterOrSkip('another version of an agent in a cluster');
if (cluster !== null) {
  buildImage();
  check(cluster);
}
