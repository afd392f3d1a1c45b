/** What happened lately on a node and to it. */
import { sql } from 'slonik';
import { z } from 'zod';
import type { AuditRow } from '../audit.ts';
import { auditColumns, auditRow } from '../audit.ts';
import type { Queryable } from '../pool.ts';
import { attemptKindRow, id, outcomeRow } from '../rows.ts';

const LATEST = 15;

const attemptRow = z.object({
  id, deployment: z.string(), prefix: z.string(), kind: attemptKindRow, state: z.enum(['queued', 'running', 'done']), outcome: outcomeRow.nullable(),
  code: z.string().nullable(), reason: z.string().nullable(), to: z.string().nullable(), createdAt: z.date(), startedAt: z.date().nullable(), finishedAt: z.date().nullable(),
});
export type NodeAttempt = z.infer<typeof attemptRow>;

/** The latest attempts on the node, whichever deployment they were for. */
export async function listNodeAttempts(connection: Queryable, team: string, node: string): Promise<readonly NodeAttempt[]> {
  return connection.any(sql.type(attemptRow)`
    select id, deployment, prefix, kind, state, outcome, code, reason, action ->> 'to' as "to", created_at as "createdAt", started_at as "startedAt", finished_at as "finishedAt"
    from attempt where team = ${team} and node = ${node} order by id desc limit ${LATEST}`);
}

/** The latest audit rows about the node itself: enrolments, revocations. */
export async function listNodeAudit(connection: Queryable, team: string, node: string): Promise<readonly AuditRow[]> {
  return connection.any(sql.type(auditRow)`select ${auditColumns} from audit_row where team = ${team} and object = ${`node/${node}`} order by id desc limit ${LATEST}`);
}
