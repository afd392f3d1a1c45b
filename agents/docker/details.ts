/** An inspect of the engine in our words, and the part of it that may be compared later (R24). Pure. */
import type { ContainerInspectInfo } from 'dockerode';
import type { ContainerDetails } from '../containers/runtime.ts';
import type { ContainerState } from '../core/engine.ts';

const OUT_OF_MEMORY = 'the kernel killed a process in it for want of memory; raise resources.limits.memory, or the node has too little';
const STATES = new Set<string>(['created', 'running', 'paused', 'restarting', 'exited', 'dead']);

export function stateWord(text: string): ContainerState['state'] {
  return STATES.has(text) ? (text as ContainerState['state']) : text === 'removing' ? 'dead' : 'exited';
}

/** @param engineHost where published ports answer. @param remote the engine runs on another machine, so container addresses lead nowhere. */
export function detailsOf(info: ContainerInspectInfo, engineHost: string, remote: boolean): ContainerDetails {
  return {
    id: info.Id,
    name: info.Name.replace(/^\//, ''),
    imageId: info.Image,
    labels: info.Config.Labels ?? {},
    state: stateWord(info.State.Status),
    exitCode: info.State.ExitCode,
    restarts: info.RestartCount,
    startedAt: Math.max(0, Date.parse(info.State.StartedAt) || 0),
    error: info.State.OOMKilled ? OUT_OF_MEMORY : info.State.Error,
    addressesOf: (port) => addressesOf(info, port, engineHost, remote),
    settings: settingsOf(info),
  };
}

function addressesOf(info: ContainerInspectInfo, port: number, engineHost: string, remote: boolean): { host: string; port: number }[] {
  if (info.HostConfig.NetworkMode === 'host') return [{ host: engineHost, port }];
  const inside = Object.values(info.NetworkSettings.Networks ?? {}).flatMap((network) => (network.IPAddress ? [{ host: network.IPAddress, port }] : []));
  const published = (info.NetworkSettings.Ports?.[`${port}/tcp`] ?? []).map((binding) => ({ host: engineHost, port: Number(binding.HostPort) }));
  return remote ? [...published, ...inside] : [...inside, ...published];
}

/** Settings that stay as they are until somebody changes them: no times, no addresses, no counters, no generated names. */
function settingsOf(info: ContainerInspectInfo): unknown {
  const { HostConfig: host } = info;
  const config: ContainerInspectInfo['Config'] & { readonly StopSignal?: string; readonly StopTimeout?: number } = info.Config;
  const short = info.Id.slice(0, 12);
  return prune({
    image: info.Image,
    config: {
      env: Object.fromEntries((config.Env ?? []).map((entry) => [entry.split('=', 1)[0], entry.slice(entry.indexOf('=') + 1)])),
      entrypoint: config.Entrypoint,
      cmd: config.Cmd,
      user: config.User,
      workingDir: config.WorkingDir,
      tty: config.Tty,
      openStdin: config.OpenStdin,
      labels: config.Labels,
      exposedPorts: Object.keys(config.ExposedPorts ?? {}).sort(),
      stopSignal: config.StopSignal,
      stopTimeout: config.StopTimeout,
      hostname: config.Hostname === short ? undefined : config.Hostname,
    },
    hostConfig: { ...host, Mounts: undefined, CapAdd: sorted(host.CapAdd), CapDrop: sorted(host.CapDrop), Ulimits: byName(host.Ulimits) },
    mounts: Object.fromEntries(
      (info.Mounts ?? []).map((mount) => [mount.Destination, { type: mount.Type, source: mount.Type === 'bind' ? mount.Source : mount.Name, writable: mount.RW }]),
    ),
    tmpfs: Object.fromEntries((host.Mounts ?? []).filter((mount) => mount.Type === 'tmpfs').map((mount) => [mount.Target, mount.TmpfsOptions?.SizeBytes ?? 0])),
    networks: Object.fromEntries(
      Object.entries(info.NetworkSettings.Networks ?? {}).map(([name, network]) => {
        const aliases = ((network as { Aliases?: string[] | null }).Aliases ?? []).filter((alias) => alias !== short && alias !== info.Id);
        return [name, { joined: true, aliases: [...aliases].sort() }];
      }),
    ),
  });
}

/** The engine keeps the order in which they were given, which means nothing. */
function sorted(list: unknown): string[] {
  return (Array.isArray(list) ? list.map(String) : []).sort();
}

function byName(limits: ContainerInspectInfo['HostConfig']['Ulimits']): unknown {
  return Object.fromEntries(((limits ?? []) as readonly { readonly Name: string }[]).map((limit) => [limit.Name, JSON.stringify(limit)]));
}

/** Leaves out what is not set: engines write null, 0, false, '' and [] for the same thing. */
function prune(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => prune(item) ?? null);
  if (typeof value === 'object' && value !== null) {
    const kept = Object.entries(value).flatMap(([key, item]) => {
      const pruned = prune(item);
      return pruned === undefined ? [] : [[key, pruned] as const];
    });
    return kept.length === 0 ? undefined : Object.fromEntries(kept);
  }
  return value === null || value === '' || value === 0 || value === false ? undefined : value;
}
