/**
 * Compose YAML → a tree that knows its places. Anchors, aliases and merge keys are resolved here; an alias shares what it names, so
 * that nothing multiplies. Text stays as it was written: variables are put in when a value is asked for.
 */
import { isAlias, isMap, isPair, isScalar, isSeq } from 'yaml';
import type { Node, Scalar as YamlScalar } from 'yaml';
import { composeYaml } from '../manifests/compose-yaml.ts';
import { MANIFEST_LIMITS } from '../manifests/limits.ts';
import { offsetPlace } from '../manifests/locate.ts';
import type { Position } from '../model/problem.ts';
import type { Findings } from './findings.ts';

/** A file that was read, and the variables that count in it. */
export interface SourceFile {
  /** Relative to the root directory, with `/`. */
  readonly path: string;
  /** As it is shown to people. */
  readonly shown: string;
  /** The path in whose directory relative paths of the file begin: its own, or that of the file which it is laid over. */
  readonly base: string;
  readonly variables: ReadonlyMap<string, string>;
}

interface Placed {
  readonly at: Position;
  readonly source: SourceFile;
  /** `!reset` takes away what lies below when files are laid over each other, `!override` takes its place. */
  readonly tag?: 'reset' | 'override';
}

export interface Scalar extends Placed {
  readonly kind: 'scalar';
  /** As YAML reads it. */
  readonly value: string | number | boolean | null;
  /** As it is written, for numbers and booleans that are meant as text. */
  readonly text: string;
}

export interface List extends Placed {
  readonly kind: 'list';
  readonly items: readonly Item[];
}

export interface Dict extends Placed {
  readonly kind: 'dict';
  readonly entries: ReadonlyMap<string, Entry>;
}

export interface Entry {
  readonly key: Position;
  readonly item: Item;
}

export type Item = Scalar | List | Dict;

/** Entries that merge keys may add in one file. */
const MERGED_ENTRIES = 100_000;
/** Those of compose, and those that say of a plain value what it is anyhow. */
const TAGS: ReadonlySet<string> = new Set(['!reset', '!override', ...['str', 'int', 'float', 'bool', 'null', 'map', 'seq', 'merge'].map((name) => `!!${name}`)]);

/** The documents of a compose file, each laid over those before it; none where the file cannot be used (findings say why). */
export function readTrees(source: SourceFile, text: string, findings: Findings): readonly Dict[] {
  const { documents, lines, fault } = composeYaml(text, { anchors: true, tags: TAGS });
  const place = (offset: number): Position => offsetPlace(source.shown, lines, offset);
  if (fault !== null) {
    findings.add('YamlSyntax', place(fault.offset), fault.message);
    return [];
  }
  const errors = documents.flatMap((document) => document.errors);
  // The library's text would quote the file after a colon or a line end.
  for (const error of errors.slice(0, 20)) findings.add('YamlSyntax', place(error.pos[0]), (error.message.split('\n')[0] ?? '').slice(0, 200));
  if (errors.length > 0) return [];
  const filled = documents.filter(({ contents }) => contents !== null && (!isScalar(contents) || contents.value !== null));
  if (filled.length === 0) findings.add('ComposeInvalid', { file: source.shown, line: 1, column: 1 }, 'the file is empty');
  return filled.flatMap((document) => {
    const item = new TreeReader(source, findings, place).read(document.contents, 0);
    if (item.kind === 'dict') return [item];
    findings.add('ComposeInvalid', item.at, 'a compose file is a map with `services`');
    return [];
  });
}

class TreeReader {
  readonly #source: SourceFile;
  readonly #findings: Findings;
  readonly #place: (offset: number) => Position;
  readonly #anchors = new Map<string, Item>();
  #merged = 0;

  constructor(source: SourceFile, findings: Findings, place: (offset: number) => Position) {
    this.#source = source;
    this.#findings = findings;
    this.#place = place;
  }

