/**
 * The agent's small memory on its node (SPEC §4): what it accepted, what came of it and was not yet acknowledged, what it
 * laid down last on each target. One file an item, each written whole; a file that cannot be read is set aside, and the
 * rest goes on.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, linkSync, readdirSync, readFileSync, readlinkSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { AttemptResult, StartAttempt } from '../../proto/gen/agent/v1/agent.ts';
import type { TargetMemory } from './engine.ts';
import { AgentError } from './errors.ts';
import { makePrivateDirectory, removeFile, writeNew, writeWhole } from './files.ts';

/** Acknowledged attempts that are remembered, so that a command that comes again is not carried out again. */
const REMEMBERED = 256;

export interface JournalEntry {
  readonly command: StartAttempt;
  /** Work has begun before; after a restart the engine looks at what is there first. */
  readonly started: boolean;
  readonly lastSequence: number;
  /** Milliseconds since the epoch on this node's clock. */
  readonly deadlineMs: number;
  readonly result: AttemptResult | undefined;
}

interface StoredEntry {
  readonly command: string;
  readonly started: boolean;
  readonly lastSequence: number;
  readonly deadlineMs: number;
  readonly result: string | null;
}

export class Journal {
  readonly #directory: string;
  readonly #entries = new Map<bigint, JournalEntry>();
  readonly #memories = new Map<string, TargetMemory>();
  #done: bigint[] = [];
  #fence = 0n;
  /** Files that could not be read and were set aside. */
  readonly damaged: string[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Throws `JournalLocked` when another process that lives uses the directory. */
  static open(directory: string): Journal {
    makePrivateDirectory(directory);
    for (const part of ['attempts', 'targets']) makePrivateDirectory(join(directory, part));
    lock(join(directory, 'lock'));
    const journal = new Journal(directory);
    journal.#load();
    return journal;
  }

  close(): void {
    const path = join(this.#directory, 'lock');
    if (readLock(path) === MINE) removeFile(path);
  }

  get entries(): ReadonlyMap<bigint, JournalEntry> {
    return this.#entries;
  }

  get memories(): ReadonlyMap<string, TargetMemory> {
    return this.#memories;
  }

  get highestFence(): bigint {
    return this.#fence;
  }

  wasAcknowledged(attemptId: bigint): boolean {
    return this.#done.includes(attemptId);
  }

  put(entry: JournalEntry): void {
    const { attemptId } = entry.command;
    this.#entries.set(attemptId, entry);
    const stored: StoredEntry = {
      command: Buffer.from(StartAttempt.encode(entry.command).finish()).toString('base64'),
      started: entry.started,
      lastSequence: entry.lastSequence,
      deadlineMs: entry.deadlineMs,
      result: entry.result === undefined ? null : Buffer.from(AttemptResult.encode(entry.result).finish()).toString('base64'),
    };
    writeWhole(this.#attemptFile(attemptId), JSON.stringify(stored));
  }

  /** The controller has stored the result: only the id is kept. */
  acknowledge(attemptId: bigint): void {
    if (!this.#entries.has(attemptId)) return;
    this.#done = [...this.#done, attemptId].slice(-REMEMBERED);
    this.#saveState();
    this.#entries.delete(attemptId);
    removeFile(this.#attemptFile(attemptId));
  }

  obey(fence: bigint): void {
    if (fence <= this.#fence) return;
    this.#fence = fence;
    this.#saveState();
  }

  remember(prefix: string, memory: TargetMemory): void {
    this.#memories.set(prefix, memory);
    writeWhole(this.#targetFile(prefix), JSON.stringify({ ...memory, attemptId: memory.attemptId.toString() }));
  }

  forget(prefix: string): void {
    this.#memories.delete(prefix);
    removeFile(this.#targetFile(prefix));
  }

  #load(): void {
    this.#each('attempts', (text) => {
      const stored = JSON.parse(text) as StoredEntry;
      const command = StartAttempt.decode(Buffer.from(stored.command, 'base64'));
      this.#entries.set(command.attemptId, { ...stored, command, result: stored.result === null ? undefined : AttemptResult.decode(Buffer.from(stored.result, 'base64')) });
    });
    this.#each('targets', (text) => {
      const memory = JSON.parse(text) as Omit<TargetMemory, 'attemptId'> & { readonly attemptId: string };
      this.#memories.set(memory.spec.prefix, { ...memory, attemptId: BigInt(memory.attemptId) });
    });
    const state = join(this.#directory, 'state.json');
    if (existsSync(state)) {
      this.#read(state, (text) => {
        const { fence, done } = JSON.parse(text) as { fence: string; done: string[] };
        this.#fence = BigInt(fence);
        this.#done = done.map(BigInt);
      });
    }
  }

  #each(part: string, use: (text: string) => void): void {
    const directory = join(this.#directory, part);
    for (const name of readdirSync(directory).sort()) if (name.endsWith('.json')) this.#read(join(directory, name), use);
  }

  #read(path: string, use: (text: string) => void): void {
    try {
      use(readFileSync(path, 'utf8'));
    } catch {
      renameSync(path, `${path}.damaged`);
      this.damaged.push(path);
    }
  }

  #saveState(): void {
    writeWhole(join(this.#directory, 'state.json'), JSON.stringify({ fence: this.#fence.toString(), done: this.#done.map(String) }));
  }

  #attemptFile(attemptId: bigint): string {
    return join(this.#directory, 'attempts', `${attemptId}.json`);
  }

  #targetFile(prefix: string): string {
    return join(this.#directory, 'targets', `${prefix}.json`);
  }
}

/** Whose numbers process ids are: each container has its own, and a number says nothing in another one. Two containers on one directory are kept apart by whoever starts them. */
const PROCESSES = namespaceOfProcesses();
const MINE = `${process.pid} ${PROCESSES}`;

function namespaceOfProcesses(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** Of whoever has the journal: known by its process, as it is there whole or not at all. Throws `JournalLocked` when that is another process that lives. */
function lock(path: string): void {
  for (let attempt = 0; attempt < 5; attempt++) {
    if (placeLock(path)) return;
    const theirs = readLock(path);
    if (theirs === undefined) continue; // given back just now
    const [pid, processes] = theirs.split(' ');
    const holder = processes === undefined || processes === PROCESSES ? Number(pid) : 0;
    if (holder !== process.pid && isAlive(holder)) throw new AgentError('JournalLocked', `Process ${holder} uses this journal; one agent per directory`);
    takeAway(path, theirs);
  }
  throw new AgentError('JournalLocked', `Several processes want this journal at once; one agent per directory: ${path}`);
}

function placeLock(path: string): boolean {
  try {
    return writeNew(path, MINE);
  } catch (error) {
    throw new AgentError('JournalUnreadable', `The journal cannot be written: ${path}`, { cause: error });
  }
}

function readLock(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new AgentError('JournalUnreadable', `The lock of the journal cannot be read: ${path}`, { cause: error });
  }
}

/** The lock as it was seen, and not the one that somebody else has put in its place since. */
function takeAway(path: string, seen: string): void {
  const aside = `${path}.${randomUUID()}.new`;
  try {
    renameSync(path, aside);
  } catch {
    return; // somebody else did
  }
  try {
    if (readFileSync(aside, 'utf8') !== seen) linkSync(aside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    removeFile(aside);
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !isZombie(pid);
}

/** Dead, and listed until somebody asks for its exit code: after a `kill -9` of its parent that may take a while. */
function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false; // no such files here, or gone meanwhile
  }
}
