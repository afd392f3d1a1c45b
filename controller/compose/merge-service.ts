/** What `extends` means: the base service with the extending one laid over it. */
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
  const entries = new Map<string, Entry>(base.entries);
  for (const [key, entry] of over.entries) {
    const below = entries.get(key);
    entries.set(key, below === undefined ? entry : { key: entry.key, item: mergeKey(key, below.item, entry.item, values) });
  }
  return { ...over, entries };
}

function mergeKey(key: string, below: Item, above: Item, values: Values): Item {
  if (APPENDED.has(key)) return appended(below, above);
  const separator = Object.hasOwn(PAIRS, key) ? PAIRS[key] : undefined;
  if (separator !== undefined) return merged(byKey(below, separator, values), byKey(above, separator, values));
  if (NAMED.has(key)) return merged(byKey(below, /(?!)/, values), byKey(above, /(?!)/, values));
  if (DEEP.has(key)) return deep(below, above);
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

function deep(below: Item, above: Item): Item {
  if (below.kind !== 'dict' || above.kind !== 'dict') return above;
  const entries = new Map<string, Entry>(below.entries);
  for (const [key, entry] of above.entries) {
    const under = entries.get(key);
    entries.set(key, under === undefined ? entry : { key: entry.key, item: deep(under.item, entry.item) });
  }
  return { ...above, entries };
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
