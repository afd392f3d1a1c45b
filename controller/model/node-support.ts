/** Fields of a container's configuration that one kind of node cannot honour. One table; a finding is an error, never a silent drop. */
import type { ContainerConfig, NodeSpec } from '../../schemas/gen/types.ts';
import { pointerStep } from './manifest.ts';

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

function isExposed({ expose }: ContainerConfig): boolean {
  return expose !== undefined && expose !== 'none';
}

const DOCKER: readonly Rule[] = [
  present('/kubernetes', 'only a cluster knows it', (config) => config.kubernetes),
  present('/healthCheck/start', 'Docker hosts have one health check, not a startup probe', (config) => config.healthCheck?.start),
  present('/healthCheck/live', 'Docker hosts have one health check, not a liveness probe', (config) => config.healthCheck?.live),
  present('/healthCheck/ready', 'Docker hosts have one health check, not a readiness probe', (config) => config.healthCheck?.ready),
  present('/expose', 'a certificate is for a name: https needs routing.domain', (config) => (config.expose === 'https' && config.routing?.domain === undefined ? config.expose : undefined)),
  present('/expose', 'requests need a TCP port to be led to: routing.port or one of ports', (config) => (isExposed(config) && config.routing?.port === undefined && !(config.ports ?? []).some((port) => port.protocol !== 'udp') ? config.expose : undefined)),
  present('/expose', 'with networkMode host or none there is no network to lead requests over', (config) => (isExposed(config) && hasOwnNetwork(config) ? config.expose : undefined)),
  (config) =>
    endsByItself(config) && (config.restartPolicy === 'always' || config.restartPolicy === 'unless-stopped')
      ? [{ pointer: '/restartPolicy', reason: 'what is started again whenever it ends never stays ended, as expectedState wants it; leave it out, or say no or on-failure' }]
      : [],
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

/** A label as a cluster takes it: an optional DNS prefix and a name, and a short value. */
const LABEL_KEY = /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;
/** Of one Service; a span of ports is one entry for each of them. */
const MOST_PORTS = 200;

const labels = (pointer: string, map: Readonly<Record<string, unknown>> | undefined): readonly UnsupportedField[] =>
  Object.entries(map ?? {})
    .filter(([key, value]) => !LABEL_KEY.test(key) || !LABEL_VALUE.test(String(value)))
    .map(([key]) => ({ pointer: `${pointer}${pointerStep(key)}`, reason: 'a cluster takes labels of letters, digits, "-", "_" and "." only, at most 63 of them' }));

const ofOtherVolumes =
  (key: 'class' | 'accessMode' | 'size', types: readonly string[], reason: string): Rule =>
  (config) =>
    (config.volumes ?? []).flatMap((volume, index) => (volume[key] !== undefined && types.includes(volume.type ?? 'named') ? [{ pointer: `/volumes/${index}/${key}`, reason }] : []));

function endsByItself({ expectedState }: ContainerConfig): boolean {
  return expectedState?.state === 'exited';
}

const KUBERNETES: readonly Rule[] = [
  present('/docker', 'only a Docker host knows it', (config) => config.docker),
  (config) => (config.ports ?? []).flatMap((port, index) => (port.address === undefined ? [] : [{ pointer: `/ports/${index}/address`, reason: 'a Service has addresses of its own' }])),
  present('/networkMode', 'a pod has its own network', (config) => config.networkMode),
  present('/networks', 'a cluster has one network', (config) => config.networks),
  present('/logConfig', 'the cluster decides where logs go', (config) => config.logConfig),
  (config) => (config.user === undefined || /^\d+(:\d+)?$/.test(String(config.user)) ? [] : [{ pointer: '/user', reason: 'a cluster knows users by number only' }]),
  (config) => (config.expectedState?.state === 'waiting' ? [{ pointer: '/expectedState/state', reason: 'a cluster starts what it creates' }] : []),
  (config) => {
    const again = config.restartPolicy === 'always' || config.restartPolicy === 'unless-stopped';
    if (config.restartPolicy === undefined || again !== endsByItself(config)) return [];
    return [{ pointer: '/restartPolicy', reason: again ? 'a Job is not started again once it has ended' : 'pods of a Deployment are always started again' }];
  },
  (config) => (endsByItself(config) && (config.replicas ?? 1) !== 1 ? [{ pointer: '/replicas', reason: 'a Job runs once' }] : []),
  (config) => labels('/labels', config.labels),
  (config) => (['deployment', 'service', 'ingress'] as const).flatMap((part) => labels(`/kubernetes/labels/${part}`, config.kubernetes?.labels?.[part])),
  ofOtherVolumes('class', ['bind', 'tmpfs', 'memory'], 'only named volumes have a storage class'),
  ofOtherVolumes('accessMode', ['bind', 'tmpfs', 'memory'], 'only named volumes have an access mode'),
  ofOtherVolumes('size', ['bind'], 'a directory of the node has no size of its own'),
  (config) => {
    const count = (config.portRanges ?? []).reduce((sum, { internal }) => sum + Math.max(0, internal.to - internal.from) + 1, 0);
    return count > MOST_PORTS ? [{ pointer: '/portRanges', reason: `a Service names each port, and ${count} are more than ${MOST_PORTS}` }] : [];
  },
  (config) => {
    if (config.kubernetes?.useLoadBalancer === true) return [];
    const internal = new Set((config.ports ?? []).map((port) => `${port.protocol ?? 'tcp'} ${port.internal}`));
    return (config.ports ?? []).flatMap((port, index) =>
      port.external !== undefined && port.external !== port.internal && internal.has(`${port.protocol ?? 'tcp'} ${port.external}`)
        ? [{ pointer: `/ports/${index}/external`, reason: 'the Service has this port already, for the container port of that number; use kubernetes.useLoadBalancer or another port' }]
        : [],
    );
  },
  (config) => {
    const exposed = config.expose === 'http' || config.expose === 'https';
    return exposed && config.routing?.port === undefined && !(config.ports ?? []).some((port) => port.protocol !== 'udp') ? [{ pointer: '/expose', reason: 'an Ingress needs a port: set routing.port or ports' }] : [];
  },
  (config) => {
    const { useLoadBalancer, loadBalancerAnnotations } = config.kubernetes ?? {};
    const published = (config.ports ?? []).some((port) => port.external !== undefined) || (config.portRanges ?? []).length > 0;
    if (useLoadBalancer === true) return published ? [] : [{ pointer: '/kubernetes/useLoadBalancer', reason: 'no port is published (ports.external), so nothing would be balanced' }];
    return loadBalancerAnnotations === undefined ? [] : [{ pointer: '/kubernetes/loadBalancerAnnotations', reason: 'without useLoadBalancer there is no load balancer' }];
  },
];

/** Everything in `config` that a node of this type would have to drop. */
export function unsupportedFields(type: NodeSpec['type'], config: ContainerConfig): readonly UnsupportedField[] {
  return (type === 'docker' ? DOCKER : KUBERNETES).flatMap((rule) => rule(config));
}
