/**
 * The cluster of the tests: only one that was started for tests (`.ci/cluster` exports KUBECONFIG beside TAGBOAT_TEST_REGISTRY), never
 * the one that a person works with.
 */
import { randomBytes } from 'node:crypto';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { Engine } from '../core/engine.ts';
import { isMissing } from '../kubernetes/api-failure.ts';
import { KubeApi } from '../kubernetes/api.ts';
import { Connection } from '../kubernetes/connect.ts';
import { createKubernetesEngine } from '../kubernetes/engine.ts';
import { kindOf, namespacePath, pathOf } from '../kubernetes/kinds.ts';
import type { KubeObject } from '../kubernetes/objects/types.ts';
import { specOf, type SpecImage } from './spec.ts';

/** An object as it comes from the cluster, for looking into. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Live = any;

export interface ClusterWorld {
  readonly engine: Engine;
  readonly api: KubeApi;
  readonly kubeconfig: string;
  readonly registry: string;
  readonly team: string;
  spec(prefix: string, images: Readonly<Record<string, SpecImage>>, more?: Partial<TargetSpec>): TargetSpec;
  /** Unique in the cluster; removed at the end. */
  prefix(name: string): string;
  /** Undefined where there is none. */
  get(kind: string, namespace: string | undefined, name: string): Promise<Live>;
  list(kind: string, namespace: string): Promise<Live[]>;
  /** As a person with kubectl would. */
  create(object: KubeObject): Promise<Live>;
  patch(kind: string, namespace: string, name: string, patch: unknown, manager?: string): Promise<Live>;
  remove(kind: string, namespace: string, name: string): Promise<void>;
  cleanUp(): Promise<void>;
}

/** Undefined where there is none, said loudly; with TAGBOAT_REQUIRE_CLUSTER (in CI) that is an error. */
export async function clusterForTests(theme: string): Promise<ClusterWorld | undefined> {
  const kubeconfig = process.env['KUBECONFIG'];
  const registry = process.env['TAGBOAT_TEST_REGISTRY'];
  if (kubeconfig === undefined || registry === undefined) {
    if (process.env['TAGBOAT_REQUIRE_CLUSTER'] !== undefined) throw new Error('these tests need the cluster of .ci/cluster, and TAGBOAT_REQUIRE_CLUSTER forbids to skip them');
    process.stderr.write(`\n!!! SKIPPED: ${theme}: no test cluster. Start one with: eval "$(.ci/cluster start DIR)"\n\n`);
    return undefined;
  }
  const engine = await createKubernetesEngine({ kubeconfig });
  const api = new KubeApi(await Connection.open({ kubeconfig }));
  const mark = randomBytes(3).toString('hex');
  const team = `test-${theme}-${mark}`;
  const prefixes: string[] = [];
  return {
    engine,
    api,
    kubeconfig,
    registry,
    team,
    // Generous: a busy machine starts pods slowly.
    spec: (prefix, images, more) => specOf(prefix, images, { team, timeouts: { attempt: '8m', pull: '3m', health: '5m' }, ...more }),
    prefix(name) {
      prefixes.push(`${name}-${mark}`);
      return `${name}-${mark}`;
    },
    get: (kind, namespace, name) => api.call<Live>({ method: 'GET', path: pathOf(kindOf(kind), namespace, name) }).catch(orUndefined),
    list: async (kind, namespace) => (await api.call<{ items: Live[] }>({ method: 'GET', path: pathOf(kindOf(kind), namespace) })).items,
    create: (object) => api.call<Live>({ method: 'POST', path: pathOf(kindOf(object.kind), object.metadata.namespace), body: object, query: { fieldManager: 'kubectl-create' } }),
    patch: (kind, namespace, name, patch, manager = 'kubectl-edit') =>
      api.call<Live>({ method: 'PATCH', path: pathOf(kindOf(kind), namespace, name), body: patch, contentType: 'application/strategic-merge-patch+json', query: { fieldManager: manager } }),
    remove: async (kind, namespace, name) => void (await api.call({ method: 'DELETE', path: pathOf(kindOf(kind), namespace, name), body: { propagationPolicy: 'Background' } }).catch(orUndefined)),
    async cleanUp() {
      await Promise.all(prefixes.map((prefix) => api.call({ method: 'DELETE', path: namespacePath(prefix) }).catch(orUndefined)));
    },
  };
}

function orUndefined(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}
