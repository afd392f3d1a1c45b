/** For clusters with the Prometheus operator. Pure. */
import { imageLabels, selectorOf, workloadName } from './labels.ts';
import { portName } from './ports.ts';
import type { ImageInput, KubeObject } from './types.ts';

export function serviceMonitors({ spec, image, attemptId, monitors }: ImageInput): KubeObject[] {
  const metrics = image.config.kubernetes?.metrics;
  if (metrics === undefined || !monitors) return [];
  return [
    {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'ServiceMonitor',
      metadata: { name: workloadName(image), namespace: spec.prefix, labels: imageLabels(spec, image, attemptId) },
      spec: { selector: { matchLabels: selectorOf(spec, image) }, endpoints: [{ port: portName('TCP', metrics.port), path: metrics.path ?? '/metrics' }] },
    },
  ];
}
