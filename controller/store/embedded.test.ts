import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TagboatError } from '../errors.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { keepEmbeddedDatabase } from './embedded-keeper.ts';
import { startEmbeddedDatabase } from './embedded.ts';
import type { EmbeddedDatabase } from './embedded.ts';
import { processIdentity } from './embedded-process.ts';

const test = suite('embedded database');
let directory: string;
let open: EmbeddedDatabase | undefined;
// A server is no reason for a process to go on, so something else must be while we wait for one to end.
const stayAlive = setInterval(() => undefined, 60_000);
test.before(async () => {
  // mkdtemp gives mode 0700: as root this is the hard case, a place that the server's user cannot enter by path.
  directory = await mkdtemp(join(tmpdir(), 'tagboat-embedded-'));
});
test.after.each(async () => {
  await open?.stop();
  open = undefined;
});
test.after(async () => {
  clearInterval(stayAlive);
  await rm(directory, { recursive: true, force: true });
});

const start = async (): Promise<EmbeddedDatabase> => (open = await startEmbeddedDatabase({ directory }));

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

const failure = async (work: Promise<unknown>): Promise<TagboatError> => {
  const error = await work.then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof TagboatError, String(error));
  return error;
};

async function isAlive(pid: number): Promise<boolean> {
  return (await processIdentity(pid)) !== undefined;
}

