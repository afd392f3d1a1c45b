/** Fields of a container's configuration that one kind of node cannot honour. One table; a finding is an error, never a silent drop. */
import type { ContainerConfig, NodeSpec } from '../../schemas/gen/types.ts';

export interface UnsupportedField {
  /** Into the configuration. */
  readonly pointer: string;
  readonly reason: string;
}

const NO_NETWORK = 'with networkMode host or none the container joins no network';
const NO_PORTS = 'with networkMode host or none no port is published: the container has the node’s own ports, or none';

type Rule = (config: ContainerConfig) => readonly UnsupportedField[];

const present =
  (pointer: string, reason: string, find: (config: ContainerConfig) => unknown): Rule =>
  (config) =>
    find(config) === undefined ? [] : [{ pointer, reason }];

const ofVolumes =
  (key: 'class' | 'accessMode', reason: string): Rule =>
  (config) =>
    (config.volumes ?? []).flatMap((volume, index) => (volume[key] === undefined ? [] : [{ pointer: `/volumes/${index}/${key}`, reason }]));

function hasOwnNetwork({ networkMode }: ContainerConfig): boolean {
  return networkMode === 'host' || networkMode === 'none';
}

const DOCKER: readonly Rule[] = [
  present('/kubernetes', 'only a cluster knows it', (config) => config.kubernetes),
  present('/healthCheck/start', 'Docker hosts have one health check, not a startup probe', (config) => config.healthCheck?.start),
  present('/healthCheck/live', 'Docker hosts have one health check, not a liveness probe', (config) => config.healthCheck?.live),
  present('/healthCheck/ready', 'Docker hosts have one health check, not a readiness probe', (config) => config.healthCheck?.ready),
  present('/routing', 'this release has no proxy for Docker hosts; publish a port', (config) => config.routing),
  present('/expose', 'this release has no proxy for Docker hosts; publish a port', (config) => (config.expose === 'none' ? undefined : config.expose)),
  (config) => ((config.replicas ?? 1) <= 1 ? [] : [{ pointer: '/replicas', reason: 'a Docker host runs each container once' }]),
  present('/networks', NO_NETWORK, (config) => (hasOwnNetwork(config) ? config.networks : undefined)),
  present('/docker/aliases', NO_NETWORK, (config) => (hasOwnNetwork(config) ? config.docker?.aliases : undefined)),
  present('/portRanges', NO_PORTS, (config) => (hasOwnNetwork(config) ? config.portRanges : undefined)),
  (config) => (hasOwnNetwork(config) ? (config.ports ?? []).flatMap((port, index) => (port.external === undefined ? [] : [{ pointer: `/ports/${index}/external`, reason: NO_PORTS }])) : []),
  ofVolumes('class', 'Docker hosts have no storage classes'),
  ofVolumes('accessMode', 'Docker hosts have no access modes; readOnly is known'),
  (config) =>
    (config.volumes ?? []).flatMap((volume, index) =>
      volume.size !== undefined && (volume.type ?? 'named') !== 'tmpfs' && volume.type !== 'memory'
        ? [{ pointer: `/volumes/${index}/size`, reason: 'Docker hosts limit the size of tmpfs and memory volumes only' }]
        : [],
    ),
];

const KUBERNETES: readonly Rule[] = [
  present('/docker', 'only a Docker host knows it', (config) => config.docker),
  (config) => (config.ports ?? []).flatMap((port, index) => (port.address === undefined ? [] : [{ pointer: `/ports/${index}/address`, reason: 'a Service has addresses of its own' }])),
  present('/networkMode', 'a pod has its own network', (config) => config.networkMode),
  present('/networks', 'a cluster has one network', (config) => config.networks),
  present('/logConfig', 'the cluster decides where logs go', (config) => config.logConfig),
  (config) =>
    config.restartPolicy === 'on-failure' || config.restartPolicy === 'no'
      ? [{ pointer: '/restartPolicy', reason: 'pods of a Deployment are always started again' }]
      : [],
];

/** Everything in `config` that a node of this type would have to drop. */
export function unsupportedFields(type: NodeSpec['type'], config: ContainerConfig): readonly UnsupportedField[] {
  return (type === 'docker' ? DOCKER : KUBERNETES).flatMap((rule) => rule(config));
}
