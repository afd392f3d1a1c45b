/**
 * The database for people who have none (`database: embedded`): a real PostgreSQL, run as a child process.
 *
 * Who lives here: embedded-binaries (the programs), embedded-directory (files and their owner's rights), embedded-owner
 * (one Tagboat per directory), embedded-process (who is alive). Nothing of Tagboat's tables comes in.
 *
 * Layout of the directory: `postgres` (data), `postgres-socket` (mode 0700; the only way in, no TCP), `postgres-password`
 * (random, mode 0600), `postgres.log`, `postgres.owner`.
 *
 * If this process is killed, a small watchdog (`sh` waiting on a pipe from us) shuts the server down; if even that was
 * killed, the next start does. Nothing is lost either way: PostgreSQL replays its log. The limits: processes of another
 * machine or container that share the directory cannot be seen.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { TagboatError } from '../errors.ts';
import { scrub } from '../scrub.ts';
import { findBinaries } from './embedded-binaries.ts';
import { findServerUser, prepareData, prepareDirectory, prepareSocketDirectory, readPassword, rotateLog } from './embedded-directory.ts';
import { dropOwnership, takeOwnership } from './embedded-owner.ts';
import { postgresProcesses, signalProcess } from './embedded-process.ts';

export interface EmbeddedDatabaseOptions {
  /** Holds everything of the database; made if missing. */
  readonly directory: string;
  readonly log?: { info(message: string): void; warn(message: string): void };
  /** `false` only for tests: no fsync, so that a crash of the machine loses data. */
  readonly durable?: boolean;
  /** How long the server may take to come up, its recovery included. Milliseconds; 120,000 unless told. */
  readonly startTimeoutMs?: number;
}

export interface EmbeddedDatabase {
  /** Connection URL with the password: never log it. The same after every restart with the same directory. */
  readonly url: string;
  /** Process id of the server. */
  readonly pid: number;
  /** Settles when the server has ended, asked or not; never rejects. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Cuts all connections, writes everything out and ends the server. Calling it again waits for the same end. */
  stop(): Promise<void>;
}

const USER = 'tagboat';
const DATABASE = 'tagboat';

