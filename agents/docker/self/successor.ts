/** The container of another version: what this one was started with, without what came from its image. PURE. */
import type { ContainerCreateOptions, ContainerInspectInfo, HostConfig } from 'dockerode';

/** What an image says of the containers made from it. */
export interface ImageDefaults {
  readonly Env?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | string | null;
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

/** Why a container cannot be exchanged by itself, as what there is to do; null if it can. `directory` is the agent's, inside. */
export function obstacle(own: ContainerInspectInfo, directory: string): string | null {
  const { AutoRemove, RestartPolicy, PortBindings, Binds, Mounts } = own.HostConfig;
  if (AutoRemove === true) return 'its container was started with --rm, so a guard would vanish with it';
  if (RestartPolicy?.Name !== 'always' && RestartPolicy?.Name !== 'unless-stopped') return 'its container has no restart policy (always or unless-stopped), so nothing would bring a guard back';
  if (Object.values((PortBindings ?? {}) as Record<string, unknown>).some((bound) => bound !== null)) return 'its container publishes ports, which two containers cannot hold at a time';
  const named = [...(Binds ?? []).map((bind) => bind.split(':')[1]), ...(Mounts ?? []).map((mount) => mount.Target)];
  const kept = own.Mounts.some(({ Destination, RW }) => RW && named.includes(Destination) && (directory === Destination || directory.startsWith(`${Destination}/`)));
  return kept ? null : `its directory ${directory} is on no volume that a second container could have, too`;
}

/** Its restart policy is `no`: until it is accepted nothing but its guard starts it. */
export function successorOptions(own: ContainerInspectInfo, defaults: ImageDefaults, image: string, name: string): ContainerCreateOptions {
  const { Env, Cmd, Entrypoint, User, WorkingDir, Labels } = own.Config;
  const differs = (value: unknown, inherited: unknown): boolean => JSON.stringify(value ?? null) !== JSON.stringify(inherited ?? null);
  const host = { ...own.HostConfig, RestartPolicy: { Name: 'no', MaximumRetryCount: 0 } } as HostConfig;
  return {
    name,
    Image: image,
    Env: Env.filter((entry) => !(defaults.Env ?? []).includes(entry)),
    Labels: Object.fromEntries(Object.entries(Labels).filter(([key, value]) => defaults.Labels?.[key] !== value)),
    ...(differs(Cmd, defaults.Cmd) && { Cmd: [...Cmd] }),
    ...(differs(Entrypoint, defaults.Entrypoint) && { Entrypoint }),
    ...(differs(User, defaults.User) && { User }),
    ...(differs(WorkingDir, defaults.WorkingDir) && { WorkingDir }),
    HostConfig: host,
  };
}
