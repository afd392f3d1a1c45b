/** One Tagboat process owns an embedded database at a time: the file `postgres.owner` says which. */
import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { TagboatError } from '../errors.ts';
import { processIdentity } from './embedded-process.ts';

interface Owner {
  readonly pid: number;
  readonly identity: string;
}

/**
 * Takes `file` for this process. A file left by a dead process is taken over.
 * Throws `EmbeddedDatabaseFailed` if a living process (this one included) holds it.
 */
export async function takeOwnership(file: string): Promise<void> {
  const mine: Owner = { pid: process.pid, identity: (await processIdentity(process.pid)) ?? '' };
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(mine), { flag: 'wx', mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        await link(draft, file); // whole or not at all, and refused if the name is taken
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const owner = await readOwner(file);
      if (owner !== undefined && (await processIdentity(owner.pid)) === owner.identity) {
        throw new TagboatError('EmbeddedDatabaseFailed', `the embedded database is in use by process ${String(owner.pid)} (${file})`, {
          hint: 'Stop that process, or give this one another data directory.',
        });
      }
      await removeStale(file, owner);
    }
    throw new TagboatError('EmbeddedDatabaseFailed', `several processes want the embedded database at once (${file})`);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Moves the file away and looks again: another process may have taken over between the look and the move. */
async function removeStale(file: string, stale: Owner | undefined): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch {
    return; // somebody else removed it
  }
  const moved = await readOwner(aside);
  if (moved !== undefined && (moved.pid !== stale?.pid || moved.identity !== stale.identity)) await link(aside, file).catch(() => undefined);
  await rm(aside, { force: true });
}

/** Gives the file back; only the owner may call it. */
export async function dropOwnership(file: string): Promise<void> {
  await rm(file, { force: true });
}

async function readOwner(file: string): Promise<Owner | undefined> {
  try {
    const owner = JSON.parse(await readFile(file, 'utf8')) as Partial<Owner>;
    return typeof owner.pid === 'number' && typeof owner.identity === 'string' ? { pid: owner.pid, identity: owner.identity } : undefined;
  } catch {
    return undefined; // half a file: its writer died
  }
}
