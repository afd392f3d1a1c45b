/** What `extends` and further files mean: a service, network, volume … with another laid over it. */
import type { Dict, Entry, Item, List } from './tree.ts';
import type { Values } from './values.ts';

/** Lists that add up. */
const APPENDED: ReadonlySet<string> = new Set([
  'ports', 'expose', 'external_links', 'links', 'dns', 'dns_search', 'dns_opt', 'tmpfs', 'cap_add', 'cap_drop', 'security_opt', 'env_file', 'label_file', 'group_add',
  'secrets', 'configs', 'device_cgroup_rules', 'volumes_from', 'post_start', 'pre_stop',
]);
/** Lists of `KEY=value` or maps, merged by key. */
const PAIRS: Readonly<Record<string, RegExp>> = {
  environment: /=/, labels: /=/, annotations: /=/, sysctls: /=/, extra_hosts: /[:=]/,
};
/** Lists of names or maps by name. */
const NAMED: ReadonlySet<string> = new Set(['depends_on', 'networks']);
/** Maps that are merged key by key, at every depth. */
const DEEP: ReadonlySet<string> = new Set(['deploy', 'healthcheck', 'logging', 'ulimits', 'build', 'develop', 'storage_opt', 'blkio_config']);
/** Lists that are merged by where they lead in the container. */
const BY_TARGET: ReadonlySet<string> = new Set(['volumes', 'devices']);

export function mergeService(base: Dict, over: Dict, values: Values): Dict {
  return laidOver(base, over, (key, below, above) => mergeKey(key, below, above, values));
}

/** A network, volume, secret or config of two files. */
export function mergeGround(base: Item, over: Item): Item {
  return over.tag === 'override' ? over : deep(base, over, new WeakMap());
}

/** What `!reset` leaves of a map that lies over nothing (any more). */
export function withoutResets(dict: Dict): Dict {
  const kept = [...dict.entries].filter(([, { item }]) => item.tag !== 'reset');
  const entries = kept.map(([key, { key: at, item }]) => [key, { key: at, item: item.kind === 'dict' && DEEP.has(key) ? { ...item, entries: new Map([...item.entries].filter(([, one]) => one.item.tag !== 'reset')) } : item }] as const);
  return { ...dict, entries: new Map(entries) };
}

function laidOver(base: Dict, over: Dict, merge: (key: string, below: Item, above: Item) => Item): Dict {
  const entries = new Map<string, Entry>(base.entries);
  for (const [key, entry] of over.entries) {
    const below = entries.get(key);
    if (entry.item.tag === 'reset') entries.delete(key);
    else entries.set(key, below === undefined || entry.item.tag === 'override' ? entry : { key: entry.key, item: merge(key, below.item, entry.item) });
  }
  return { ...over, entries };
}

function mergeKey(key: string, below: Item, above: Item, values: Values): Item {
  if (APPENDED.has(key)) return appended(below, above);
  const separator = Object.hasOwn(PAIRS, key) ? PAIRS[key] : undefined;
  if (separator !== undefined) return merged(byKey(below, separator, values), byKey(above, separator, values));
  if (NAMED.has(key)) return merged(byKey(below, /(?!)/, values), byKey(above, /(?!)/, values));
  // Options of one driver mean nothing to another.
  if (key === 'logging' && driverOf(below, values) !== driverOf(above, values)) return above;
  if (DEEP.has(key)) return deep(below, above, new WeakMap());
  if (BY_TARGET.has(key)) return byTarget(below, above, values);
  return above;
}

function appended(below: Item, above: Item): List {
  const parts = (item: Item): readonly Item[] => (item.kind === 'list' ? item.items : item.kind === 'scalar' && item.value === null ? [] : [item]);
  return { kind: 'list', at: above.at, source: above.source, items: [...parts(below), ...parts(above)] };
}

function merged(below: Dict, above: Dict): Dict {
  return { ...above, entries: new Map([...below.entries, ...above.entries]) };
}

/** A list as the map that it stands for. */
function byKey(item: Item, separator: RegExp, values: Values): Dict {
  if (item.kind === 'dict') return item;
  const entries = new Map<string, Entry>();
  for (const part of item.kind === 'list' ? item.items : []) {
    const text = values.text(part);
    if (typeof text !== 'string') continue;
    const cut = separator.exec(text);
    const value = cut === null ? null : text.slice(cut.index + cut[0].length);
    // The variables are in it already, and what they held is not read for variables again.
    const source = { ...part.source, variables: NONE };
    entries.set(cut === null ? text : text.slice(0, cut.index), { key: part.at, item: { kind: 'scalar', at: part.at, source, value: value?.replaceAll('$', '$$$$') ?? null, text: value ?? '' } });
  }
  return { kind: 'dict', at: item.at, source: item.source, entries };
}

const NONE: ReadonlyMap<string, string> = new Map();

/** @param known what was merged already: aliases name one map at many places, and what shares must not multiply. */
function deep(below: Item, above: Item, known: WeakMap<Item, Map<Item, Item>>): Item {
  if (below.kind !== 'dict' || above.kind !== 'dict' || below === above) return above;
  const before = known.get(above)?.get(below);
  if (before !== undefined) return before;
  const result = laidOver(below, above, (_, under, over) => deep(under, over, known));
  known.set(above, (known.get(above) ?? new Map<Item, Item>()).set(below, result));
  return result;
}

function driverOf(item: Item, values: Values): string | undefined {
  const driver = item.kind === 'dict' ? item.entries.get('driver')?.item : undefined;
  return driver === undefined ? undefined : (values.text(driver) ?? undefined);
}

function byTarget(below: Item, above: Item, values: Values): Item {
  const all = appended(below, above).items;
  const last = new Map<string, Item>();
  for (const item of all) last.set(targetOf(item, values), item);
  return { kind: 'list', at: above.at, source: above.source, items: [...last.values()] };
}

function targetOf(item: Item, values: Values): string {
  if (item.kind === 'dict') {
    const target = item.entries.get('target')?.item;
    return target === undefined ? `at ${item.at.line}:${item.at.column}` : (values.text(target) ?? '');
  }
  const [first = '', second] = (values.text(item) ?? '').split(':');
  return second ?? first;
}
