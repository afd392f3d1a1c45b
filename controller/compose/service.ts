/** One service → one image of a version. */
import type { VersionImage } from '../../schemas/gen/types.ts';
import { validateContainerConfig } from '../../schemas/gen/validators.ts';
import { checkValues } from '../model/check-values.ts';
import { parseImageRef } from '../model/image-ref.ts';
import { pointerSteps } from '../model/manifest.ts';
import type { Draft, Whole } from './draft.ts';
import { lost } from './draft.ts';
import { settleJob } from './jobs.ts';
import { joinNetwork, takeLinks } from './relations.ts';
import { CARRIED, LOST } from './service-keys.ts';
import type { Dict, Item } from './tree.ts';
import { label } from './units.ts';
import { isNothing, itemOf } from './values.ts';

/** Keys that have to come before the others: what is read later is stronger, or needs them. */
const FIRST = ['env_file', 'label_file', 'ports', 'restart'];

export function draftOf(service: string, dict: Dict, whole: Whole): Draft {
  return { service, name: whole.images.of(service), at: dict.at, dict, whole, image: '', dependsOn: new Set(), config: {}, docker: {}, aliases: new Set(), networks: new Set() };
}

/** The image that the service runs; undefined, with a finding, where it names none. */
export function imageOf(service: string, dict: Dict, whole: Pick<Whole, 'values' | 'findings' | 'product'>): string | undefined {
  const { values, findings, product } = whole;
  const item = itemOf(dict, 'image');
  const build = itemOf(dict, 'build');
  const written = item === undefined ? undefined : (values.text(item) ?? undefined);
  const built = build !== undefined && !isNothing(build);
  if (written === undefined || written === '') {
    if (!built) {
      const provider = dict.entries.get('provider');
      if (provider === undefined) findings.add('ComposeInvalid', item?.at ?? dict.at, `the service ${service} ${item === undefined ? 'has neither image nor build' : 'names an image that is empty'}, and was left out`);
      else findings.add('NotCarriedOver', provider.key, `provider: ${service} is no container but a service of another provider, and was left out`, 'Set it up on its own, and give the images its address by `environment`.');
      return undefined;
    }
    // What compose itself calls the image that it builds.
    const name = `${product}-${label(service)}`;
    findings.add('BuildNotSupported', build.at, `${service} is built by compose; the manifest names the image ${name}`);
    return name;
  }
  if (built) findings.add('BuildNotSupported', build.at, `${service} is built by compose; the manifest names the image ${written.slice(0, 100)}`);
  const image = written.replace(/:$/, '');
  if (image !== written) findings.add('Differs', (item as Item).at, 'the tag is empty; the image’s latest is used');
  if (parseImageRef(image) !== null) return image;
  findings.add('ComposeInvalid', (item as Item).at, `${image.slice(0, 100)} is no image reference`);
  return undefined;
}

/** Goes through all keys once. @returns further names that its links give to other services. */
export function fill(draft: Draft): ReadonlyMap<string, string> {
  const { whole, dict, config } = draft;
  const { values } = whole;
  values.account(dict, new Set(Object.keys(CARRIED)), LOST);
  // Compose restarts nothing that says nothing.
  Object.assign(config, { restartPolicy: 'no' });
  const keys = [...FIRST.filter((key) => dict.entries.has(key)), ...[...dict.entries.keys()].filter((key) => !FIRST.includes(key))];
  for (const key of keys) CARRIED[key]?.(draft, (dict.entries.get(key) as { item: Item }).item);
  if (draft.networks.size === 0 && config.networkMode === undefined) joinNetwork(draft, 'default', dict.at);
  settleJob(draft);
  const links = itemOf(dict, 'links');
  return links === undefined ? new Map() : takeLinks(draft, links);
}

/** `volumes_from`, once all drafts have their own volumes. */
export function borrowVolumes(draft: Draft, drafts: ReadonlyMap<string, Draft>): void {
  const item = itemOf(draft.dict, 'volumes_from');
  if (item === undefined) return;
  for (const { value, at } of draft.whole.values.words(item)) {
    const [service = '', mode] = value.split(':');
    const other = drafts.get(service);
    if (other === undefined) {
      lost(draft, at, `volumes_from: ${value.slice(0, 60)} is not among the services`);
      continue;
    }
    const own = draft.config.volumes ?? [];
    const taken = new Set(own.map((volume) => volume.path));
    const more = (other.config.volumes ?? []).filter((volume) => !taken.has(volume.path)).map((volume) => (mode === 'ro' ? { ...volume, readOnly: true } : volume));
    if (own.length + more.length > 0) draft.config.volumes = [...own, ...more];
  }
}

/** The finished image: nothing in it that the schema or the node would refuse. */
export function finish(draft: Draft): VersionImage {
  const { config, docker, whole, at } = draft;
  const ownNetwork = config.networkMode !== undefined;
  if (draft.service !== draft.name) {
    draft.aliases.add(draft.service);
    whole.findings.add('Renamed', at, `the service ${draft.service} became the image ${draft.name}`);
  }
  draft.aliases.delete(draft.name);
  if (draft.aliases.size > 0 && !ownNetwork) docker.aliases = [...draft.aliases];
  if (ownNetwork) withoutNetwork(draft);
  settleFiles(draft);
  if (docker.maxRestarts !== undefined && config.restartPolicy !== 'on-failure') delete docker.maxRestarts;
  if (Object.keys(docker).length > 0) config.docker = docker;
  dropInvalid(draft);
  dropMeaningless(draft);
  return { name: draft.name, image: draft.image, ...(draft.dependsOn.size > 0 && { dependsOn: [...draft.dependsOn] }), ...(Object.keys(config).length > 0 && { config }) };
}

