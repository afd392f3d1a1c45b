/**
 * A bare clone kept as a cache: fetches only what is missing, answers questions about commits, trees and blobs, and
 * makes itself anew when its files are damaged. Nothing that has been deployed depends on it (R9).
 */
import { mkdir, rm } from 'node:fs/promises';
import { TagboatError } from '../errors.ts';
import { isAncestor, lineOf, meetingPoints, nearestTaggedAncestors, sparseAncestors, type Line } from './ancestry.ts';
import { fetchPack } from './fetch-pack.ts';
import { mergePacks } from './merge-packs.ts';
import { makeCurrent, newStore, openCurrent } from './mirror-directory.ts';
import { lockMirror, type MirrorLock } from './mirror-lock.ts';
import { parseCommit, parseTag, type Commit, type ObjectSource, type TagObject } from './objects.ts';
import { request } from './open-transport.ts';
import { StoreDamage, type PackStore } from './pack-store.ts';
import type { GitObject, ObjectType } from './pack.ts';
import { RemoteError, retryAfterOf } from './remote-error.ts';
import type { Remote } from './remote.ts';
import type { OnRequest } from './transport.ts';
import { diffTrees, type TreeDiff } from './tree-diff.ts';
import { findTree, openTree, type TreeSource } from './tree-source.ts';

export interface MirrorLimits {
  /** Bytes of one answer of the server; 256 MiB unless told. More is RemoteTooLarge. Packs are held in memory when read. */
  readonly maxFetchBytes?: number;
  /** Bytes of one blob; 8 MiB unless told. */
  readonly maxBlobBytes?: number;
  /** Packs before they are merged into one; 50 unless told. */
  readonly maxPacks?: number;
  /** Milliseconds for one fetch; 5 min unless told. */
  readonly fetchTimeoutMs?: number;
}

export interface MirrorOptions {
  /** Of this mirror alone; made when it does not exist. */
  readonly directory: string;
  readonly remote: Remote;
  readonly limits?: MirrorLimits;
  readonly onRequest?: OnRequest;
}

export interface Want {
  /** Full name. */
  readonly ref: string;
  /** As listed: the tag object of an annotated tag. */
  readonly oid: string;
}

export interface FetchOutcome {
  /** Bytes of the packs that came; 0 when nothing was missing (then the server was not asked). */
  readonly bytes: number;
  /** Whether the mirror was made anew, because it was damaged or had grown too much. */
  readonly remade: boolean;
}

const DEFAULTS = { maxFetchBytes: 268_435_456, maxBlobBytes: 8_388_608, maxPacks: 50, fetchTimeoutMs: 300_000 } as const satisfies Required<MirrorLimits>;
const MAX_HAVES = 256;
const HAVES_PER_REF = 16;
const MAX_REMEMBERED_COMMITS = 500_000;
/** Marks the names of what was fetched beside the watched refs, so that it never takes the place of one. */
const BESIDE = 'refs/tagboat/beside/';
/** Growth that never makes a mirror anew. */
const FREE_GROWTH_BYTES = 33_554_432;

export class Mirror implements ObjectSource {
  readonly #directory: string;
  readonly #remote: Remote;
  readonly #limits: Required<MirrorLimits>;
  readonly #onRequest: OnRequest | undefined;
  readonly #lock: MirrorLock;
  #store: PackStore;
  /** Fetches and repairs, one after the other. */
  #tail: Promise<unknown> = Promise.resolve();
  /** A damage is repaired once between two fetches, so that a server with broken objects is not asked for ever. */
  #repaired = false;
  /** Content never changes under its oid, so this outlives the stores. */
  readonly #parents = new Map<string, readonly string[]>();

  private constructor(options: MirrorOptions, lock: MirrorLock, store: PackStore) {
    this.#directory = options.directory;
    this.#remote = options.remote;
    this.#limits = { ...DEFAULTS, ...options.limits };
    this.#onRequest = options.onRequest;
    this.#lock = lock;
    this.#store = store;
  }

