/**
 * Every key that a service may have: how it is carried over, or why it cannot be. A test holds the two tables against the schema of the
 * compose specification.
 */
import type { Draft } from './draft.ts';
import { lost } from './draft.ts';
import { takeGpus } from './gpus.ts';
import { takeConfigs, takeSecrets } from './grants.ts';
import { takeTmpfs, takeVolumes } from './mounts.ts';
import { takeExpose, takePorts } from './ports.ts';
import { takeCommand, takeEntrypoint } from './commands.ts';
import { takeDependsOn, takeNetworkMode, takeNetworks } from './relations.ts';
import { setAmount, takeDeploy, takeHealthcheck, takeLogging, takePids, takeQuota, takeReplicas, takeRestart, takeShares, timeOf } from './runtime-keys.ts';
import { takeEnvironment, takeEnvFiles, takeLabelFiles, takeLabels } from './texts.ts';
import type { Item } from './tree.ts';
import { size } from './units.ts';
import { itemOf } from './values.ts';
import type { Loss } from './values.ts';

type Take = (draft: Draft, item: Item) => void;

const text =
  (set: (draft: Draft, value: string) => void): Take =>
  (draft, item) => {
    const value = draft.whole.values.text(item);
    if (typeof value === 'string' && value !== '') set(draft, value);
  };
const flag =
  (set: (draft: Draft) => void): Take =>
  (draft, item) => {
    if (draft.whole.values.flag(item) === true) set(draft);
  };
const words =
  (set: (draft: Draft, value: string[]) => void): Take =>
  (draft, item) => {
    const found = draft.whole.values.words(item).map(({ value }) => value);
    if (found.length > 0) set(draft, found);
  };

const capabilities =
  (key: 'add' | 'drop'): Take =>
  (draft, item) => {
    const found = draft.whole.values.words(item).map(({ value }) => value.toUpperCase().replace(/^CAP_/, ''));
    if (found.length > 0) draft.config.capabilities = { ...draft.config.capabilities, [key]: [...new Set(found)] };
  };

const dns =
  (key: 'servers' | 'search' | 'options'): Take =>
  // No domain to look in is a dot for the engine.
  words((draft, value) => (draft.docker.dns = { ...draft.docker.dns, [key]: key === 'search' ? value.map((domain) => domain || '.') : value }));

export const CARRIED: Readonly<Record<string, Take>> = {
  image: () => undefined,
  build: () => undefined,
  profiles: () => undefined,
  extends: () => undefined,
  cap_add: capabilities('add'),
  cap_drop: capabilities('drop'),
  command: takeCommand,
  entrypoint: takeEntrypoint,
  configs: takeConfigs,
  container_name: (draft, item) => {
    const value = draft.whole.values.text(item);
    if (typeof value !== 'string' || value === '') return;
    draft.aliases.add(value);
    if (itemOf(draft.dict, 'network_mode') === undefined) draft.whole.findings.add('Renamed', item.at, `container_name: on the node the container is called PREFIX-${draft.name}`);
  },
  cpu_shares: takeShares,
  cpu_quota: takeQuota,
  cpu_period: (draft, item) => {
    if (itemOf(draft.dict, 'cpu_quota') === undefined) draft.whole.findings.add('NoEffect', item.at, 'cpu_period without cpu_quota says nothing');
  },
  cpus: (draft, item) => setAmount(draft, item, 'limits', 'cpu'),
  mem_limit: (draft, item) => setAmount(draft, item, 'limits', 'memory'),
  mem_reservation: (draft, item) => setAmount(draft, item, 'requests', 'memory'),
  depends_on: takeDependsOn,
  deploy: takeDeploy,
  devices: takeDevices,
  dns: dns('servers'),
  dns_search: dns('search'),
  dns_opt: dns('options'),
  env_file: takeEnvFiles,
  environment: takeEnvironment,
  expose: takeExpose,
  extra_hosts: takeExtraHosts,
  gpus: takeGpus,
  group_add: words((draft, value) => (draft.docker.groups = value)),
  healthcheck: takeHealthcheck,
  hostname: text((draft, value) => (draft.docker.hostname = value)),
  init: flag((draft) => (draft.docker.init = true)),
  ipc: text((draft, value) => {
    if (value === 'host' || value === 'private' || value === 'shareable' || value === 'none') draft.docker.ipcMode = value;
    else lost(draft, (itemOf(draft.dict, 'ipc') as Item).at, 'ipc: that of another container cannot be shared');
  }),
  label_file: takeLabelFiles,
  labels: takeLabels,
  links: () => undefined,
  logging: takeLogging,
  network_mode: takeNetworkMode,
  networks: takeNetworks,
  pid: text((draft, value) => {
    if (value === 'host') draft.docker.pidMode = value;
    else lost(draft, (itemOf(draft.dict, 'pid') as Item).at, 'pid: that of another container cannot be shared');
  }),
  pids_limit: takePids,
  ports: takePorts,
  privileged: flag((draft) => (draft.docker.privileged = true)),
  read_only: flag((draft) => (draft.docker.readOnly = true)),
  restart: takeRestart,
  scale: takeReplicas,
  secrets: takeSecrets,
  security_opt: words((draft, value) => (draft.docker.securityOptions = value)),
  shm_size: text((draft, value) => {
    const found = size(value);
    if (found === undefined) draft.whole.findings.add('ComposeInvalid', (itemOf(draft.dict, 'shm_size') as Item).at, 'this is no size: 64m');
    else draft.docker.shmSize = found;
  }),
  stdin_open: flag((draft) => (draft.docker.stdin = true)),
  stop_grace_period: (draft, item) => {
    const found = timeOf(draft, item);
    if (found !== undefined) draft.config.stopGrace = found;
  },
  stop_signal: text((draft, value) => (draft.docker.stopSignal = /^\d+$/.test(value) || value.startsWith('SIG') ? value : `SIG${value}`)),
  sysctls: (draft, item) => {
    const found = [...draft.whole.values.pairs(item)].flatMap(([key, { value }]) => (value === null ? [] : [[key, value] as const]));
    if (found.length > 0) draft.docker.sysctls = Object.fromEntries(found);
  },
  tmpfs: takeTmpfs,
  tty: flag((draft) => (draft.config.tty = true)),
  ulimits: takeUlimits,
  user: text((draft, value) => (draft.config.user = value)),
  volumes: takeVolumes,
  volumes_from: () => undefined,
  working_dir: text((draft, value) => (draft.config.workingDirectory = value)),
};

