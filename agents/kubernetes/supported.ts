/** What a cluster cannot honour is refused, never dropped in silence (SPEC §2). Validation says the same, and more, much earlier. */
import type { ContainerConfig, TargetSpec } from '../../schemas/gen/types.ts';
import { AttemptFailure } from '../core/attempt-failure.ts';

type Rule = readonly [refuse: (config: ContainerConfig) => boolean, text: string];

const RULES: readonly Rule[] = [
  [(config) => config.docker !== undefined, 'has settings that only a Docker host knows (docker)'],
  [(config) => (config.ports ?? []).some((port) => port.address !== undefined), 'publishes a port at an address; a Service has addresses of its own'],
  [(config) => config.networkMode !== undefined, 'sets networkMode; a pod has its own network'],
  [(config) => config.networks !== undefined, 'names networks; a cluster has one'],
  [(config) => config.logConfig !== undefined, 'sets logConfig; the cluster decides where logs go'],
  [(config) => config.expectedState?.state === 'waiting', 'is to wait for somebody to start it; a cluster starts what it creates'],
  [(config) => config.expectedState?.state === 'exited' && (config.replicas ?? 1) !== 1, 'asks for several replicas of something that ends; a Job runs once'],
  [(config) => config.user !== undefined && !/^\d+(:\d+)?$/.test(String(config.user)), 'names its user by name; a cluster knows numbers only'],
  [(config) => !restartsAsAsked(config), 'sets a restartPolicy that a cluster does not have for it'],
  [(config) => (config.volumes ?? []).some((volume) => (volume.type ?? 'named') !== 'named' && (volume.class !== undefined || volume.accessMode !== undefined)), 'sets a class or an access mode of a volume that is no claim'],
];

function restartsAsAsked({ restartPolicy, expectedState }: ContainerConfig): boolean {
  if (restartPolicy === undefined) return true;
  const again = restartPolicy === 'always' || restartPolicy === 'unless-stopped';
  return again !== (expectedState?.state === 'exited');
}

export function refuseUnsupported(spec: TargetSpec): void {
  for (const image of spec.images) {
    const rule = RULES.find(([refuse]) => refuse(image.config));
    if (rule !== undefined) throw new AttemptFailure('Unsupported', `${image.name} ${rule[1]}; nothing was touched. Change its config or deploy it to another node`);
  }
}