  /** Opens a mirror without any request. A damaged one begins empty; the next fetch fills it. ConfigInvalid if it is in use. */
  static async open(options: MirrorOptions): Promise<Mirror> {
    await mkdir(options.directory, { recursive: true });
    const lock = await lockMirror(options.directory);
    try {
      return new Mirror(options, lock, (await openCurrent(options.directory, options.remote.url)).store);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Waits for a fetch in progress and gives the directory free. */
  async close(): Promise<void> {
    await this.#tail.catch(() => undefined);
    await this.#lock.release();
  }

  /** The refs of the last fetch. */
  get refs(): ReadonlyMap<string, string> {
    return this.#store.refs;
  }

  /** Whether an object is here. */
  has(oid: string): boolean {
    return this.#store.has(oid);
  }

  /**
   * Fetches what is missing of `wants`, with their full history, in one request; none is sent when nothing is missing.
   * `wants` are ALL refs that are watched: afterwards they are the refs of the mirror. RefMissing if one has moved
   * since it was listed; RemoteTooLarge, RemoteUnreachable… leave the mirror as it was.
   */
  async fetch(wants: readonly Want[], options: { readonly signal?: AbortSignal } = {}): Promise<FetchOutcome> {
    return await this.#inTurn(async () => {
      this.#repaired = false;
      const refs = new Map(wants.map(({ ref, oid }) => [ref, oid]));
      try {
        return await this.#fetchMissing(refs, options.signal);
      } catch (error) {
        if (error instanceof StoreDamage) return await this.#remake(refs, options.signal);
        throw error;
      }
    });
  }

