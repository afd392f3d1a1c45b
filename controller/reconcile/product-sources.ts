/** The other repositories of a team: one mirror for each distinct URL, whatever the number of products that name it. */
import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Remote } from '../git/remote.ts';
import type { OnRequest } from '../git/transport.ts';
import type { ParseCache } from '../manifests/parse-cache.ts';
import type { Elsewhere, ElsewhereReader, SourceState } from './elsewhere.ts';
import { unseen } from './elsewhere.ts';
import type { SourcePolicy } from './source-policy.ts';
import { sourceRemote } from './source-policy.ts';
import type { SourceNeed } from './source-repository.ts';
import { SourceRepository } from './source-repository.ts';

/** How long the team's own reading waits for them. What comes later is taken by the next one. */
const PATIENCE_MS = 2_000;
const MAX_SOURCES = 100;
/** A mirror that nobody names any more is kept for a while: manifests come back. */
const KEEP_MS = 3_600_000;

export interface ProductSourcesOptions {
  /** Parent of the mirrors' directories; nothing else is in it. */
  readonly directory: string;
  readonly policy: SourcePolicy;
  readonly cache: ParseCache;
  readonly onRequest?: OnRequest;
  /** One has come after the patience for it was over: read again. */
  onLate?(): void;
  readonly patienceMs?: number;
}

export class ProductSources implements ElsewhereReader {
  readonly #options: ProductSourcesOptions;
  readonly #ending = new AbortController();
  readonly #open = new Map<string, { readonly source: SourceRepository; lastNamed: number }>();
  #swept = false;

  constructor(options: ProductSourcesOptions) {
    this.#options = options;
  }

  /** Looks at each repository that these products name, once; gives the state by product. Never rejects for a remote's sake. */
  async look(products: readonly Elsewhere[]): Promise<ReadonlyMap<string, SourceState>> {
    const { patienceMs = PATIENCE_MS } = this.#options;
    const { wanted, refused } = this.#sort(products, (remote) => this.#source(remote));
    await this.#sweep(new Set(wanted.keys()));
    const stop = new AbortController();
    const patience = sleep(patienceMs, undefined, { signal: AbortSignal.any([stop.signal, this.#ending.signal]) }).catch(() => undefined);
    await Promise.all([...wanted.values()].map(async ({ source, all }) => source.refresh(needOf(all), patience, () => this.#options.onLate?.())));
    stop.abort();
    return new Map([...refused, ...[...wanted.values()].flatMap(({ source, all }) => statesOf(source, all, `${source.url} is still being fetched`, 'error'))]);
  }

  seen(products: readonly Elsewhere[]): ReadonlyMap<string, SourceState> {
    const { wanted, refused } = this.#sort(products, (remote) => this.#open.get(remote.url)?.source);
    return new Map([...refused, ...[...wanted].flatMap(([url, { source, all }]) => statesOf(source, all, `${url} has not been looked at for this`, 'warning'))]);
  }

  forgetUnused(): void {
    for (const { source } of this.#open.values()) source.forgetUnused();
  }

  async close(): Promise<void> {
    this.#ending.abort();
    for (const { source } of this.#open.values()) await source.close(false);
    this.#open.clear();
  }

  /** Products by the repository that they name, those apart that may not name theirs. */
  #sort<T extends SourceRepository | undefined>(products: readonly Elsewhere[], open: (remote: Remote) => T): { readonly wanted: ReadonlyMap<string, { readonly source: T; readonly all: readonly Elsewhere[] }>; readonly refused: readonly [string, SourceState][] } {
    const wanted = new Map<string, { readonly source: T; readonly all: Elsewhere[] }>();
    const refused: [string, SourceState][] = [];
    for (const one of products) {
      const found = sourceRemote(one.repository, this.#options.policy);
      const message = 'refused' in found ? found.refused : !wanted.has(found.remote.url) && wanted.size >= MAX_SOURCES ? `the team names more than ${String(MAX_SOURCES)} other repositories` : undefined;
      if (message !== undefined) refused.push([one.product.name, unseen({ code: 'SourceNotAllowed', message, severity: 'error' })]);
      if (message !== undefined || 'refused' in found) continue;
      const group = wanted.get(found.remote.url) ?? { source: open(found.remote), all: [] };
      group.all.push(one);
      wanted.set(found.remote.url, group);
    }
    return { wanted, refused };
  }

  #source(remote: Remote): SourceRepository {
    const known = this.#open.get(remote.url);
    if (known !== undefined) {
      known.lastNamed = Date.now();
      return known.source;
    }
    const { directory, cache, onRequest } = this.#options;
    const source = new SourceRepository({ remote, directory: join(directory, directoryOf(remote.url)), cache, signal: this.#ending.signal, ...(onRequest !== undefined && { onRequest }) });
    this.#open.set(remote.url, { source, lastNamed: Date.now() });
    return source;
  }

  /** Mirrors are a cache; what nobody names goes, also what an earlier run left. */
  async #sweep(named: ReadonlySet<string>): Promise<void> {
    for (const [url, { source, lastNamed }] of this.#open) {
      if (named.has(url) || Date.now() - lastNamed < KEEP_MS) continue;
      this.#open.delete(url);
      // A fetch may go on for minutes; nobody waits for it.
      void source.close(true).catch(() => undefined);
    }
    if (this.#swept) return;
    this.#swept = true;
    const mine = new Set([...this.#open.keys()].map(directoryOf));
    for (const name of await readdir(this.#options.directory).catch(() => [])) {
      if (!mine.has(name)) await rm(join(this.#options.directory, name), { recursive: true, force: true });
    }
  }
}

function needOf(all: readonly Elsewhere[]): SourceNeed {
  return { products: all.map(({ product }) => product), branches: new Set(all.flatMap(({ branches }) => [...branches])) };
}

/** The state of each product of one repository; `notHere` says why what they need is not in the mirror, if nothing else does. */
function statesOf(source: SourceRepository | undefined, all: readonly Elsewhere[], notHere: string, severity: 'error' | 'warning'): [string, SourceState][] {
  const need = needOf(all);
  const unread = source?.mirror(need) === undefined;
  const failed = source?.fault === undefined ? undefined : ({ code: 'SourceUnreachable', message: `${source.url} cannot be read now: ${source.fault}`, severity: 'error' } as const);
  const fault = failed ?? (unread ? { code: severity === 'error' ? 'SourceUnreachable' : 'SourceNotRead', message: notHere, severity } as const : undefined);
  return all.map(({ product }) => [product.name, { repository: unread ? undefined : source, need, fault }]);
}

function directoryOf(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 32);
}
