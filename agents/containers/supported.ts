/** What a Docker host cannot honour is refused, never dropped in silence (SPEC §2). Validation says the same much earlier. */
import type { ContainerConfig, TargetImage, TargetSpec } from '../../schemas/gen/types.ts';
import { AttemptFailure } from '../core/attempt-failure.ts';
import { look } from './calls.ts';
import { hostPortsOf } from './container-spec.ts';
import { routeOf } from './route.ts';
import type { ContainerRuntime } from './runtime.ts';

type Rule = readonly [refuse: (config: ContainerConfig) => boolean, text: string];

const RULES: readonly Rule[] = [
  [(config) => (config.replicas ?? 1) > 1, 'asks for more than one replica; a Docker host runs one'],
  [(config) => config.expectedState?.state === 'exited' && (config.restartPolicy === 'always' || config.restartPolicy === 'unless-stopped'), 'is expected to end and is started again whenever it does (restartPolicy)'],
  [(config) => config.expose === 'https' && config.routing?.domain === undefined, 'asks for HTTPS and names no domain, and a certificate is for a name (routing.domain)'],
  [(config) => (config.expose ?? 'none') !== 'none' && (routeOf(config) === undefined || hasOwnNetwork(config)), 'asks to be exposed and has no port that requests could be led to'],
  [(config) => config.kubernetes !== undefined, 'has settings that only a cluster knows (kubernetes)'],
  [(config) => (config.volumes ?? []).some((volume) => volume.class !== undefined), 'names a storage class; only a cluster has those'],
  [(config) => (config.volumes ?? []).some((volume) => volume.accessMode !== undefined), 'names an access mode; only a cluster has those'],
  [(config) => (config.volumes ?? []).some((volume) => volume.size !== undefined && (volume.type ?? 'named') !== 'tmpfs' && volume.type !== 'memory'), 'limits the size of a volume that is not in memory'],
  [(config) => hasOwnNetwork(config) && (hostPortsOf(config).length > 0 || config.networks !== undefined || config.docker?.aliases !== undefined), 'publishes ports or joins networks although its networkMode has none'],
  [(config) => config.healthCheck?.start !== undefined || config.healthCheck?.live !== undefined || config.healthCheck?.ready !== undefined, 'has start, live or ready probes; only a cluster knows those'],
];

function hasOwnNetwork({ networkMode }: ContainerConfig): boolean {
  return networkMode === 'host' || networkMode === 'none';
}

/** The engine would look for a plugin of an unknown name for a quarter of a minute, once for each container, before it says no. */
export async function refuseUnknownLogDrivers(runtime: ContainerRuntime, images: readonly TargetImage[]): Promise<void> {
  const naming = images.filter(({ config }) => config.logConfig !== undefined);
  if (naming.length === 0) return;
  const known = await runtime.logDrivers(look());
  const unknown = known === undefined ? undefined : naming.find(({ config }) => !known.includes(config.logConfig?.driver ?? ''));
  if (unknown === undefined) return;
  throw new AttemptFailure('Unsupported', `${unknown.name} sends its output to the log driver ${unknown.config.logConfig?.driver}, and the engine of this node has none of that name, nor a plugin (it has ${[...new Set(known)].sort().join(', ')}); nothing was touched. Look at logConfig.driver`);
}

export function refuseUnsupported(spec: TargetSpec): void {
  for (const image of spec.images) {
    const rule = RULES.find(([refuse]) => refuse(image.config));
    if (rule !== undefined) throw new AttemptFailure('Unsupported', `${image.name} ${rule[1]}; nothing was touched. Change its config or deploy it to another node`);
  }
}
