/**
 * Everything of one kind, kept in step with the API server: a list, then a watch from where the list ended, resumed where the watch ended,
 * begun anew when the server no longer knows the place (410). A connection on which nothing comes, not even the server's own end of
 * it, is given up.
 */
import { createInterface } from 'node:readline';
import { pause } from '../core/pool.ts';
import { ApiFailure, isMissing, type ApiStatus } from './api-failure.ts';
import type { KubeApi } from './api.ts';
import type { Kind } from './kinds.ts';
import { pathOf } from './kinds.ts';

const PAGE = 500;
/** The server ends a watch after so long, which shows that it is there; bookmarks come more often. */
const WATCH_SECONDS = 120;
const SILENCE_MS = (WATCH_SECONDS + 20) * 1000;
const FIRST_BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 10_000;
/** A kind that the cluster does not have may come one day. */
const MISSING_MS = 60_000;

export interface ObjectHead {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion?: string;
    readonly generation?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
    readonly creationTimestamp?: string;
  };
}

interface ListAnswer {
  readonly items?: readonly ObjectHead[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

export interface InformerOptions<T extends ObjectHead> {
  readonly api: KubeApi;
  readonly kind: Kind;
  /** Undefined for every namespace. */
  readonly namespace: string | undefined;
  readonly labelSelector?: string;
  /** What is kept of an object: what nobody asks for only costs memory. */
  trim(object: unknown): T;
  /** An object came, changed or went; undefined after a whole list, when anything may have changed. */
  onChange(object: T | undefined): void;
  onTrouble?(error: ApiFailure): void;
}

export class Informer<T extends ObjectHead> {
  readonly #options: InformerOptions<T>;
  #items = new Map<string, T>();
  #synced = false;
  /** The place in the server's history that is known. */
  #version = '';
  readonly #waiters: (() => void)[] = [];

  constructor(options: InformerOptions<T>) {
    this.#options = options;
  }

  get items(): Iterable<T> {
    return this.#items.values();
  }

  /** The picture is complete, and changes come. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Until the first whole list; never if the signal aborts first. */
  async ready(signal: AbortSignal): Promise<void> {
    if (this.#synced || signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#waiters.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Runs until the signal aborts; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    let backoff = FIRST_BACKOFF_MS;
    while (!signal.aborted) {
      try {
        if (this.#version === '') await this.#list(signal);
        await this.#watch(signal);
        backoff = FIRST_BACKOFF_MS;
      } catch (error) {
        if (signal.aborted) return;
        if (isMissing(error)) {
          this.#take([], '');
          await pause(MISSING_MS, signal);
          continue;
        }
        if (error instanceof ApiFailure && error.status === 410) {
          this.#version = '';
          continue;
        }
        // While the line is down the picture gets old, and whoever asks has to look for himself.
        this.#synced = false;
        this.#options.onTrouble?.(error instanceof ApiFailure ? error : new ApiFailure(0, {}, String(error), { cause: error }));
        await pause(backoff * (0.75 + Math.random() / 2), signal);
        backoff = Math.min(backoff * 2, LONGEST_BACKOFF_MS);
        // A line that broke is taken up where it was; a server that says no is asked from the beginning.
        if (error instanceof ApiFailure && !error.passing) this.#version = '';
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { api, kind, namespace, labelSelector, trim } = this.#options;
    const found: T[] = [];
    for (let next: string | undefined = ''; next !== undefined; ) {
      const page: ListAnswer = await api.call<ListAnswer>({ method: 'GET', path: pathOf(kind, namespace), query: { labelSelector, limit: PAGE, continue: next === '' ? undefined : next } }, signal);
      found.push(...(page.items ?? []).map(trim));
      next = page.metadata?.continue === '' ? undefined : page.metadata?.continue;
      if (next === undefined) this.#take(found, page.metadata?.resourceVersion ?? '');
    }
  }

  #take(found: readonly T[], version: string): void {
    this.#items = new Map(found.map((one) => [keyOf(one), one]));
    this.#version = version;
    this.#synced = true;
    for (const resolve of this.#waiters.splice(0)) resolve();
    this.#options.onChange(undefined);
  }

  /** Returns when the server ended it in good order; throws when the line broke or the place is gone. */
  async #watch(outer: AbortSignal): Promise<void> {
    const { api, kind, namespace, labelSelector } = this.#options;
    const silent = new AbortController();
    const signal = AbortSignal.any([outer, silent.signal]);
    const query = { labelSelector, watch: true, resourceVersion: this.#version, allowWatchBookmarks: true, timeoutSeconds: WATCH_SECONDS };
    let alarm = setTimeout(() => silent.abort(), SILENCE_MS);
    try {
      const body = await api.stream({ method: 'GET', path: pathOf(kind, namespace), query }, signal);
      if (!this.#synced) {
        this.#synced = true;
        this.#options.onChange(undefined);
      }
      for await (const line of createInterface({ input: body, crlfDelay: Infinity })) {
        clearTimeout(alarm);
        alarm = setTimeout(() => silent.abort(), SILENCE_MS);
        if (line !== '') this.#event(JSON.parse(line) as WatchEvent);
      }
      // A body that was cut looks like one that ended.
      if (!body.complete) throw new ApiFailure(0, {}, 'the watch broke off');
    } finally {
      clearTimeout(alarm);
    }
  }

  #event({ type, object }: WatchEvent): void {
    if (type === 'ERROR') {
      const status = object as ApiStatus & { readonly code?: number };
      throw new ApiFailure(status.code ?? 500, status, status.message ?? 'the watch failed');
    }
    const head = object as ObjectHead;
    this.#version = head.metadata.resourceVersion ?? this.#version;
    if (type === 'BOOKMARK') return;
    const kept = this.#options.trim(object);
    if (type === 'DELETED') this.#items.delete(keyOf(kept));
    else this.#items.set(keyOf(kept), kept);
    this.#options.onChange(kept);
  }
}

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: unknown;
}

function keyOf({ metadata }: ObjectHead): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}
