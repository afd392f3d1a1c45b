/** What a hint of a change is about, read from the tables: the facts that server-sent events carry. */
import { sql } from 'slonik';
import { z } from 'zod';
import type { Queryable } from '../pool.ts';
import { attemptKindRow, id, outcomeRow } from '../rows.ts';
import { nodeStatus, nodeStatusRow } from './nodes.ts';

const MAX_EVENTS = 500;

const eventRow = z.object({ sequence: z.number(), at: z.string(), step: z.string(), text: z.string() });
const attemptChangeRow = z.object({
  id, deployment: z.string(), node: z.string(), prefix: z.string(), kind: attemptKindRow, state: z.enum(['queued', 'running', 'done']), outcome: outcomeRow.nullable(),
  code: z.string().nullable(), reason: z.string().nullable(), events: z.array(eventRow),
});
export type AttemptChange = z.infer<typeof attemptChangeRow>;

/** Attempts by id with the events after those that were told before, by attempt id. */
export async function listAttemptChanges(connection: Queryable, team: string, told: ReadonlyMap<number, number>): Promise<readonly AttemptChange[]> {
  const rows = [...told];
  return connection.any(sql.type(attemptChangeRow)`
    select a.id, a.deployment, a.node, a.prefix, a.kind, a.state, a.outcome, a.code, a.reason, coalesce((
      select jsonb_agg(jsonb_build_object('sequence', e.sequence, 'at', to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'step', e.step, 'text', e.text) order by e.sequence)
      from (select * from attempt_event where attempt_id = a.id and sequence > u.told order by sequence desc limit ${MAX_EVENTS}) e), '[]') as events
    from ${sql.unnest(rows, ['int8', 'int4'])} as u(id, told) join attempt a on a.id = u.id and a.team = ${team} order by a.id`);
}

const nodeChangeRow = z.object({ name: z.string(), status: nodeStatusRow, simulated: z.boolean(), agentVersion: z.string().nullable() });

export async function listNodeChanges(connection: Queryable, team: string, names: readonly string[]): Promise<readonly z.infer<typeof nodeChangeRow>[]> {
  return connection.any(sql.type(nodeChangeRow)`
    select n.name, ${nodeStatus} as status, n.simulated, n.agent_version as "agentVersion" from node n
    where n.team = ${team} and n.name = any(${sql.array([...names], 'text')}) order by n.name`);
}
