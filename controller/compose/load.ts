/** A compose file with all that it includes and extends, down to the services that the chosen profiles start. */
import { posix } from 'node:path';
import type { Position } from '../model/problem.ts';
import { parseEnvFile } from './env-file.ts';
import type { Findings } from './findings.ts';
import type { Jail } from './jail.ts';
import { mergeService } from './merge-service.ts';
import { readTree } from './tree.ts';
import type { Dict, Entry, Item } from './tree.ts';
import { itemOf, Values } from './values.ts';

export interface Project {
  /** As the file says; undefined where it does not. */
  readonly name: string | undefined;
  /** Those that the profiles start, whole. */
  readonly services: ReadonlyMap<string, Dict>;
  /** Services that wait for a profile. */
  readonly inactive: ReadonlySet<string>;
  readonly networks: ReadonlyMap<string, Entry>;
  readonly volumes: ReadonlyMap<string, Entry>;
  readonly secrets: ReadonlyMap<string, Entry>;
  readonly configs: ReadonlyMap<string, Entry>;
}

export interface LoadOptions {
  readonly jail: Jail;
  /** Of the compose file in the jail. */
  readonly file: string;
  /** How paths are shown: what stands before a path of the jail. */
  readonly shownPrefix: string;
  readonly profiles: ReadonlySet<string>;
  readonly variables: ReadonlyMap<string, string>;
  readonly findings: Findings;
}

const SECTIONS = ['networks', 'volumes', 'secrets', 'configs'] as const;
const FILES = 50;
const EXTENDS = 20;
const TOP: ReadonlySet<string> = new Set(['name', 'services', 'include', ...SECTIONS]);
const NO_TOP = {
  version: { why: 'compose itself ignores it', code: 'NoEffect' },
  models: { why: 'Tagboat runs no language models' },
} as const;

export function loadProject(options: LoadOptions): Project | undefined {
  return new Loader(options).load();
}

