/**
 * Certificates that the operator brings: a directory of PEM files, looked at again and again. A file holds certificate, chain and key, or the
 * key lies beside it under the same name with the ending `.key`.
 */
import { watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { covers, readBundle, type Bundle } from './bundle.ts';

const ENDINGS = new Set(['.pem', '.crt', '.cer']);
/** A file and the key beside it arrive one after the other. */
const SETTLE_MS = 300;
const MOST_FILES = 2_000;
const MOST_BYTES = 256 * 1024;

export class ProvidedCertificates {
  readonly #directory: string;
  readonly #known = new Map<string, { readonly mark: string; readonly bundle: Bundle | undefined; readonly fault: string }>();
  #fault = '';

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Calls back soon after something moved in the directory; where the system cannot tell, only `refresh` finds it. */
  watch(moved: () => void, signal: AbortSignal): void {
    try {
      const watcher = watch(this.#directory, { signal, persistent: false }, () => void setTimeout(moved, SETTLE_MS).unref());
      watcher.on('error', () => watcher.close());
    } catch {
      // It is not there yet, or is on a file system that tells nothing.
    }
  }

  /** True if something is not what it was. */
  async refresh(): Promise<boolean> {
    const before = this.#state();
    try {
      const names = (await readdir(this.#directory)).filter((name) => ENDINGS.has(extname(name))).sort().slice(0, MOST_FILES);
      for (const name of this.#known.keys()) if (!names.includes(name)) this.#known.delete(name);
      for (const name of names) await this.#look(name);
      this.#fault = '';
    } catch (error) {
      // What was read before stays: a directory that is being replaced takes no certificate away.
      this.#fault = `the directory ${this.#directory} cannot be read (${codeOf(error)})`;
    }
    return this.#state() !== before;
  }

  /** Of those that cover the name the one that lasts longest. */
  find(domain: string): Bundle | undefined {
    return [...this.#known.values()].flatMap(({ bundle }) => (bundle !== undefined && covers(bundle, domain) ? [bundle] : [])).sort((a, b) => b.notAfter - a.notAfter)[0];
  }

  /** What could not be read, for people; '' if nothing. */
  get fault(): string {
    return [this.#fault, ...[...this.#known].flatMap(([name, { fault }]) => (fault === '' ? [] : [`${name}: ${fault}`]))].filter((text) => text !== '').slice(0, 3).join('; ');
  }

  async #look(name: string): Promise<void> {
    const path = join(this.#directory, name);
    const beside = join(this.#directory, `${name.slice(0, -extname(name).length)}.key`);
    const mark = `${await markOf(path)} ${await markOf(beside)}`;
    if (this.#known.get(name)?.mark === mark) return;
    try {
      const texts = [await readFile(path, 'utf8'), await readFile(beside, 'utf8').catch(() => '')];
      if (texts.some((text) => text.length > MOST_BYTES)) throw new RangeError('it is too large');
      this.#known.set(name, { mark, bundle: readBundle(texts.join('\n')), fault: '' });
    } catch (error) {
      // Half-written files are read again when they are whole; until then the one before serves.
      const fault = error instanceof RangeError ? error.message : `it cannot be read (${codeOf(error)})`;
      this.#known.set(name, { mark, bundle: this.#known.get(name)?.bundle, fault });
    }
  }

  #state(): string {
    return JSON.stringify([this.#fault, [...this.#known].map(([name, { bundle, fault }]) => [name, bundle?.fingerprint ?? '', fault])]);
  }
}

async function markOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? '-' : `${found.ino}.${found.size}.${found.mtimeMs}`;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown';
}
