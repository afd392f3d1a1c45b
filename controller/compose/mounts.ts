/** `volumes`, `tmpfs`, `configs` and `secrets`: what a container finds at its paths. */
import { posix } from 'node:path';
import type { Volume } from '../../schemas/gen/types.ts';
import type { Position } from '../model/problem.ts';
import type { Draft } from './draft.ts';
import { lost } from './draft.ts';
import { reportFile } from './load.ts';
import type { Dict, Item } from './tree.ts';
import { label, size } from './units.ts';
import { boundDevice } from './volume-driver.ts';
import { itemOf } from './values.ts';
import type { Placed } from './values.ts';

const VOLUME_KEYS: ReadonlySet<string> = new Set(['type', 'source', 'target', 'read_only', 'bind', 'volume', 'tmpfs']);
const VOLUME_LOST = {
  consistency: { why: 'it means something on a Mac only', code: 'NoEffect' },
  image: { why: 'images as volumes are not known; see configContainer for files of an image' },
  cluster: { why: 'swarm’s cluster volumes are not known' },
} as const;
/** What makes no difference on a Linux node. */
const HARMLESS: ReadonlySet<string> = new Set(['rw', 'ro', 'cached', 'delegated', 'consistent', 'nocopy', '']);
/** What every Linux host has. */
const EVERYWHERE = /^\/((etc\/(localtime|timezone|os-release|hostname|hosts|resolv\.conf|passwd|group|machine-id|ssl)|run|var\/run|var\/log|var\/lib\/docker|proc|sys|dev|tmp|lib\/modules)(\/.*)?)?$/;
/** Characters of files that one service may bring along. */
const TEXT_LIMIT = 256 * 1024;
const FILE_LIMIT = 128 * 1024;

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
  if (value.startsWith('~')) return ofHome(draft, at, value, target, readOnly);
  relative(draft, source, target, readOnly);
}

function ofHome(draft: Draft, at: Position, value: string, target: string, readOnly: boolean): void {
  if (readOnly || looksLikeFile(value)) return draft.whole.findings.add('DirectoryOfNode', at, `${value} lies in the home of whoever runs compose, which no node has`);
  becomesVolume(draft, at, value, target);
}

function relative(draft: Draft, source: Placed<string>, target: string, readOnly: boolean): void {
  const { jail, findings } = draft.whole;
  const { value, at } = source;
  const path = jail.inside(source.source.base, value);
  const found = jail.look(path);
  if (found.kind === 'missing') {
    if (!readOnly && !looksLikeFile(value)) return becomesVolume(draft, at, value, target);
    return reportFile(findings, at, value, 'missing', '');
  }
  if (found.kind === 'file') {
    if (addFile(draft, at, value, clean(target), found.text, found.executable ? '0755' : undefined)) findings.add('FileCopied', at, `${value} was copied into the manifest`);
    return;
  }
  if (found.kind !== 'directory') return reportFile(findings, at, value, found.kind, found.kind === 'unreadable' ? found.why : '');
  directory(draft, source, found.path, target, readOnly);
}

function directory(draft: Draft, { value, at }: Placed<string>, path: string, target: string, readOnly: boolean): void {
  const { jail, findings } = draft.whole;
  if (path === '.' || (!readOnly && itemOf(draft.dict, 'build') !== undefined)) {
    return findings.add('DirectoryOfNode', at, `${value} is where the image is made from, which is for developing`, 'Build it into the image.');
  }
  const files = jail.list(path);
  if (files?.every((file) => /(^|\/)\.(gitkeep|gitignore|keep)$/.test(file)) === true) return becomesVolume(draft, at, value, target);
  const texts = (files ?? []).map((file) => [file, jail.look(posix.join(path, file))] as const);
  const readable = texts.flatMap(([file, found]) => (found.kind === 'file' ? [[file, found.text, found.executable] as const] : []));
  const total = readable.reduce((sum, [, text]) => sum + text.length, 0);
  if (files === undefined || readable.length < texts.length || readable.length > 100 || total > TEXT_LIMIT) {
    const why = files === undefined || readable.length > 100 ? 'has many files' : readable.length < texts.length ? 'holds more than text' : 'is large';
    return findings.add('DirectoryOfNode', at, `${value} ${why}, so it was not copied into the manifest`);
  }
  const copied = readable.filter(([file, text, executable]) => addFile(draft, at, `${value}/${file}`, posix.join(clean(target), file), text, executable ? '0755' : undefined));
  if (copied.length > 0) findings.add(readOnly ? 'FileCopied' : 'Differs', at, `${copied.length} files of ${value} were copied into the manifest${readOnly ? '' : '; what the container writes there goes with it'}`);
}

