/**
 * One generation of a mirror on disk: a bare repository that holds packs only. `state.json` says which packs and refs
 * belong to it and is replaced in one step, so a crash at any point leaves the state before; whatever the file does not
 * name is removed when the store is opened. Native Git can read the directory as well.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { indexPackOff } from './index-pack.ts';
import { Pack, type GitObject } from './pack.ts';

/** Something is wrong with the files of this store; it is a cache, so it is made anew. */
export class StoreDamage extends Error {}

/** Reading comes from memory, so nothing else would have its turn: after so many milliseconds it gets one. */
const TURN_MS = 10;
/** Git knows it without having it. */
const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

interface State {
  readonly url: string;
  readonly refs: Readonly<Record<string, string>>;
  readonly packs: readonly { readonly name: string; readonly size: number }[];
  /** Bytes of the first pack: what the growth since is held against. */
  readonly baseBytes: number;
}

export class PackStore {
  readonly directory: string;
  readonly #url: string;
  #packs: readonly Pack[] = [];
  #refs: ReadonlyMap<string, string> = new Map();
  #baseBytes = 0;
  #lastTurn = performance.now();

  private constructor(directory: string, url: string) {
    this.directory = directory;
    this.#url = url;
  }

  /** Makes an empty store. */
  static async create(directory: string, url: string): Promise<PackStore> {
    await mkdir(path.join(directory, 'objects', 'pack'), { recursive: true });
    await mkdir(path.join(directory, 'objects', 'info'), { recursive: true });
    await mkdir(path.join(directory, 'refs'), { recursive: true });
    await writeFile(path.join(directory, 'HEAD'), 'ref: refs/heads/main\n');
    await writeFile(path.join(directory, 'config'), '[core]\n\trepositoryformatversion = 0\n\tbare = true\n');
    const store = new PackStore(directory, url);
    await store.#save();
    return store;
  }

  /** Opens what a process left behind. Throws StoreDamage when a file is missing, short or damaged. */
  static async load(directory: string, url: string): Promise<PackStore> {
    try {
      const state = JSON.parse(await readFile(path.join(directory, 'state.json'), 'utf8')) as State;
      if (state.url !== url) throw new Error('it mirrors another repository');
      const store = new PackStore(directory, url);
      store.#packs = await Promise.all(state.packs.map(async ({ name, size }) => await Pack.load(store.#packFile(name), name, size)));
      store.#refs = new Map(Object.entries(state.refs));
      store.#baseBytes = state.baseBytes;
      await store.verify();
      await store.#sweep();
      return store;
    } catch (error) {
      throw new StoreDamage(`the mirror in ${directory} cannot be used`, { cause: error });
    }
  }

  /** Refs as of the last fetch: full name → oid (of the tag object for an annotated tag). */
  get refs(): ReadonlyMap<string, string> {
    return this.#refs;
  }

  get packCount(): number {
    return this.#packs.length;
  }

  get bytes(): number {
    return this.#packs.reduce((sum, pack) => sum + pack.size, 0);
  }

  /** Bytes of the pack that the store began with. */
  get baseBytes(): number {
    return this.#baseBytes;
  }

  has(oid: string): boolean {
    return this.#packs.some((pack) => pack.has(oid));
  }

  /** Size of an object in bytes without reading it. Whatever goes wrong, its absence included, is StoreDamage. */
  async size(oid: string): Promise<number> {
    return await this.#from(oid, async (pack) => await pack.objectSize(oid));
  }

  /** Reads an object. Whatever goes wrong, its absence included, is StoreDamage. */
  async object(oid: string): Promise<GitObject> {
    if (performance.now() - this.#lastTurn > TURN_MS) {
      await nextTurn();
      this.#lastTurn = performance.now();
    }
    if (oid === EMPTY_TREE) return { type: 'tree', bytes: Buffer.alloc(0) };
    return await this.#from(oid, async (pack) => await pack.object(oid));
  }

  async #from<T>(oid: string, read: (pack: Pack) => Promise<T>): Promise<T> {
    const pack = this.#packs.find((one) => one.has(oid));
    if (pack === undefined) throw new StoreDamage(`object ${oid} is missing`);
    try {
      return await read(pack);
    } catch (error) {
      throw new StoreDamage(`object ${oid} cannot be read`, { cause: error });
    }
  }

  /** Every pack has its file with its size. (What is inside is verified object by object.) */
  async verify(): Promise<void> {
    for (const pack of this.#packs) {
      const found = await stat(this.#packFile(pack.name)).catch(() => undefined);
      if (found?.size !== pack.size) throw new StoreDamage(`pack ${pack.name} is missing or short`);
    }
  }

  /** A path for a pack that is being received; `adopt` takes it in, `load` clears what is left of a crash. */
  incomingFile(): string {
    return path.join(this.directory, 'objects', 'pack', 'incoming.pack');
  }

  /** Indexes the received pack. It belongs to the store from the next `commit` on. */
  async adopt(pack: { readonly checksum: string; readonly objects: number; readonly bytes: number }): Promise<void> {
    const name = `pack-${pack.checksum}`;
    const file = this.incomingFile();
    if (pack.objects === 0 || this.#packs.some((one) => one.name === name)) return await rm(file, { force: true });
    // isomorphic-git leaves out what it cannot resolve, without a word.
    const readable = await this.#damaging(async () => await indexPackOff(file));
    if (readable !== pack.objects) throw new StoreDamage(`the pack holds ${String(pack.objects)} objects, ${String(readable)} of them readable`);
    await rename(file, this.#packFile(name));
    await rename(file.replace(/pack$/, 'idx'), this.#packFile(name).replace(/pack$/, 'idx'));
    if (this.#packs.length === 0) this.#baseBytes = pack.bytes;
    this.#packs = [...this.#packs, await Pack.load(this.#packFile(name), name, pack.bytes)];
  }

  /** Makes packs and refs the state that a crash falls back to. */
  async commit(refs: ReadonlyMap<string, string>): Promise<void> {
    this.#refs = new Map([...refs].sort(([a], [b]) => (a < b ? -1 : 1)));
    await this.#save();
  }

  /** The pack files, oldest first. */
  packFiles(): string[] {
    return this.#packs.map((pack) => this.#packFile(pack.name));
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  async #save(): Promise<void> {
    const state: State = { url: this.#url, refs: Object.fromEntries(this.#refs), packs: this.#packs.map(({ name, size }) => ({ name, size })), baseBytes: this.#baseBytes };
    await replaceFile(path.join(this.directory, 'state.json'), JSON.stringify(state));
    // For people who look into the mirror with Git itself; nothing here reads it.
    await replaceFile(path.join(this.directory, 'packed-refs'), [...this.#refs].map(([name, oid]) => `${oid} ${name}\n`).join(''));
  }

  async #damaging<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw new StoreDamage('a received pack cannot be indexed', { cause: error });
    }
  }

  async #sweep(): Promise<void> {
    const known = new Set(this.#packs.flatMap((pack) => [`${pack.name}.pack`, `${pack.name}.idx`]));
    const directory = path.join(this.directory, 'objects', 'pack');
    for (const name of await readdir(directory)) if (!known.has(name)) await rm(path.join(directory, name), { recursive: true, force: true });
  }

  #packFile(name: string): string {
    return path.join(this.directory, 'objects', 'pack', `${name}.pack`);
  }
}

/** Replaces a small file in one step, and so that it is on disk before the old one is gone. */
export async function replaceFile(file: string, content: string): Promise<void> {
  const handle = await open(`${file}.new`, 'w');
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
}
