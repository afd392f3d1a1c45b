/** Values of a compose file with their variables put in. Whatever does not fit becomes a finding at its place. */
import type { Position } from '../model/problem.ts';
import type { Findings } from './findings.ts';
import { interpolate } from './interpolate.ts';
import type { Dict, Item, List, SourceFile } from './tree.ts';

/** A value and where it stands. */
export interface Placed<T> {
  readonly value: T;
  readonly at: Position;
  readonly source: SourceFile;
}

export class Values {
  readonly findings: Findings;

  constructor(findings: Findings) {
    this.findings = findings;
  }

  /** Null stands for nothing; undefined for what is no text. */
  text(item: Item): string | null | undefined {
    if (item.kind !== 'scalar') {
      this.findings.add('ComposeInvalid', item.at, `a plain value is wanted here, not a ${item.kind === 'dict' ? 'map' : 'list'}`);
      return undefined;
    }
    if (item.value === null) return null;
    const written = typeof item.value === 'string' ? item.value : item.text;
    const { text, unset, required, malformed } = interpolate(written, item.source.variables);
    for (const name of unset) this.findings.add('VariableUnset', item.at, `the variable ${name} is not set and counts as empty`);
    for (const { name, message } of required) this.findings.add('VariableRequired', item.at, `the variable ${name} has to be set${message === '' ? '' : `: ${message.slice(0, 200)}`}`);
    if (malformed) this.findings.add('InterpolationSyntax', item.at, 'a $ begins no variable; it was left as it is');
    return text;
  }

  /** Text that has to be there. */
  word(item: Item): string | undefined {
    const text = this.text(item);
    if (text === null) this.findings.add('ComposeInvalid', item.at, 'a value is missing');
    return text === null ? undefined : text;
  }

  /** One text or a list of them; nothing is an empty list. */
  words(item: Item): Placed<string>[] {
    const parts = item.kind === 'list' ? item.items : [item];
    return parts.flatMap((part) => {
      const value = this.text(part);
      return typeof value === 'string' ? [{ value, at: part.at, source: part.source }] : [];
    });
  }

  flag(item: Item): boolean | undefined {
    const text = this.word(item);
    if (text === undefined) return undefined;
    if (/^(true|yes|on|1)$/i.test(text)) return true;
    if (/^(false|no|off|0|)$/i.test(text)) return false;
    this.findings.add('ComposeInvalid', item.at, 'true or false is wanted here');
    return undefined;
  }

  integer(item: Item): number | undefined {
    const text = this.word(item);
    if (text === undefined) return undefined;
    if (/^-?\d{1,15}$/.test(text.trim())) return Number(text);
    this.findings.add('ComposeInvalid', item.at, 'a whole number is wanted here');
    return undefined;
  }

  number(item: Item): number | undefined {
    const text = this.word(item);
    if (text === undefined) return undefined;
    if (/^(\d{1,12}(\.\d{0,9})?|\.\d{1,9})$/.test(text.trim())) return Number(text);
    this.findings.add('ComposeInvalid', item.at, 'a number is wanted here');
    return undefined;
  }

  /** `A=b` lists and maps alike; null is a key without a value. */
  pairs(item: Item, separator: RegExp = /=/): Map<string, Placed<string | null>> {
    const found = new Map<string, Placed<string | null>>();
    if (item.kind === 'dict') {
      for (const [key, { key: at, item: value }] of item.entries) {
        const text = this.text(value);
        if (text !== undefined) found.set(key, { value: text, at, source: value.source });
      }
      return found;
    }
    for (const { value, at, source } of this.words(item)) {
      const cut = separator.exec(value);
      const key = cut === null ? value : value.slice(0, cut.index);
      if (key === '__proto__') this.findings.add('ComposeInvalid', at, 'the name __proto__ is not accepted');
      else found.set(key, { value: cut === null ? null : value.slice(cut.index + cut[0].length), at, source });
    }
    return found;
  }

  dict(item: Item): Dict | undefined {
    if (item.kind === 'dict') return item;
    if (item.kind !== 'scalar' || item.value !== null) this.findings.add('ComposeInvalid', item.at, 'a map is wanted here');
    return undefined;
  }

  list(item: Item): List | undefined {
    if (item.kind === 'list') return item;
    if (item.kind !== 'scalar' || item.value !== null) this.findings.add('ComposeInvalid', item.at, 'a list is wanted here');
    return undefined;
  }

  /**
   * Looks at each key of a map: what the caller knows is the caller's, what is in `lost` becomes a finding with that reason, `x-`
   * is nobody's, and anything else is unknown.
   */
  account(dict: Dict, known: ReadonlySet<string>, lost: Readonly<Record<string, Loss>> = {}): void {
    for (const [key, { key: at, item }] of dict.entries) {
      if (known.has(key) || key.startsWith('x-')) continue;
      const loss = Object.hasOwn(lost, key) ? lost[key] : undefined;
      if (loss === undefined) this.findings.add('UnknownKey', at, `${key.slice(0, 100)} is no key of the compose specification here`);
      else if (!isNothing(item) && !this.#isEmptyText(item)) this.findings.add(loss.code ?? 'NotCarriedOver', at, `${key}: ${loss.why}`, loss.hint);
    }
  }

  /** `${PLATFORM:-}` and the like say nothing once the variable is in. */
  #isEmptyText(item: Item): boolean {
    return item.kind === 'scalar' && typeof item.value === 'string' && item.value.includes('$') && this.text(item) === '';
  }
}

/** A key that has no place in a manifest. */
export interface Loss {
  readonly why: string;
  readonly hint?: string;
  /** Default: NotCarriedOver. */
  readonly code?: 'NoEffect' | 'Differs' | 'NotCarriedOver';
}

/** Null, '', [] and {}: written and meaning nothing. */
export function isNothing(item: Item): boolean {
  if (item.kind === 'scalar') return item.value === null || item.value === '' || item.value === false;
  return item.kind === 'list' ? item.items.length === 0 : item.entries.size === 0;
}

export function itemOf(dict: Dict, key: string): Item | undefined {
  return dict.entries.get(key)?.item;
}