  read(node: Node | null | undefined, depth: number): Item {
    const at = this.#place(node?.range?.[0] ?? 0);
    const placed = { at, source: this.#source };
    const nothing: Scalar = { ...placed, kind: 'scalar', value: null, text: '' };
    if (node === null || node === undefined) return nothing;
    if (isAlias(node)) {
      const found = this.#anchors.get(node.source);
      if (found === undefined) this.#findings.add('YamlSyntax', at, 'the alias names no anchor before it');
      return found ?? nothing;
    }
    if (depth > MANIFEST_LIMITS.depth) {
      this.#findings.add('YamlSyntax', at, `values are nested deeper than ${MANIFEST_LIMITS.depth} levels`);
      return nothing;
    }
    const item: Item = node.tag === '!reset' ? { ...nothing, tag: 'reset' } : node.tag === '!override' ? { ...this.#collection(node, placed, depth), tag: 'override' } : this.#collection(node, placed, depth);
    const { anchor } = node as { anchor?: string };
    if (anchor !== undefined) this.#anchors.set(anchor, item);
    return item;
  }

  #collection(node: Node, placed: Placed, depth: number): Item {
    if (isScalar(node)) return { ...placed, kind: 'scalar', value: scalarOf(node), text: node.source ?? (node.value === null ? '' : String(node.value)) };
    if ((isSeq(node) || isMap(node)) && node.items.length > MANIFEST_LIMITS.entries) {
      this.#findings.add('YamlSyntax', placed.at, `a list or map has more than ${MANIFEST_LIMITS.entries} entries`);
      return { ...placed, kind: 'scalar', value: null, text: '' };
    }
    if (isSeq(node)) return { ...placed, kind: 'list', items: node.items.map((item) => this.read(item as Node | null, depth + 1)) };
    return this.#dict(node, placed, depth);
  }

  #dict(node: Node, placed: Placed, depth: number): Dict {
    const own = new Map<string, Entry>();
    const below: Dict[] = [];
    for (const pair of isMap(node) ? node.items : []) {
      if (!isPair(pair) || !isScalar(pair.key)) {
        this.#findings.add('YamlSyntax', placed.at, 'a key must be a plain word');
        continue;
      }
      const keyNode = pair.key as YamlScalar;
      const key = keyNode.source ?? String(keyNode.value);
      const at = this.#place(keyNode.range?.[0] ?? 0);
      const item = this.read(pair.value as Node | null, depth + 1);
      if (key === '<<' && keyNode.type === 'PLAIN') below.push(...this.#mergeable(item));
      else if (key === '__proto__') this.#findings.add('YamlSyntax', at, 'the key __proto__ is not accepted');
      else if (own.has(key)) this.#findings.add('YamlSyntax', at, `the key ${key.slice(0, 100)} is there twice`);
      // A key without a value is the place that people look for.
      else own.set(key, { key: at, item: isEmpty(item) ? { ...item, at } : item });
    }
    // The first of several weighs most, and what the map itself says most of all; the order is that of the file.
    const entries = new Map<string, Entry>();
    for (const dict of below) for (const [key, entry] of dict.entries) if (!entries.has(key) && this.#mayMerge(placed.at)) entries.set(key, entry);
    for (const [key, entry] of own) entries.set(key, entry);
    return { ...placed, kind: 'dict', entries };
  }

  #mergeable(item: Item): Dict[] {
    const parts = item.kind === 'list' ? item.items : [item];
    return parts.flatMap((part) => {
      if (part.kind === 'dict') return [part];
      this.#findings.add('YamlSyntax', part.at, '<< wants a map, or a list of maps');
      return [];
    });
  }

  #mayMerge(at: Position): boolean {
    this.#merged += 1;
    if (this.#merged === MERGED_ENTRIES) this.#findings.add('YamlSyntax', at, 'merge keys multiply more than compose files need');
    return this.#merged < MERGED_ENTRIES;
  }
}

function isEmpty(item: Item): item is Scalar {
  return item.kind === 'scalar' && item.value === null && item.text === '';
}

function scalarOf(node: YamlScalar): Scalar['value'] {
  const { value } = node;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return value === null || value === undefined ? null : String(node.source ?? value);
}
