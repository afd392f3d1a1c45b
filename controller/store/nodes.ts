/** Nodes, their enrolment tokens and certificates (R3, R4). Tokens are stored as hashes only. */
import { sql } from 'slonik';
import type { CommonQueryMethods, DatabasePool } from 'slonik';
import { z } from 'zod';
import { TagboatError } from '../errors.ts';
import type { ObservedNode } from '../plan/types.ts';
import { appendAudit } from './audit.ts';
import { nodeLease } from './attempts.ts';
import { isRecipient } from '../model/sealed.ts';
import { fencedBy } from './lease.ts';
import { notifyWork } from './notify.ts';
import { id, nothing } from './rows.ts';

/** As many as an agent keeps. */
const MOST_RECIPIENTS = 32;

export interface DeclaredNode {
  readonly name: string;
  readonly type: 'docker' | 'kubernetes';
  readonly labels: Readonly<Record<string, string>>;
  /** The version that its agent should have; null: whatever was installed. */
  readonly agentVersion: string | null;
}

/** What Git says of the nodes. A node whose manifest is gone keeps its row. */
export async function saveNodes(connection: CommonQueryMethods, team: string, nodes: readonly DeclaredNode[]): Promise<void> {
  const rows = nodes.map((node) => [node.name, node.type, JSON.stringify(node.labels), node.agentVersion]);
  if (rows.length > 0) {
    const changed = await connection.anyFirst(sql.type(z.object({ name: z.string() }))`
      insert into node (team, name, type, labels, wanted_agent_version) select ${team}, u.name, u.type, u.labels::jsonb, u.version from ${sql.unnest(rows, ['text', 'text', 'text', 'text'])} as u(name, type, labels, version)
      on conflict (team, name) do update set type = excluded.type, labels = excluded.labels, declared = true, wanted_agent_version = excluded.wanted_agent_version,
        agent_update = case when node.wanted_agent_version is not distinct from excluded.wanted_agent_version then node.agent_update end
      where (node.type, node.labels, node.declared, node.wanted_agent_version) is distinct from (excluded.type, excluded.labels, true, excluded.wanted_agent_version)
      returning name`);
    // Whoever holds its line tells the agent which version it should be.
    for (const name of changed) await notifyWork(connection, team, name);
  }
  await connection.query(sql.type(nothing)`
    update node set declared = false where team = ${team} and declared and not (name = any(${sql.array(nodes.map((node) => node.name), 'text')}))`);
}

export async function loadNodeStates(connection: CommonQueryMethods, team: string): Promise<Map<string, ObservedNode>> {
  const rows = await connection.any(sql.type(z.object({ name: z.string(), status: z.enum(['connected', 'unreachable', 'enrolling', 'revoked']), simulated: z.boolean() }))`
    select name, simulated, case when revoked_at is not null then 'revoked' when connected_by is not null then 'connected'
                                 when enrolled_at is null then 'enrolling' else 'unreachable' end as status
    from node where team = ${team}`);
  return new Map(rows.map((row) => [row.name, { status: row.status, simulated: row.simulated }]));
}

export interface HelloFacts {
  readonly simulated: boolean;
  readonly agentVersion: string;
  readonly engineVersion: string;
}

/** Public keys by node (`sealed` values are made for them); nodes whose agent has told none are left out. */
export async function loadRecipients(connection: CommonQueryMethods, team: string): Promise<Map<string, readonly string[]>> {
  const rows = await connection.any(sql.type(z.object({ name: z.string(), recipients: z.array(z.string()) }))`
    select name, secret_recipients as recipients from node where team = ${team} and secret_recipients <> '{}' order by name`);
  return new Map(rows.map((row) => [row.name, row.recipients]));
}

/** An agent that tells none is an older one, which changes nothing. A change is audited: it decides who can read what is sealed from now on. */
export async function saveRecipients(pool: DatabasePool, team: string, node: string, recipients: readonly string[]): Promise<void> {
  const keys = [...new Set(recipients)].filter((recipient) => isRecipient(recipient)).slice(0, MOST_RECIPIENTS);
  if (keys.length === 0) return;
  await pool.transaction(async (tx) => {
    const changed = await tx.maybeOne(sql.type(z.object({ name: z.string() }))`
      update node set secret_recipients = ${sql.array(keys, 'text')}
      where team = ${team} and name = ${node} and secret_recipients is distinct from ${sql.array(keys, 'text')} returning name`);
    if (changed !== null) await appendAudit(tx, { team, actor: `agent:${node}`, action: 'node.secret-keys', object: `node/${node}`, result: 'accepted', detail: { current: keys[0] ?? '', keys: keys.length } });
  });
}

