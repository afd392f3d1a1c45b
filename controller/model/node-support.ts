/** Fields of a container's configuration that one kind of node cannot honour. One table; a finding is an error, never a silent drop. */
import type { ContainerConfig, NodeSpec } from '../../schemas/gen/types.ts';

export interface UnsupportedField {
  /** Into the configuration. */
  readonly pointer: string;
  readonly reason: string;
}

type Rule = (config: ContainerConfig) => readonly UnsupportedField[];

const present =
  (pointer: string, reason: string, find: (config: ContainerConfig) => unknown): Rule =>
  (config) =>
    find(config) === undefined ? [] : [{ pointer, reason }];

const ofVolumes =
  (key: 'class' | 'accessMode', reason: string): Rule =>
  (config) =>
    (config.volumes ?? []).flatMap((volume, index) => (volume[key] === undefined ? [] : [{ pointer: `/volumes/${index}/${key}`, reason }]));

const DOCKER: readonly Rule[] = [
  present('/kubernetes', 'only a cluster knows it', (config) => config.kubernetes),
  present('/healthCheck/start', 'Docker hosts have one health check, not a startup probe', (config) => config.healthCheck?.start),
  present('/healthCheck/live', 'Docker hosts have one health check, not a liveness probe', (config) => config.healthCheck?.live),
  present('/healthCheck/ready', 'Docker hosts have one health check, not a readiness probe', (config) => config.healthCheck?.ready),
  (config) => (config.replicas === undefined || config.replicas === 1 ? [] : [{ pointer: '/replicas', reason: 'a Docker host runs each container once' }]),
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
