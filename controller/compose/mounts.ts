/** `volumes` and `tmpfs` of a service. */
import type { Position } from '../model/problem.ts';
import { addVolume, clean } from './container-files.ts';
import type { Draft } from './draft.ts';
import { lost } from './draft.ts';
import { ofHome, relative } from './host-paths.ts';
import type { Dict, Item } from './tree.ts';
import { size } from './units.ts';
import { boundDevice, inMemory } from './volume-driver.ts';
import { itemOf } from './values.ts';
import type { Placed } from './values.ts';

const VOLUME_KEYS: ReadonlySet<string> = new Set(['type', 'source', 'target', 'read_only', 'bind', 'volume', 'tmpfs']);
const VOLUME_LOST = {
  consistency: { why: 'it means something on a Mac only', code: 'NoEffect' },
  image: { why: 'images as volumes are not known', hint: 'Copy the files of an image into a volume with `configContainer`.' },
  cluster: { why: 'swarm’s cluster volumes are not known' },
} as const;
/** What makes no difference on a Linux node. */
const HARMLESS: ReadonlySet<string> = new Set(['rw', 'ro', 'cached', 'delegated', 'consistent', 'nocopy', '']);
/** What every Linux host has. */
const EVERYWHERE = /^\/((etc\/(localtime|timezone|os-release|hostname|hosts|resolv\.conf|passwd|group|machine-id|ssl)|run|var\/run|var\/log|var\/lib\/docker|proc|sys|dev|tmp|lib\/modules)(\/.*)?)?$/;

export function takeVolumes(draft: Draft, item: Item): void {
  const { values } = draft.whole;
  for (const part of values.list(item)?.items ?? []) {
    if (part.kind === 'dict') longVolume(draft, part);
    else for (const word of values.words(part)) shortVolume(draft, word);
  }
}

function shortVolume(draft: Draft, word: Placed<string>): void {
  // One letter is a drive, unless a volume is called so.
  if (/^[A-Za-z]:[\\/]/.test(word.value) && !draft.whole.project.volumes.has(word.value.slice(0, 1))) return lost(draft, word.at, 'volumes: a path of Windows leads nowhere on a Linux node');
  const parts = word.value.split(':');
  if (parts.length > 3) return draft.whole.findings.add('ComposeInvalid', word.at, 'this is no volume: source:target:options');
  const [first = '', second, options = ''] = parts;
  const readOnly = options.split(',').includes('ro');
  for (const option of options.split(',')) {
    // What is copied or kept by the engine needs no label.
    if (option === 'z' || option === 'Z') {
      if (first.startsWith('/')) draft.whole.findings.add('Differs', word.at, 'SELinux labels of mounts are left to the node');
    } else if (!HARMLESS.has(option)) lost(draft, word.at, `volumes: the option ${option.slice(0, 30)} is not carried over`);
  }
  if (second === undefined) anonymous(draft, word.at, first);
  else place(draft, { ...word, value: first }, second, readOnly);
}

function longVolume(draft: Draft, dict: Dict): void {
  const { values, findings } = draft.whole;
  values.account(dict, VOLUME_KEYS, VOLUME_LOST);
  const text = (key: string): string | undefined => {
    const found = itemOf(dict, key);
    return found === undefined ? undefined : (values.text(found) ?? undefined);
  };
  const flag = itemOf(dict, 'read_only');
  const readOnly = flag !== undefined && values.flag(flag) === true;
  const target = text('target');
  const type = text('type') ?? 'volume';
  if (target === undefined) return findings.add('ComposeInvalid', dict.at, 'a volume needs a target');
  options(draft, dict);
  const source = text('source');
  if (type === 'tmpfs') return addTmpfs(draft, dict.at, target, tmpfsSize(draft, dict));
  // What is wanted of the image was told by its key.
  if (type === 'image' && dict.entries.has('image')) return undefined;
  if (type === 'image') return lost(draft, dict.at, `volumes: ${VOLUME_LOST.image.why}`, VOLUME_LOST.image.hint);
  if (type !== 'bind' && type !== 'volume') return lost(draft, dict.at, `volumes: the type ${type.slice(0, 20)} is not known`);
  if (source === undefined) return type === 'volume' ? anonymous(draft, dict.at, target) : findings.add('ComposeInvalid', dict.at, 'a bind needs a source');
  // A bind's source is a path even where it looks like a name.
  const value = type === 'bind' && !/^[./~]/.test(source) ? `./${source}` : source;
  place(draft, { value, at: dict.at, source: dict.source }, target, readOnly, type === 'volume');
}

