/** Files that survive a crash: written beside, flushed, renamed, the directory flushed. */
import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** The file holds the old content or the new one, never a part; mode 0600. */
export function writeWhole(path: string, content: string): void {
  const temporary = `${path}.new`;
  writeFlushed(temporary, content);
  renameSync(temporary, path);
  flushDirectory(dirname(path));
}

/** The same for a file that must not be there yet: of several writers one is answered true, and the file is its own. */
export function writeNew(path: string, content: string): boolean {
  const temporary = `${path}.${randomUUID()}.new`;
  writeFlushed(temporary, content);
  try {
    linkSync(temporary, path);
    flushDirectory(dirname(path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    removeFile(temporary);
  }
}

export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Only this user may look inside. */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

function writeFlushed(path: string, content: string): void {
  const file = openSync(path, 'w', 0o600);
  try {
    writeSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** What was renamed in it, too. */
export function flushDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
