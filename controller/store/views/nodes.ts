/** Nodes as people see them. */
import { sql } from 'slonik';
import { z } from 'zod';
import type { Queryable } from '../pool.ts';

/** The status of a node row called `n`; the same words as the plan's (store/nodes.ts). */
export const nodeStatus = sql.fragment`case when n.revoked_at is not null then 'revoked' when n.connected_by is not null then 'connected'
  when n.enrolled_at is null then 'enrolling' else 'unreachable' end`;

export const nodeStatusRow = z.enum(['connected', 'unreachable', 'enrolling', 'revoked']);

const nodeRow = z.object({
  name: z.string(), type: z.enum(['docker', 'kubernetes']), simulated: z.boolean(), status: nodeStatusRow,
  agentVersion: z.string().nullable(), lastSeenAt: z.date().nullable(), engineVersion: z.string().nullable(), labels: z.record(z.unknown()),
  declared: z.boolean(), enrolledAt: z.date().nullable(), revokedAt: z.date().nullable(), connectedAt: z.date().nullable(), targets: z.number(), wantedAgentVersion: z.string().nullable(),
  agentUpdate: z.object({ version: z.string(), code: z.string(), reason: z.string(), at: z.string() }).nullable(), recipients: z.array(z.string()),
});
export type NodeView = z.infer<typeof nodeRow>;

/** By name: the nodes of the repository, and those gone from it that still serve something. */
export async function listNodes(connection: Queryable, team: string, name?: string): Promise<readonly NodeView[]> {
  return connection.any(sql.type(nodeRow)`
    select * from (
      select n.name, n.type, n.simulated, ${nodeStatus} as status, n.agent_version as "agentVersion", n.last_seen_at as "lastSeenAt",
        n.engine_version as "engineVersion", n.labels, n.declared, n.enrolled_at as "enrolledAt", n.revoked_at as "revokedAt", n.connected_at as "connectedAt", n.secret_recipients as recipients,
        n.wanted_agent_version as "wantedAgentVersion", n.agent_update as "agentUpdate",
        (select count(*)::int from target t where t.team = n.team and t.node = n.name) as targets
      from node n where n.team = ${team} ${name === undefined ? sql.fragment`` : sql.fragment`and n.name = ${name}`}) found
    where ${name === undefined ? sql.fragment`declared or targets > 0` : sql.fragment`true`}
    order by name`);
}
