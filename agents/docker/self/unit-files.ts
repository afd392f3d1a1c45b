/** All that an exchange of a unit leaves in the agent's directory, for whoever comes after a crash. */
import { ExchangeFiles } from './exchange-files.ts';
import type { ExchangeRecord } from './exchange-files.ts';
import { Versions } from './versions.ts';
import type { Current } from './versions.ts';

/** `from` and `to` are names of directories below `versions`; `from` is empty for the version that is installed. */
export interface UnitRecord extends ExchangeRecord {
  /** The version that is installed, whose process is the guard. */
  readonly installed: string;
}

export class UnitFiles extends ExchangeFiles<UnitRecord> {
  readonly versions: Versions;

  constructor(directory: string) {
    super(directory);
    this.versions = new Versions(directory);
  }

  /** The controller took it: it is what the unit starts with from now on. `current` is written first, for a guard that looks meanwhile. */
  async promote(record: UnitRecord): Promise<void> {
    const { version, image, installed, from, to } = record;
    const before = from === '' ? undefined : from;
    this.versions.current = { version, image, installed, name: to, before };
    this.versions.isSteady();
    this.failure.forget();
    this.end(record);
    await this.versions.keepOnly([to, before]);
  }

  /** It failed, and is gone. */
  async dismiss(record: UnitRecord, reason: string): Promise<void> {
    this.failure.note(record.version, reason);
    this.end(record);
    const { current } = this.versions;
    await this.versions.keepOnly([current?.name, current?.before]);
  }

  /** What the unit started with is not to be started again; the installed version serves. */
  async forget(current: Current, reason?: string): Promise<void> {
    if (reason !== undefined) this.failure.note(current.version, reason);
    this.versions.current = undefined;
    await this.versions.keepOnly([]);
  }
}
