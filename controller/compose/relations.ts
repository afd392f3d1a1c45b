/** What binds services to each other: dependencies, links, networks, volumes of another. */
import type { Draft } from './draft.ts';
import type { Dict, Item } from './tree.ts';
import { boundDevice, inMemory } from './volume-driver.ts';
import { isNothing, itemOf } from './values.ts';
import type { Loss } from './values.ts';

const CONDITIONS: ReadonlySet<string> = new Set(['service_started', 'service_healthy', 'service_completed_successfully']);
const NETWORK_LOST: Readonly<Record<string, Loss>> = {
  ipv4_address: { why: 'addresses are the engine’s to give; use the names' },
  ipv6_address: { why: 'addresses are the engine’s to give; use the names' },
  link_local_ips: { why: 'addresses are the engine’s to give' },
  mac_address: { why: 'addresses are the engine’s to give' },
  driver_opts: { why: 'options of a network driver are not known' },
  interface_name: { why: 'the engine names interfaces' },
  priority: { why: 'a container joins its networks in the order of the manifest' },
  gw_priority: { why: 'the target’s own network leads outside' },
};

export function takeDependsOn(draft: Draft, item: Item): void {
  const { values, findings } = draft.whole;
  if (item.kind !== 'dict') {
    for (const { value, at } of values.words(item)) dependOn(draft, value, at, true);
    return;
  }
  for (const [name, { key, item: inner }] of item.entries) {
    if (name.startsWith('x-')) continue;
    const dict = inner.kind === 'dict' ? inner : undefined;
    if (dict !== undefined) values.account(dict, new Set(['condition', 'required']), { restart: { why: 'a dependent container is not restarted with the one that it depends on', code: 'Differs' } });
    const required = dict === undefined ? undefined : itemOf(dict, 'required');
    const condition = dict === undefined ? undefined : itemOf(dict, 'condition');
    const word = condition === undefined ? 'service_started' : values.word(condition);
    if (word !== undefined && !CONDITIONS.has(word)) findings.add('ComposeInvalid', (condition as Item).at, `there is no condition ${word.slice(0, 60)}`);
    if (word === 'service_healthy') noteUnchecked(draft, name, (condition as Item).at);
    dependOn(draft, name, key, required === undefined || values.flag(required) !== false);
  }
}

/** A check that only the image brings along is one that nobody asks here. */
function noteUnchecked(draft: Draft, service: string, at: Item['at']): void {
  const { project, findings } = draft.whole;
  const dict = project.services.get(service);
  const check = dict === undefined ? undefined : itemOf(dict, 'healthcheck');
  if (dict === undefined || (check?.kind === 'dict' && itemOf(check, 'test') !== undefined)) return;
  findings.add('Differs', at, `${service.slice(0, 60)} has no test in its healthcheck; one of its image is not asked, and it counts as healthy once it has run for a while`, `Write the test into the healthcheck of ${service.slice(0, 60)}.`);
}

function dependOn(draft: Draft, service: string, at: Item['at'], required: boolean): void {
  const { project, deployable, images, findings } = draft.whole;
  if (deployable.has(service)) draft.dependsOn.add(images.of(service));
  else if (required && !project.services.has(service)) findings.add('UnknownService', at, `${draft.service} depends on ${service.slice(0, 60)}, which is not among the services`);
}

/** @returns further names by service that links give. */
export function takeLinks(draft: Draft, item: Item): ReadonlyMap<string, string> {
  const aliases = new Map<string, string>();
  for (const { value, at } of draft.whole.values.words(item)) {
    const [service = '', alias] = value.split(':');
    dependOn(draft, service, at, true);
    if (alias !== undefined && alias !== service) aliases.set(service, alias);
  }
  return aliases;
}

export function takeNetworks(draft: Draft, item: Item): void {
  const { values } = draft.whole;
  const names: [string, Item | undefined, Item['at']][] =
    item.kind === 'dict' ? [...item.entries].map(([name, { key, item: inner }]) => [name, inner, key]) : values.words(item).map(({ value, at }) => [value, undefined, at]);
  for (const [name, inner, at] of names) {
    joinNetwork(draft, name, at);
    const dict = inner === undefined || isNothing(inner) ? undefined : values.dict(inner);
    if (dict === undefined) continue;
    values.account(dict, new Set(['aliases']), NETWORK_LOST);
    const aliases = itemOf(dict, 'aliases');
    for (const { value } of aliases === undefined ? [] : values.words(aliases)) draft.aliases.add(value);
  }
}

