/** What runs an image: a Deployment, a StatefulSet where every replica needs a volume of its own, a Job for what ends. Pure. */
import type { V1DeploymentSpec, V1JobSpec, V1StatefulSetSpec } from '@kubernetes/client-node';
import { derivedName, imageLabels, LABEL, manifestAnnotations, selectorOf, versionAnnotations, workloadName } from './labels.ts';
import { podTemplate } from './pod-template.ts';
import { readinessOf, seconds } from './probes.ts';
import type { ImageInput, KubeObject } from './types.ts';
import { claimTemplates, isStateful } from './volumes.ts';

const DEFAULT_SETTLE = '3s';

export function workload(input: ImageInput): KubeObject {
  const { spec, image, attemptId } = input;
  const { config } = image;
  const metadata = {
    name: workloadName(image),
    namespace: spec.prefix,
    labels: imageLabels(spec, image, attemptId, 'deployment'),
    annotations: { ...versionAnnotations(spec), ...manifestAnnotations(config, 'deployment') },
  };
  if (config.expectedState?.state === 'exited') {
    const job = jobSpec(input);
    // The template of a Job cannot change: other content, other name.
    const name = derivedName(metadata.name, job.template.metadata?.labels?.[LABEL.hash] ?? '');
    return { apiVersion: 'batch/v1', kind: 'Job', metadata: { ...metadata, name }, spec: job };
  }
  if (isStateful(config)) return { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, spec: statefulSetSpec(input) };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: deploymentSpec(input) };
}

/** How long the pods of a workload without a probe have to run until they count, in seconds. */
export function settleSeconds({ image }: Pick<ImageInput, 'image'>): number {
  const { healthCheck } = image.config;
  return readinessOf(healthCheck) === undefined ? seconds(healthCheck?.settle, DEFAULT_SETTLE, 0) : 0;
}

function deploymentSpec(input: ImageInput): V1DeploymentSpec {
  const { spec, image } = input;
  const recreate = (image.config.kubernetes?.deploymentStrategy ?? (image.strategy === 'recreate' ? 'recreate' : 'rolling')) === 'recreate';
  const settle = settleSeconds(input);
  return {
    replicas: image.config.replicas ?? 1,
    selector: { matchLabels: selectorOf(spec, image) },
    strategy: recreate ? { type: 'Recreate' } : { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: '25%' } },
    minReadySeconds: settle,
    progressDeadlineSeconds: Math.max(seconds(spec.timeouts.health, '5m'), settle + 1),
    revisionHistoryLimit: 2,
    template: podTemplate(input, 'Always'),
  };
}

function statefulSetSpec(input: ImageInput): V1StatefulSetSpec {
  const { spec, image } = input;
  return {
    serviceName: image.name,
    replicas: image.config.replicas ?? 1,
    selector: { matchLabels: selectorOf(spec, image) },
    podManagementPolicy: 'OrderedReady',
    updateStrategy: { type: 'RollingUpdate' },
    revisionHistoryLimit: 2,
    template: podTemplate(input, 'Always'),
    volumeClaimTemplates: claimTemplates(spec, image),
  };
}

function jobSpec(input: ImageInput): V1JobSpec {
  const again = input.image.config.restartPolicy === 'on-failure';
  return { completions: 1, parallelism: 1, backoffLimit: again ? 6 : 0, template: podTemplate(input, again ? 'OnFailure' : 'Never') };
}
