/**
 * Keeps the agent's directory (identity, keys, journal) in Secrets of its own namespace, one a file, so that it outlives the pod and its
 * machine: a pod that starts elsewhere is the same agent, without a new token (R4). The directory stays the first home of everything; a
 * machine that dies at once may take the last half second with it, and then the controller asks again.
 *
 * While another process may be the agent, the directory stands back: nothing of it is written, and it is filled anew before it counts again. A file in it says so, so that it
 * is so after a restart, too: an identity or a journal from before can never replace what the other one has kept since.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { makePrivateDirectory, removeFile, writeWhole } from '../core/files.ts';
import { pause } from '../core/pool.ts';
import { AgentError } from '../core/errors.ts';
import { ApiFailure, isMissing } from './api-failure.ts';
import { KubeApi } from './api.ts';
import { Connection } from './connect.ts';
import type { ConnectOptions } from './connect.ts';

const LABEL = 'tagboat.dev/agent-state';
const PATH = 'tagboat.dev/path';
const MANAGER = 'tagboat-agent-state';
/** Files follow each other closely; written once they rest. */
const REST_MS = 200;
/** However quiet the directory is, what could not be written is tried again. */
const AGAIN_MS = 30_000;
/** A Secret may hold one mebibyte. */
const LARGEST = 1_000_000;
/** Only what is done with is ever removed; never an identity or a key. */
const PASSING = /^(journal\/(attempts|targets)\/|update-failure\.json$)/;
const STANDING_BACK = '.standing-back';
const IDENTITY = 'identity.json';
const FILE = /^[A-Za-z0-9][\w.-]*$/;

interface StateSecret {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly data?: Readonly<Record<string, string>>;
}

export interface StateKeeperOptions {
  readonly api: KubeApi;
  readonly namespace: string;
  /** Of the agent; its Secrets begin with it. At most 52 characters, so that a label can hold it. */
  readonly name: string;
  readonly directory: string;
  readonly log: { warn(fields: object, text: string): void };
}

export class StateKeeper {
  readonly #options: StateKeeperOptions;
  /** Digests of what the cluster has, by path. */
  readonly #kept = new Map<string, string>();
  #saving: Promise<boolean> = Promise.resolve(true);
  #complained = false;
  #wake: () => void = () => undefined;

  constructor(options: StateKeeperOptions) {
    this.#options = options;
  }

