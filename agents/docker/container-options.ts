/**
 * From a container plan to the body of Docker's "create a container" (API 1.41). Pure; each field of the configuration has one
 * line here and one row in the test.
 */
import type { ContainerCreateOptions, HostConfig, MountSettings } from 'dockerode';
import type { ContainerConfig, DockerConfig, Resources, Volume } from '../../schemas/gen/types.ts';
import { milliseconds } from '../core/duration.ts';
import type { ContainerPlan } from '../containers/runtime.ts';
import { quantity } from '../../proto/quantity.ts';

export function containerOptions(plan: ContainerPlan): ContainerCreateOptions {
  const { config } = plan;
  const ports = publishedPorts(config);
  const [first] = plan.networks;
  return {
    name: plan.name,
    Image: plan.image,
    Labels: { ...plan.labels },
    ...environment(plan),
    ...(config.command && { Entrypoint: config.command }),
    // An entry point of its own drops the image's arguments, as everywhere else.
    ...(config.args ? { Cmd: config.args } : config.command ? { Cmd: [] } : {}),
    ...(config.user !== undefined && { User: String(config.user) }),
    ...(config.workingDirectory !== undefined && { WorkingDir: config.workingDirectory }),
    ...(config.tty === true && { Tty: true }),
    ...(config.docker?.hostname !== undefined && { Hostname: config.docker.hostname }),
    ...(config.docker?.stdin === true && { OpenStdin: true }),
    ...(config.docker?.stopSignal !== undefined && { StopSignal: config.docker.stopSignal }),
    StopTimeout: Math.ceil(milliseconds(config.stopGrace, '10s') / 1000),
    // Health is the agent's business; an image's own HEALTHCHECK would only be a second opinion.
    Healthcheck: { Test: ['NONE'] },
    ExposedPorts: Object.fromEntries(ports.map((port) => [port.internal, {}])),
    ...(first && { NetworkingConfig: { EndpointsConfig: { [first.name]: { Aliases: [...first.aliases] } } } }),
    HostConfig: hostConfig(plan, ports),
  };
}

function environment(plan: ContainerPlan): { Env?: string[] } {
  const entries = Object.entries({ ...plan.config.environment, ...plan.secrets.environment });
  return entries.length === 0 && plan.config.environment === undefined ? {} : { Env: entries.map(([key, value]) => `${key}=${value}`) };
}

function hostConfig(plan: ContainerPlan, ports: readonly PublishedPort[]): HostConfig {
  const { config } = plan;
  const bindings: Record<string, { HostPort: string; HostIp?: string }[]> = {};
  for (const { internal, external, address } of ports) {
    if (external !== undefined) (bindings[internal] ??= []).push({ HostPort: String(external), ...(address !== undefined && { HostIp: address }) });
  }
  const mounts = (config.volumes ?? []).map((volume) => mount(volume, plan.volumeNames));
  return {
    RestartPolicy: { Name: restartPolicy(config), ...(config.docker?.maxRestarts !== undefined && { MaximumRetryCount: config.docker.maxRestarts }) },
    NetworkMode: plan.networks[0]?.name ?? config.networkMode ?? 'bridge',
    PortBindings: bindings,
    ...(mounts.length > 0 && { Mounts: mounts }),
    ...(config.capabilities?.add && { CapAdd: config.capabilities.add }),
    ...(config.capabilities?.drop && { CapDrop: config.capabilities.drop }),
    ...resources(config.resources),
    ...(config.logConfig && { LogConfig: { Type: config.logConfig.driver, Config: { ...config.logConfig.options } } }),
    ...(config.docker && ofDocker(config.docker)),
  };
}

