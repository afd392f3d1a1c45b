/**
 * One other repository that products of a team come from. It looks after itself: one listing a tick, a fetch of what is missing,
 * back-off while it fails. What it last saw stays usable; a failure is told beside it.
 */
import { rm } from 'node:fs/promises';
import { TagboatError, explainError } from '../errors.ts';
import { nextDelay } from '../git/backoff.ts';
import { Mirror } from '../git/mirror.ts';
import type { GitObject } from '../git/pack.ts';
import { listRefs } from '../git/refs.ts';
import type { RemoteRef } from '../git/refs.ts';
import type { Remote } from '../git/remote.ts';
import { retryAfterOf } from '../git/remote-error.ts';
import type { OnRequest } from '../git/transport.ts';
import type { ParseCache } from '../manifests/parse-cache.ts';
import type { Manifest } from '../model/manifest.ts';
import { CommitFiles } from './commit-files.ts';
import type { ManifestFiles } from './manifest-files.ts';
import { wantsOf, watchedRefs } from './ref-versions.ts';

const LIST_TIMEOUT_MS = 15_000;

export interface SourceOptions {
  readonly remote: Remote;
  /** Of the mirror; nothing else is in it. */
  readonly directory: string;
  readonly cache: ParseCache;
  readonly signal: AbortSignal;
  readonly onRequest?: OnRequest;
}

/** What the products of a team want of it. */
export interface SourceNeed {
  readonly products: readonly Manifest<'Product'>[];
  readonly branches: ReadonlySet<string>;
}

export class SourceRepository {
  readonly url: string;
  /** Of the last good look; undefined before it. */
  refs: ReadonlyMap<string, RemoteRef> | undefined;
  /** Why it cannot be read now. */
  fault: string | undefined;
  #faultCode = '';
  #mirror: Mirror | undefined;
  readonly #options: SourceOptions;
  readonly #files = new Map<string, CommitFiles>();
  #need: SourceNeed | undefined;
  #running: Promise<void> | undefined;
  /** A look ended after its tick: the next tick takes it and does not ask again. */
  #ahead = false;
  #failures = 0;
  #notBefore = 0;

  constructor(options: SourceOptions) {
    this.#options = options;
    this.url = options.remote.url;
  }

  /** Looks again if it is time. Never rejects; `late` is called if it takes longer than the caller waits (`patience` settles first). */
  async refresh(need: SourceNeed, patience: Promise<void>, late: () => void): Promise<void> {
    const satisfied = this.#ahead && this.#has(need);
    this.#ahead = false;
    this.#need = need;
    if (satisfied || (this.#running === undefined && Date.now() < this.#notBefore)) return;
    const run = (this.#running ??= this.#look().finally(() => (this.#running = undefined)));
    let waiting = true;
    void run.then(() => {
      if (waiting) return;
      this.#ahead = true;
      late();
    });
    await Promise.race([run, patience]);
    waiting = false;
  }

  /** All that products need is here; false while it is still on its way. */
  #has(need: SourceNeed): boolean {
    const { refs } = this;
    return refs !== undefined && this.#mirror !== undefined && wantsOf(watchedRefs(need.products, need.branches, refs), refs).every(({ oid }) => this.#mirror?.has(oid) === true);
  }

  /** The mirror with everything that `need` watches; undefined before the first good look. */
  mirror(need: SourceNeed): Mirror | undefined {
    return this.#has(need) ? this.#mirror : undefined;
  }

  async object(oid: string): Promise<GitObject> {
    if (this.#mirror === undefined) throw new TagboatError('Internal', `${this.url} is not open`);
    return this.#mirror.object(oid);
  }

  /** The manifests at or below the directory of a version manifest. */
  async filesAt(directory: string, commit: string, signal: AbortSignal): Promise<ManifestFiles> {
    const { cache } = this.#options;
    if (this.#mirror === undefined) throw new TagboatError('Internal', `${this.url} is not open`);
    const files = this.#files.get(directory) ?? new CommitFiles({ mirror: this.#mirror, cache, directory });
    this.#files.set(directory, files);
    return files.at(commit, undefined, signal);
  }

  forgetUnused(): void {
    for (const files of this.#files.values()) files.forgetUnused();
  }

  /** Ends what goes on; `remove` also deletes the mirror. */
  async close(remove: boolean): Promise<void> {
    await this.#running;
    await this.#mirror?.close();
    this.#mirror = undefined;
    if (remove) await rm(this.#options.directory, { recursive: true, force: true });
  }

  async #look(): Promise<void> {
    const { remote, directory, signal, onRequest } = this.#options;
    const counted = onRequest === undefined ? {} : { onRequest };
    try {
      this.#mirror ??= await Mirror.open({ directory, remote, ...counted });
      const { refs } = await listRefs(remote, { prefixes: ['refs/heads/', 'refs/tags/'], timeoutMs: LIST_TIMEOUT_MS, signal, ...counted });
      // The team's repository may name more while this one is fetched; once more is enough, the next tick does the rest.
      for (let time = 0; time < 2 && this.#need !== undefined; time += 1) {
        const wants = wantsOf(watchedRefs(this.#need.products, this.#need.branches, refs), refs);
        if (time === 0 || wants.some(({ oid }) => this.#mirror?.has(oid) !== true)) await this.#mirror.fetch(wants, { signal });
      }
      this.refs = refs;
      this.fault = undefined;
      this.#failures = 0;
      this.#notBefore = 0;
    } catch (error) {
      if (signal.aborted) return;
      this.#failures += 1;
      this.#notBefore = Date.now() + nextDelay(this.#failures, retryAfterOf(error), { jitter: Math.random() });
      // The same failure stays the same text, so that nothing is planned anew for it.
      const code = error instanceof TagboatError ? error.code : 'Internal';
      if (this.fault === undefined || this.#faultCode !== code) this.fault = error instanceof TagboatError ? explainError(error) : 'its mirror cannot be used';
      this.#faultCode = code;
    }
  }
}
