/**
 * Databases for tests. One server a process (or the one that `TAGBOAT_TEST_DATABASE_URL` names: a URL with the right to
 * create databases), one migrated template, one clone of it a test file.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { DatabasePool } from 'slonik';
import { startEmbeddedDatabase } from '../store/embedded.ts';
import type { EmbeddedDatabase } from '../store/embedded.ts';
import { loadMigrations, migrate } from '../store/migrate.ts';
import { createStorePool } from '../store/pool.ts';

export interface TestDatabase {
  readonly pool: DatabasePool;
  readonly url: string;
  /** Another pool on the same database, closed by `drop()`: what a second replica would have. */
  anotherPool(): Promise<DatabasePool>;
  /** Stops and starts the server; refused if it is not ours (`TAGBOAT_TEST_DATABASE_URL`). */
  restart(): Promise<void>;
  /** Closes the pools, drops the database and, after the last one, the server. Always call it, in `test.after`. */
  drop(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** Without tables: not cloned from the template. */
  readonly empty?: boolean;
}

interface Server {
  readonly url: string;
  /** Started by us, for this process alone. */
  readonly own: boolean;
  users: number;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

let server: Promise<Server> | undefined;

/** A fresh database with all migrations applied. */
export async function testDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  server ??= startServer();
  const host = await server;
  host.users++;
  const name = `t_${randomBytes(6).toString('hex')}`;
  if (options.empty === true) await administer(host.url, async (client) => void (await client.query(`create database ${name}`)));
  else await cloneTemplate(host, name);
  const url = urlOf(host.url, name);
  const pools: DatabasePool[] = [];
  const open = async (): Promise<DatabasePool> => {
    const pool = await createStorePool({ url, statementTimeoutMs: 20_000 });
    pools.push(pool);
    return pool;
  };
  let dropped = false;
  return {
    url,
    pool: await open(),
    anotherPool: open,
    restart: () => host.restart(),
    drop: async () => {
      if (dropped) return;
      dropped = true;
      await Promise.all(pools.map((pool) => pool.end()));
      host.users--;
      if (host.users === 0 && host.own) {
        server = undefined;
        await host.stop(); // and everything in it
      } else {
        await administer(host.url, async (client) => void (await client.query(`drop database if exists ${name} with (force)`)));
      }
    },
  };
}

async function startServer(): Promise<Server> {
  const url = process.env['TAGBOAT_TEST_DATABASE_URL'];
  if (url !== undefined) {
    const refuse = (): Promise<void> => Promise.reject(new Error('this server belongs to TAGBOAT_TEST_DATABASE_URL and is not restarted'));
    return { url, own: false, users: 0, restart: refuse, stop: refuse };
  }
  const directory = await mkdtemp(join(tmpdir(), 'tagboat-test-'));
  let running: EmbeddedDatabase = await startEmbeddedDatabase({ directory, durable: false });
  return {
    url: running.url,
    own: true,
    users: 0,
    restart: async () => {
      await running.stop();
      running = await startEmbeddedDatabase({ directory, durable: false });
    },
    stop: async () => {
      await running.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The template is named by the content of the migrations, so processes share it and never meet a stale one. */
async function cloneTemplate({ url, own }: Server, name: string): Promise<void> {
  const migrations = await loadMigrations();
  if (own) {
    // Nobody else is here: the server's own database serves as the template. Half the work of making one.
    await migrate({ url, migrations });
    return await administer(url, async (client) => void (await client.query(`create database ${name} template ${databaseOf(url)}`)));
  }
  const key = createHash('sha256').update(migrations.map(({ checksum }) => checksum).join()).digest('hex').slice(0, 12);
  const template = `tagboat_template_${key}`;
  return await administer(url, async (client) => {
    // Cloning needs a template without connections, so making and cloning happen under one lock.
    await client.query(`select pg_advisory_lock(hashtext('tagboat test template'))`);
    const found = await client.query('select 1 from pg_database where datname = $1', [template]);
    if (found.rowCount === 0) {
      const draft = `${template}_draft`;
      await client.query(`drop database if exists ${draft} with (force)`);
      await client.query(`create database ${draft}`);
      await migrate({ url: urlOf(url, draft), migrations });
      await client.query(`alter database ${draft} rename to ${template}`);
    }
    await client.query(`create database ${name} template ${template}`);
  });
}

async function administer(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  // By way of the database that is no template.
  const client = new pg.Client({ connectionString: urlOf(url, 'postgres'), connectionTimeoutMillis: 60_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function databaseOf(url: string): string {
  return pg.escapeIdentifier(new URL(url).pathname.slice(1));
}

function urlOf(server: string, database: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  return url.href;
}