/** Only the holder of the node's lease may say that the node is connected. */
export async function saveConnected(connection: CommonQueryMethods, team: string, node: string, holder: string, token: number, hello: HelloFacts): Promise<void> {
  await connection.query(sql.type(nothing)`
    update node set connected_by = ${holder}, connected_at = now(), last_seen_at = now(), simulated = ${hello.simulated},
      agent_version = ${hello.agentVersion}, engine_version = ${hello.engineVersion},
      agent_update = case when wanted_agent_version = ${hello.agentVersion} then null else agent_update end
    where team = ${team} and name = ${node} and ${fencedBy(nodeLease(team, node), token)}`);
}

export async function loadWantedAgentVersion(connection: CommonQueryMethods, team: string, node: string): Promise<string | null> {
  return connection.maybeOneFirst(sql.type(z.object({ version: z.string().nullable() }))`select wanted_agent_version as version from node where team = ${team} and name = ${node}`);
}

/** What the agent makes of the version that is wanted; null: all is well. What it says of another version is old news. Audited when it is new. */
export async function saveAgentUpdate(pool: DatabasePool, team: string, node: string, version: string, trouble: { readonly code: string; readonly reason: string } | null): Promise<void> {
  await pool.transaction(async (tx) => {
    const changed = await tx.maybeOne(sql.type(z.object({ name: z.string() }))`
      update node set agent_update = case when ${trouble === null} then null else jsonb_build_object('version', ${version}::text, 'code', ${trouble?.code ?? ''}::text, 'reason', ${trouble?.reason ?? ''}::text, 'at', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) end
      where team = ${team} and name = ${node} and wanted_agent_version = ${version}
        and (agent_update->>'code', agent_update->>'reason') is distinct from (${trouble?.code ?? null}::text, ${trouble?.reason ?? null}::text) returning name`);
    if (changed !== null && trouble !== null) await appendAudit(tx, { team, actor: `agent:${node}`, action: 'node.agent-update', object: `node/${node}`, result: trouble.code, detail: { version, reason: trouble.reason } });
  });
}

/** False when the node was revoked meanwhile, perhaps through another replica: its session has to end. */
export async function saveSeen(connection: CommonQueryMethods, team: string, node: string): Promise<boolean> {
  const row = await connection.maybeOne(sql.type(z.object({ allowed: z.boolean() }))`
    update node set last_seen_at = now() where team = ${team} and name = ${node} returning revoked_at is null as allowed`);
  return row?.allowed ?? false;
}

export async function saveDisconnected(connection: CommonQueryMethods, team: string, node: string, holder: string): Promise<void> {
  await connection.query(sql.type(nothing)`
    update node set connected_by = null, last_seen_at = now() where team = ${team} and name = ${node} and connected_by = ${holder}`);
}

/** Nodes whose lease ran out without a goodbye: their replica died. Returns the teams that have to be planned again. */
export async function expireConnections(connection: CommonQueryMethods): Promise<readonly string[]> {
  const rows = await connection.any(sql.type(z.object({ team: z.string() }))`
    update node n set connected_by = null where n.connected_by is not null
      and not exists (select 1 from lease l where l.name = 'node:' || n.team || '/' || n.name and l.holder = n.connected_by and l.expires_at > now())
    returning n.team`);
  return rows.map((row) => row.team);
}

export interface SavedEnrolment {
  readonly expiresAt: Date;
  readonly nodeType: DeclaredNode['type'];
}

