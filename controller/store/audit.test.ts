import pg from 'pg';
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { testDatabase } from '../testing/database.ts';
import type { TestDatabase } from '../testing/database.ts';
import { appendAudit, auditHash, FIRST_PREVIOUS_HASH, listAudit } from './audit.ts';
import { verifyAudit } from './audit-verify.ts';

const test = suite('audit (R26)');
let db: TestDatabase;
test.before(async () => {
  db = await testDatabase();
});
test.after(() => db.drop());

let teams = 0;
async function chain(length: number): Promise<string> {
  const team = `team-${String(++teams)}`;
  await db.pool.transaction(async (transaction) => {
    for (let n = 1; n <= length; n++) {
      await appendAudit(transaction, { team, actor: 'ann@example.org', action: 'deployment.start', object: `shop-${String(n)}`, commit: 'c0ffee', result: 'ok', detail: { n, b: [1.5, null], a: { z: 1e21, y: 'ü' } } });
    }
  });
  return team;
}

/** What an intruder with all rights does: triggers and foreign keys are off. */
async function asIntruder(team: string, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: db.url });
  await client.connect();
  try {
    await client.query('set session_replication_role = replica');
    for (const statement of statements) await client.query(statement.replaceAll(':team', pg.escapeLiteral(team)));
  } finally {
    await client.end();
  }
}

test('rows come back as they were appended, newest first', async () => {
  const team = await chain(3);
  const rows = await listAudit(db.pool, team);
  assert.equal(rows.map(({ id }) => id), [3, 2, 1]);
  assert.is(rows[2]?.previousHash, FIRST_PREVIOUS_HASH);
  assert.is(rows[0]?.previousHash, rows[1]?.hash);
  assert.match(rows[0]?.at ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.equal(rows[0]?.detail, { n: 3, b: [1.5, null], a: { z: 1e21, y: 'ü' } });
  assert.equal((await listAudit(db.pool, team, { before: 3, limit: 1 })).map(({ id }) => id), [2]);
  assert.equal(await listAudit(db.pool, 'another team'), []);
  const verdict = await verifyAudit(db.pool, team);
  assert.is(verdict.checked, 3);
  assert.is(verdict.firstBroken, undefined);
  assert.is(verdict.heads[0]?.hash, rows[0]?.hash);
});

test('the hash of a row never changes its form', () => {
  const row = { team: 'a', id: 1, at: '2026-01-02T03:04:05.000006Z', actor: 'b', action: 'c', object: 'd', commit: null, result: 'ok', detail: { z: 1, a: ['ü', 0.1] }, previousHash: FIRST_PREVIOUS_HASH };
  assert.is(auditHash(row), '8ded63d3eb82adcc3ad0594a442b22583aea26c2fbaa7313f36f01843cc6e1c1');
});

test('what PostgreSQL or R27 will not have is cleaned before it is hashed', async () => {
  const team = 'odd';
  await db.pool.transaction((transaction) =>
    appendAudit(transaction, {
      team, actor: 'a\0b', action: '\ud800', object: 'https://bob:c4n4ry@git.example/', result: 'Bearer c4n4ryc4n4ry',
      detail: { 'k\0': 'v\0', when: new Date(0), none: undefined, zero: -0, url: 'https://bob:c4n4ry@x/', deep: [{ tiny: 5e-324, huge: Number.MAX_VALUE }] },
    }),
  );
  const [row] = await listAudit(db.pool, team);
  assert.not.match(JSON.stringify(row), 'c4n4ry');
  assert.is((await verifyAudit(db.pool, team)).firstBroken, undefined);
});

test('50 concurrent appends from two replicas make one gapless chain', async () => {
  const other = await db.anotherPool();
  const append = async (n: number): Promise<void> => {
    const pool = n % 2 === 0 ? db.pool : other;
    await pool.transaction(async (transaction) => {
      await appendAudit(transaction, { team: 'busy', actor: 'cli:ann', action: 'test', object: String(n), result: 'ok' });
      if (n % 10 === 9) throw new Error('rolled back');
    });
  };
  const outcomes = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => append(n)));
  assert.is(outcomes.filter(({ status }) => status === 'fulfilled').length, 45);
  const verdict = await verifyAudit(db.pool, 'busy');
  assert.is(verdict.firstBroken, undefined);
  assert.is(verdict.checked, 45);
});

