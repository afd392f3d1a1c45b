/**
 * Migrations: numbered plain SQL files, forward only, each in its own transaction. Many processes may migrate one
 * database at once; an advisory lock lets them pass one by one.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { TagboatError } from '../errors.ts';
import { packageRoot } from '../package-root.ts';
import { withRetry } from './retry.ts';

/** The key of the advisory lock: any number, as long as nobody else takes it. */
const LOCK_KEY = '7306086967150961';

export interface Migration {
  readonly id: number;
  /** File name without `.sql`. */
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file with `\n` line ends, in hex. */
  readonly checksum: string;
}

/** The folder that the package brings along. */
export function migrationsDirectory(): string {
  return join(packageRoot(), 'migrations');
}

/** Reads `NNNN_name.sql` files in order. Two of one number, or a number of another length, are an error. */
export async function loadMigrations(directory: string = migrationsDirectory()): Promise<readonly Migration[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort();
  const migrations: Migration[] = [];
  for (const file of files) {
    const match = /^(\d{4})_[a-z0-9-_]+\.sql$/.exec(file);
    if (match === null) throw new TagboatError('Internal', `the migration ${file} is not named NNNN_name.sql`);
    const id = Number(match[1]);
    if (migrations.at(-1)?.id === id) throw new TagboatError('Internal', `two migrations have the number ${String(id)}`);
    const sql = (await readFile(join(directory, file), 'utf8')).replaceAll('\r\n', '\n');
    migrations.push({ id, name: file.slice(0, -'.sql'.length), sql, checksum: createHash('sha256').update(sql).digest('hex') });
  }
  return migrations;
}

export interface MigrateOptions {
  readonly url: string;
  /** The package's own unless told. */
  readonly migrations?: readonly Migration[];
  /** How long another process may hold the lock. Milliseconds; 300,000 unless told. */
  readonly lockTimeoutMs?: number;
  readonly log?: { info(fields: object, message: string): void };
}

/**
 * Brings the database up to date; returns the names of what was applied now. Throws `MigrationChanged`,
 * `MigrationFromTheFuture` or `DatabaseUnreachable`; a migration that fails leaves the database as it was before it.
 */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  const migrations = options.migrations ?? (await loadMigrations());
  // Running it twice is safe: what was committed is skipped.
  return await withRetry(() => migrateOnce(options, migrations), { what: 'migrate the database' });
}

async function migrateOnce(options: MigrateOptions, migrations: readonly Migration[]): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: options.url, connectionTimeoutMillis: 5_000, application_name: 'tagboat-migrate' });
  client.on('error', () => undefined); // the query in flight fails with it
  await client.connect();
  try {
    await client.query(`set lock_timeout = ${String(Math.trunc(options.lockTimeoutMs ?? 300_000))}`);
    await client.query(`select pg_advisory_lock(${LOCK_KEY})`);
    await client.query(
      'create table if not exists schema_migrations (id integer primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())',
    );
    const applied = new Map((await client.query<Applied>('select id, name, checksum from schema_migrations order by id')).rows.map((row) => [row.id, row]));
    checkHistory(migrations, applied);
    const fresh = migrations.filter(({ id }) => !applied.has(id));
    for (const migration of fresh) {
      await apply(client, migration);
      options.log?.info({ migration: migration.name }, 'migration applied');
    }
    return fresh.map(({ name }) => name);
  } finally {
    await client.end().catch(() => undefined); // frees the lock as well
  }
}

interface Applied {
  readonly id: number;
  readonly name: string;
  readonly checksum: string;
}

function checkHistory(migrations: readonly Migration[], applied: ReadonlyMap<number, Applied>): void {
  const known = new Map(migrations.map((migration) => [migration.id, migration]));
  const latest = Math.max(0, ...applied.keys());
  for (const row of applied.values()) {
    const ours = known.get(row.id);
    if (ours === undefined) throw new TagboatError('MigrationFromTheFuture', `the database holds migration ${row.name}, which this release does not know`);
    if (ours.checksum !== row.checksum) throw new TagboatError('MigrationChanged', `migration ${row.name} was applied with another content`);
  }
  const late = migrations.find(({ id }) => id < latest && !applied.has(id));
  if (late !== undefined) throw new TagboatError('MigrationChanged', `migration ${late.name} came in below number ${String(latest)}, which is applied; give it a higher number`);
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  await client.query('begin');
  try {
    // The row first: should two processes ever get here at once, the second waits and fails on the key.
    await client.query('insert into schema_migrations (id, name, checksum) values ($1, $2, $3)', [migration.id, migration.name, migration.checksum]);
    await client.query(migration.sql);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw new TagboatError('Internal', `migration ${migration.name} failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