function ofDocker(docker: DockerConfig): HostConfig {
  const { extraHosts, dns, devices, gpus, ulimits } = docker;
  return {
    ...(extraHosts && { ExtraHosts: Object.entries(extraHosts).map(([name, address]) => `${name}:${address}`) }),
    ...(dns?.servers && { Dns: dns.servers }),
    ...(dns?.search && { DnsSearch: dns.search }),
    ...(dns?.options && { DnsOptions: dns.options }),
    ...(docker.privileged === true && { Privileged: true }),
    ...(docker.init === true && { Init: true }),
    ...(docker.readOnly === true && { ReadonlyRootfs: true }),
    ...(docker.groups && { GroupAdd: docker.groups }),
    ...(devices && { Devices: devices.map(({ source, path = source, permissions = 'rwm' }) => ({ PathOnHost: source, PathInContainer: path, CgroupPermissions: permissions })) }),
    // -1 is all of them; the capabilities are alternatives of what is needed together.
    ...(gpus && { DeviceRequests: gpus.map(({ driver = '', count = -1, ids, capabilities = ['gpu'] }) => ({ Driver: driver, ...(ids ? { DeviceIDs: ids.map(String) } : { Count: count }), Capabilities: [capabilities] })) }),
    ...(ulimits && { Ulimits: Object.entries(ulimits).map(([Name, { soft, hard }]) => ({ Name, Soft: soft, Hard: hard })) }),
    ...(docker.sysctls && { Sysctls: docker.sysctls }),
    ...(docker.shmSize !== undefined && { ShmSize: Math.round(quantity(docker.shmSize)) }),
    ...(docker.pidsLimit !== undefined && { PidsLimit: docker.pidsLimit }),
    ...(docker.securityOptions && { SecurityOpt: docker.securityOptions }),
    ...(docker.pidMode !== undefined && { PidMode: docker.pidMode }),
    ...(docker.ipcMode !== undefined && { IpcMode: docker.ipcMode }),
  };
}

function restartPolicy(config: ContainerConfig): string {
  const expected = config.expectedState?.state ?? 'running';
  return config.restartPolicy ?? (expected === 'running' ? 'unless-stopped' : 'no');
}

function resources(wanted: Resources | undefined): HostConfig {
  const { limits, requests } = wanted ?? {};
  return {
    ...(limits?.cpu !== undefined && { NanoCpus: Math.round(quantity(limits.cpu) * 1e9) }),
    ...(limits?.memory !== undefined && { Memory: Math.round(quantity(limits.memory)) }),
    ...(requests?.memory !== undefined && { MemoryReservation: Math.round(quantity(requests.memory)) }),
    // The engine's scale: 1024 shares are one processor's fair part, and fewer than 2 are none.
    ...(requests?.cpu !== undefined && { CpuShares: Math.max(2, Math.round(quantity(requests.cpu) * 1024)) }),
  };
}

function mount(volume: Volume, names: Readonly<Record<string, string>>): MountSettings {
  const type = volume.type ?? 'named';
  const ReadOnly = volume.readOnly ?? false;
  if (type === 'bind') return { Type: 'bind', Source: volume.source ?? '', Target: volume.path, ReadOnly };
  if (type === 'named') return { Type: 'volume', Source: names[volume.name ?? ''] ?? '', Target: volume.path, ReadOnly };
  const size = volume.size === undefined ? {} : { TmpfsOptions: { SizeBytes: Math.round(quantity(volume.size)), Mode: 0o1777 } };
  return { Type: 'tmpfs', Source: '', Target: volume.path, ReadOnly, ...size };
}

interface PublishedPort {
  /** `8080/tcp` */
  readonly internal: string;
  readonly external: number | undefined;
  readonly address: string | undefined;
}

function publishedPorts(config: ContainerConfig): PublishedPort[] {
  const single = (config.ports ?? []).map((port) => ({ internal: `${port.internal}/${port.protocol ?? 'tcp'}`, external: port.external, address: port.address }));
  const ranges = (config.portRanges ?? []).flatMap(({ internal, external, protocol }) =>
    Array.from({ length: internal.to - internal.from + 1 }, (_, index) => ({
      internal: `${internal.from + index}/${protocol ?? 'tcp'}`,
      external: external.from + index,
      address: undefined,
    })),
  );
  return [...single, ...ranges];
}