function becomesVolume(draft: Draft, at: Position, value: string, target: string): void {
  const name = draft.whole.volumes.of(`path:${value.replace(/\/+$/, '')}`, label(posix.basename(value.replace(/^[.~/]+/, ''))) || 'data');
  addVolume(draft, at, { name, path: clean(target) });
  draft.whole.findings.add('BecameVolume', at, `${value} is a directory of whoever runs compose; it became the volume ${name}`);
}

function looksLikeFile(path: string): boolean {
  if (/\.d\/*$/.test(path)) return false;
  return /[^./]\.[A-Za-z0-9]{1,10}$/.test(path) || /(^|\/)\.[a-z]+(rc|env|ignore|conf)?$/.test(path);
}

function addVolume(draft: Draft, at: Position, volume: Volume): void {
  const volumes = draft.config.volumes ?? [];
  const before = volumes.findIndex((one) => one.path === volume.path);
  if (before >= 0) draft.whole.findings.add('ComposeInvalid', at, `two volumes have the path ${volume.path}; the later one counts`);
  draft.config.volumes = [...volumes.filter((_, index) => index !== before), volume];
}

function addTmpfs(draft: Draft, at: Position, path: string, written: string | undefined): void {
  const limit = written === undefined ? undefined : size(written);
  if (written !== undefined && limit === undefined) draft.whole.findings.add('ComposeInvalid', at, 'this is no size: 64m');
  addVolume(draft, at, { path: clean(path), type: 'tmpfs', ...(limit !== undefined && { size: limit }) });
}

export function takeTmpfs(draft: Draft, item: Item): void {
  for (const { value, at } of draft.whole.values.words(item)) {
    const [path = '', options = ''] = value.split(':');
    let limit: string | undefined;
    for (const option of options.split(',').filter((one) => one !== '')) {
      const found = /^size=(.+)$/.exec(option)?.[1];
      if (found !== undefined) limit = found;
      else if (!/^(mode=0?1777|rw)$/.test(option)) lost(draft, at, `tmpfs: the option ${option.slice(0, 30)} is not carried over`);
    }
    addTmpfs(draft, at, path, limit);
  }
}

/** Names of files that hold what Git must not. */
const SECRET_FILE = /(^|\/)(\.env(\.[^/]*)?|id_(rsa|dsa|ecdsa|ed25519)|\.netrc|\.pgpass|\.htpasswd|[^/]*(secret|passw(or)?d|credential|token)[^/]*|[^/]+\.(key|pem|p12|pfx|jks|keystore|kdbx))$/i;
const SECRET_TEXT = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** @returns false where it is too much, or secret. */
function addFile(draft: Draft, at: Position, from: string, path: string, content: string, mode?: string): boolean {
  if (SECRET_FILE.test(from) || SECRET_TEXT.test(content)) {
    draft.whole.findings.add('SecretToSeal', at, `${from} looks like a secret and was not copied`, `Seal it with \`tagboat seal --file\`, paste what it prints into \`secrets\` of the image ${draft.name}, and add \`file: ${path}\`.`);
    return false;
  }
  const files = draft.docker.files ?? {};
  const total = Object.values(files).reduce((sum, file) => sum + file.content.length, content.length);
  if (content.length > FILE_LIMIT || total > TEXT_LIMIT) {
    draft.whole.findings.add('DirectoryOfNode', at, `${from} is too large for a manifest`);
    return false;
  }
  draft.docker.files = { ...files, [path]: { content, ...(mode !== undefined && { mode }) } };
  return true;
}

const GRANT_KEYS: ReadonlySet<string> = new Set(['source', 'target', 'uid', 'gid', 'mode']);

interface Grant {
  readonly source: string;
  readonly target: string | undefined;
  readonly mode: string | undefined;
  readonly at: Position;
}

function grants(draft: Draft, item: Item): Grant[] {
  const { values, findings } = draft.whole;
  return (values.list(item)?.items ?? []).flatMap((part) => {
    if (part.kind !== 'dict') return values.words(part).map(({ value, at }) => ({ source: value, target: undefined, mode: undefined, at }));
    values.account(part, GRANT_KEYS);
    const text = (key: string): string | undefined => {
      const found = itemOf(part, key);
      return found === undefined ? undefined : (values.text(found) ?? undefined);
    };
    const source = text('source');
    for (const key of ['uid', 'gid']) if (!['0', undefined].includes(text(key))) lost(draft, part.at, `${key}: files belong to root`);
    if (source === undefined) {
      findings.add('ComposeInvalid', part.at, 'a source is missing');
      return [];
    }
    return [{ source, target: text('target'), mode: text('mode'), at: part.at }];
  });
}

export function takeConfigs(draft: Draft, item: Item): void {
  const { project, findings } = draft.whole;
  for (const { source, target = `/${source}`, mode, at } of grants(draft, item)) {
    const entry = project.configs.get(source);
    if (entry === undefined) {
      findings.add('ComposeInvalid', at, `the config ${source.slice(0, 60)} is not declared under \`configs\``);
      continue;
    }
    const content = configText(draft, entry.item, at);
    const octal = mode === undefined ? undefined : /^0?o?([0-7]{3})$/.exec(mode)?.[1];
    if (mode !== undefined && octal === undefined) lost(draft, at, 'mode: permissions are three octal digits');
    if (content !== undefined) addFile(draft, at, source, clean(target.startsWith('/') ? target : `/${target}`), content, octal === undefined ? undefined : `0${octal}`);
  }
}

function configText(draft: Draft, item: Item, at: Position): string | undefined {
  const { values, findings, jail } = draft.whole;
  const dict = values.dict(item);
  const get = (key: string): Item | undefined => (dict === undefined ? undefined : itemOf(dict, key));
  const content = get('content');
  if (content !== undefined) return values.text(content) ?? undefined;
  const file = get('file');
  const path = file === undefined ? undefined : values.word(file);
  if (file !== undefined && path !== undefined) {
    const found = jail.look(jail.inside(file.source.base, path));
    if (found.kind === 'file') return found.text;
    reportFile(findings, file.at, path, found.kind, found.kind === 'unreadable' ? found.why : '');
    return undefined;
  }
  const variable = get('environment');
  const name = variable === undefined ? undefined : values.word(variable);
  if (variable !== undefined && name !== undefined) {
    const value = variable.source.variables.get(name);
    if (value === undefined) findings.add('VariableUnset', variable.at, `the variable ${name} is not set`);
    return value;
  }
  lost(draft, at, 'configs: one that lives elsewhere (external) cannot be read');
  return undefined;
}

/** What is secret never gets into a manifest, not even from a file that lies beside it. */
export function takeSecrets(draft: Draft, item: Item): void {
  const { project, findings } = draft.whole;
  for (const { source, target, mode, at } of grants(draft, item)) {
    if (!project.secrets.has(source)) findings.add('ComposeInvalid', at, `the secret ${source.slice(0, 60)} is not declared under \`secrets\``);
    const path = target === undefined ? `/run/secrets/${source}` : target.startsWith('/') ? target : `/run/secrets/${target}`;
    const key = source.toUpperCase().replace(/[^A-Z0-9_]+/g, '_');
    findings.add('SecretToSeal', at, `the secret ${source} of ${draft.service} was not copied`, `Seal it with \`tagboat seal --name ${key} --node NODE\`, paste what it prints into \`secrets\` of the image ${draft.name}, and add \`file: ${path}\`${mode === undefined ? '' : ` and \`mode: "${mode.slice(0, 10)}"\``}.`);
  }
}

function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 ? normal.replace(/\/+$/, '') : normal;
}