/** Starts the server and makes the database on first use. Throws `EmbeddedDatabaseFailed`. */
export async function startEmbeddedDatabase(options: EmbeddedDatabaseOptions): Promise<EmbeddedDatabase> {
  const directory = resolve(options.directory);
  const deadline = Date.now() + (options.startTimeoutMs ?? 120_000);
  const durable = options.durable ?? true;
  const mark = `tagboat-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`;
  const logFile = join(directory, 'postgres.log');
  const ownerFile = join(directory, 'postgres.owner');

  await prepareDirectory(directory);
  await takeOwnership(ownerFile);
  try {
    const user = await findServerUser(directory);
    const binaries = await findBinaries(user);
    const data = join(directory, 'postgres');
    await stopLeftovers(mark, data, options.log);
    const password = await readPassword(directory);
    const place = await prepareData({ directory, data, binaries, user, password, superuser: USER, durable });
    const socket = await prepareSocketDirectory(directory, user);
    // No process is left that the file could protect from; its id may belong to a stranger by now.
    await rm(join(data, 'postmaster.pid'), { force: true });
    await rotateLog(logFile);

    const settings = {
      cluster_name: mark, listen_addresses: '', unix_socket_directories: socket, max_connections: '100', shared_buffers: '32MB',
      work_mem: '4MB', maintenance_work_mem: '32MB', max_wal_size: '256MB', max_parallel_workers_per_gather: '0', huge_pages: 'off',
      password_encryption: 'scram-sha-256', log_destination: 'stderr', logging_collector: 'off', log_line_prefix: '%m [%p] ',
      // Statements may hold what a person typed; the log does not need them (R27).
      log_min_error_statement: 'panic', log_statement: 'none', log_timezone: 'UTC', timezone: 'UTC',
      fsync: durable ? 'on' : 'off', synchronous_commit: durable ? 'on' : 'off', full_page_writes: durable ? 'on' : 'off',
    };
    const output = await open(logFile, 'a', 0o600);
    let server: ChildProcess;
    try {
      server = spawn(join(binaries.native, 'bin', 'postgres'), ['-D', place.path, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])], {
        cwd: data, // entered before the change of user
        detached: true, // Ctrl-C at the terminal is for us; we end the server in order
        stdio: ['ignore', output.fd, output.fd],
        env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' },
        ...place.identity,
      });
    } finally {
      await output.close();
    }
    const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) => {
      server.once('exit', (code, signal) => done({ code, signal }));
      server.once('error', () => done({ code: null, signal: null }));
    });
    const pid = server.pid ?? -1;
    server.unref(); // a forgotten stop() must not keep this process alive; the watchdog ends the server then
    const dismissWatchdog = startWatchdog(pid, data, place.identity);

    const end = async (): Promise<void> => {
      server.ref();
      try {
        if (server.exitCode === null && server.signalCode === null && pid > 0) await shutDown(pid, exited);
      } finally {
        server.unref();
        dismissWatchdog();
        await rm(socket, { recursive: true, force: true });
        await dropOwnership(ownerFile);
      }
    };

    const url = `postgres://${USER}:${password}@${encodeURIComponent(socket)}:5432/${DATABASE}`;
    try {
      await waitUntilReady(data, pid, exited, deadline);
      await ensureDatabase(url);
    } catch (cause) {
      await end();
      throw new TagboatError('EmbeddedDatabaseFailed', `the embedded PostgreSQL did not start in ${directory}: ${await lastLines(logFile)}`, { cause });
    }
    options.log?.info(`embedded PostgreSQL ${binaries.major} is ready`);
    let stopping: Promise<void> | undefined;
    return { url, pid, exited, stop: () => (stopping ??= end()) };
  } catch (error) {
    await dropOwnership(ownerFile);
    if (error instanceof TagboatError) throw error;
    throw new TagboatError('EmbeddedDatabaseFailed', `the embedded PostgreSQL could not be prepared in ${directory}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Ends a server that outlived its Tagboat. Its owner is dead: `takeOwnership` made sure. */
async function stopLeftovers(mark: string, data: string, log: EmbeddedDatabaseOptions['log']): Promise<void> {
  let alive = await postgresProcesses(mark);
  if (alive.length === 0) return;
  log?.warn('a PostgreSQL of a killed Tagboat is still running; it is stopped first');
  const postmaster = Number.parseInt(await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => ''), 10);
  // Without the postmaster its children end by themselves; they get the signals too if they do not.
  for (const [signal, patienceMs] of [['SIGINT', 20_000], ['SIGQUIT', 10_000], ['SIGKILL', 5_000]] as const) {
    for (const pid of alive.includes(postmaster) && signal !== 'SIGKILL' ? [postmaster] : alive) signalProcess(pid, signal);
    for (const until = Date.now() + patienceMs; Date.now() < until; await sleep(50)) {
      alive = await postgresProcesses(mark);
      if (alive.length === 0) return;
    }
  }
  throw new TagboatError('EmbeddedDatabaseFailed', `PostgreSQL processes ${alive.join(', ')} of an earlier run cannot be stopped`);
}

/**
 * `sh` reads from a pipe that only we hold; at its end (we exited or were killed) it asks the server to shut down, if
 * the data directory still names that very process. Returns the function that sends the watchdog home.
 */
function startWatchdog(pid: number, data: string, identity: { uid?: number; gid?: number }): () => void {
  const script = 'read -r word; [ "$word" = leave ] && exit 0; read -r line < postmaster.pid && [ "$line" = "$1" ] && kill -INT "$1"';
  const watchdog = spawn('/bin/sh', ['-c', script, 'tagboat-watchdog', String(pid)], { cwd: data, detached: true, stdio: ['pipe', 'ignore', 'ignore'], ...identity });
  watchdog.on('error', () => undefined); // no sh: the next start does its work
  const pipe: (Writable & { unref?: () => void }) | null = watchdog.stdin;
  pipe?.on('error', () => undefined);
  pipe?.unref?.();
  watchdog.unref();
  return () => void pipe?.end('leave\n');
}

async function shutDown(pid: number, exited: Promise<unknown>): Promise<void> {
  // Fast: cut connections, checkpoint, end. Immediate: end at once and recover later. Both are safe for the data.
  for (const [signal, patienceMs] of [['SIGINT', 20_000], ['SIGQUIT', 10_000], ['SIGKILL', 5_000]] as const) {
    signalProcess(pid, signal);
    const patience = new AbortController();
    const ended = await Promise.race([exited.then(() => true), sleep(patienceMs, false, { signal: patience.signal }).catch(() => false)]);
    patience.abort();
    if (ended) return;
  }
  throw new TagboatError('EmbeddedDatabaseFailed', `the embedded PostgreSQL (process ${String(pid)}) does not end`);
}

/** The eighth line of `postmaster.pid` tells when connections are welcome; no connection is wasted on asking. */
async function waitUntilReady(data: string, pid: number, exited: Promise<{ code: number | null }>, deadline: number): Promise<void> {
  let gone = false;
  void exited.then(() => (gone = true));
  for (;;) {
    const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
    if (Number(lines[0]) === pid && lines[7]?.trim() === 'ready') return;
    if (gone) throw new Error('the server ended while it was starting');
    if (Date.now() > deadline) throw new Error('the server was not ready in time');
    await sleep(10);
  }
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url.replace(/\/[^/]*$/, '/postgres'), connectionTimeoutMillis: 10_000, query_timeout: 30_000 });
  client.on('error', () => undefined); // a lost connection fails the query below
  await client.connect();
  try {
    const found = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
    if (found.rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}

async function lastLines(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return scrub(text.trimEnd().split('\n').slice(-8).join(' | ')) || 'it wrote no log';
}
