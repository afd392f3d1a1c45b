/** What became of a deployment that is not there any more: its rows in the audit log outlive it. */
import { sql } from 'slonik';
import type { AuditRow } from '../audit.ts';
import { auditColumns, auditRow } from '../audit.ts';
import type { Queryable } from '../pool.ts';

const LATEST = 100;

/** Who adopted the target of a deployment that was renamed (R10). */
export interface Heir {
  readonly name: string;
  /** ISO 8601. */
  readonly at: string;
  readonly commit: string | null;
}

export interface FormerDeployment {
  /** About it under this name, newest first. */
  readonly rows: readonly AuditRow[];
  /** Null where nobody adopted its target after the last of them. */
  readonly heir: Heir | null;
}

/** Null where nobody ever heard of it. */
export async function loadFormer(connection: Queryable, team: string, name: string): Promise<FormerDeployment | null> {
  const rows = await connection.any(sql.type(auditRow)`select ${auditColumns} from audit_row where team = ${team} and object = ${`deployment/${name}`} order by id desc limit ${LATEST}`);
  if (rows.length === 0) return null;
  const last = rows.find(({ detail }) => typeof detail['target'] === 'string' && /^.+\/.+$/.test(detail['target']));
  if (last === undefined) return { rows, heir: null };
  const adoption = await connection.maybeOne(sql.type(auditRow)`
    select ${auditColumns} from audit_row
    where team = ${team} and id > ${last.id} and action = 'deployment.adopted' and detail ->> 'target' = ${String(last.detail['target'])} order by id limit 1`);
  return { rows, heir: adoption === null ? null : { name: adoption.object.replace(/^deployment\//, ''), at: adoption.at, commit: adoption.commit } };
}
