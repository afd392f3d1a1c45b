// @timeout 1500
// @serial
/** Every example is deployed as it stands, and then nothing is left to do: what was applied is what is wanted, field by field (R24). */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import type { Engine } from '../../agents/core/engine.ts';
import { createDockerEngine } from '../../agents/docker/engine.ts';
import { createKubernetesEngine } from '../../agents/kubernetes/engine.ts';
import { packageRoot } from '../package-root.ts';
import { clusterOrSkip } from './cluster.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import type { DeploymentRow } from './stack.ts';
import { dockerOrSkip, sweepPrefixes } from './story.ts';

interface Example {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly node: { readonly name: string; readonly type: 'docker' | 'kubernetes' };
  readonly prefixes: readonly string[];
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: { readonly type?: 'docker' | 'kubernetes'; readonly prefix?: string };
}

function readExample(name: string): Example {
  const directory = join(packageRoot(), 'examples', name);
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.yaml'));
  const files = Object.fromEntries(paths.map((path) => [path, readFileSync(join(directory, path), 'utf8')]));
  const manifests = Object.values(files).flatMap((text) => parseAllDocuments(text).map((one) => one.toJS() as Manifest));
  const nodes = manifests.filter(({ kind }) => kind === 'Node');
  assert.is(nodes.length, 1, `${name}: one node, which this test can play`);
  return {
    name,
    files,
    node: { name: nodes[0]!.metadata.name, type: nodes[0]!.spec.type ?? 'docker' },
    prefixes: manifests.flatMap(({ kind, spec }) => (kind === 'Deployment' ? [spec.prefix ?? ''] : [])),
  };
}

const isSettled = (row: DeploymentRow): boolean => row.status === 'successful' && row.sync === 'synced' && row.health === 'healthy' && !row.drifted;

async function deploy(example: Example, engine: Engine): Promise<void> {
  const stack = await Stack.start(example.files, { engine, node: example.node.name });
  try {
    const rows = (): Promise<DeploymentRow[]> => stack.get('/deployments');
    let last: readonly DeploymentRow[] = [];
    const whole = async (): Promise<boolean> => {
      last = await rows();
      return last.length === example.prefixes.length && last.every(isSettled);
    };
    await sleepUntil(whole, { what: `${example.name} to be deployed`, timeoutMs: 300_000, intervalMs: 200 }).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(last)}`);
    });
    const attempts = async (): Promise<number> => (await Promise.all(last.map(({ name }) => stack.history(name)))).flat().reduce((sum, record) => sum + record.attempts.length, 0);
    assert.is(await attempts(), example.prefixes.length, 'one attempt each');

    // A commit that says nothing new, a restarted agent that looks at everything anew: the plan stays empty.
    await stack.stopAgent();
    await stack.startAgent();
    const commit = await stack.push({ 'team.yaml': `${example.files['team.yaml'] ?? ''}# a remark\n` });
    await sleepUntil(async () => (await stack.get<{ commit: string }>('')).commit === commit, { what: 'the second commit' });
    await sleepUntil(async () => (await stack.get<{ status: string }[]>('/nodes'))[0]?.status === 'connected', { what: 'the agent' });
    await sleepUntil(whole, { what: `${example.name} to be seen as it was`, timeoutMs: 120_000 });
    assert.is(await attempts(), example.prefixes.length, 'nothing was deployed again');
  } finally {
    await stack.stop();
  }
}

const examples = readdirSync(join(packageRoot(), 'examples')).map(readExample);
const test = suite('examples');
const docker = await dockerOrSkip('the examples of Docker hosts');
if (docker !== null) {
  for (const example of examples.filter(({ node }) => node.type === 'docker')) {
    test(example.name, async () => {
      await sweepPrefixes(docker, example.prefixes);
      try {
        await deploy(example, createDockerEngine());
      } finally {
        await sweepPrefixes(docker, example.prefixes);
      }
    });
  }
}
const cluster = await clusterOrSkip('the examples of a cluster');
if (cluster !== null) {
  for (const example of examples.filter(({ node }) => node.type === 'kubernetes')) {
    test(example.name, async () => {
      for (const prefix of example.prefixes) await cluster.gone(prefix);
      try {
        await deploy(example, await createKubernetesEngine({ kubeconfig: cluster.kubeconfig }));
      } finally {
        await cluster.sweep(example.prefixes);
      }
    });
  }
}
test.run();