const CGROUP: Loss = { why: 'this limit of the kernel is not among Tagboat’s' };
const WINDOWS: Loss = { why: 'it means something on Windows only' };

export const LOST: Readonly<Record<string, Loss>> = {
  annotations: { why: 'the engine’s annotations are not known; labels are' },
  attach: { why: 'it is about the terminal of whoever runs compose', code: 'NoEffect' },
  blkio_config: CGROUP,
  cgroup: CGROUP,
  cgroup_parent: CGROUP,
  cpu_count: WINDOWS,
  cpu_percent: WINDOWS,
  cpu_rt_period: CGROUP,
  cpu_rt_runtime: CGROUP,
  cpuset: CGROUP,
  credential_spec: WINDOWS,
  develop: { why: 'it is about developing, not about running', code: 'NoEffect' },
  device_cgroup_rules: CGROUP,
  domainname: { why: 'write the whole name into hostname' },
  external_links: { why: 'containers outside of the target are reached by a common network', hint: 'Put both on one of `networks`.' },
  isolation: WINDOWS,
  mac_address: { why: 'addresses are the engine’s to give' },
  mem_swappiness: CGROUP,
  memswap_limit: CGROUP,
  models: { why: 'Tagboat runs no language models' },
  oom_kill_disable: CGROUP,
  oom_score_adj: CGROUP,
  platform: { why: 'the platform is the node’s', code: 'Differs' },
  post_start: { why: 'nothing is run in a container after its start', hint: 'Use an init container, or the image’s entry point.' },
  pre_stop: { why: 'nothing is run in a container before its stop' },
  provider: { why: 'services of other providers are not containers' },
  pull_policy: { why: 'the registry is always asked, and an image that is there is not pulled again', code: 'NoEffect' },
  pull_refresh_after: { why: 'the registry is always asked', code: 'NoEffect' },
  runtime: { why: 'the engine’s default runtime is used', hint: 'Where it is there for GPUs, write `gpus: all` instead.' },
  storage_opt: { why: 'options of the storage driver are not known' },
  use_api_socket: { why: 'the engine’s socket is not handed out', hint: 'Mount /var/run/docker.sock if it has to be.' },
  userns_mode: { why: 'the engine’s user namespace is used' },
  uts: { why: 'the container has a host name of its own' },
};

function takeDevices(draft: Draft, item: Item): void {
  const { values } = draft.whole;
  for (const part of values.list(item)?.items ?? []) {
    let [source, path, permissions]: (string | undefined)[] = [];
    if (part.kind === 'dict') {
      values.account(part, new Set(['source', 'target', 'permissions']));
      const get = (key: string): string | undefined => {
        const found = itemOf(part, key);
        return found === undefined ? undefined : (values.text(found) ?? undefined);
      };
      [source, path, permissions] = [get('source'), get('target'), get('permissions')];
    } else [source, path, permissions] = (values.word(part) ?? '').split(':');
    if (source?.startsWith('/') !== true) {
      if (source !== undefined && source !== '') lost(draft, part.at, `devices: ${source.slice(0, 60)} is no path of the node`);
      continue;
    }
    const own = { source, ...(path !== undefined && path !== source && { path }), ...(permissions !== undefined && { permissions }) };
    draft.docker.devices = [...(draft.docker.devices ?? []), own];
  }
}

function takeExtraHosts(draft: Draft, item: Item): void {
  const { values } = draft.whole;
  const found = item.kind === 'dict' ? [...item.entries].map(([name, { item: inner }]) => [name, values.words(inner)] as const) : [...values.pairs(item, /[:=]/)].map(([name, one]) => [name, [one]] as const);
  for (const [name, [first, second]] of found) {
    if (second !== undefined) lost(draft, second.at, `extra_hosts: ${name.slice(0, 60)} has one address, the first`);
    if (first?.value == null) continue;
    draft.docker.extraHosts = { ...draft.docker.extraHosts, [name]: first.value.replace(/^\[(.*)\]$/, '$1') };
  }
}

function takeUlimits(draft: Draft, item: Item): void {
  const { values, findings } = draft.whole;
  for (const [name, { item: inner, key }] of values.dict(item)?.entries ?? []) {
    const get = (part: string): number | undefined => {
      const found = inner.kind === 'dict' ? itemOf(inner, part) : inner;
      return found === undefined ? undefined : values.integer(found);
    };
    const [soft, hard] = [get('soft'), get('hard')];
    if (soft === undefined || hard === undefined) findings.add('ComposeInvalid', key, 'a limit is a number, or has soft and hard');
    else if (hard !== -1 && (soft === -1 || soft > hard)) findings.add('ComposeInvalid', key, `the soft limit ${name} is above the hard one`);
    else draft.docker.ulimits = { ...draft.docker.ulimits, [name]: { soft, hard } };
  }
}
