/**
 * How each image of a target is replaced, and why (SPEC §4). `start-first` is chosen where two containers of one
 * image can run beside each other without harm; the reason of a `recreate` tells people what the gap is for.
 */
import type { ContainerConfig, NodeSpec } from '../../schemas/gen/types.ts';
import type { StrategyChoice } from './types.ts';

export type WantedStrategy = 'auto' | 'start-first' | 'recreate';

export function chooseStrategy(image: string, config: ContainerConfig, deployment: WantedStrategy, node: NodeSpec['type'] = 'docker'): StrategyChoice {
  const wanted = config.strategy ?? deployment;
  if (wanted !== 'auto') return { image, strategy: wanted, reason: 'the manifest says so' };
  const why = node === 'kubernetes' ? sharedVolume(config) : sharedResource(config);
  const routed = config.expose !== undefined && config.expose !== 'none';
  return why === null
    ? { image, strategy: 'start-first', reason: `nothing of the node is held by one container alone; the old one serves until the new one is healthy${routed ? ', and requests are led over without a gap' : ''}` }
    : { image, strategy: 'recreate', reason: `${why}; there is a gap between stopping the old container and the new one being healthy` };
}

/** What only one container at a time can hold; null when there is nothing. */
function sharedResource(config: ContainerConfig): string | null {
  if (config.networkMode === 'host') return 'it uses the network of the node itself';
  const port = config.ports?.find((item) => item.external !== undefined);
  if (port) return `port ${port.external} of the node can be held by one container only`;
  const range = config.portRanges?.find((item) => item.external !== undefined);
  if (range) return 'its port range on the node can be held by one container only';
  const volume = config.volumes?.find((item) => item.type !== 'tmpfs' && item.type !== 'memory' && item.readOnly !== true);
  if (volume) return `volume ${volume.name ?? volume.path} is written by one container at a time`;
  return null;
}

/** In a cluster ports are no matter: every pod has its own. Several replicas with a volume each replace it pod by pod. */
function sharedVolume(config: ContainerConfig): string | null {
  if ((config.replicas ?? 1) > 1) return null;
  const volume = config.volumes?.find((item) => (item.type ?? 'named') === 'named' && item.readOnly !== true && (item.accessMode ?? 'ReadWriteOnce').startsWith('ReadWriteOnce'));
  return volume === undefined ? null : `volume ${volume.name ?? volume.path} can be held by one pod at a time`;
}
