/**
 * What an exchange leaves in the directory that the old and the new agent share, so that each knows after a crash what it is. The verdict is made by
 * linking a file that must not be there: of the one on trial and its guard, the first decides, and the other finds out.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FailureFile } from '../../core/exchange.ts';
import { makePrivateDirectory, removeFile, writeNew, writeWhole } from '../../core/files.ts';

export interface ExchangeRecord {
  readonly version: string;
  readonly image: string;
  /** Ids of the containers, or names of the versions' directories. */
  readonly from: string;
  readonly to: string;
}

export interface Verdict {
  readonly accepted: boolean;
  /** Of a failure. */
  readonly reason: string;
}

/** `R` is what whoever carries it out has to remember besides. */
export class ExchangeFiles<R extends ExchangeRecord> {
  readonly #directory: string;
  readonly failure: FailureFile;

  constructor(directory: string) {
    this.#directory = join(directory, 'exchange');
    this.failure = new FailureFile(this.#path('failure.json'));
  }

  get record(): R | undefined {
    return this.#read<R>('record.json');
  }

  begin(record: R): void {
    makePrivateDirectory(this.#directory);
    removeFile(this.#verdict(record));
    writeWhole(this.#path('record.json'), JSON.stringify(record));
  }

  verdict(record: ExchangeRecord): Verdict | undefined {
    return this.#read<Verdict>(this.#verdictName(record));
  }

  /** False if the other one has decided otherwise. */
  decide(record: ExchangeRecord, verdict: Verdict): boolean {
    return writeNew(this.#verdict(record), JSON.stringify(verdict)) || this.verdict(record)?.accepted === verdict.accepted;
  }

  /** It is over, one way or the other. */
  end(record: ExchangeRecord): void {
    removeFile(this.#path('record.json'));
    removeFile(this.#verdict(record));
  }

  #read<T>(name: string): T | undefined {
    const path = this.#path(name);
    try {
      return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined;
    } catch {
      return undefined;
    }
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  #verdictName({ to }: ExchangeRecord): string {
    return `verdict-${to.slice(0, 12)}.json`;
  }

  #verdict(record: ExchangeRecord): string {
    return this.#path(this.#verdictName(record));
  }
}