export function joinNetwork(draft: Draft, name: string, at: Item['at']): void {
  const { project, findings } = draft.whole;
  draft.networks.add(name);
  const entry = project.networks.get(name);
  if (entry === undefined && name !== 'default') findings.add('ComposeInvalid', at, `the network ${name.slice(0, 60)} is not declared under \`networks\``);
  const outside = entry?.item.kind === 'dict' ? outsideName(draft, name, entry.item) : undefined;
  if (outside !== undefined) draft.config.networks = [...new Set([...(draft.config.networks ?? []), outside])];
}

/** The name on the node of a network that others may be on, too. */
function outsideName(draft: Draft, name: string, dict: Dict): string | undefined {
  const { values } = draft.whole;
  const nameItem = itemOf(dict, 'name');
  const fixed = nameItem === undefined ? undefined : (values.text(nameItem) ?? undefined);
  const external = itemOf(dict, 'external');
  if (external?.kind === 'dict') return (itemOf(external, 'name') && values.text(itemOf(external, 'name') as Item)) ?? fixed ?? name;
  if (external !== undefined && !isNothing(external) && values.flag(external) === true) return fixed ?? name;
  return fixed;
}

export function takeNetworkMode(draft: Draft, item: Item): void {
  const mode = draft.whole.values.text(item) ?? '';
  if (mode === 'host' || mode === 'none') draft.config.networkMode = mode;
  else if (mode !== '' && mode !== 'bridge' && mode !== 'default') draft.whole.findings.add('NotCarriedOver', item.at, `network_mode: the network of another container (${mode.slice(0, 60)}) cannot be shared; ${draft.service} is on the target’s own, past the other`, 'Where the other is a VPN, do not deploy it so. Else the images of a product meet each other by their names instead of localhost.');
}

const NETWORK_KEYS: ReadonlySet<string> = new Set(['name', 'external']);

/** The project's networks and volumes themselves. */
export function accountGround(draft: Pick<Draft, 'whole'>): void {
  const { project, values, findings } = draft.whole;
  for (const { item } of project.networks.values()) {
    const dict = isNothing(item) ? undefined : values.dict(item);
    if (dict === undefined) continue;
    values.account(dict, new Set([...NETWORK_KEYS, 'driver']), {
      driver_opts: { why: 'options of a network driver are not known' },
      ipam: { why: 'the engine gives the target’s network its addresses' },
      internal: { why: 'the target’s network leads outside' },
      enable_ipv4: { why: 'the engine decides', code: 'Differs' },
      enable_ipv6: { why: 'the engine decides', code: 'Differs' },
      attachable: { why: 'it means something in a swarm only', code: 'NoEffect' },
      labels: { why: 'Tagboat labels its networks itself', code: 'NoEffect' },
    });
    const driver = itemOf(dict, 'driver');
    const word = driver === undefined ? null : values.text(driver);
    if (typeof word === 'string' && !['bridge', 'default', ''].includes(word)) findings.add('NotCarriedOver', (driver as Item).at, `driver: the target’s network is a bridge, not ${word.slice(0, 30)}`);
  }
  for (const [name, { item, key }] of project.volumes) {
    const dict = isNothing(item) ? undefined : values.dict(item);
    if (dict === undefined) continue;
    values.account(dict, new Set(['name', 'external', 'driver', 'driver_opts']), { labels: { why: 'Tagboat labels its volumes itself', code: 'NoEffect' } });
    const external = itemOf(dict, 'external');
    const driver = itemOf(dict, 'driver');
    const word = driver === undefined ? null : values.text(driver);
    const options = itemOf(dict, 'driver_opts');
    if (external !== undefined && !isNothing(external)) findings.add('NotCarriedOver', key, `the volume ${name} lives elsewhere; Tagboat’s is a new one of the target`, 'Copy the data into it, or mount an absolute path of the node.');
    else if (itemOf(dict, 'name') !== undefined) findings.add('Differs', key, `the volume ${name} is named after the target on the node, not as the file says`);
    if (typeof word === 'string' && !['local', ''].includes(word)) findings.add('NotCarriedOver', (driver as Item).at, `driver: volumes are the engine’s own, not of ${word.slice(0, 30)}`);
    if (options !== undefined && !isNothing(options) && boundDevice(values, item) === undefined && inMemory(values, item) === undefined) findings.add('NotCarriedOver', options.at, 'driver_opts: options of a volume driver are not known', 'Mount it on the node and name the absolute path.');
  }
  for (const [section, known] of [['secrets', ['file', 'environment', 'external', 'name']], ['configs', ['file', 'environment', 'content', 'external', 'name']]] as const) {
    for (const { item } of project[section].values()) {
      const dict = values.dict(item);
      const swarm = { why: 'it means something in a swarm only', code: 'NoEffect' } as const;
      if (dict !== undefined) values.account(dict, new Set<string>(known), { labels: swarm, driver: swarm, driver_opts: swarm, template_driver: { why: 'templates are not filled in' } });
    }
  }
}
