/** The directory of a mirror: one store in use, named by the file `current`; any other is a left-over of a crash. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { PackStore, replaceFile, StoreDamage } from './pack-store.ts';

/** Opens the store in use, or a new empty one when there is none that can be used. `damage` says why it is new. */
export async function openCurrent(directory: string, url: string): Promise<{ store: PackStore; damage?: StoreDamage }> {
  const name = await readFile(path.join(directory, 'current'), 'utf8').catch(() => '');
  for (const other of await readdir(directory)) {
    if (other.startsWith('store-') && other !== name) await rm(path.join(directory, other), { recursive: true, force: true });
  }
  if (!/^store-[0-9a-f]+$/.test(name)) return { store: await makeCurrent(directory, await newStore(directory, url)) };
  try {
    return { store: await PackStore.load(path.join(directory, name), url) };
  } catch (error) {
    if (!(error instanceof StoreDamage)) throw error;
    const store = await makeCurrent(directory, await newStore(directory, url));
    await rm(path.join(directory, name), { recursive: true, force: true });
    return { store, damage: error };
  }
}

/** An empty store beside the one in use. */
export async function newStore(directory: string, url: string): Promise<PackStore> {
  return await PackStore.create(path.join(directory, `store-${randomBytes(8).toString('hex')}`), url);
}

/** Puts a store in use, in one step. The one before is for the caller to remove. */
export async function makeCurrent(directory: string, store: PackStore): Promise<PackStore> {
  await replaceFile(path.join(directory, 'current'), path.basename(store.directory));
  return store;
}
