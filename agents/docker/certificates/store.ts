/** What the agent keeps of certificates on its node: account keys, bundles, and why a name has none. All of it for this user alone. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivateDirectory, removeFile, writeWhole } from '../../core/files.ts';
import { readBundle, type Bundle } from './bundle.ts';

/** Failures in a row to get a certificate; remembered over restarts, so that an agent that is started again and again asks no more often. */
export interface Setback {
  readonly failures: number;
  /** Milliseconds since 1970: not asked before. */
  readonly nextAt: number;
  /** For people. */
  readonly reason: string;
}

export class CertificateStore {
  readonly #directory: string;

  constructor(directory: string) {
    makePrivateDirectory(directory);
    this.#directory = directory;
  }

  bundle(domain: string): Bundle | undefined {
    const text = this.#read(`${domain}.pem`);
    if (text === undefined) return undefined;
    try {
      return readBundle(text);
    } catch {
      return undefined;
    }
  }

  saveBundle(domain: string, { pem }: Bundle): void {
    this.#write(`${domain}.pem`, `${pem}\n`);
    removeFile(this.#path(`${domain}.json`));
  }

  setback(domain: string): Setback | undefined {
    try {
      const { failures, nextAt, reason } = JSON.parse(this.#read(`${domain}.json`) ?? '') as Partial<Setback>;
      return typeof failures === 'number' && typeof nextAt === 'number' && typeof reason === 'string' ? { failures, nextAt, reason } : undefined;
    } catch {
      return undefined;
    }
  }

  saveSetback(domain: string, setback: Setback): void {
    this.#write(`${domain}.json`, `${JSON.stringify(setback)}\n`);
  }

  /** Of one directory of an authority; `make` is asked once. */
  async accountKey(directoryUrl: string, make: () => Promise<string>): Promise<string> {
    const name = `account-${createHash('sha256').update(directoryUrl).digest('hex').slice(0, 16)}.key`;
    const found = this.#read(name);
    if (found !== undefined) return found;
    const key = await make();
    this.#write(name, key);
    return key;
  }

  /** Removes bundles that have ended, of names that nobody asks for any more. */
  tidy(wanted: ReadonlySet<string>, now: number): void {
    for (const file of readdirSync(this.#directory)) {
      const domain = /^(.+)\.pem$/.exec(file)?.[1];
      if (domain === undefined || wanted.has(domain) || (this.bundle(domain)?.notAfter ?? 0) > now) continue;
      removeFile(this.#path(file));
      removeFile(this.#path(`${domain}.json`));
    }
  }

  #read(name: string): string | undefined {
    try {
      return readFileSync(this.#path(name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  #write(name: string, content: string): void {
    writeWhole(this.#path(name), content);
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}
