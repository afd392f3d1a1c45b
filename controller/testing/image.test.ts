// @timeout 1500
// @serial
/**
 * The image of the Dockerfile, built, and the printed manifest with it, applied: a pod enrols and serves, and one that starts in its place is
 * the same agent. What the test cluster lacks (a way from pods to the API server, tokens in pods) is added to the manifest.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { packageVersion } from '../package-root.ts';
import { clusterOrSkip } from './cluster.ts';
import type { ClusterPod } from './cluster.ts';
import { fitted } from './cluster-agent.ts';
import { buildImage, docker, IMAGE } from './image.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { dockerOrSkip } from './story.ts';

const SYSTEM = 'tagboat-system';
const NODES = `apiVersion: tagboat/v1
kind: Node
metadata: { name: harbor }
spec: { type: docker }
---
apiVersion: tagboat/v1
kind: Node
metadata: { name: quay }
spec: { type: kubernetes }
`;

interface NodeRow {
  readonly name: string;
  readonly status: string;
  readonly agentVersion: string;
}

const test = suite('the image');
const engine = await dockerOrSkip('the image');
if (engine !== null) {
  test('is built, says its version, and has the examples in it', () => {
    buildImage();
    assert.is(docker('run', '--rm', IMAGE, '--version').trim(), packageVersion());
    assert.match(docker('run', '--rm', '--read-only', IMAGE, 'validate', '/opt/tagboat/examples/quickstart'), /no problems/);
    assert.match(docker('run', '--rm', '--entrypoint', 'id', IMAGE), /^uid=1000\(node\)/);
  });
}
const cluster = engine === null ? null : await clusterOrSkip('the image as an agent in a cluster');
if (cluster !== null) {
  test('serves in a cluster as the printed manifest says; a pod in its place is the same agent', async () => {
    await cluster.gone(SYSTEM);
    const stack = await Stack.start({ 'nodes/all.yaml': NODES }, { engine: createSimulatedEngine() });
    const quay = async (): Promise<NodeRow | undefined> => (await stack.get<NodeRow[]>('/nodes')).find(({ name }) => name === 'quay');
    const logs = (): Promise<string> => cluster.kubectl(['logs', '--namespace', SYSTEM, '--selector', 'app.kubernetes.io/name=tagboat-agent', '--tail', '20']).catch(String);
    const connected = async (what: string): Promise<void> => {
      await sleepUntil(async () => (await quay())?.status === 'connected', { what, timeoutMs: 240_000, intervalMs: 300 }).catch(async (error: unknown) => {
        throw new Error(`${String(error)}: ${await logs()}`);
      });
    };
    try {
      const { manifest } = await stack.controller.nodes.mintEnrolment('acme', 'quay', 'test');
      await cluster.apply(...(await fitted(cluster, manifest ?? '')));
      await connected('the agent in its pod');
      assert.is((await quay())?.agentVersion, packageVersion());

      const [before] = await cluster.list<ClusterPod>('pods', SYSTEM);
      await cluster.kubectl(['delete', 'pod', '--namespace', SYSTEM, '--wait=false', before!.metadata.name]);
      await sleepUntil(async () => (await quay())?.status !== 'connected', { what: 'the end of the first pod', timeoutMs: 180_000 });
      await connected('the agent in the pod in its place, with a token that was used');
      const { rows } = await stack.get<{ rows: { action: string; object: string; result: string }[] }>('/audit?limit=1000');
      const enrolled = rows.filter(({ action, object }) => action === 'node.enrolled' && object === 'node/quay');
      assert.equal(enrolled.map(({ result }) => result), ['accepted'], 'it did not ask to be let in again');
    } finally {
      await stack.stop();
      await cluster.sweep([SYSTEM]);
      await cluster.kubectl(['delete', 'clusterrole,clusterrolebinding', '--ignore-not-found', 'tagboat-agent-acme-quay']);
    }
  });
}
test.run();
