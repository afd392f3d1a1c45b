/**
 * Proves that no audit row was changed or removed (R26). It recomputes every hash, so it finds what somebody with all
 * rights in the database did by hand. Who rewrites a whole chain and its head to the last hash is found only by comparing
 * with a head that was noted elsewhere, which is why the heads are part of the answer.
 */
import { sql } from 'slonik';
import { z } from 'zod';
import { auditColumns, auditHash, auditRow, FIRST_PREVIOUS_HASH } from './audit.ts';
import type { Queryable } from './pool.ts';

export interface AuditBreak {
  readonly team: string;
  /** The first row that is not as it was appended (or is missing). */
  readonly id: number;
  readonly reason: string;
}

export interface AuditVerdict {
  /** Rows that were looked at. */
  readonly checked: number;
  /** Where each chain ends. */
  readonly heads: readonly { readonly team: string; readonly id: number; readonly hash: string }[];
  /** Absent if all is well. */
  readonly firstBroken?: AuditBreak;
}

const BATCH = 500;

const head = z.object({ team: z.string(), id: z.number(), hash: z.string() });

/** Checks one team's chain, or all of them. Reads in batches, may run while rows are appended. */
export async function verifyAudit(connection: Queryable, team?: string): Promise<AuditVerdict> {
  const only = team === undefined ? sql.fragment`true` : sql.fragment`team = ${team}`;
  const heads = await connection.any(sql.type(head)`select team, id, hash from audit_head where ${only} order by team`);
  let checked = 0;
  for (const one of heads) {
    const outcome = await verifyChain(connection, one);
    checked += outcome.checked;
    if (outcome.broken !== undefined) return { checked, heads, firstBroken: outcome.broken };
  }
  // One statement sees one moment: a row appended meanwhile comes with its head.
  const stray = await connection.maybeOne(sql.type(z.object({ team: z.string(), id: z.number() }))`
    select audit_row.team, audit_row.id from audit_row left join audit_head using (team)
    where ${team === undefined ? sql.fragment`true` : sql.fragment`audit_row.team = ${team}`}
      and (audit_head.id is null or audit_row.id > audit_head.id or audit_row.id < 1)
    order by audit_row.team, audit_row.id limit 1`);
  if (stray !== null) return { checked, heads, firstBroken: { ...stray, reason: 'the row is beyond the head of the chain: the head was set back or removed' } };
  return { checked, heads };
}

async function verifyChain(connection: Queryable, end: z.infer<typeof head>): Promise<{ readonly checked: number; readonly broken?: AuditBreak }> {
  let previousHash = FIRST_PREVIOUS_HASH;
  let id = 0;
  const broken = (at: number, reason: string): { checked: number; broken: AuditBreak } => ({ checked: id, broken: { team: end.team, id: at, reason } });
  while (id < end.id) {
    const rows = await connection.any(sql.type(auditRow)`
      select ${auditColumns} from audit_row where team = ${end.team} and id > ${id} and id <= ${end.id} order by id limit ${BATCH}`);
    if (rows.length === 0) return broken(id + 1, `the rows ${String(id + 1)} to ${String(end.id)} are missing at the end`);
    for (const row of rows) {
      if (row.id !== id + 1) return broken(id + 1, row.id === id + 2 ? 'the row is missing' : `the rows ${String(id + 1)} to ${String(row.id - 1)} are missing`);
      if (row.previousHash !== previousHash) return broken(row.id, 'the row does not follow from the one before it');
      if (auditHash(row) !== row.hash) return broken(row.id, 'the content of the row does not match its hash');
      previousHash = row.hash;
      id = row.id;
    }
  }
  if (end.hash !== previousHash) return broken(end.id, 'the last row does not match the head of the chain');
  return { checked: id };
}