function options(draft: Draft, dict: Dict): void {
  const { values } = draft.whole;
  for (const [group, known, harmless] of [['bind', ['propagation', 'selinux', 'recursive'], ['create_host_path']], ['volume', ['subpath', 'labels'], ['nocopy']], ['tmpfs', ['mode'], ['size']]] as const) {
    const item = itemOf(dict, group);
    const own = item === undefined ? undefined : values.dict(item);
    if (own !== undefined) values.account(own, new Set<string>(harmless), Object.fromEntries(known.map((key) => [key, { why: `${group} mounts have no such option here` }])));
  }
}

function tmpfsSize(draft: Draft, dict: Dict): string | undefined {
  const item = itemOf(dict, 'tmpfs');
  const sizeItem = item?.kind === 'dict' ? itemOf(item, 'size') : undefined;
  return sizeItem === undefined ? undefined : (draft.whole.values.word(sizeItem) ?? undefined);
}

/** Compose keeps a volume without a name from one container to the next; a name does the same. */
function anonymous(draft: Draft, at: Position, target: string): void {
  if (!target.startsWith('/')) return draft.whole.findings.add('ComposeInvalid', at, 'a volume needs an absolute path in the container');
  addVolume(draft, at, { name: draft.whole.volumes.of(`${draft.service}:${target}`), path: clean(target) });
}

function place(draft: Draft, source: Placed<string>, target: string, readOnly: boolean, named = false): void {
  const { findings, project, volumes } = draft.whole;
  const { value, at } = source;
  if (!target.startsWith('/')) return findings.add('ComposeInvalid', at, `the path in the container has to be absolute: ${target.slice(0, 100)}`);
  const more = readOnly ? { readOnly } : {};
  if (named || !/^[./~]/.test(value)) {
    if (value === '') return findings.add('ComposeInvalid', at, 'the volume has no name');
    if (!project.volumes.has(value)) findings.add('ComposeInvalid', at, `the volume ${value.slice(0, 60)} is not declared under \`volumes\``);
    const memory = inMemory(draft.whole.values, project.volumes.get(value)?.item);
    if (memory !== undefined) return addShared(draft, at, value, target, memory.size, readOnly);
    const device = boundDevice(draft.whole.values, project.volumes.get(value)?.item);
    if (device !== undefined) return place(draft, { ...source, value: device }, target, readOnly);
    const name = volumes.of(value);
    return addVolume(draft, at, { name, path: clean(target), ...more });
  }
  // ${PWD} is the directory of the compose file, so it comes as a dot.
  if (value.startsWith('/')) {
    if (!EVERYWHERE.test(clean(value))) findings.add('OfTheNode', at, `${value} has to be on the node; compose would have made a directory of that name`);
    return addVolume(draft, at, { path: clean(target), type: 'bind', source: clean(value), ...more });
  }
  if (value.startsWith('~')) return ofHome(draft, source, target, readOnly);
  relative(draft, source, target, readOnly);
}

function addTmpfs(draft: Draft, at: Position, path: string, written: string | undefined, readOnly = false): void {
  const limit = written === undefined ? undefined : size(written);
  if (written !== undefined && limit === undefined) draft.whole.findings.add('ComposeInvalid', at, 'this is no size: 64m');
  addVolume(draft, at, { path: clean(path), type: 'tmpfs', ...(limit !== undefined && limit !== '0' && { size: limit }), ...(readOnly && { readOnly }) });
}

/** A named volume in memory: the containers of one node could share it, and here each has its own. */
function addShared(draft: Draft, at: Position, name: string, target: string, limit: string | undefined, readOnly: boolean): void {
  const { memories, findings } = draft.whole;
  const other = memories.get(name) ?? draft.service;
  memories.set(name, other);
  if (other !== draft.service) findings.add('Differs', at, `the volume ${name.slice(0, 60)} is in memory; ${other} and ${draft.service} have one each`);
  addTmpfs(draft, at, target, limit, readOnly);
}

export function takeTmpfs(draft: Draft, item: Item): void {
  for (const { value, at } of draft.whole.values.words(item)) {
    const [path = '', options = ''] = value.split(':');
    const chosen = options.split(',').filter((one) => one !== '');
    let limit: string | undefined;
    for (const option of chosen) {
      const found = /^size=(.+)$/.exec(option)?.[1];
      if (found !== undefined) limit = found;
      // The rest of these is how the engine mounts it in any case.
      else if (!/^(mode=0?1777|rw|ro|noexec|nosuid|nodev)$/.test(option)) lost(draft, at, `tmpfs: the option ${option.slice(0, 30)} is not carried over`);
    }
    addTmpfs(draft, at, path, limit, chosen.includes('ro'));
  }
}