  /**
   * Fills a directory that has no identity, or stands back. Waits while the API server is away: without its state the agent would be another
   * one. Throws AgentError `ConfigInvalid` when it may not.
   */
  async restore(signal: AbortSignal): Promise<void> {
    const { api, namespace, name, directory, log } = this.#options;
    for (let wait = 500; ; wait = Math.min(wait * 2, 30_000)) {
      try {
        const { items } = await api.call<{ items: readonly StateSecret[] }>({ method: 'GET', path: this.#path(), query: { labelSelector: `${LABEL}=${name}` } }, signal);
        const anew = this.#standsBack;
        const fresh = anew || !existsSync(join(directory, IDENTITY));
        // What makes it count as filled comes last.
        const last = (item: StateSecret): number => Number(item.metadata.annotations?.[PATH] === IDENTITY);
        for (const item of [...items].sort((a, b) => last(a) - last(b))) this.#take(item, fresh);
        const kept = new Set(items.map((item) => item.metadata.annotations?.[PATH]));
        if (anew) for (const path of filesBelow(directory)) if (PASSING.test(path) && !kept.has(path)) removeFile(join(directory, path));
        return;
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error;
        if (!error.passing) throw new AgentError('ConfigInvalid', `The agent's state in namespace ${namespace} cannot be read: ${error.message}`, { cause: error });
        if (signal.aborted) return;
        log.warn({ err: error, retryInMs: wait }, 'the state of this agent cannot be read yet');
        await pause(wait, signal);
      }
    }
  }

  /** Writes what has changed; one at a time. Never throws: what failed is tried again later. False where not all is kept now. */
  async save(): Promise<boolean> {
    this.#saving = this.#saving.then(() => this.#saveAll());
    return this.#saving;
  }

  /** From here on nothing is written, until `resume`. */
  standBack(): void {
    makePrivateDirectory(this.#options.directory);
    writeWhole(join(this.#options.directory, STANDING_BACK), '');
  }

  /** This directory is the agent's. */
  resume(): void {
    removeFile(join(this.#options.directory, STANDING_BACK));
    this.#wake();
  }

  /** Follows the directory until the signal aborts, then writes once more. */
  async run(signal: AbortSignal): Promise<void> {
    const watchers: FSWatcher[] = [];
    const { directory } = this.#options;
    for (const part of ['', 'journal', 'journal/attempts', 'journal/targets']) {
      const path = join(directory, part);
      mkdirSync(path, { recursive: true, mode: 0o700 });
      watchers.push(watch(path, () => this.#wake()));
    }
    try {
      while (!signal.aborted) {
        const changed = new AbortController();
        this.#wake = () => changed.abort();
        await this.save();
        await pause(AGAIN_MS, AbortSignal.any([signal, changed.signal]));
        await pause(REST_MS, signal);
      }
    } finally {
      for (const watcher of watchers) watcher.close();
      await this.save();
    }
  }

  #take(item: StateSecret, fresh: boolean): void {
    const { directory, log } = this.#options;
    const path = item.metadata.annotations?.[PATH] ?? '';
    const data = item.data?.['file'];
    if (data === undefined || !path.split('/').every((part) => FILE.test(part))) return log.warn({ secret: item.metadata.name }, 'a Secret among the state of this agent is none of its own and was left alone');
    const content = gunzipSync(Buffer.from(data, 'base64'), { maxOutputLength: 64 * LARGEST });
    this.#kept.set(path, digest(content));
    if (!fresh) return;
    mkdirSync(dirname(join(directory, path)), { recursive: true, mode: 0o700 });
    writeWhole(join(directory, path), content.toString('utf8'));
  }

  get #standsBack(): boolean {
    return existsSync(join(this.#options.directory, STANDING_BACK));
  }

  async #saveAll(): Promise<boolean> {
    if (this.#standsBack) return false;
    try {
      const present = new Set<string>();
      for (const path of filesBelow(this.#options.directory)) {
        present.add(path);
        await this.#keep(path);
      }
      for (const path of this.#kept.keys()) if (!present.has(path) && PASSING.test(path)) await this.#forget(path);
      this.#complained = false;
      return true;
    } catch (error) {
      if (!this.#complained) this.#options.log.warn({ err: error }, 'the state of this agent cannot be written to the cluster; it is tried again');
      this.#complained = true;
      return false;
    }
  }

  async #keep(path: string): Promise<void> {
    const { api, name, namespace, directory, log } = this.#options;
    let content: Buffer;
    try {
      content = readFileSync(join(directory, path));
    } catch {
      return; // gone meanwhile
    }
    const known = digest(content);
    if (this.#kept.get(path) === known) return;
    const packed = gzipSync(content);
    if (packed.length > LARGEST) return log.warn({ path, bytes: packed.length }, 'a file of this agent is too large for a Secret and would be lost with the pod');
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: this.#nameOf(path), namespace, labels: { [LABEL]: name }, annotations: { [PATH]: path } },
      type: 'Opaque',
      data: { file: packed.toString('base64') },
    };
    await api.call({ method: 'PATCH', path: this.#path(this.#nameOf(path)), query: { fieldManager: MANAGER, force: true }, contentType: 'application/apply-patch+yaml', body: secret });
    this.#kept.set(path, known);
  }

  async #forget(path: string): Promise<void> {
    await this.#options.api.call({ method: 'DELETE', path: this.#path(this.#nameOf(path)) }).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
    this.#kept.delete(path);
  }

  #nameOf(path: string): string {
    return `${this.#options.name}-${digest(Buffer.from(path)).slice(0, 10)}`;
  }

  #path(name?: string): string {
    return `/api/v1/namespaces/${encodeURIComponent(this.#options.namespace)}/secrets${name === undefined ? '' : `/${name}`}`;
  }
}

/** With a way to the cluster of its own. Throws AgentError `ConfigInvalid`. */
export async function openStateKeeper(options: Omit<StateKeeperOptions, 'api'> & ConnectOptions): Promise<StateKeeper> {
  return new StateKeeper({ ...options, api: new KubeApi(await Connection.open(options)) });
}

function digest(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Paths relative to the directory, without what is half written or belongs to the process. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.new') && entry.name !== 'lock')
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .filter((path) => path.split('/').every((part) => FILE.test(part)));
}
