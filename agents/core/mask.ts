/** Known secret values, and texts without them. Pure but for what it remembers. */
const MASK = '[secret]';
/** Shorter ones are in every second word; masking them would only make texts unreadable. */
const SHORTEST = 4;
/** A line of a longer value (a key file) is masked by itself, too, if it is not just punctuation. */
const SHORTEST_LINE = 8;
/** The oldest are forgotten first. */
const MOST_VALUES = 5_000;

export class Mask {
  readonly #values = new Map<string, readonly string[]>();
  #pattern: RegExp | undefined;

  /** @param key what the value is known by; the same key again costs nothing. */
  add(key: string, value: Buffer): void {
    if (this.#values.has(key)) return;
    this.#values.set(key, spellings(value.toString('utf8')));
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= MOST_VALUES) break;
      this.#values.delete(oldest);
    }
    this.#pattern = undefined;
  }

  /** A copy of plain data with every known value masked in its strings. */
  apply<T>(value: T): T {
    if (this.#values.size === 0) return value;
    this.#pattern ??= patternOf([...this.#values.values()].flat());
    return this.#pattern === undefined ? value : (masked(value, this.#pattern) as T);
  }
}

/** As it is, line by line, and as programs like to print it. */
function spellings(text: string): string[] {
  const whole = text.trim();
  const lines = whole.includes('\n') ? whole.split('\n').map((line) => line.trim()).filter((line) => line.length >= SHORTEST_LINE && /\w{4}/.test(line)) : [];
  const other = [JSON.stringify(whole).slice(1, -1), encodeURIComponent(whole), Buffer.from(whole).toString('base64'), Buffer.from(text).toString('base64')];
  return [...new Set([whole, ...lines, ...other])].filter((spelling) => spelling.length >= SHORTEST);
}

function patternOf(spellings: readonly string[]): RegExp | undefined {
  if (spellings.length === 0) return undefined;
  // The longest first: one value may be the beginning of another.
  const sorted = [...new Set(spellings)].sort((a, b) => b.length - a.length);
  return new RegExp(sorted.map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g');
}

function masked(value: unknown, pattern: RegExp): unknown {
  if (typeof value === 'string') return value.replaceAll(pattern, MASK);
  if (Array.isArray(value)) return value.map((item) => masked(item, pattern));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, masked(item, pattern)]));
}
