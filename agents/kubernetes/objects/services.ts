/** Services: one inside of the cluster under the name that the image has on a Docker network, and load balancers where asked for. Pure. */
import type { ContainerConfig } from '../../../schemas/gen/types.ts';
import { derivedName, imageLabels, manifestAnnotations, selectorOf, texts, versionAnnotations } from './labels.ts';
import { clusterPorts, externalPorts, servicePorts } from './ports.ts';
import type { ImageInput, KubeObject } from './types.ts';

export function services(input: ImageInput): KubeObject[] {
  const { spec, image, attemptId } = input;
  const { config } = image;
  const labels = imageLabels(spec, image, attemptId, 'service');
  const selector = selectorOf(spec, image);
  const annotations = { ...versionAnnotations(spec), ...manifestAnnotations(config, 'service') };
  const objects: KubeObject[] = [];
  const inside = clusterPorts(config);
  if (inside.length > 0) {
    objects.push({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: image.name, namespace: spec.prefix, labels, annotations: { ...annotations, ...scrapeAnnotations(config) } },
      spec: { type: 'ClusterIP', selector, ports: servicePorts(inside) },
    });
  }
  if (config.kubernetes?.useLoadBalancer !== true) return objects;
  // One for each protocol: many clouds refuse to mix them.
  for (const protocol of ['TCP', 'UDP'] as const) {
    const ports = externalPorts(config).filter((lead) => lead.protocol === protocol);
    if (ports.length === 0) continue;
    objects.push({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name: derivedName(image.name, protocol === 'TCP' ? 'lb' : 'lb-udp'),
        namespace: spec.prefix,
        labels,
        annotations: { ...annotations, ...texts(config.kubernetes.loadBalancerAnnotations) },
      },
      spec: { type: 'LoadBalancer', selector, ports: servicePorts(ports) },
    });
  }
  return objects;
}

/** What a Prometheus without an operator looks for. */
function scrapeAnnotations(config: ContainerConfig): Record<string, string> {
  const metrics = config.kubernetes?.metrics;
  if (metrics === undefined) return {};
  return { 'prometheus.io/scrape': 'true', 'prometheus.io/port': String(metrics.port), 'prometheus.io/path': metrics.path ?? '/metrics' };
}