/** Notes a single-use, expiring token for one node of a team (R4), by its hash. Throws `NodeUnknown`. */
export async function saveEnrolment(pool: DatabasePool, team: string, node: string, tokenHash: string, actor: string, ttlMs: number): Promise<SavedEnrolment> {
  return pool.transaction(async (tx) => {
    const nodeType = await tx.maybeOneFirst(sql.type(z.object({ type: z.enum(['docker', 'kubernetes']) }))`select type from node where team = ${team} and name = ${node} and declared`);
    if (nodeType === null) throw new TagboatError('NodeUnknown', `Team ${team} has no node ${node} in its repository`);
    const expiresAt = await tx.oneFirst(sql.type(z.object({ at: z.date() }))`
      insert into enrolment (team, node, token_hash, created_by, expires_at)
      values (${team}, ${node}, ${tokenHash}, ${actor}, now() + ${ttlMs} * interval '1 millisecond') returning expires_at as at`);
    await appendAudit(tx, { team, actor, action: 'node.enrolment-minted', object: `node/${node}`, result: 'accepted', detail: { expiresAt: expiresAt.toISOString() } });
    return { expiresAt, nodeType };
  });
}

export type Consumed = { readonly team: string; readonly node: string; readonly nodeType: string } | { readonly refused: string };

/** Uses a token up, atomically; a second use, an expired or an unknown token is refused and audited. */
export async function consumeEnrolment(pool: DatabasePool, tokenHash: string): Promise<Consumed> {
  return pool.transaction(async (tx): Promise<Consumed> => {
    const row = await tx.maybeOne(sql.type(z.object({ id, team: z.string(), node: z.string(), used: z.boolean(), expired: z.boolean(), type: z.string() }))`
      select e.id, e.team, e.node, e.used_at is not null as used, e.expires_at <= now() as expired, n.type
      from enrolment e join node n on n.team = e.team and n.name = e.node where e.token_hash = ${tokenHash} for update of e`);
    if (row === null) return { refused: 'the token is unknown' };
    const refused = row.used ? 'the token was used before' : row.expired ? 'the token has expired' : null;
    if (refused === null) {
      await tx.query(sql.type(nothing)`update enrolment set used_at = now() where id = ${row.id}`);
      await tx.query(sql.type(nothing)`update node set enrolled_at = now(), revoked_at = null where team = ${row.team} and name = ${row.node}`);
    }
    await appendAudit(tx, { team: row.team, actor: `agent:${row.node}`, action: 'node.enrolled', object: `node/${row.node}`, result: refused ?? 'accepted' });
    return refused === null ? { team: row.team, node: row.node, nodeType: row.type } : { refused };
  });
}

export async function saveCertificate(connection: CommonQueryMethods, certificate: { serial: string; team: string; node: string; fingerprint: string; expiresAt: Date }): Promise<void> {
  await connection.query(sql.type(nothing)`
    insert into certificate (serial, team, node, fingerprint, expires_at)
    values (${certificate.serial}, ${certificate.team}, ${certificate.node}, ${certificate.fingerprint}, ${certificate.expiresAt.toISOString()}::timestamptz)`);
}

/** May the holder of this certificate speak for this node? */
export async function authorizeCertificate(connection: CommonQueryMethods, team: string, node: string, serial: string): Promise<'ok' | 'unknown' | 'revoked'> {
  const row = await connection.maybeOne(sql.type(z.object({ revoked: z.boolean(), declared: z.boolean() }))`
    select c.revoked_at is not null or n.revoked_at is not null as revoked, n.declared
    from certificate c join node n on n.team = c.team and n.name = c.node
    where c.serial = ${serial} and c.team = ${team} and c.node = ${node}`);
  if (row === null) return 'unknown';
  if (row.revoked) return 'revoked';
  return row.declared ? 'ok' : 'unknown';
}

/** R4: from now on no certificate of the node opens a session. The caller cuts the present one. */
export async function revokeNode(pool: DatabasePool, team: string, node: string, actor: string): Promise<void> {
  await pool.transaction(async (tx) => {
    const found = await tx.maybeOneFirst(sql.type(z.object({ name: z.string() }))`
      update node set revoked_at = coalesce(revoked_at, now()) where team = ${team} and name = ${node} returning name`);
    if (found === null) throw new TagboatError('NodeUnknown', `Team ${team} has no node ${node}`);
    await tx.query(sql.type(nothing)`update certificate set revoked_at = now() where team = ${team} and node = ${node} and revoked_at is null`);
    await tx.query(sql.type(nothing)`update enrolment set expires_at = now() where team = ${team} and node = ${node} and used_at is null and expires_at > now()`);
    await appendAudit(tx, { team, actor, action: 'node.revoked', object: `node/${node}`, result: 'accepted' });
  });
}
