/** A large team for pictures and measurements: `count` deployments of eight products on a dozen nodes, in every state there is. */
import { sql } from 'slonik';
import type { DatabasePool } from 'slonik';
import { seedAudit, seedNode, seedProduct, seedTeam } from './harbour.ts';

const PRODUCTS = ['shop', 'search', 'gateway', 'identity', 'billing', 'mailer', 'reports', 'warehouse-synchronisation-and-reconciliation'];
const NODES = ['harbor', 'lighthouse', 'pier', 'dock', 'quay-frankfurt-1', 'quay-frankfurt-2', 'quay-paris-1', 'quay-paris-2', 'edge-01', 'edge-02', 'edge-03', 'edge-with-a-rather-long-name.example'];

/** Statuses go in a fixed pattern, so that two runs draw the same picture: of 40 deployments about 8 are not fine. */
export async function seedFleet(pool: DatabasePool, team: string, count: number): Promise<void> {
  await seedTeam(pool, team, { problems: [{ code: 'SchemaViolation', severity: 'error', file: 'deployments/eu/mailer-production.yaml', line: 14, column: 7, message: 'spec.config.ports[0].external must be a whole number from 1 to 65535', hint: 'Write the port as a number.' }] });
  for (const [index, node] of NODES.entries()) await seedNode(pool, team, node, index === 2 ? 'unreachable' : index === 3 ? 'enrolling' : 'connected', { simulated: index === 1, type: index % 5 === 4 ? 'kubernetes' : 'docker' });
  for (const product of PRODUCTS) {
    await seedProduct(pool, team, product, [{ name: 'main', kind: 'rolling' }, { name: '1.0.0', frozen: true }, { name: '1.1.0', parent: '1.0.0', frozen: true }, { name: '1.2.0', parent: '1.1.0', frozen: true }, { name: '2.0.0-rc.1', parent: '1.2.0' }]);
  }
  const products = sql.array(PRODUCTS, 'text');
  const nodes = sql.array(NODES, 'text');
  await pool.query(sql.unsafe`
    insert into deployment (team, name, product, version, version_kind, node, prefix, commit_id, sync, sync_reason, protected, updated_at)
    select ${team}, product || '-' || lpad(n::text, 4, '0'), product, case when n % 7 = 0 then 'main' else '1.2.0' end, case when n % 7 = 0 then 'rolling' else 'incremental' end,
      (${nodes})[1 + n % 12], product || '-' || n, md5(n::text), case when n % 40 in (3, 11, 23) then 'out-of-sync' when n % 40 = 19 then 'blocked' else 'synced' end,
      case n % 40 when 3 then 'it was tried 3 times; it waits for a new commit (R23)' when 11 then 'version 1.2.0 is wanted' when 23 then 'waits for identity-0004' when 19 then 'there is no bundle logging-eu' else '' end,
      n % 10 = 0, now() - n * interval '7 minutes'
    from (select n, (${products})[1 + n % 8] as product from generate_series(1, ${count}) n) numbered`);
  await pool.query(sql.unsafe`
    insert into record (team, deployment, product, version_id, version, version_kind, node, prefix, commit_id, actor, spec, spec_hash, overrides_hash, version_content, attempt_key, reason)
    select d.team, d.name, d.product, v.id, v.name, v.kind, d.node, d.prefix, d.commit_id, 'ann@example.org', '{}', 'h', 'o', '{}', 'k', ''
    from deployment d join version v on v.team = d.team and v.product = d.product and v.name = d.version where d.team = ${team} and d.sync <> 'blocked'`);
  await pool.query(sql.unsafe`insert into target (team, node, prefix, deployment, record_id) select team, node, prefix, deployment, id from record where team = ${team}`);
  await pool.query(sql.unsafe`update record set status = 'in-progress', started_at = now() - interval '20 seconds' where team = ${team} and deployment not in (select name from deployment where team = ${team} and sync_reason like 'waits for%')`);
  await pool.query(sql.unsafe`update record set status = 'failed', reason = 'HealthCheckFailed: web did not become healthy within 30s', finished_at = now() where team = ${team} and deployment in (select name from deployment where team = ${team} and sync_reason like '%R23%')`);
  await pool.query(sql.unsafe`update record set status = 'successful', finished_at = now() where team = ${team} and status = 'in-progress' and deployment in (select name from deployment where team = ${team} and sync = 'synced')`);
  await pool.query(sql.unsafe`update record set reason = (select sync_reason from deployment d where d.team = record.team and d.name = deployment) where team = ${team} and status = 'preparing'`);
  await pool.query(sql.unsafe`update target set live_record_id = record_id where team = ${team} and record_id in (select id from record where team = ${team} and status = 'successful')`);
  await pool.query(sql.unsafe`
    insert into observed (team, node, prefix, deployment, health, health_reason, containers, drift)
    select t.team, t.node, t.prefix, t.deployment, case when r.id % 40 = 7 then 'degraded' else 'healthy' end, case when r.id % 40 = 7 then t.prefix || '-web restarts again and again' else '' end,
      jsonb_build_array(
        jsonb_build_object('name', t.prefix || '-db', 'imageName', 'db', 'image', 'postgres:16', 'digest', 'sha256:' || repeat('ab12', 16), 'state', 'running', 'health', 'healthy'),
        jsonb_build_object('name', t.prefix || '-web', 'imageName', 'web', 'image', 'ghcr.io/acme/' || r.product || '-web:' || r.version, 'digest', 'sha256:' || repeat('cd34', 16), 'state', 'running', 'health', 'healthy')),
      case when r.id % 40 = 13 then jsonb_build_array(jsonb_build_object('container', t.prefix || '-web', 'field', 'config.environment.REGION', 'expected', 'eu', 'actual', 'us')) else '[]' end
    from target t join record r on r.id = t.record_id where t.team = ${team} and r.status = 'successful'`);
  await pool.query(sql.unsafe`
    insert into attempt (team, deployment, node, prefix, record_id, kind, state, commit_id, plan_hash, actor, action, timeout_ms, started_at, finished_at, outcome, deadline, fencing_token)
    select team, deployment, node, prefix, id, 'deploy', case when status = 'in-progress' then 'running' else 'done' end, commit_id, md5('p' || id), actor, '{"kind": "deploy", "reason": "version 1.2.0 is wanted"}', 60000, now() - interval '20 seconds',
      case when status = 'in-progress' then null else now() end, case status when 'in-progress' then null when 'failed' then 'failed' else 'succeeded' end,
      case when status = 'in-progress' then now() + interval '1 minute' end, case when status = 'in-progress' then 1 end
    from record where team = ${team} and status <> 'preparing'`);
  await pool.query(sql.unsafe`insert into attempt_event (attempt_id, sequence, at, step, text) select id, 1, now(), 'pull', 'ghcr.io/acme/web:1.2.0, layer 3 of 7' from attempt where team = ${team} and state = 'running'`);
  await seedAudit(pool, team, 20);
  await pool.query(sql.unsafe`analyze`);
}
