// @timeout 1200
// @serial
/** The stories of the Docker host, told of a cluster. */
import { createKubernetesEngine } from '../../agents/kubernetes/engine.ts';
import { clusterOrSkip } from './cluster.ts';
import type { ClusterPod, TestCluster } from './cluster.ts';
import { isSick, versionManifest } from './story.ts';
import { tellStories } from './stories.ts';
import type { StoryWorld } from './stories.ts';

const IMAGES = { db: 'tagboat-test-db', web: 'tagboat-test-web' } as const;
/** Of the volumes; a class of this process alone, so that no other test takes them. */
const CLASS = `story${process.pid}`;

function clusterWorld(cluster: TestCluster): StoryWorld {
  return {
    title: 'a cluster',
    nodeManifest: 'apiVersion: tagboat/v1\nkind: Node\nmetadata: { name: harbor }\nspec: { type: kubernetes }\n',
    engine: () => createKubernetesEngine({ kubeconfig: cluster.kubeconfig }),
    // Clusters count in whole seconds, and somebody has to offer volumes.
    version: (tag, config, retries) => versionManifest(tag, config, retries ?? (isSick(config) ? 5 : 60)).replaceAll(/\b200ms\b/g, '1s').replace('path: /data }', `path: /data, class: ${CLASS}, size: 1Mi }`),
    page: async (prefix) => {
      const pod = await cluster.servingPod(prefix, IMAGES.web);
      return (await (await fetch(`http://${pod.status.podIP ?? ''}:8080/`, { signal: AbortSignal.timeout(60_000) })).text()).trim();
    },
    identity: async (prefix, image) => (await cluster.servingPod(prefix, IMAGES[image])).metadata.uid,
    born: async (prefix) => cluster.kubectl(['exec', '--namespace', prefix, (await cluster.servingPod(prefix, IMAGES.db)).metadata.name, '--', 'cat', '/data/born']),
    harm: async (prefix) => {
      const all = await cluster.list<{ metadata: { name: string }; spec: { template: ClusterPod } }>('deployments', prefix);
      const web = all.find((one) => one.spec.template.spec.containers.some((container) => container.image.includes(IMAGES.web)));
      await cluster.kubectl(['delete', 'deployment', '--namespace', prefix, web?.metadata.name ?? '']);
    },
    running: async (prefix) => {
      const pods = (await cluster.list<ClusterPod>('pods', prefix)).filter((pod) => pod.metadata.deletionTimestamp === undefined);
      const names = pods.flatMap((pod) => pod.spec.containers.map((container) => Object.entries(IMAGES).find(([, image]) => container.image.includes(image))?.[0] ?? container.image));
      return names.sort();
    },
    hasVolume: async (prefix) => (await cluster.list('persistentvolumeclaims', prefix)).length > 0,
    // Which one depends on what stands behind the engine's mirror.
    reasons: { image: /^(ImageUnknown|Registry\w+)/, crash: /^ContainerExited/, health: /^HealthCheckFailed/ },
    prepare: () => cluster.offerVolumes(CLASS, 2),
    sweep: (prefix) => cluster.sweep([prefix], [CLASS]),
  };
}

const cluster = await clusterOrSkip('the stories on a cluster');
if (cluster !== null) {
  tellStories(clusterWorld(cluster));
}