test('update, delete and truncate are refused', async () => {
  const team = await chain(2);
  for (const statement of [
    sql.unsafe`update audit_row set result = 'x' where team = ${team}`,
    sql.unsafe`delete from audit_row where team = ${team}`,
    sql.unsafe`truncate audit_row`,
    sql.unsafe`truncate audit_head cascade`,
    sql.unsafe`update audit_head set id = 1 where team = ${team}`,
    sql.unsafe`update audit_head set hash = 'x' where team = ${team}`,
    sql.unsafe`delete from audit_head where team = ${team}`,
  ]) {
    const error = await db.pool.query(statement).then(() => 'accepted', (failure: unknown) => String(failure));
    assert.match(error, /append-only|only moves forward/, statement.sql);
  }
  assert.is((await verifyAudit(db.pool, team)).firstBroken, undefined);
  await assertRejects(appendAudit(db.pool, { team, actor: 'a', action: 'b', object: 'c', result: 'd' }));
});

async function assertRejects(work: Promise<unknown>): Promise<void> {
  assert.ok(await work.then(() => false, () => true), 'the pool itself is refused');
}

const TAMPERINGS: readonly (readonly [string, number, ...string[]])[] = [
  ['a changed result', 3, `update audit_row set result = 'failed' where team = :team and id = 3`],
  ['a changed detail', 3, `update audit_row set detail = '{"n":99}' where team = :team and id = 3`],
  ['a moment moved by a microsecond', 2, `update audit_row set at = at + interval '1 microsecond' where team = :team and id = 2`],
  ['a commit taken away', 4, `update audit_row set commit_id = null where team = :team and id = 4`],
  ['a row missing in the middle', 3, 'delete from audit_row where team = :team and id = 3'],
  ['the first row missing', 1, 'delete from audit_row where team = :team and id = 1'],
  ['the tail cut off', 5, 'delete from audit_row where team = :team and id >= 5'],
  ['all rows gone', 1, 'delete from audit_row where team = :team'],
  ['the tail cut off and the head set back', 5, 'delete from audit_row where team = :team and id = 6', 'update audit_head set id = 5 where team = :team'],
  ['the head removed', 1, 'delete from audit_head where team = :team'],
  ['the head set back alone', 5, `update audit_head set id = 4, hash = (select hash from audit_row where team = :team and id = 4) where team = :team`],
  ['two rows swapped', 2, 'update audit_row set id = 100 where team = :team and id = 2', 'update audit_row set id = 2 where team = :team and id = 3', 'update audit_row set id = 3 where team = :team and id = 100'],
  ['a row removed and the rest moved up', 3, 'delete from audit_row where team = :team and id = 3', 'update audit_row set id = id - 1 where team = :team and id > 3', 'update audit_head set id = 5 where team = :team'],
  ['a changed row with a hash of its own', 3, `update audit_row set result = 'x', hash = repeat('0', 64) where team = :team and id = 3`],
];

for (const [what, id, ...statements] of TAMPERINGS) {
  test(`detects: ${what}`, async () => {
    const team = await chain(6);
    await asIntruder(team, ...statements);
    const { firstBroken } = await verifyAudit(db.pool, team);
    assert.is(firstBroken?.team, team);
    assert.is(firstBroken?.id, id, firstBroken?.reason);
  });
}

test('the check of all teams finds the broken one among many rows', async () => {
  const verdict = await verifyAudit(db.pool);
  assert.ok(verdict.firstBroken);
  const long = await chain(1_201);
  assert.equal((await verifyAudit(db.pool, long)).checked, 1_201);
});

test.run();