  /**
   * Fetches commits of others (requests to merge) besides the refs that are watched: those stay what they are, whatever
   * comes or fails here. `maxBytes` of the answer; RemoteTooLarge beyond. They stay until a `fetch` does not name them (see
   * `beside`), and are gone when the mirror is made anew.
   */
  async fetchBeside(wants: readonly Want[], options: { readonly maxBytes: number; readonly signal?: AbortSignal }): Promise<FetchOutcome> {
    return await this.#inTurn(async () => {
      const refs = new Map(this.#store.refs);
      for (const want of wants) refs.set(beside(want).ref, want.oid);
      return await this.#fetchMissing(refs, options.signal, options.maxBytes);
    });
  }

  /** Throws RefMissing when the commit is not in the mirror. */
  async commit(oid: string): Promise<Commit> {
    const { tree: _tree, ...commit } = await this.#commit(oid);
    return commit;
  }

  /** An annotated tag, its chain followed to the commit. Throws RefMissing for an oid that is no tag of a commit here. */
  async tag(oid: string): Promise<TagObject> {
    const { object, tagger, message, type: first } = parseTag(await this.#known(oid, 'tag'));
    let [target, type] = [object, first];
    for (let depth = 0; type === 'tag' && depth < 100; depth += 1) ({ object: target, type } = parseTag((await this.object(target)).bytes));
    if (type !== 'commit') throw new RemoteError('RefMissing', `tag ${oid} of ${this.#remote.url} does not name a commit but a ${type}`);
    return { oid, target, message, ...(tagger === undefined ? {} : { tagger }) };
  }

  /** The files of a commit below `directory` ('' or absent: all). */
  async tree(commit: string, directory = ''): Promise<TreeSource> {
    return await openTree(this, (await this.#commit(commit)).tree, directory);
  }

  /** Throws RemoteTooLarge for a blob over the limit, before it is read. */
  async readBlob(oid: string): Promise<Uint8Array> {
    const size = await this.#reading(async (store) => await store.size(oid));
    if (size > this.#limits.maxBlobBytes) {
      throw new RemoteError('RemoteTooLarge', `file ${oid} of ${this.#remote.url} has ${String(size)} bytes, more than ${String(this.#limits.maxBlobBytes)}`, { hint: 'Keep large files out of what is read.' });
    }
    return (await this.object(oid)).bytes;
  }

  /** What changed from one commit (null: nothing) to another, below `directory`. */
  async diffTrees(before: string | null, after: string, directory = ''): Promise<TreeDiff> {
    const [old, now] = await Promise.all([before, after].map(async (oid) => (oid === null ? undefined : await findTree(this, (await this.#commit(oid)).tree, directory))));
    return await diffTrees(this, old, now, directory);
  }

  /** R7; order and ties as in `ancestry.ts`. */
  async nearestTaggedAncestors(commit: string, taggedCommits: ReadonlyMap<string, readonly string[]>): Promise<string[]> {
    await this.#commit(commit);
    return await nearestTaggedAncestors(this.#parentsOf, commit, taggedCommits);
  }

  /** Whether `ancestor` is `commit` or reachable from it. */
  async isAncestor(ancestor: string, commit: string): Promise<boolean> {
    await this.#commit(commit);
    return await isAncestor(this.#parentsOf, ancestor, commit);
  }

  /** A commit with all its ancestors; `before` as in `ancestry.ts`. */
  async line(tip: string, before?: Line): Promise<Line> {
    await this.#commit(tip);
    return await lineOf(this.#parentsOf, tip, before);
  }

  /** Where a commit left a line; as in `ancestry.ts`. */
  async meetingPoints(commit: string, line: Line): Promise<string[]> {
    await this.#commit(commit);
    return await meetingPoints(this.#parentsOf, commit, line);
  }

  /** Reads any object that must be here; a missing one is damage and makes the mirror anew (once). */
  async object(oid: string): Promise<GitObject> {
    return await this.#reading(async (store) => await store.object(oid));
  }

  readonly #parentsOf = async (oid: string): Promise<readonly string[]> => {
    const known = this.#parents.get(oid);
    if (known !== undefined) return known;
    const { parents } = parseCommit(oid, (await this.object(oid)).bytes);
    if (this.#parents.size >= MAX_REMEMBERED_COMMITS) this.#parents.clear();
    this.#parents.set(oid, parents);
    return parents;
  };

  async #commit(oid: string): Promise<Commit & { readonly tree: string }> {
    return parseCommit(oid, await this.#known(oid, 'commit'));
  }

  /** An object that somebody names from outside: absent, it is simply not known here, unless files are missing, too. */
  async #known(oid: string, type: ObjectType): Promise<Buffer> {
    if (!this.has(oid)) {
      await this.#reading(async (store) => await store.verify());
      if (!this.has(oid)) throw new RemoteError('RefMissing', `${oid} of ${this.#remote.url} has not been fetched`);
    }
    const object = await this.object(oid);
    if (object.type !== type) throw new RemoteError('RefMissing', `${oid} of ${this.#remote.url} is no ${type} but a ${object.type}`);
    return object.bytes;
  }

  async #reading<T>(read: (store: PackStore) => Promise<T>): Promise<T> {
    const store = this.#store;
    try {
      return await read(store);
    } catch (error) {
      if (!(error instanceof StoreDamage)) throw error;
      if (this.#store === store) await this.#inTurn(async () => await this.#repair(store, error));
    }
    try {
      return await read(this.#store);
    } catch (error) {
      throw error instanceof StoreDamage ? this.#corrupt(error) : error;
    }
  }

  async #repair(broken: PackStore, damage: StoreDamage): Promise<void> {
    // Another reader may have repaired it while this one waited for its turn.
    if (this.#store !== broken) return;
    if (this.#repaired) throw this.#corrupt(damage);
    this.#repaired = true;
    try {
      await this.#remake(broken.refs);
    } catch (error) {
      throw this.#corrupt(error);
    }
  }

  async #fetchMissing(refs: ReadonlyMap<string, string>, signal?: AbortSignal, maxBytes = this.#limits.maxFetchBytes): Promise<FetchOutcome> {
    const store = this.#store;
    const before = store.refs;
    const missing = [...refs.values()].filter((oid) => !store.has(oid));
    if (missing.length === 0) {
      if (!sameRefs(refs, store.refs)) await store.commit(refs);
      return { bytes: 0, remade: false };
    }
    const bytes = await this.#receive(store, missing, await this.#haves(store), refs, signal, maxBytes);
    if (store.packCount <= this.#limits.maxPacks) return { bytes, remade: false };
    const onlyBeside = sameRefs(withoutBeside(refs), withoutBeside(before));
    if (!onlyBeside && store.bytes - store.baseBytes > store.baseBytes + FREE_GROWTH_BYTES) {
      // Mostly what no ref reaches any more: merging would keep it.
      const again = await this.#remake(refs, signal);
      return { bytes: bytes + again.bytes, remade: true };
    }
    await this.#replace(async (next) => {
      await next.adopt(await mergePacks(store.packFiles(), next.incomingFile()));
      await next.commit(refs);
    });
    return { bytes, remade: false };
  }

  /** Tips that the server should know, and ancestors of them in case that it forgot a tip. */
  async #haves(store: PackStore): Promise<string[]> {
    const haves = new Set<string>();
    const parents = async (oid: string): Promise<readonly string[]> => this.#parents.get(oid) ?? (await this.#readParents(store, oid));
    for (const tip of new Set(store.refs.values())) {
      if (haves.size >= MAX_HAVES) break;
      haves.add(tip);
      for (const oid of await sparseAncestors(parents, tip, HAVES_PER_REF)) haves.add(oid);
    }
    return [...haves].slice(0, MAX_HAVES);
  }

  /** Straight from the store: a fetch must not wait for a repair that waits for its turn behind this fetch. */
  async #readParents(store: PackStore, oid: string): Promise<readonly string[]> {
    const { type, bytes } = await store.object(oid);
    if (type === 'tag') return [parseTag(bytes).object];
    if (type !== 'commit') return [];
    const { parents } = parseCommit(oid, bytes);
    this.#parents.set(oid, parents);
    return parents;
  }

  async #receive(store: PackStore, wants: readonly string[], haves: readonly string[], refs: ReadonlyMap<string, string>, signal?: AbortSignal, maxBytes = this.#limits.maxFetchBytes): Promise<number> {
    const file = store.incomingFile();
    const frame = { kind: 'fetch', timeoutMs: this.#limits.fetchTimeoutMs, maxBytes, signal, onRequest: this.#onRequest } as const;
    try {
      await rm(file, { force: true });
      const pack = await request(this.#remote, frame, async (send) => await fetchPack(this.#remote, send, wants, haves, file));
      await store.adopt(pack);
      const absent = wants.find((oid) => !store.has(oid));
      if (absent !== undefined) throw new RemoteError('RemoteProtocol', `${this.#remote.url} sent a pack without the commit ${absent}`);
      await store.commit(refs);
      return pack.bytes;
    } catch (error) {
      throw this.#diskError(error);
    } finally {
      await rm(file, { force: true });
    }
  }

  /** What was fetched beside the watched refs may be gone at the server, and must not keep a mirror from being mended. */
  async #remake(all: ReadonlyMap<string, string>, signal?: AbortSignal): Promise<FetchOutcome> {
    const refs = withoutBeside(all);
    let bytes = 0;
    await this.#replace(async (next) => {
      const wants = [...new Set(refs.values())];
      if (wants.length > 0) bytes = await this.#receive(next, wants, [], refs, signal);
    });
    return { bytes, remade: true };
  }

  /** Fills a new store and puts it in the place of the old one, or leaves everything as it was. */
  async #replace(fill: (next: PackStore) => Promise<void>): Promise<void> {
    const next = await newStore(this.#directory, this.#remote.url);
    try {
      await fill(next);
      await makeCurrent(this.#directory, next);
    } catch (error) {
      await next.remove();
      throw error instanceof StoreDamage ? this.#corrupt(error) : error;
    }
    const old = this.#store;
    this.#store = next;
    await old.remove();
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(run, run);
    this.#tail = turn.catch(() => undefined);
    return await turn;
  }

  #corrupt(cause: unknown): TagboatError {
    if (cause instanceof TagboatError && cause.code === 'MirrorCorrupt') return cause;
    return new RemoteError('MirrorCorrupt', `the mirror of ${this.#remote.url} is damaged, and could not be made anew: ${reasonOf(cause)}`, { cause, retryAfterMs: retryAfterOf(cause), hint: 'It is tried again by itself, more and more rarely. If the repository itself is in order (git fsck), report this.' });
  }

  /** A full or read-only disk is neither damage nor the remote's fault. */
  #diskError(error: unknown): unknown {
    const code = error instanceof Error && !(error instanceof TagboatError) && 'syscall' in error && 'code' in error ? String(error.code) : undefined;
    if (code === undefined) return error;
    return new TagboatError('MirrorCorrupt', `the mirror of ${this.#remote.url} cannot be written in ${this.#directory} (${code})`, { cause: error, hint: 'Check the disk and its permissions.' });
  }
}

/** The innermost words: the outer ones tell of the mirror alone. */
function reasonOf(cause: unknown): string {
  const words: string[] = [];
  for (let at = cause; at instanceof Error && words.length < 4; at = at.cause) words.push(at.message);
  return words.length === 0 ? String(cause) : words.join(': ');
}

/** A want of `fetch` for what `fetchBeside` brought: kept, but not watched. */
export function beside({ ref, oid }: Want): Want {
  return { ref: `${BESIDE}${ref.replace(/^refs\//, '')}`, oid };
}

function withoutBeside(refs: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...refs].filter(([ref]) => !ref.startsWith(BESIDE)));
}

function sameRefs(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, oid]) => b.get(name) === oid);
}
