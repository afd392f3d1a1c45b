import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TagboatError } from '../errors.ts';
import { testDatabase } from '../testing/database.ts';
import type { TestDatabase } from '../testing/database.ts';
import { loadMigrations, migrate } from './migrate.ts';
import type { Migration } from './migrate.ts';

const test = suite('migrate');
const databases: TestDatabase[] = [];
const empty = async (): Promise<TestDatabase> => {
  const db = await testDatabase({ empty: true });
  databases.push(db);
  return db;
};
test.after(async () => {
  for (const db of databases) await db.drop();
});

const file = (id: number, sql: string): Migration => ({ id, name: `${String(id).padStart(4, '0')}_test`, sql, checksum: createHash('sha256').update(sql).digest('hex') });

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => (error instanceof TagboatError ? error.code : String(error)),
  );

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

test('the released migrations apply, once', async () => {
  const { url } = await empty();
  const all = (await loadMigrations()).map(({ name }) => name);
  assert.equal(await migrate({ url }), all);
  assert.equal(await migrate({ url }), []);
});

test('a changed file and a newer database are refused', async () => {
  const { url } = await empty();
  const [first, second] = [file(1, 'create table a (id int);'), file(2, 'create table b (id int);')];
  await migrate({ url, migrations: [first] });
  assert.equal(await migrate({ url, migrations: [first, second] }), [second.name]);
  assert.is(await codeOf(migrate({ url, migrations: [file(1, 'create table a (id bigint);'), second] })), 'MigrationChanged');
  assert.is(await codeOf(migrate({ url, migrations: [first] })), 'MigrationFromTheFuture');
  assert.is(await codeOf(migrate({ url, migrations: [first, second, file(4, 'select 1')] })), 'none');
  assert.is(await codeOf(migrate({ url, migrations: [first, second, file(3, 'select 1'), file(4, 'select 1')] })), 'MigrationChanged', 'a late number');
});

test('a migration that fails half-way leaves nothing behind', async () => {
  const { url } = await empty();
  const bad = file(1, 'create table a (id int); select 1 / 0;');
  assert.match(await migrate({ url, migrations: [bad] }).then(() => 'applied', String), 'division by zero');
  assert.equal(await query(url, `select to_regclass('a') as a, (select count(*)::int from schema_migrations) as n`), [{ a: null, n: 0 }]);
});

test('two processes migrate one database at once', async () => {
  const { url } = await empty();
  const script = `import { migrate } from ${JSON.stringify(new URL('./migrate.ts', import.meta.url).href)};
    console.log((await migrate({ url: process.env.URL })).length);`;
  const run = async (): Promise<number> => {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: { ...process.env, URL: url },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    assert.is(code, 0);
    return Number(out);
  };
  const counts = await Promise.all([run(), run()]);
  const all = (await loadMigrations()).length;
  assert.is(counts.reduce((sum, count) => sum + count, 0), all, `applied once altogether: ${counts.join(' + ')}`);
  assert.equal(await query(url, 'select count(*)::int as n from schema_migrations'), [{ n: all }]);
});

test.run();