/** Another Tagboat process on the same directory, to be killed. */
async function startElsewhere(): Promise<{ child: ChildProcess; pid: number; url: string }> {
  const script = `import { startEmbeddedDatabase } from ${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)};
    const db = await startEmbeddedDatabase({ directory: process.env.DIRECTORY });
    console.log(JSON.stringify({ pid: db.pid, url: db.url }));
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...process.env, DIRECTORY: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) return { child, ...(JSON.parse(line) as { pid: number; url: string }) };
  throw new Error('the other process said nothing');
}

test('starts from nothing with safe settings, reachable by password only', async () => {
  const db = await start();
  assert.equal(await query(db.url, `select current_setting('fsync') as fsync, current_setting('listen_addresses') as tcp, current_setting('server_encoding') as encoding`), [
    { fsync: 'on', tcp: '', encoding: 'UTF8' },
  ]);
  await query(db.url, 'create table kept (id int)');
  await query(db.url, 'insert into kept values (1)');
  const wrong = await query(db.url.replace(/:[0-9a-f]+@/, ':wrong@'), 'select 1').then(() => 'let in', String);
  assert.match(wrong, 'password authentication failed');
  const socket = decodeURIComponent(new URL(db.url).hostname);
  assert.is((await stat(socket)).mode & 0o777, 0o700);
  assert.is((await stat(join(directory, 'postgres-password'))).mode & 0o777, 0o600);
  if (process.getuid?.() === 0) assert.is.not((await stat(join(directory, 'postgres'))).uid, 0, 'not run as root');
});

test('rows survive a restart; the stop is clean and the URL stays', async () => {
  const db = await start();
  await db.stop();
  assert.equal(await db.exited, { code: 0, signal: null });
  await db.stop();
  const again = await start();
  assert.is(again.url, db.url);
  assert.equal(await query(again.url, 'select id from kept'), [{ id: 1 }]);
  await again.stop();
  const log = await readFile(join(directory, 'postgres.log'), 'utf8');
  assert.not.match(log, 'not properly shut down');
});

test('SIGKILL of the server: the next start recovers every committed row', async () => {
  const db = await start();
  await query(db.url, 'insert into kept values (2)');
  process.kill(db.pid, 'SIGKILL');
  assert.is((await db.exited).signal, 'SIGKILL');
  await db.stop();
  const again = await start();
  assert.equal(await query(again.url, 'select id from kept order by id'), [{ id: 1 }, { id: 2 }]);
});

test('a directory in use is refused, by this process and by another', async () => {
  await start();
  assert.match((await failure(startEmbeddedDatabase({ directory }))).message, `in use by process ${String(process.pid)}`);
  await open?.stop();
  const other = await startElsewhere();
  assert.match((await failure(startEmbeddedDatabase({ directory }))).message, `in use by process ${String(other.child.pid)}`);
  assert.equal(await query(other.url, 'select 1 as one'), [{ one: 1 }], 'the other one goes on');
  other.child.kill('SIGKILL');
  await once(other.child, 'exit');
});

test('SIGKILL of the parent: the server ends by itself, nothing is lost', async () => {
  const other = await startElsewhere();
  await query(other.url, 'insert into kept values (3)');
  other.child.kill('SIGKILL');
  await once(other.child, 'exit');
  await sleepUntil(async () => !(await isAlive(other.pid)), { what: 'the watchdog to end the server' });
  const db = await start();
  assert.equal(await query(db.url, 'select max(id) as id from kept'), [{ id: 3 }]);
});

test('SIGKILL of the parent, and the next start comes before the server has ended', async () => {
  const other = await startElsewhere();
  await query(other.url, 'insert into kept values (4)');
  other.child.kill('SIGKILL');
  await once(other.child, 'exit');
  const db = await start();
  assert.is.not(db.pid, other.pid);
  assert.equal(await query(db.url, 'select max(id) as id from kept'), [{ id: 4 }]);
});

test('a stale pid file that names a living stranger does not keep it from starting', async () => {
  await writeFile(join(directory, 'postgres', 'postmaster.pid'), `${String(process.pid)}\n/elsewhere\n`);
  await writeFile(join(directory, 'postgres.owner'), '{"pid":1,"identity":"long ago"}');
  const db = await start();
  assert.equal(await query(db.url, 'select max(id) as id from kept'), [{ id: 4 }]);
});

test('data of another major version is refused with a way out', async () => {
  const file = join(directory, 'postgres', 'PG_VERSION');
  const version = await readFile(file, 'utf8');
  await writeFile(file, '15\n');
  try {
    const error = await failure(startEmbeddedDatabase({ directory }));
    assert.is(error.code, 'EmbeddedDatabaseFailed');
    assert.match(error.message, 'of PostgreSQL 15');
    assert.match(error.hint, 'restore');
  } finally {
    await writeFile(file, version);
  }
  await start();
});

test('a server that cannot start says why', async () => {
  const broken = await mkdtemp(join(tmpdir(), 'tagboat-broken-'));
  try {
    await cp(join(directory, 'postgres-password'), join(broken, 'postgres-password'));
    await mkdir(join(broken, 'postgres'), { mode: 0o700 });
    await writeFile(join(broken, 'postgres', 'PG_VERSION'), '18\n');
    assert.match((await failure(startEmbeddedDatabase({ directory: broken }))).message, /postgresql\.conf|configuration file|permission|ownership/i);
  } finally {
    await rm(broken, { recursive: true, force: true });
  }
});

test('a kept server that is killed comes back under the same URL', async () => {
  const kept = await keepEmbeddedDatabase({ directory });
  try {
    const first = kept.pid();
    process.kill(first, 'SIGKILL');
    await sleepUntil(() => kept.pid() !== first, { what: 'the new server' });
    assert.equal(await query(kept.url, 'select max(id) as id from kept'), [{ id: 4 }]);
  } finally {
    await kept.stop();
  }
  assert.is(await isAlive(kept.pid()), false);
  const again = await keepEmbeddedDatabase({ directory });
  process.kill(again.pid(), 'SIGKILL');
  await sleepUntil(async () => !(await isAlive(again.pid())), { what: 'the server to die' });
  await again.stop(); // while it is being started anew
  assert.is(await isAlive(again.pid()), false);
  await start(); // the directory is free again
});

test('a long path works', async () => {
  const deep = join(directory, 'x'.repeat(90), 'y'.repeat(60));
  const db = await startEmbeddedDatabase({ directory: deep, durable: false });
  try {
    assert.equal(await query(db.url, 'select 1 as one'), [{ one: 1 }]);
  } finally {
    await db.stop();
  }
});

test.run();
