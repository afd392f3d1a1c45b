import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import fc from 'fast-check';
import { sql } from 'slonik';
import { z } from 'zod';
import type { TestDatabase } from '../testing/database.ts';
import { testDatabase } from '../testing/database.ts';
import { STATUSES, TRANSITIONS, consequencesOfSuccess, isAncestorVersion, mayBecome } from './status.ts';

const test = suite('status machine');
let db: TestDatabase;
test.before(async () => {
  db = await testDatabase();
});
test.after(() => db.drop());

test('PostgreSQL knows the same table (R11)', async () => {
  const rows = await db.pool.any(sql.type(z.object({ move: z.string() }))`select from_status || '>' || to_status as move from status_transition order by 1`);
  assert.equal(rows.map((row) => row.move), TRANSITIONS.map((move) => `${move.from}>${move.to}`).sort());
});

test('every transition that is not in the table is refused by PostgreSQL', async () => {
  await db.pool.query(sql.unsafe`
    insert into team (name, repository, branch) values ('t', 'x', 'main');
    `);
  await db.pool.query(sql.unsafe`insert into node (team, name, type) values ('t', 'n', 'docker')`);
  await db.pool.query(sql.unsafe`insert into product (team, name, type) values ('t', 'p', 'complex')`);
  await db.pool.query(sql.unsafe`insert into deployment (team, name) values ('t', 'd')`);
  for (const kind of ['rolling', 'incremental'] as const) {
    const version = await db.pool.oneFirst(sql.type(z.object({ id: z.number() }))`
      insert into version (team, product, name, kind, ref, commit_id) values ('t', 'p', ${kind}, ${kind}, 'r', 'c') returning id`);
    for (const from of STATUSES) {
      for (const to of STATUSES) {
        if (from === to) continue;
        const prefix = `${kind}-${from}-${to}`.slice(0, 60);
        const id = await db.pool.oneFirst(sql.type(z.object({ id: z.number() }))`
          insert into record (team, deployment, product, version_id, version, version_kind, node, prefix, commit_id, actor, spec, spec_hash, overrides_hash, version_content, attempt_key)
          values ('t', 'd', 'p', ${version}, 'v', ${kind}, 'n', ${prefix}, 'c', 'a', '{}', 's', 'o', '{}', 'k') returning id`);
        // The way to `from` is laid with the guard off; the move itself meets it.
        await db.pool.transaction(async (tx) => {
          await tx.query(sql.unsafe`set local session_replication_role = replica`);
          await tx.query(sql.unsafe`update record set status = ${from} where id = ${id}`);
        });
        const moved = await db.pool.query(sql.unsafe`update record set status = ${to} where id = ${id}`).then(() => true, () => false);
        const restored = from === 'preparing' && (to === 'obsolete' || to === 'downgraded'); // needs its resting status
        assert.is(moved, mayBecome(from, to, kind) && !restored, `${kind}: ${from} > ${to}`);
        if (restored) {
          await db.pool.query(sql.unsafe`update record set resting_status = ${to} where id = ${id}`);
          await db.pool.query(sql.unsafe`update record set status = ${to} where id = ${id}`);
        }
        const deleted = await db.pool.query(sql.unsafe`delete from record where id = ${id}`).then(() => true, () => false);
        const ended = moved || restored ? to : from;
        assert.is(deleted, ended !== 'in-progress', `R14: delete ${ended}`);
      }
    }
  }
});

test('a success leaves exactly one successful record, and all later versions downgraded (R16, R17)', () => {
  const graph = fc.array(fc.nat(), { minLength: 1, maxLength: 8 }).map((picks) => new Map(picks.map((pick, index) => [index, index === 0 ? null : pick % index])));
  fc.assert(
    fc.property(graph, fc.array(fc.record({ version: fc.nat(), status: fc.constantFrom(...STATUSES) }), { maxLength: 10 }), fc.nat(), (parents, list, pick) => {
      const siblings = list.map((item, id) => ({ id, versionId: item.version % parents.size, status: item.status }));
      const succeeded = { id: 99, versionId: pick % parents.size };
      const changes = new Map(consequencesOfSuccess(succeeded, siblings, parents).map((change) => [change.recordId, change]));
      for (const record of siblings) {
        const after = changes.get(record.id)?.to ?? record.status;
        assert.is.not(after, 'successful');
        const settled = record.status !== 'preparing' && record.status !== 'in-progress';
        if (settled && isAncestorVersion(succeeded.versionId, record.versionId, parents)) assert.is(after, 'downgraded');
        const change = changes.get(record.id);
        if (change) assert.ok(mayBecome(change.from, change.to, 'incremental'), `${change.from} > ${change.to}`);
      }
    }),
  );
});

test.run();
