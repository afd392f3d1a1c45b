/** The cluster of the tests, asked with kubectl so that nothing of Tagboat's own way to a cluster is trusted. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ClusterPod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly containers: readonly { readonly name: string; readonly image: string }[] };
  readonly status: { readonly phase: string; readonly podIP?: string; readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

export class TestCluster {
  readonly kubeconfig: string;
  readonly #directories: string[] = [];

  constructor(kubeconfig: string) {
    this.kubeconfig = kubeconfig;
  }

  /** Rejects with what kubectl said. */
  async kubectl(args: readonly string[], input?: string, timeoutMs = 120_000): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = execFile('kubectl', ['--kubeconfig', this.kubeconfig, ...args], { timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`kubectl ${args.slice(0, 3).join(' ')}: ${stderr.trim() || error.message}`));
      });
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input ?? '');
    });
  }

  async list<T>(what: string, namespace: string): Promise<readonly T[]> {
    return (JSON.parse(await this.kubectl(['get', what, '--namespace', namespace, '--output', 'json'])) as { items: T[] }).items;
  }

  async apply(...objects: readonly object[]): Promise<void> {
    await this.kubectl(['apply', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  }

  /** A token of a ServiceAccount, good for an hour or so. */
  async tokenOf({ namespace, name }: { readonly namespace: string; readonly name: string }): Promise<string> {
    const request = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [] } });
    const answer = await this.kubectl(['create', '--raw', `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, '--filename', '-'], request);
    return (JSON.parse(answer) as { status: { token: string } }).status.token;
  }

  /** The pod that serves an image: ready, and not on its way out. */
  async servingPod(namespace: string, image: string): Promise<ClusterPod> {
    const pods = await this.list<ClusterPod>('pods', namespace);
    const found = pods.find((pod) => pod.metadata.deletionTimestamp === undefined && pod.spec.containers.some((one) => one.image.includes(image)) && isReady(pod));
    if (found === undefined) throw new Error(`no pod of ${namespace} serves ${image}`);
    return found;
  }

  /** Volumes on this machine that claims of this class find; the test cluster has nobody who makes them. */
  async offerVolumes(className: string, count: number): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), 'tagboat-volumes-'));
    this.#directories.push(directory);
    const volumes = Array.from({ length: count }, (_unused, index) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: `${className}-${randomBytes(3).toString('hex')}`, labels: { 'test-volumes': className } },
      spec: { storageClassName: className, capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], persistentVolumeReclaimPolicy: 'Retain', hostPath: { path: join(directory, String(index)), type: 'DirectoryOrCreate' } },
    }));
    await this.apply(...volumes);
  }

  /** Has namespaces with everything in them removed, and the volumes of these classes; the cluster takes its time for that. */
  async sweep(namespaces: readonly string[], classes: readonly string[] = []): Promise<void> {
    await this.kubectl(['delete', 'namespace', '--ignore-not-found', '--wait=false', ...namespaces]);
    for (const name of classes) await this.kubectl(['delete', 'persistentvolume', '--ignore-not-found', '--wait=false', '--selector', `test-volumes=${name}`]);
    for (const directory of this.#directories.splice(0)) rmSync(directory, { recursive: true, force: true });
  }

  /** Waits until a namespace is gone, so that its name is free again. */
  async gone(namespace: string): Promise<void> {
    await this.kubectl(['delete', 'namespace', '--ignore-not-found', '--timeout', '240s', namespace], undefined, 250_000);
  }
}

function isReady(pod: ClusterPod): boolean {
  return (pod.status.conditions ?? []).some((condition) => condition.type === 'Ready' && condition.status === 'True');
}

/** Told loudly where there is no cluster; CI demands one (TAGBOAT_REQUIRE_CLUSTER). Only one on this machine: never where people work. */
export async function clusterOrSkip(what: string): Promise<TestCluster | null> {
  const kubeconfig = process.env['KUBECONFIG'] ?? '';
  try {
    if (kubeconfig === '') throw new Error('KUBECONFIG is not set');
    const cluster = new TestCluster(kubeconfig);
    const server = (await cluster.kubectl(['config', 'view', '--minify', '--output', 'jsonpath={.clusters[0].cluster.server}'])).trim();
    if (!/^https:\/\/(127\.|localhost|\[::1\])/.test(server)) throw new Error(`${server} is not on this machine`);
    await cluster.kubectl(['get', '--raw', '/readyz']);
    return cluster;
  } catch (error) {
    if (process.env['TAGBOAT_REQUIRE_CLUSTER'] === '1') throw new Error(`${what} needs a cluster`, { cause: error });
    console.log(`SKIPPED ${what}: needs a cluster (${error instanceof Error ? error.message : ''}); start one with eval "$(.ci/cluster start DIR)"`);
    return null;
  }
}
