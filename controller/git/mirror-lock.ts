/**
 * One owner for a mirror's directory. The lock is a file with host, process id and the start time of that process, as
 * ids are used again (in a container the controller is always process 1). What cannot be asked (another host) counts
 * as alive while the file is touched.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { TagboatError } from '../errors.ts';

const TOUCH_MS = 10_000;
const SILENT_MS = 60_000;

/** Locks of this process, by path; two mirrors in one process must not share a directory either. */
const held = new Set<string>();

export interface MirrorLock {
  release(): Promise<void>;
}

/** Takes the lock of `directory`, taking over a stale one. Throws ConfigInvalid when a living process holds it. */
export async function lockMirror(directory: string): Promise<MirrorLock> {
  const file = path.join(directory, 'lock');
  if (held.has(file)) throw inUse(directory, 'this process');
  held.add(file);
  try {
    const mine = JSON.stringify({ host: os.hostname(), pid: process.pid, started: startOf(process.pid) });
    for (let attempt = 0; !(await create(file, mine)); attempt += 1) {
      const theirs = await readFile(file, 'utf8').catch(() => undefined);
      const owner = theirs === undefined ? undefined : await livingOwner(file, theirs);
      if (owner !== undefined || attempt >= 5) throw inUse(directory, owner ?? 'another process');
      if (theirs !== undefined) await setAside(file, theirs); // else it was given back just now
    }
    const timer = setInterval(() => void touch(file), TOUCH_MS).unref();
    return {
      async release() {
        clearInterval(timer);
        await rm(file, { force: true });
        held.delete(file);
      },
    };
  } catch (error) {
    held.delete(file);
    throw error;
  }
}

/** A link appears whole or not at all: who finds the lock before it is written would take it for nobody's. */
async function create(file: string, content: string): Promise<boolean> {
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, content, { flag: 'wx' });
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Two takers may have seen the same stale lock: the second must not carry off the lock that the first made since. */
async function setAside(file: string, seen: string): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
    if ((await readFile(aside, 'utf8')) !== seen) await link(aside, file);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function livingOwner(file: string, content: string): Promise<string | undefined> {
  const { host, pid, started } = parse(content);
  if (pid === undefined || host !== os.hostname()) {
    const age = Date.now() - (await stat(file).catch(() => ({ mtimeMs: 0 }))).mtimeMs;
    return age < SILENT_MS && pid !== undefined ? `process ${String(pid)} on ${String(host)}` : undefined;
  }
  // Our own id, and not held by us: left behind by a process that had the same id before.
  if (pid === process.pid || !alive(pid) || startOf(pid) !== started) return undefined;
  return `process ${String(pid)}`;
}

function parse(content: string): { host?: unknown; pid?: number; started?: unknown } {
  try {
    const value: unknown = JSON.parse(content);
    if (typeof value === 'object' && value !== null && 'pid' in value && typeof value.pid === 'number') return value as { pid: number };
  } catch {
    // Half-written by a process that died: nobody's.
  }
  return {};
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process started, in ticks since the boot; null where /proc does not tell. */
function startOf(pid: number): string | null {
  try {
    const line = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

async function touch(file: string): Promise<void> {
  const now = new Date();
  await utimes(file, now, now).catch(() => undefined);
}

function inUse(directory: string, owner: string): TagboatError {
  return new TagboatError('ConfigInvalid', `the mirror in ${directory} is in use by ${owner}`, { hint: 'Give every controller a data directory of its own.' });
}
