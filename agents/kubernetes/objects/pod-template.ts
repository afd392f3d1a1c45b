/** The pod of one image: helpers that run to their end first, then the container. Pure. */
import type { V1Container, V1PodSpec, V1PodTemplateSpec, V1SecurityContext, V1VolumeMount } from '@kubernetes/client-node';
import type { ContainerConfig, ResourceAmounts } from '../../../schemas/gen/types.ts';
import { helperContainers } from './helpers.ts';
import { environmentSources, literal, secretEnvironment, secretFiles, secretVolumes } from './environment.ts';
import { LABEL, manifestAnnotations, manifestLabels, selectorOf, shortHash, targetLabels, workloadName } from './labels.ts';
import { containerPorts } from './ports.ts';
import { probesOf, seconds } from './probes.ts';
import { pullReferences } from './pull-secret.ts';
import type { ImageInput } from './types.ts';
import { podVolumes, volumeMounts } from './volumes.ts';

export function podTemplate(input: ImageInput, restartPolicy: 'Always' | 'OnFailure' | 'Never'): V1PodTemplateSpec {
  const { spec, image } = input;
  const { config } = image;
  const helpers = helperContainers(input);
  const volumes = [...podVolumes(config), ...secretVolumes(input)];
  const pod: V1PodSpec = {
    restartPolicy,
    terminationGracePeriodSeconds: seconds(config.stopGrace, '10s', 0),
    // What runs here is told neither the cluster's API nor its neighbours' addresses, as on a Docker host.
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...pullReferences(input),
    containers: [mainContainer(input)],
    ...(helpers.length > 0 && { initContainers: helpers }),
    ...(volumes.length > 0 && { volumes }),
  };
  const labels = { ...manifestLabels(config, 'deployment'), ...targetLabels(spec), ...selectorOf(spec, image) };
  const annotations = manifestAnnotations(config, 'deployment');
  return {
    metadata: { labels: { ...labels, [LABEL.hash]: shortHash([pod, labels, annotations]) }, ...(Object.keys(annotations).length > 0 && { annotations }) },
    spec: pod,
  };
}

function mainContainer(input: ImageInput): V1Container {
  const { image } = input;
  const { config } = image;
  const environment = environmentSources(input);
  const secrets = secretEnvironment(input, '', config.secrets);
  const ports = containerPorts(config);
  const mounts: V1VolumeMount[] = [...volumeMounts(config), ...secretFiles(input, '', config.secrets)];
  const security = securityOf(config);
  return {
    name: workloadName(image),
    image: input.reference(image.image, image.digest),
    imagePullPolicy: 'IfNotPresent',
    ...(config.command !== undefined && { command: config.command.map(literal) }),
    ...(config.args !== undefined && { args: config.args.map(literal) }),
    ...(config.workingDirectory !== undefined && { workingDir: config.workingDirectory }),
    ...(config.tty === true && { tty: true, stdin: true }),
    ...(environment.length > 0 && { envFrom: environment }),
    ...(secrets.length > 0 && { env: secrets }),
    ...(ports.length > 0 && { ports }),
    ...(mounts.length > 0 && { volumeMounts: mounts }),
    ...(config.resources !== undefined && { resources: resourcesOf(config.resources) }),
    ...(security !== undefined && { securityContext: security }),
    ...probesOf(config.healthCheck),
  };
}

function resourcesOf({ requests, limits }: NonNullable<ContainerConfig['resources']>): NonNullable<V1Container['resources']> {
  return { ...(requests !== undefined && { requests: amounts(requests) }), ...(limits !== undefined && { limits: amounts(limits) }) };
}

function amounts(one: ResourceAmounts): Record<string, string> {
  return { ...(one.cpu !== undefined && { cpu: String(one.cpu) }), ...(one.memory !== undefined && { memory: String(one.memory) }) };
}

function securityOf({ user, capabilities }: ContainerConfig): V1SecurityContext | undefined {
  if (user === undefined && capabilities === undefined) return undefined;
  const [uid, gid] = String(user ?? '').split(':');
  return {
    ...(uid !== undefined && uid !== '' && { runAsUser: Number(uid) }),
    ...(gid !== undefined && { runAsGroup: Number(gid) }),
    ...(capabilities !== undefined && { capabilities: { ...(capabilities.add !== undefined && { add: capabilities.add }), ...(capabilities.drop !== undefined && { drop: capabilities.drop }) } }),
  };
}
