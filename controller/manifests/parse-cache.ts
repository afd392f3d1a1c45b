/** Remembers parsed files by content: an unchanged blob is never parsed again, whatever commit it comes with. */
import type { ParsedFile } from '../model/manifest.ts';
import { parseManifestFile } from './parse-file.ts';

export interface ParseCacheStatistics {
  /** Files that were parsed, for tests and metrics. */
  readonly parses: number;
  readonly hits: number;
  readonly size: number;
}

const DEFAULT_MAX_FILES = 100_000;

/** Keyed by blob id and path, since places name the path. Bounded; the longest unused goes first. */
export class ParseCache {
  readonly #maxFiles: number;
  readonly #files = new Map<string, ParsedFile>();
  #parses = 0;
  #hits = 0;

  constructor(options: { readonly maxFiles?: number } = {}) {
    this.#maxFiles = options.maxFiles ?? DEFAULT_MAX_FILES;
  }

  /** What is remembered; counts as a use. */
  lookup(oid: string, path: string): ParsedFile | undefined {
    const key = `${oid} ${path}`;
    const found = this.#files.get(key);
    if (found === undefined) return undefined;
    this.#files.delete(key);
    this.#files.set(key, found);
    this.#hits += 1;
    return found;
  }

  /** Parses and remembers. */
  parse(oid: string, path: string, bytes: Uint8Array): ParsedFile {
    const parsed = parseManifestFile(path, bytes);
    this.#parses += 1;
    this.#files.set(`${oid} ${path}`, parsed);
    if (this.#files.size > this.#maxFiles) this.#files.delete(this.#files.keys().next().value as string);
    return parsed;
  }

  /** Remembered, or read and parsed. `read` runs only for what is unknown. */
  async get(oid: string, path: string, read: () => Promise<Uint8Array>): Promise<ParsedFile> {
    return this.lookup(oid, path) ?? this.parse(oid, path, await read());
  }

  get statistics(): ParseCacheStatistics {
    return { parses: this.#parses, hits: this.#hits, size: this.#files.size };
  }
}