class Loader {
  readonly #options: LoadOptions;
  readonly #values: Values;
  readonly #services = new Map<string, Dict>();
  readonly #sections = { networks: new Map<string, Entry>(), volumes: new Map<string, Entry>(), secrets: new Map<string, Entry>(), configs: new Map<string, Entry>() };
  readonly #trees = new Map<string, Dict | undefined>();
  #files = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#values = new Values(options.findings);
  }

  load(): Project | undefined {
    const { file, variables, shownPrefix, findings } = this.#options;
    const here = { file: shownPrefix + file, line: 0, column: 0 };
    const tree = this.#tree(file, variables, here);
    if (tree === undefined) return undefined;
    this.#take(tree, [file]);
    if (itemOf(tree, 'services') === undefined && this.#services.size === 0) {
      findings.add('ComposeInvalid', tree.at, 'there are no services', 'A file of the first format (services at the top) is no compose file any more; put them under `services:`.');
    }
    const nameItem = itemOf(tree, 'name');
    const name = nameItem === undefined ? undefined : (this.#values.text(nameItem) ?? undefined);
    const { active, inactive } = this.#byProfile();
    return { name, services: active, inactive, ...this.#sections };
  }

  /** @param variables that count in the file. */
  #tree(path: string, variables: ReadonlyMap<string, string>, from: Position): Dict | undefined {
    if (this.#trees.has(path)) return this.#trees.get(path);
    const { jail, findings, shownPrefix } = this.#options;
    const found = jail.look(path);
    this.#files += 1;
    let tree: Dict | undefined;
    if (this.#files > FILES) findings.add('ComposeInvalid', from, `more than ${FILES} files are included`);
    else if (found.kind === 'file') tree = readTree({ path, shown: shownPrefix + path, variables }, found.text, findings);
    else reportFile(findings, from, path, found.kind, found.kind === 'unreadable' ? found.why : '');
    this.#trees.set(path, tree);
    return tree;
  }

  /** Takes over everything of one file. @param trail the files that led here, for circles. */
  #take(tree: Dict, trail: readonly string[]): void {
    this.#values.account(tree, TOP, NO_TOP);
    for (const item of this.#listOf(itemOf(tree, 'include'))) this.#include(item, trail);
    for (const section of SECTIONS) {
      for (const [name, entry] of this.#dictOf(itemOf(tree, section))) this.#put(this.#sections[section], section, name, entry);
    }
    for (const [name, { item, key }] of this.#dictOf(itemOf(tree, 'services'))) {
      const dict = this.#values.dict(item);
      if (dict === undefined) {
        this.#options.findings.add('ComposeInvalid', key, `the service ${name} is empty`);
        continue;
      }
      if (this.#services.has(name)) this.#options.findings.add('ComposeInvalid', key, `the service ${name} is there twice, here and in a file that is included`);
      else this.#services.set(name, this.#extended(name, dict, trail.at(-1) as string, []));
    }
  }

  #put(into: Map<string, Entry>, section: string, name: string, entry: Entry): void {
    if (into.has(name)) this.#options.findings.add('ComposeInvalid', entry.key, `${name} is twice among the ${section}, here and in a file that is included`);
    else into.set(name, entry);
  }

  #include(item: Item, trail: readonly string[]): void {
    const { findings, jail } = this.#options;
    const long = item.kind === 'dict' ? item : undefined;
    const from = item.source;
    if (long !== undefined) this.#values.account(long, new Set(['path', 'env_file', 'project_directory']));
    const pathItem = long === undefined ? item : itemOf(long, 'path');
    if (pathItem === undefined) return findings.add('ComposeInvalid', item.at, 'an include needs a path');
    const directory = long === undefined ? undefined : itemOf(long, 'project_directory');
    const envItem = long === undefined ? undefined : itemOf(long, 'env_file');
    const paths = this.#values.words(pathItem);
    if (paths.length > 1) findings.add('Differs', pathItem.at, 'files that override each other in one include are read one after the other');
    for (const { value, at } of paths) {
      if (/^(oci:|https?:|git@|ssh:)/.test(value)) {
        findings.add('PathOutside', at, 'an include from elsewhere is not fetched');
        continue;
      }
      const path = jail.inside(from.path, value);
      if (path !== undefined && trail.includes(path)) {
        findings.add('Circle', at, `${value} includes itself in the end`);
        continue;
      }
      const own = envItem === undefined ? [posix.join(posix.dirname(path ?? '.'), '.env')] : this.#values.words(envItem).map((word) => jail.inside(from.path, word.value));
      if (directory !== undefined) findings.add('Differs', directory.at, 'paths in an included file count from that file');
      const tree = path === undefined ? undefined : this.#tree(path, this.#variablesOf(own, from.variables, envItem?.at), at);
      if (path === undefined) findings.add('PathOutside', at, `${value} leads out of the directory`);
      if (tree !== undefined) this.#take(tree, [...trail, path as string]);
    }
  }

  /** Variables that count already are stronger than those of an included file's own `.env`. */
  #variablesOf(paths: readonly (string | undefined)[], known: ReadonlyMap<string, string>, at: Position | undefined): ReadonlyMap<string, string> {
    let all = new Map<string, string>();
    for (const path of paths) {
      const found = this.#options.jail.look(path);
      if (found.kind === 'file') all = new Map([...all, ...parseEnvFile(found.text, known)]);
      else if (at !== undefined) reportFile(this.#options.findings, at, path ?? '', found.kind, '');
    }
    return new Map([...all, ...known]);
  }

  #extended(name: string, service: Dict, file: string, trail: readonly string[]): Dict {
    const { findings, jail } = this.#options;
    const item = itemOf(service, 'extends');
    const rest: Dict = { ...service, entries: new Map([...service.entries].filter(([key]) => key !== 'extends')) };
    if (item === undefined) return rest;
    const long = item.kind === 'dict' ? item : undefined;
    if (long !== undefined) this.#values.account(long, new Set(['service', 'file']));
    const baseItem = long === undefined ? item : itemOf(long, 'service');
    const fileItem = long === undefined ? undefined : itemOf(long, 'file');
    const base = baseItem === undefined ? undefined : this.#values.word(baseItem);
    const named = fileItem === undefined ? undefined : this.#values.word(fileItem);
    if (base === undefined) return rest;
    const path = named === undefined ? file : jail.inside(item.source.path, named);
    const id = `${path ?? ''}#${base}`;
    if (trail.length > EXTENDS || trail.includes(id) || id === `${file}#${name}`) {
      findings.add('Circle', item.at, `${name} extends itself in the end`);
      return rest;
    }
    if (path === undefined) findings.add('PathOutside', item.at, `${named ?? ''} leads out of the directory`);
    const tree = path === undefined ? undefined : this.#tree(path, item.source.variables, item.at);
    const found = tree === undefined ? undefined : this.#dictOf(itemOf(tree, 'services')).get(base)?.item;
    if (found?.kind !== 'dict') {
      if (tree !== undefined) findings.add('UnknownService', item.at, `there is no service ${base} to extend`);
      return rest;
    }
    return mergeService(this.#extended(base, found, path as string, [...trail, id]), rest, this.#values);
  }

  #byProfile(): { active: Map<string, Dict>; inactive: Set<string> } {
    const { profiles } = this.#options;
    const active = new Map<string, Dict>();
    const inactive = new Set<string>();
    for (const [name, service] of this.#services) {
      const item = itemOf(service, 'profiles');
      const own = item === undefined ? [] : this.#values.words(item).map(({ value }) => value);
      if (own.length === 0 || profiles.has('*') || own.some((profile) => profiles.has(profile))) active.set(name, service);
      else {
        inactive.add(name);
        this.#options.findings.add('NoEffect', (item as Item).at, `the service ${name} belongs to the profiles ${own.join(', ')}, and none of them was chosen`, 'Choose one with --profile to take the service along.');
      }
    }
    return { active, inactive };
  }

  #dictOf(item: Item | undefined): ReadonlyMap<string, Entry> {
    const entries = item === undefined ? undefined : this.#values.dict(item)?.entries;
    return entries === undefined ? new Map() : new Map([...entries].filter(([key]) => !key.startsWith('x-')));
  }

  #listOf(item: Item | undefined): readonly Item[] {
    return item === undefined ? [] : (this.#values.list(item)?.items ?? []);
  }
}

export function reportFile(findings: Findings, at: Position, path: string, kind: 'missing' | 'outside' | 'unreadable' | 'directory' | 'file', why: string): void {
  const shown = path.slice(0, 200);
  if (kind === 'missing') findings.add('FileMissing', at, `${shown} is not there`);
  else if (kind === 'outside') findings.add('PathOutside', at, `${shown === '' ? 'the path' : shown} leads out of the directory`);
  else findings.add('FileUnreadable', at, `${shown}: ${kind === 'directory' ? 'it is a directory' : why}`);
}
