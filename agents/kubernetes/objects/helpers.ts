/** Containers that run to their end before the one that they are for: files in, data in, then the init containers, as on Docker. Pure. */
import type { V1Container, V1EnvVar, V1VolumeMount } from '@kubernetes/client-node';
import type { ContainerConfig } from '../../../schemas/gen/types.ts';
import { environmentSources, literal, plainEnvironment, secretEnvironment, secretFiles } from './environment.ts';
import type { ImageInput } from './types.ts';

const IMPORT_IMAGE = 'rclone/rclone:1';
const FILES = '/tagboat-volume';

export function helperImages(config: ContainerConfig): string[] {
  return [
    ...(config.configContainer === undefined ? [] : [config.configContainer.image]),
    ...(config.importContainer === undefined ? [] : [config.importContainer.image ?? IMPORT_IMAGE]),
    ...(config.initContainers ?? []).map((init) => init.image),
  ];
}

export function helperContainers(input: ImageInput): V1Container[] {
  const { config } = input.image;
  const steps: V1Container[] = [];
  const push = (name: string, image: string, rest: Omit<V1Container, 'name' | 'image'>): void => {
    steps.push({ name, image: input.reference(image, undefined), imagePullPolicy: 'IfNotPresent', ...rest });
  };
  if (config.configContainer !== undefined) {
    const { image, volume, path, keepFiles } = config.configContainer;
    const script = `${keepFiles === true ? '' : `rm -rf ${FILES}/* && `}cp -R "$1/." ${FILES}/`;
    push('config-files', image, { command: ['sh', '-c', script, 'sh', path].map(literal), args: [], securityContext: { runAsUser: 0 }, volumeMounts: [{ name: volume, mountPath: FILES }] });
  }
  if (config.importContainer !== undefined) {
    const { image = IMPORT_IMAGE, volume, command, environment, secrets } = config.importContainer;
    const mounts = [{ name: volume, mountPath: '/data' }, ...secretFiles(input, 'import-data', secrets)];
    push('import-data', image, { ...(command !== undefined && { args: command.map(literal) }), ...variables([...plainEnvironment(environment), ...secretEnvironment(input, 'import-data', secrets)]), volumeMounts: mounts });
  }
  for (const init of config.initContainers ?? []) {
    const part = `init-${init.name}`;
    const parent = init.useParentConfig === true;
    const mounts: V1VolumeMount[] = [
      ...(init.volumes ?? []).map((mount) => ({ name: mount.name, mountPath: mount.path })),
      ...(parent ? secretFiles(input, '', config.secrets) : []),
      ...secretFiles(input, part, init.secrets),
    ];
    const environment = [...(parent ? secretEnvironment(input, '', config.secrets) : []), ...plainEnvironment(init.environment), ...secretEnvironment(input, part, init.secrets)];
    const sources = parent ? environmentSources(input) : [];
    push(part, init.image, {
      ...(init.command !== undefined && { command: init.command.map(literal) }),
      ...(init.args !== undefined && { args: init.args.map(literal) }),
      ...(sources.length > 0 && { envFrom: sources }),
      ...variables(environment),
      ...(mounts.length > 0 && { volumeMounts: mounts }),
    });
  }
  return steps;
}

/** One entry a name, the last one: what a list with a name twice means differs from server to server. */
function variables(list: readonly V1EnvVar[]): { env?: V1EnvVar[] } {
  const byName = new Map(list.map((one) => [one.name, one]));
  return byName.size === 0 ? {} : { env: [...byName.values()] };
}