/** Ports of a container with the node's network are the node's already, as compose says, too; without any network there is none to open. */
function withoutNetwork({ config, dict, whole }: Draft): void {
  const why = config.networkMode === 'host' ? 'the container has the ports and the names of the node itself' : 'the container has no network';
  for (const key of ['ports', 'expose', 'networks', 'container_name']) {
    const at = dict.entries.get(key)?.key;
    if (at !== undefined) whole.findings.add('NoEffect', at, `${key}: ${why}`);
  }
  delete config.networks;
  delete config.portRanges;
  delete config.ports;
}

function settleFiles(draft: Draft): void {
  const { config, docker } = draft;
  for (const path of Object.keys(docker.files ?? {})) {
    const volume = config.volumes?.find((one) => path === one.path || path.startsWith(`${one.path === '/' ? '' : one.path}/`));
    if (volume === undefined) continue;
    lost(draft, draft.at, `${path} lies in the volume at ${volume.path} and was left out`, 'Put the file on the node and mount it by its absolute path, or into the image.');
    delete docker.files?.[path];
  }
  if (Object.keys(docker.files ?? {}).length === 0) delete docker.files;
  if (docker.files !== undefined && docker.readOnly === true) {
    lost(draft, draft.at, 'read_only: files are put into the container, so its file system cannot be read-only');
    delete docker.readOnly;
  }
}

/** Whatever the schema refuses is taken out by its key, and said. */
function dropInvalid(draft: Draft): void {
  for (let round = 0; round < 200 && !validateContainerConfig(draft.config); round++) {
    const [error] = validateContainerConfig.errors ?? [];
    const steps = pointerSteps(error?.instancePath ?? '');
    const [first = '', second = '', third] = error?.keyword === 'propertyNames' || error?.propertyName !== undefined ? [...steps, error.propertyName ?? ''] : steps;
    const at = whereOf(draft, first === 'docker' ? second : first);
    lost(draft, at, `${steps.slice(0, 3).join('.') || first}: the value is not one that Tagboat takes`);
    remove(draft.config as Record<string, unknown>, first === 'docker' || third !== undefined ? [first, second, third] : first === 'environment' || first === 'labels' ? [first, second] : [first]);
  }
}

/** What the schema takes and validation does not, such as a limit that is hardly more than none. */
function dropMeaningless(draft: Draft): void {
  const found: (readonly [pointer: string, message: string])[] = [];
  checkValues(draft.name, draft.config, (pointer, message) => found.push([pointer, message]));
  for (const [pointer, message] of found) {
    const steps = pointerSteps(pointer);
    const [first = '', second = ''] = steps;
    const short = (AMOUNTS[pointer] ?? []).find((key) => draft.dict.entries.has(key));
    lost(draft, whereOf(draft, short ?? (first === 'docker' ? second : first)), message, 'Leave it out, or give a value that an engine can act on.');
    prune(draft.config, steps);
  }
}

/** The short keys of a service for an amount that `deploy` may say, too. */
const AMOUNTS: Readonly<Record<string, readonly string[]>> = {
  '/resources/limits/cpu': ['cpus', 'cpu_quota'], '/resources/requests/cpu': ['cpu_shares'], '/resources/limits/memory': ['mem_limit'], '/resources/requests/memory': ['mem_reservation'],
};

/** Takes out a key, and what is empty without it. */
function prune(outer: unknown, [first = '', ...rest]: readonly string[]): void {
  if (typeof outer !== 'object' || outer === null) return;
  const inner = (outer as Record<string, unknown>)[first];
  prune(inner, rest);
  if (rest.length === 0 || (typeof inner === 'object' && inner !== null && Object.keys(inner).length === 0)) delete (outer as Record<string, unknown>)[first];
}

/** Takes the innermost of the path that is there: an entry of a list or map, else the key. */
function remove(config: Record<string, unknown>, steps: readonly (string | undefined)[]): void {
  const [first = '', second, third] = steps;
  const outer = config[first];
  const inner = second === undefined || second === '' ? undefined : (outer as Record<string, unknown> | undefined)?.[second];
  if (Array.isArray(outer) && second !== undefined) outer.splice(Number(second), 1);
  else if (Array.isArray(inner) && third !== undefined) inner.splice(Number(third), 1);
  else if (typeof inner === 'object' && inner !== null && third !== undefined && Object.hasOwn(inner, third)) delete (inner as Record<string, unknown>)[third];
  else if (typeof outer === 'object' && outer !== null && second !== undefined && Object.hasOwn(outer, second)) delete (outer as Record<string, unknown>)[second];
  else delete config[first];
}

const COMPOSE_KEY: Readonly<Record<string, string>> = {
  args: 'command', command: 'entrypoint', workingDirectory: 'working_dir', healthCheck: 'healthcheck', logConfig: 'logging', restartPolicy: 'restart', stopGrace: 'stop_grace_period', stopSignal: 'stop_signal',
  capabilities: 'cap_add', portRanges: 'ports', extraHosts: 'extra_hosts', securityOptions: 'security_opt', groups: 'group_add', shmSize: 'shm_size', aliases: 'networks', resources: 'deploy', files: 'volumes',
};

function whereOf(draft: Draft, key: string): Item['at'] {
  return draft.dict.entries.get(COMPOSE_KEY[key] ?? key)?.key ?? draft.at;
}
