/** Files of the embedded database and the rights on them: data, socket, password, log. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { TagboatError } from '../errors.ts';
import { isReadableBy } from './embedded-binaries.ts';
import type { Binaries, ServerUser } from './embedded-binaries.ts';

/** What `spawn` needs to act as the server's user; empty when that is ourselves. */
export interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

/** The longest path of a Unix socket is 103 bytes (macOS) or 107 (Linux). */
const LONGEST_SOCKET = 103;
const SOCKET_FILE = '/.s.PGSQL.5432';
const LOG_LIMIT_BYTES = 5 * 1024 * 1024;

export async function prepareDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
}

/**
 * PostgreSQL refuses to run as root, so root gives it to the owner of the data, to `postgres` or to `nobody`.
 * `undefined`: we are not root and run it ourselves.
 */
export async function findServerUser(directory: string): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const owner = await stat(join(directory, 'postgres')).then((found) => found.uid, () => 0);
  const chosen =
    (owner === 0 ? undefined : users.find((fields) => Number(fields[2]) === owner)) ??
    users.find((fields) => fields[0] === 'postgres') ??
    users.find((fields) => fields[0] === 'nobody');
  if (chosen === undefined) {
    throw new TagboatError('EmbeddedDatabaseFailed', 'PostgreSQL does not run as root, and there is no user postgres or nobody to run it as', {
      hint: 'Start Tagboat as an ordinary user, or set database.url to a server of your own.',
    });
  }
  return { name: chosen[0] ?? '', uid: Number(chosen[2]), gid: Number(chosen[3]) };
}

/** The password of the data directory, made on first use. Letters and digits only, so that it fits into a URL. */
export async function readPassword(directory: string): Promise<string> {
  const file = join(directory, 'postgres-password');
  const known = await readFile(file, 'utf8').catch(() => '');
  if (known !== '') return known;
  const password = randomBytes(24).toString('hex');
  const draft = `${file}.new`;
  await writeFile(draft, password, { mode: 0o600 });
  await rename(draft, file);
  return password;
}

export interface DataOptions {
  readonly directory: string;
  readonly data: string;
  readonly binaries: Binaries;
  readonly user: ServerUser | undefined;
  readonly password: string;
  readonly superuser: string;
  readonly durable: boolean;
}

/**
 * Makes the data directory if there is none, in another place and renamed when whole, and checks its version.
 * Returns how the server calls it and as whom it runs.
 */
export async function prepareData(options: DataOptions): Promise<{ readonly path: string; readonly identity: Identity }> {
  const { directory, data, user } = options;
  const identity: Identity = user === undefined ? {} : { uid: user.uid, gid: user.gid };
  const path = await nameForServer(directory, data, user);
  const version = await readFile(join(data, 'PG_VERSION'), 'utf8').then((text) => text.trim(), () => undefined);
  if (version !== undefined) {
    if (version !== options.binaries.major) {
      throw new TagboatError('EmbeddedDatabaseFailed', `the data in ${data} is of PostgreSQL ${version}, this release brings ${options.binaries.major}`, {
        hint: `Dump it with PostgreSQL ${version} and restore it into a fresh directory, or run the release that made it.`,
      });
    }
    return { path, identity };
  }
  await removeHalfMade(directory);
  if ((await readdir(data).catch(() => [])).length > 0) {
    throw new TagboatError('EmbeddedDatabaseFailed', `${data} is not empty and is no PostgreSQL data directory`, { hint: 'Move it away or choose another directory.' });
  }
  const draft = join(directory, `postgres.new-${randomUUID()}`);
  const passwordFile = join(draft, 'password');
  const cluster = join(draft, 'data');
  await mkdir(cluster, { recursive: true, mode: 0o700 });
  await writeFile(passwordFile, options.password, { mode: 0o600 });
  if (user !== undefined) for (const one of [passwordFile, cluster, draft]) await chown(one, user.uid, user.gid);
  const relocated = path !== data;
  const args = ['-D', relocated ? '/proc/self/cwd' : cluster, '-U', options.superuser, '--auth=scram-sha-256', `--pwfile=${relocated ? '/proc/self/cwd/../password' : passwordFile}`];
  args.push('--encoding=UTF8', '--locale=C', ...(options.durable ? [] : ['--no-sync']));
  await promisify(execFile)(join(options.binaries.native, 'bin', 'initdb'), args, {
    cwd: cluster,
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' },
    timeout: 120_000,
    killSignal: 'SIGKILL',
    ...identity,
  });
  await rm(data, { recursive: true, force: true });
  await rename(cluster, data);
  await rm(draft, { recursive: true, force: true });
  return { path, identity };
}

/**
 * The server's user often cannot pass through the directories above (`/root`, a `mktemp -d`). On Linux it does not have
 * to: we enter the data directory as root before the change of user, and it finds the place as its working directory.
 */
async function nameForServer(directory: string, data: string, user: ServerUser | undefined): Promise<string> {
  if (user === undefined || (await isPassableBy(directory, user))) return data;
  if (process.platform === 'linux') return '/proc/self/cwd';
  throw new TagboatError('EmbeddedDatabaseFailed', `the user ${user.name}, who runs PostgreSQL, may not enter ${directory}`, {
    hint: 'Choose a data directory that it may enter, or start Tagboat as an ordinary user.',
  });
}

async function isPassableBy(directory: string, user: ServerUser): Promise<boolean> {
  // A stand-in below the directory: the bits of `directory` itself and of all above it count.
  return await isReadableBy(directory, user).catch(() => false);
}

async function removeHalfMade(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith('postgres.new-')) await rm(join(directory, name), { recursive: true, force: true });
  }
}

/**
 * An empty directory for the socket that only the server's user (and root) may enter: beside the data, or, where the
 * path is too long or closed to that user, in the temporary directory under a name that stays the same.
 */
export async function prepareSocketDirectory(directory: string, user: ServerUser | undefined): Promise<string> {
  const beside = join(directory, 'postgres-socket');
  const short = `tagboat-${createHash('sha256').update(directory).digest('hex').slice(0, 12)}`;
  for (const path of [beside, ...new Set([join(tmpdir(), short), join('/tmp', short)])]) {
    if (Buffer.byteLength(path + SOCKET_FILE) > LONGEST_SOCKET) continue;
    if (user !== undefined && !(await isReadableBy(dirname(path), user).catch(() => false))) continue;
    try {
      await rm(path, { recursive: true, force: true });
      await mkdir(path, { mode: 0o700 }); // refused if somebody else has the name
    } catch {
      continue;
    }
    return await ownedBy(path, user);
  }
  return await ownedBy(await mkdtemp('/tmp/tagboat-'), user);
}

async function ownedBy(path: string, user: ServerUser | undefined): Promise<string> {
  await chmod(path, 0o700);
  if (user !== undefined) await chown(path, user.uid, user.gid);
  return path;
}

/** The log keeps one old generation; both are small. */
export async function rotateLog(file: string): Promise<void> {
  const size = await stat(file).then((found) => found.size, () => 0);
  if (size > LOG_LIMIT_BYTES) await rename(file, `${file}.1`);
}
