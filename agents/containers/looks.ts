/**
 * What was seen of each container, so that a look at a hundred of them asks only for those that an event was about. Trusted
 * only while events flow; without them, and once a minute in any case, everything is looked at anew.
 */
import { look } from './calls.ts';
import { LABEL } from './labels.ts';
import { pooled } from '../core/pool.ts';
import type { ContainerDetails, ContainerRuntime, ContainerSummary } from './runtime.ts';

interface Seen {
  readonly row: string;
  readonly details: ContainerDetails;
}

export class Looks {
  readonly #runtime: ContainerRuntime;
  #seen = new Map<string, Seen>();
  #dirty = new Set<string>();
  #live = false;

  constructor(runtime: ContainerRuntime) {
    this.#runtime = runtime;
  }

  /** Events flow from now on; what came before them is not known. */
  begin(): void {
    this.forget();
    this.#live = true;
  }

  end(): void {
    this.#live = false;
  }

  forget(): void {
    this.#seen = new Map();
  }

  touch(prefix: string | undefined): void {
    if (prefix === undefined) this.forget();
    else this.#dirty.add(prefix);
  }

  async of(containers: readonly ContainerSummary[]): Promise<ReadonlyMap<string, ContainerDetails>> {
    // Cleared before asking: an event that comes meanwhile counts for the next look.
    const dirty = this.#dirty;
    this.#dirty = new Set();
    const before = this.#live ? this.#seen : new Map<string, Seen>();
    const now = new Map<string, Seen>();
    const seen = await pooled(containers, async (one) => {
      const row = `${one.name} ${one.state} ${one.networks.join()}`;
      const known = before.get(one.id);
      if (known?.row === row && !dirty.has(one.labels[LABEL.prefix] ?? '')) return [one.id, known] as const;
      const details = await this.#runtime.inspect(one.id, look());
      return details === undefined ? undefined : ([one.id, { row, details }] as const);
    });
    for (const entry of seen) if (entry !== undefined) now.set(...entry);
    // Somebody said "everything" while we asked: then what we have is already old.
    if (!this.#live || this.#seen === before) this.#seen = now;
    return new Map([...now].map(([id, one]) => [id, one.details]));
  }
}
