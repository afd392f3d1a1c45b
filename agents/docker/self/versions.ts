/**
 * The versions of the agent that lie in its directory, beside the one that is installed on the host, and which of them a unit starts with:
 * `versions/<version>-<digest>` and `versions/current.json`.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { removeFile, writeWhole } from '../../core/files.ts';

export interface Current {
  readonly version: string;
  readonly image: string;
  /** Its directory's name. */
  readonly name: string;
  /** The version that was installed on the host at that time: when it is another one, a person has decided otherwise. */
  readonly installed: string;
  /** Kept as well, so that going back takes no download. */
  readonly before: string | undefined;
}

interface Starts {
  readonly name: string;
  readonly count: number;
}

const NAME = /^[0-9A-Za-z][0-9A-Za-z.-]{0,200}$/;
const ENTRY = join('dist', 'controller', 'cli', 'tagboat.js');

export class Versions {
  readonly path: string;

  constructor(directory: string) {
    this.path = join(directory, 'versions');
  }

  directoryOf(name: string): string {
    if (!NAME.test(name)) throw new Error(`${JSON.stringify(name)} is no version's directory`);
    return join(this.path, name);
  }

  /** What Node.js is started with. */
  entryOf(name: string): string {
    return join(this.directoryOf(name), ENTRY);
  }

  /** Why what lies there is not this version; null if it is. */
  damage(name: string, version: string): string | null {
    try {
      const { version: found } = JSON.parse(readFileSync(join(this.directoryOf(name), 'package.json'), 'utf8')) as { version?: unknown };
      if (found !== version) return `its directory holds version ${String(found)}`;
      return existsSync(this.entryOf(name)) ? null : 'its directory is not whole';
    } catch {
      return 'its directory is gone or damaged';
    }
  }

  get current(): Current | undefined {
    const current = this.#read<Current>('current.json');
    return current !== undefined && NAME.test(current.name) ? current : undefined;
  }

  set current(current: Current | undefined) {
    const path = join(this.path, 'current.json');
    if (current === undefined) removeFile(path);
    else writeWhole(path, JSON.stringify(current));
  }

  /** How often this one was started without having run for a while since. */
  starts(name: string): number {
    const starts = this.#read<Starts>('starts.json');
    return starts?.name === name ? starts.count : 0;
  }

  begins(name: string): void {
    writeWhole(join(this.path, 'starts.json'), JSON.stringify({ name, count: this.starts(name) + 1 } satisfies Starts));
  }

  /** It runs, or was told to stop. */
  isSteady(): void {
    removeFile(join(this.path, 'starts.json'));
  }

  /** Removes everything else, and what was left half laid down. */
  async keepOnly(names: readonly (string | undefined)[]): Promise<void> {
    if (!existsSync(this.path)) return;
    for (const entry of readdirSync(this.path, { withFileTypes: true })) {
      if (entry.isDirectory() && !names.includes(entry.name)) await rm(join(this.path, entry.name), { recursive: true, force: true, maxRetries: 3 });
    }
  }

  #read<T>(name: string): T | undefined {
    const path = join(this.path, name);
    try {
      return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined;
    } catch {
      return undefined;
    }
  }
}
