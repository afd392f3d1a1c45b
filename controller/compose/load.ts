/** Compose files with all that they include and extend, down to the services that the chosen profiles start. */
import type { Position } from '../model/problem.ts';
import { parseEnvFile } from './env-file.ts';
import type { Findings } from './findings.ts';
import type { Jail } from './jail.ts';
import { mergeGround, mergeService, withoutResets } from './merge-service.ts';
import { readTrees } from './tree.ts';
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
  /** The compose files in the jail, at least one; each is laid over those before it, and paths count from the first. */
  readonly files: readonly string[];
  /** How paths are shown: what stands before a path of the jail. */
  readonly shownPrefix: string;
  readonly profiles: ReadonlySet<string>;
  readonly variables: ReadonlyMap<string, string>;
  readonly findings: Findings;
}

const SECTIONS = ['networks', 'volumes', 'secrets', 'configs'] as const;
type Section = (typeof SECTIONS)[number];
type Sections = Readonly<Record<Section, Map<string, Entry>>>;
const emptySections = (): Sections => ({ networks: new Map(), volumes: new Map(), secrets: new Map(), configs: new Map() });
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
  readonly #sections = emptySections();
  readonly #trees = new Map<string, readonly Dict[]>();
  #files = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#values = new Values(options.findings);
  }

  load(): Project | undefined {
    const { files, variables, shownPrefix, findings } = this.#options;
    const [first = ''] = files;
    const trees = files.flatMap((file) => this.#read(file, first, variables, { file: shownPrefix + file, line: 0, column: 0 }));
    const [lowest] = trees;
    if (lowest === undefined) return undefined;
    this.#take(trees, files);
    if (trees.every((tree) => itemOf(tree, 'services') === undefined) && this.#services.size === 0) {
      findings.add('ComposeInvalid', lowest.at, 'there are no services', 'A file of the first format (services at the top) is no compose file any more; put them under `services:`.');
    }
    const nameItem = trees.flatMap((tree) => itemOf(tree, 'name') ?? []).at(-1);
    const name = nameItem === undefined ? undefined : (this.#values.text(nameItem) ?? undefined);
    const { active, inactive } = this.#byProfile();
    return { name, services: active, inactive, ...this.#sections };
  }

  /** The documents of a file. @param base the path that relative ones count from. @param variables that count in the file. */
  #read(path: string, base: string, variables: ReadonlyMap<string, string>, from: Position): readonly Dict[] {
    const id = `${path}\n${base}`;
    const known = this.#trees.get(id);
    if (known !== undefined) return known;
    const { jail, findings, shownPrefix } = this.#options;
    const found = jail.look(path);
    this.#files += 1;
    let trees: readonly Dict[] = [];
    if (this.#files > FILES) findings.add('ComposeInvalid', from, `more than ${FILES} files are included`);
    else if (found.kind === 'file') trees = readTrees({ path, shown: shownPrefix + path, base, variables }, found.text, findings);
    else reportFile(findings, from, path, found.kind, found.kind === 'unreadable' ? found.why : '');
    this.#trees.set(id, trees);
    return trees;
  }

  /** Takes over everything of some files that lie over each other. @param trail the files that led here, for circles. */
  #take(trees: readonly Dict[], trail: readonly string[]): void {
    const { findings } = this.#options;
    const services = new Map<string, Entry & { readonly item: Dict }>();
    const sections = emptySections();
    for (const tree of trees) {
      this.#values.account(tree, TOP, NO_TOP);
      for (const item of this.#listOf(itemOf(tree, 'include'))) this.#include(item, trail);
      for (const section of SECTIONS) this.#layGround(sections[section], this.#dictOf(itemOf(tree, section)));
      for (const [name, { item, key }] of this.#dictOf(itemOf(tree, 'services'))) {
        const below = services.get(name)?.item;
        const dict = item.tag === 'reset' ? undefined : this.#values.dict(item);
        if (item.tag === 'reset') services.delete(name);
        else if (dict === undefined) findings.add('ComposeInvalid', key, `the service ${name} is empty`);
        else {
          const whole = this.#extended(name, dict, trees.slice(0, trees.indexOf(tree) + 1), []);
          services.set(name, { key, item: below === undefined || item.tag === 'override' ? whole : mergeService(below, whole, this.#values) });
        }
      }
    }
    for (const section of SECTIONS) for (const [name, entry] of sections[section]) this.#put(section, name, entry);
    for (const [name, { key, item }] of services) {
      const there = this.#services.get(name);
      if (there === undefined) this.#services.set(name, withoutResets(item));
      else if (!samePlace(there.at, item.at)) findings.add('ComposeInvalid', key, `the service ${name} is there twice, here and in a file that is included`);
    }
  }

  #layGround(into: Map<string, Entry>, over: ReadonlyMap<string, Entry>): void {
    for (const [name, entry] of over) {
      const below = into.get(name);
      if (entry.item.tag === 'reset') into.delete(name);
      else into.set(name, below === undefined ? entry : { key: entry.key, item: mergeGround(below.item, entry.item) });
    }
  }

  /** A file that two others include is there once. */
  #put(section: Section, name: string, entry: Entry): void {
    const there = this.#sections[section].get(name);
    if (there === undefined) this.#sections[section].set(name, entry);
    else if (!samePlace(there.key, entry.key)) this.#options.findings.add('ComposeInvalid', entry.key, `${name} is twice among the ${section}, here and in a file that is included`);
  }

  #include(item: Item, trail: readonly string[]): void {
    const { findings, jail } = this.#options;
    const long = item.kind === 'dict' ? item : undefined;
    const { base: own, variables } = item.source;
    if (long !== undefined) this.#values.account(long, new Set(['path', 'env_file', 'project_directory']));
    const pathItem = long === undefined ? item : itemOf(long, 'path');
    if (pathItem === undefined) return findings.add('ComposeInvalid', item.at, 'an include needs a path');
    const paths: { path: string; at: Position }[] = [];
    for (const { value, at } of this.#values.words(pathItem)) {
      const path = /^(oci:|https?:|git@|ssh:)/.test(value) ? undefined : jail.inside(own, value);
      if (path === undefined) findings.add('PathOutside', at, /^(oci:|https?:|git@|ssh:)/.test(value) ? 'an include from elsewhere is not fetched' : `${value} leads out of the directory`);
      else if (trail.includes(path)) findings.add('Circle', at, `${value} includes itself in the end`);
      else paths.push({ path, at });
    }
    const [first] = paths;
    if (first === undefined) return;
    const base = this.#baseOf(long, own) ?? first.path;
    const envItem = long === undefined ? undefined : itemOf(long, 'env_file');
    const envPaths = envItem === undefined ? [jail.inside(base, '.env')] : this.#values.words(envItem).map((word) => jail.inside(own, word.value));
    const known = this.#variablesOf(envPaths, variables, envItem?.at);
    const trees = paths.flatMap(({ path, at }) => this.#read(path, base, known, at));
    if (trees.length > 0) this.#take(trees, [...trail, ...paths.map(({ path }) => path)]);
  }

  /** `project_directory`: what paths in the included files count from. */
  #baseOf(long: Dict | undefined, own: string): string | undefined {
    const item = long === undefined ? undefined : itemOf(long, 'project_directory');
    const written = item === undefined ? undefined : this.#values.text(item);
    if (item === undefined || typeof written !== 'string' || written === '') return undefined;
    const directory = this.#options.jail.inside(own, written);
    if (directory === undefined) this.#options.findings.add('PathOutside', item.at, `${written} leads out of the directory`);
    return directory === undefined ? undefined : `${directory}/.`;
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

  /** @param trees of the file that the service stands in, and those below it. */
  #extended(name: string, service: Dict, trees: readonly Dict[], trail: readonly string[]): Dict {
    const { findings, jail } = this.#options;
    const item = itemOf(service, 'extends');
    const rest: Dict = { ...service, entries: new Map([...service.entries].filter(([key]) => key !== 'extends')) };
    if (item === undefined || item.tag === 'reset') return rest;
    const long = item.kind === 'dict' ? item : undefined;
    if (long !== undefined) this.#values.account(long, new Set(['service', 'file']));
    const baseItem = long === undefined ? item : itemOf(long, 'service');
    const fileItem = long === undefined ? undefined : itemOf(long, 'file');
    const base = baseItem === undefined ? undefined : this.#values.word(baseItem);
    const named = fileItem === undefined ? undefined : this.#values.word(fileItem);
    if (baseItem === undefined) findings.add('ComposeInvalid', item.at, 'extends needs a service');
    if (base === undefined) return rest;
    const file = service.source.path;
    const path = named === undefined ? file : jail.inside(item.source.base, named);
    const id = `${path ?? ''}#${base}`;
    if (trail.length > EXTENDS || trail.includes(id) || id === `${file}#${name}`) {
      findings.add('Circle', item.at, `${name} extends itself in the end`);
      return rest;
    }
    if (path === undefined) findings.add('PathOutside', item.at, `${named ?? ''} leads out of the directory`);
    const others = path === undefined ? [] : named === undefined ? trees : this.#read(path, path, item.source.variables, item.at);
    const found = others.map((tree) => this.#dictOf(itemOf(tree, 'services')).get(base)?.item).findLast((one) => one?.kind === 'dict');
    if (found?.kind !== 'dict') {
      if (others.length > 0) findings.add('UnknownService', item.at, `there is no service ${base} to extend`);
      return rest;
    }
    return mergeService(this.#extended(base, found, others, [...trail, id]), rest, this.#values);
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

function samePlace(a: Position, b: Position): boolean {
  return a.file === b.file && a.line === b.line && a.column === b.column;
}

export function reportFile(findings: Findings, at: Position, path: string, kind: 'missing' | 'outside' | 'unreadable' | 'directory' | 'file', why: string): void {
  const shown = path.slice(0, 200);
  if (kind === 'missing') findings.add('FileMissing', at, `${shown} is not there`);
  else if (kind === 'outside') findings.add('PathOutside', at, `${shown === '' ? 'the path' : shown} leads out of the directory`);
  else findings.add('FileUnreadable', at, `${shown}: ${kind === 'directory' ? 'it is a directory' : why}`);
}
