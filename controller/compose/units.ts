/** Words, times and sizes as compose writes them, in Tagboat's units. Pure. */

/** Splits as a shell does: quotes and backslashes, no variables and no globs. Undefined where a quote stays open. */
export function shellWords(text: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (quote === "'" ? char === "'" : quote === '"' && char === '"') quote = undefined;
    else if (quote === "'") word = (word ?? '') + char;
    else if (char === '\\' && at + 1 < text.length) {
      const next = text[++at] as string;
      if (next === '\n') continue;
      word = (word ?? '') + (quote === '"' && !'"\\$`'.includes(next) ? char + next : next);
    } else if (quote === '"') word = (word ?? '') + char;
    else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (quote !== undefined) return undefined;
  return word === undefined ? words : [...words, word];
}

const MS: Readonly<Record<string, number>> = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1, us: 0.001, µs: 0.001, ns: 0.000001 };

/** `1m30s` → `90s`; a bare number is seconds. Undefined where it is no time. Never shorter than it was, never `0` for something. */
export function duration(text: string): string | undefined {
  const bare = /^\d{1,9}$/.test(text) ? `${text}s` : text;
  const parts = [...bare.matchAll(/(\d{1,12}(?:\.\d{1,9})?)(w|d|h|ms|us|µs|ns|m|s)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== bare) return undefined;
  const ms = Math.ceil(parts.reduce((sum, part) => sum + Number(part[1]) * (MS[part[2] as string] as number), 0));
  if (ms > 999_999_999_000) return undefined;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

const BYTES: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4, p: 1024 ** 5 };

/** `512m`, `1.5GB`, `64mib` → a quantity: `512Mi`, `1536Mi`, `64Mi`. Compose counts in powers of two throughout. */
export function size(text: string): string | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)\s*(?:([bkmgtp])|([kmgtp])i?b)?$/i.exec(text.trim());
  if (match?.[1] === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * (BYTES[(match[2] ?? match[3] ?? 'b').toLowerCase()] as number));
  for (const [suffix, factor] of [['Gi', 1024 ** 3], ['Mi', 1024 ** 2], ['Ki', 1024]] as const) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${suffix}`;
  }
  return String(bytes);
}

/** A DNS label made of any name; '' where nothing of it is left. */
export function label(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
}

/** Gives every name a label of its own. */
export class Labels {
  readonly #given = new Map<string, string>();
  readonly #taken = new Set<string>();

  /** @param wish what to make it of; default: the name. */
  of(name: string, wish = name): string {
    const known = this.#given.get(name);
    if (known !== undefined) return known;
    const base = label(wish) || 'unnamed';
    let free = base;
    for (let count = 2; this.#taken.has(free); count++) free = `${base.slice(0, 58).replace(/-+$/, '')}-${count}`;
    this.#taken.add(free);
    this.#given.set(name, free);
    return free;
  }
}
