/** Ports: what a container listens on, and what its Services lead there. Pure. */
import type { V1ContainerPort, V1ServicePort } from '@kubernetes/client-node';
import type { ContainerConfig } from '../../../schemas/gen/types.ts';

interface PortLead {
  readonly protocol: 'TCP' | 'UDP';
  /** The port of the Service. */
  readonly port: number;
  readonly target: number;
}

function upper(protocol: string | undefined): 'TCP' | 'UDP' {
  return protocol === 'udp' ? 'UDP' : 'TCP';
}

/** Every port of the container, as another container of the target reaches it. */
function internalPorts(config: ContainerConfig): PortLead[] {
  const single = (config.ports ?? []).map(({ internal, protocol }) => ({ protocol: upper(protocol), port: internal, target: internal }));
  const spans = (config.portRanges ?? []).flatMap(({ internal, protocol }) => spread(internal).map((port) => ({ protocol: upper(protocol), port, target: port })));
  const { metrics } = config.kubernetes ?? {};
  const routed = config.routing?.port;
  const tcp = [metrics?.port, (config.expose ?? 'none') === 'none' ? undefined : routed].flatMap((port) => (port === undefined ? [] : [{ protocol: 'TCP' as const, port, target: port }]));
  return unique([...single, ...spans, ...tcp]);
}

/** The published ones. */
export function externalPorts(config: ContainerConfig): PortLead[] {
  const single = (config.ports ?? []).flatMap(({ internal, external, protocol }) => (external === undefined ? [] : [{ protocol: upper(protocol), port: external, target: internal }]));
  const spans = (config.portRanges ?? []).flatMap(({ internal, external, protocol }) => spread(external).map((port, index) => ({ protocol: upper(protocol), port, target: internal.from + index })));
  return unique([...single, ...spans]);
}

/**
 * Of the Service inside of the cluster: every port of the container, and, where no load balancer takes them, the published ones too,
 * so that `external: 80` answers at port 80 of the Service.
 */
export function clusterPorts(config: ContainerConfig): PortLead[] {
  return unique([...internalPorts(config), ...(config.kubernetes?.useLoadBalancer === true ? [] : externalPorts(config))]);
}

export function containerPorts(config: ContainerConfig): V1ContainerPort[] {
  return internalPorts(config).map(({ protocol, port }) => ({ containerPort: port, protocol }));
}

/** The protocol is always said: without it a server takes two ports of one number for one. */
export function servicePorts(leads: readonly PortLead[]): V1ServicePort[] {
  return leads.map(({ protocol, port, target }) => ({ name: portName(protocol, port), port, protocol, targetPort: target }));
}

export function portName(protocol: 'TCP' | 'UDP', port: number): string {
  return `${protocol.toLowerCase()}-${port}`;
}

function spread({ from, to }: { readonly from: number; readonly to: number }): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** The first of each protocol and port. */
function unique(leads: readonly PortLead[]): PortLead[] {
  const found = new Map<string, PortLead>();
  for (const lead of leads) {
    const key = portName(lead.protocol, lead.port);
    if (!found.has(key)) found.set(key, lead);
  }
  return [...found.values()];
}
