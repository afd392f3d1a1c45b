/** The printed manifest of an agent, with what the test cluster lacks: a way from pods to the API server, and tokens in pods. */
import { parseAllDocuments } from 'yaml';
import type { TestCluster } from './cluster.ts';

interface Printed {
  readonly kind: string;
  readonly spec: { readonly template: { readonly spec: { hostNetwork?: boolean; readonly containers: readonly { readonly args: string[]; readonly env: object[]; readonly resources: { readonly requests: { cpu: string } }; readonly volumeMounts: object[] }[]; readonly volumes: object[] } } };
}

/** The agent's pod shares the network of this machine, where the API server is, and gets its token by name. */
export async function fitted(cluster: TestCluster, manifest: string, flags: readonly string[] = []): Promise<readonly object[]> {
  const server = new URL((await cluster.kubectl(['config', 'view', '--minify', '--output', 'jsonpath={.clusters[0].cluster.server}'])).trim());
  return parseAllDocuments(manifest).map((document) => {
    const object = document.toJS() as Printed;
    if (object.kind !== 'Deployment') return object;
    const pod = object.spec.template.spec;
    const [container] = pod.containers;
    pod.hostNetwork = true;
    container!.args.push(...flags);
    // As much as a process of a test gets: machines of tests are busy, and a pod that asks for little starts slowly there.
    container!.resources.requests.cpu = '500m';
    container!.env.push({ name: 'KUBERNETES_SERVICE_HOST', value: server.hostname }, { name: 'KUBERNETES_SERVICE_PORT', value: server.port });
    container!.volumeMounts.push({ name: 'account', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true });
    const sources = [{ serviceAccountToken: { path: 'token' } }, { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } }];
    pod.volumes.push({ name: 'account', projected: { sources } });
    return object;
  });
}
