/** The agent of a Docker host as a unit of systemd: which of the two processes this is, the one that systemd started or the other version below it. */
import { realpathSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Exchange } from '../../core/exchange.ts';
import type { DockerConnection } from '../connect.ts';
import { Launcher } from './launcher.ts';
import type { LauncherOptions } from './launcher.ts';
import { ownIdFromMounts } from './own-container.ts';
import { UnitFiles } from './unit-files.ts';

export interface UnitOptions extends DockerConnection, Omit<LauncherOptions, 'files'> {
  /** The agent's. */
  readonly directory: string;
  /** Where this version's package.json is. */
  readonly root: string;
}

/** What serves in this process until the signal aborts. */
export type Serve = (exchange: Exchange, signal: AbortSignal) => Promise<void>;

/** Undefined for a process that is neither: in a container, or started by hand. */
export function openUnit(options: UnitOptions): Unit | undefined {
  const { INVOCATION_ID: invocation = '', SYSTEMD_EXEC_PID: started } = process.env;
  if (invocation === '' || ownIdFromMounts() !== undefined) return undefined;
  const name = ownName(options);
  // A terminal may be a unit, too, and what is started in it has the variables; newer systemds tell which process they are for.
  const isOurs = name === '' ? started === undefined || started === String(process.pid) : process.connected;
  return isOurs ? new Unit(options, name) : undefined;
}

class Unit {
  readonly #options: UnitOptions;
  readonly #name: string;
  readonly #files: UnitFiles;

  constructor(options: UnitOptions, name: string) {
    this.#options = options;
    this.#name = name;
    this.#files = new UnitFiles(options.directory);
  }

  /** Whether the files name another version: the installed one, which this is, need not even be loaded. */
  get launches(): boolean {
    return this.#name === '' && (this.#files.record !== undefined || this.#files.versions.current !== undefined);
  }

  /** Resolves with the exit code, or with undefined where the installed version is to serve. */
  async launch(signal: AbortSignal): Promise<number | undefined> {
    return new Launcher({ ...this.#options, files: this.#files }).run(signal);
  }

  /** Resolves with the exit code when the signal aborts, or earlier where systemd is to start the unit anew. Throws what `serve` throws. */
  async run(serve: Serve, signal: AbortSignal): Promise<number> {
    if (this.#name !== '') return this.#runOther(serve, signal);
    while (!signal.aborted) {
      const code = await this.launch(signal);
      if (code !== undefined) return code;
      const left = await this.#serve(serve, this.#options.version, signal);
      if (!left) return 0;
    }
    return 0;
  }

  async #runOther(serve: Serve, signal: AbortSignal): Promise<number> {
    const orphaned = new AbortController();
    process.once('disconnect', () => orphaned.abort());
    process.channel?.unref();
    if (!process.connected) return 0;
    const { record, versions } = this.#files;
    const installed = record?.to === this.#name ? record.installed : versions.current?.installed;
    await this.#serve(serve, installed, AbortSignal.any([signal, orphaned.signal]));
    return 0;
  }

  /** True when it has handed over. */
  async #serve(serve: Serve, installed: string | undefined, signal: AbortSignal): Promise<boolean> {
    const leaving = new AbortController();
    const { UnitExchange } = await import('./unit-exchange.ts');
    const exchange = new UnitExchange({ ...this.#options, files: this.#files, name: this.#name, installed, leave: () => leaving.abort() });
    await serve(exchange, AbortSignal.any([signal, leaving.signal]));
    return leaving.signal.aborted;
  }
}

/** Of this version's directory below `versions`; empty where it lies elsewhere, and so is the installed one. */
function ownName({ directory, root }: UnitOptions): string {
  try {
    const versions = realpathSync(new UnitFiles(directory).versions.path);
    return dirname(realpathSync(root)) === versions ? basename(root) : '';
  } catch {
    return '';
  }
}
