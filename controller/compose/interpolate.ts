/** Variables in text, as compose knows them: `$A ${A} ${A-b} ${A:-b} ${A?e} ${A:?e} ${A+b} ${A:+b} $$`, nested. Pure. */

export interface Interpolated {
  readonly text: string;
  /** Variables that are not set and have no default. */
  readonly unset: readonly string[];
  /** Variables that had to be set, with what the file says about it. */
  readonly required: readonly { readonly name: string; readonly message: string }[];
  /** The text has a `$` that begins nothing; it was left as it is. */
  readonly malformed: boolean;
}

/** Characters that one text may grow to. */
const LONGEST = 1024 * 1024;
const DEEPEST = 32;

export function interpolate(text: string, variables: ReadonlyMap<string, string>): Interpolated {
  if (!text.includes('$')) return { text, unset: [], required: [], malformed: false };
  const reader = new Reader(text, variables);
  return { text: reader.until(undefined, 0, true), unset: [...reader.unset], required: reader.required, malformed: reader.malformed };
}

class Reader {
  readonly unset = new Set<string>();
  readonly required: { name: string; message: string }[] = [];
  malformed = false;
  readonly #text: string;
  readonly #variables: ReadonlyMap<string, string>;
  #at = 0;

  constructor(text: string, variables: ReadonlyMap<string, string>) {
    this.#text = text;
    this.#variables = variables;
  }

  /** Reads up to the end or to a closing brace. @param live what it finds counts; the branch not taken of a default is only skipped. */
  until(end: '}' | undefined, depth: number, live: boolean): string {
    let out = '';
    while (this.#at < this.#text.length && out.length < LONGEST) {
      const char = this.#text[this.#at] as string;
      if (char === end) return out;
      if (char === '$') out += this.#dollar(depth, live);
      else {
        out += char;
        this.#at += 1;
      }
    }
    if (end !== undefined) this.malformed = true;
    return out;
  }

  #dollar(depth: number, live: boolean): string {
    const rest = this.#text.slice(this.#at, this.#at + 260);
    if (rest.startsWith('$$')) {
      this.#at += 2;
      return '$';
    }
    const plain = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(rest);
    if (plain?.[1] !== undefined) {
      this.#at += plain[0].length;
      return this.#value(plain[1], live);
    }
    const braced = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(:?[-?+])?/.exec(rest);
    if (braced?.[1] === undefined || depth > DEEPEST) {
      this.malformed = true;
      this.#at += 1;
      return '$';
    }
    this.#at += braced[0].length;
    return this.#braced(braced[1], braced[2], depth, live);
  }

  #braced(name: string, operator: string | undefined, depth: number, live: boolean): string {
    const value = this.#variables.get(name);
    const counts = value !== undefined && !(operator?.startsWith(':') === true && value === '');
    const kind = operator?.at(-1);
    const argument = operator === undefined ? '' : this.until('}', depth + 1, live && (kind === '+' ? counts : !counts));
    if (this.#text[this.#at] !== '}') this.malformed = true;
    this.#at += 1;
    if (kind === '-') return counts ? value : argument;
    if (kind === '+') return counts ? argument : '';
    if (kind === '?' && !counts && live) this.required.push({ name, message: argument });
    return operator === undefined ? this.#value(name, live) : (value ?? '');
  }

  #value(name: string, live: boolean): string {
    const value = this.#variables.get(name);
    if (value === undefined && live) this.unset.add(name);
    return value ?? '';
  }
}
