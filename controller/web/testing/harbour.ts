/** Rows as the other rooms write them, for tests of pages and API: two teams that know nothing of each other. */
import { sql } from 'slonik';
import type { DatabasePool, DatabaseTransactionConnection } from 'slonik';
import { appendAudit } from '../../store/audit.ts';
import { id } from '../../store/rows.ts';
import { z } from 'zod';

export interface Seed {
  readonly name: string;
  readonly node?: string | null;
  readonly prefix?: string;
  readonly product?: string;
  readonly version?: string;
  readonly sync?: 'synced' | 'out-of-sync' | 'blocked';
  readonly syncReason?: string;
  readonly declared?: boolean;
  readonly protected?: boolean;
}

export async function seedTeam(pool: DatabasePool, team: string, options: { readonly problems?: readonly unknown[] } = {}): Promise<void> {
  await pool.query(sql.unsafe`insert into team (name, repository, branch, commit_id, polled_at, synced_at, problems)
    values (${team}, ${`https://git.example.org/${team}.git`}, 'main', ${commitOf(team)}, now(), now() - interval '3 minutes', ${JSON.stringify(options.problems ?? [])}::jsonb)`);
}

export async function seedNode(pool: DatabasePool, team: string, node: string, status: 'connected' | 'unreachable' | 'enrolling' | 'revoked', options: { readonly simulated?: boolean; readonly type?: string } = {}): Promise<void> {
  const enrolled = status !== 'enrolling';
  await pool.query(sql.unsafe`insert into node (team, name, type, labels, simulated, agent_version, engine_version, enrolled_at, connected_by, connected_at, last_seen_at, revoked_at)
    values (${team}, ${node}, ${options.type ?? 'docker'}, '{"zone": "eu-1"}', ${options.simulated ?? false}, ${enrolled ? '0.1.0' : null}, ${enrolled ? 'Docker 28.2.2' : null},
      ${enrolled ? '2026-01-01T00:00:00Z' : null}::timestamptz, ${status === 'connected' ? 'replica-1' : null}, ${status === 'connected' ? '2026-01-02T00:00:00Z' : null}::timestamptz,
      ${enrolled ? '2026-01-03T00:00:00Z' : null}::timestamptz, ${status === 'revoked' ? '2026-01-04T00:00:00Z' : null}::timestamptz)`);
}

export async function seedProduct(pool: DatabasePool, team: string, product: string, versions: readonly { readonly name: string; readonly kind?: 'rolling' | 'incremental'; readonly parent?: string; readonly frozen?: boolean; readonly message?: string }[]): Promise<void> {
  await pool.query(sql.unsafe`insert into product (team, name, type, description) values (${team}, ${product}, 'complex', 'A shop.')`);
  for (const version of versions) {
    const kind = version.kind ?? 'incremental';
    await pool.query(sql.unsafe`insert into version (team, product, name, kind, ref, commit_id, tag_object, tagger, tag_message, parent_id, frozen, frozen_at)
      values (${team}, ${product}, ${version.name}, ${kind}, ${kind === 'rolling' ? `refs/heads/${version.name}` : `refs/tags/${product}/${version.name}`}, ${commitOf(version.name)},
        ${kind === 'rolling' ? null : commitOf(`tag${version.name}`)}, ${kind === 'rolling' ? null : 'Ann <ann@example.org>'}, ${version.message ?? null},
        (select id from version where team = ${team} and product = ${product} and name = ${version.parent ?? ''}),
        ${version.frozen === true ? '{}' : null}::jsonb, ${version.frozen === true ? '2026-01-05T00:00:00Z' : null}::timestamptz)`);
  }
}

export async function seedDeployment(pool: DatabasePool, team: string, seed: Seed): Promise<void> {
  await pool.query(sql.unsafe`insert into deployment (team, name, product, version, version_kind, node, prefix, commit_id, sync, sync_reason, declared, protected)
    values (${team}, ${seed.name}, ${seed.product ?? 'shop'}, ${seed.version ?? null}, 'incremental', ${seed.node ?? null}, ${seed.prefix ?? seed.name}, ${commitOf(team)},
      ${seed.sync ?? 'synced'}, ${seed.syncReason ?? ''}, ${seed.declared ?? true}, ${seed.protected ?? false})`);
}

export interface RecordSeed {
  readonly deployment: string;
  readonly node: string;
  readonly prefix?: string;
  readonly product?: string;
  readonly version: string;
  readonly status: 'preparing' | 'in-progress' | 'successful' | 'failed' | 'obsolete';
  readonly reason?: string;
  readonly live?: boolean;
  readonly attempt?: 'queued' | 'running' | 'succeeded' | 'failed' | 'superseded';
  readonly code?: string;
  readonly evidence?: readonly unknown[];
  readonly events?: readonly (readonly [step: string, text: string])[];
}

/** A record with its target and one attempt; walks the status machine as the deploy loop does. Returns ids. */
export async function seedRecord(pool: DatabasePool, team: string, seed: RecordSeed): Promise<{ readonly record: number; readonly attempt: number | null }> {
  return pool.transaction(async (tx) => {
    const prefix = seed.prefix ?? seed.deployment;
    const product = seed.product ?? 'shop';
    const record = await tx.oneFirst(sql.type(z.object({ id }))`
      insert into record (team, deployment, product, version_id, version, version_kind, node, prefix, reason, commit_id, actor, spec, spec_hash, overrides_hash, version_content, attempt_key)
      select ${team}, ${seed.deployment}, ${product}, v.id, v.name, v.kind, ${seed.node}, ${prefix}, ${seed.reason ?? ''}, ${commitOf(seed.version)}, 'ann@example.org', '{}', 'h', 'o', '{}', 'k'
      from version v where v.team = ${team} and v.product = ${product} and v.name = ${seed.version} returning id`);
    const steps = { preparing: [], 'in-progress': ['in-progress'], successful: ['in-progress', 'successful'], failed: ['in-progress', 'failed'], obsolete: ['in-progress', 'successful', 'obsolete'] }[seed.status];
    for (const status of steps) await tx.query(sql.unsafe`update record set status = ${status}, started_at = coalesce(started_at, clock_timestamp()), updated_at = clock_timestamp() where id = ${record}`);
    if (['successful', 'failed', 'obsolete'].includes(seed.status)) await tx.query(sql.unsafe`update record set finished_at = started_at + interval '4.2 seconds' where id = ${record}`);
    await tx.query(sql.unsafe`
      insert into target (team, node, prefix, deployment, record_id, live_record_id) values (${team}, ${seed.node}, ${prefix}, ${seed.deployment}, ${record}, ${seed.live === true ? record : null})
      on conflict (team, node, prefix) do update set record_id = ${record}, live_record_id = case when ${seed.live === true} then ${record} else target.live_record_id end`);
    const attempt = seed.attempt === undefined ? null : await seedAttempt(tx, team, prefix, record, seed);
    return { record, attempt };
  });
}

async function seedAttempt(tx: DatabaseTransactionConnection, team: string, prefix: string, record: number, seed: RecordSeed): Promise<number> {
  const open = seed.attempt === 'queued' || seed.attempt === 'running';
  const action = { kind: 'deploy', deployment: seed.deployment, reason: `version ${seed.version} is wanted`, from: seed.version, to: seed.version, changes: [{ image: 'web', path: 'config.environment.WORKERS', from: '2', to: '4' }], strategies: [{ image: 'web', strategy: 'recreate', reason: 'it publishes host port 80' }] };
  const attempt = await tx.oneFirst(sql.type(z.object({ id }))`
    insert into attempt (team, deployment, node, prefix, record_id, kind, state, commit_id, plan_hash, actor, action, timeout_ms, started_at, finished_at, deadline, fencing_token, outcome, code, reason, restored, evidence)
    values (${team}, ${seed.deployment}, ${seed.node}, ${prefix}, ${record}, 'deploy', ${open ? (seed.attempt ?? 'queued') : 'done'}, ${commitOf(seed.version)}, ${commitOf('plan')}, 'ann@example.org', ${JSON.stringify(action)}::jsonb, 60000,
      ${seed.attempt === 'queued' ? null : new Date(Date.now() - 5_000).toISOString()}::timestamptz, ${open ? null : new Date().toISOString()}::timestamptz,
      ${seed.attempt === 'running' ? new Date(Date.now() + 60_000).toISOString() : null}::timestamptz, ${seed.attempt === 'running' ? 1 : null},
      ${open ? null : (seed.attempt ?? null)}, ${seed.code ?? null}, ${seed.reason?.replace(`${seed.code ?? ''}: `, '') ?? null}, ${open ? null : true}, ${JSON.stringify(seed.evidence ?? [])}::jsonb) returning id`);
  for (const [index, [step, text]] of (seed.events ?? []).entries()) {
    await tx.query(sql.unsafe`insert into attempt_event (attempt_id, sequence, at, step, text) values (${attempt}, ${index + 1}, now(), ${step}, ${text})`);
  }
  return attempt;
}

export async function seedObserved(pool: DatabasePool, team: string, at: { readonly node: string; readonly prefix: string; readonly deployment?: string }, health: string, options: { readonly reason?: string; readonly containers?: readonly unknown[]; readonly drift?: readonly unknown[] } = {}): Promise<void> {
  await pool.query(sql.unsafe`insert into observed (team, node, prefix, deployment, health, health_reason, containers, drift)
    values (${team}, ${at.node}, ${at.prefix}, ${at.deployment ?? at.prefix}, ${health}, ${options.reason ?? ''}, ${JSON.stringify(options.containers ?? [])}::jsonb, ${JSON.stringify(options.drift ?? [])}::jsonb)`);
}

export async function seedAudit(pool: DatabasePool, team: string, count: number): Promise<void> {
  await pool.transaction(async (tx) => {
    for (let n = 1; n <= count; n++) {
      await appendAudit(tx, { team, actor: 'ann@example.org', action: 'deployment.deploy', object: `deployment/shop-${String(n)}`, commit: commitOf(String(n)), result: 'planned', detail: { reason: 'version 1.2.0 is wanted' } });
    }
  });
}

export function container(name: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { name, imageName: name, image: `ghcr.io/acme/${name}:1.2.0`, digest: `sha256:${'ab12'.repeat(16)}`, state: 'running', health: 'healthy', exitCode: 0, restarts: 0, id: 'f00', detail: '', ...more };
}

/** A harbour with a bit of everything; team `acme`. */
export async function seedHarbour(pool: DatabasePool): Promise<void> {
  await seedTeam(pool, 'acme', {
    problems: [
      { code: 'UnknownReference', severity: 'error', file: 'deployments/docs.yaml', line: 7, column: 9, message: 'there is no product handbook', hint: 'Correct the name, or add the manifest it refers to.' },
      { code: 'TagNotSemver', severity: 'warning', file: '', line: 0, column: 0, message: 'the tag shop/latest is no semver number', hint: 'Tag as <product>/1.2.3 (a leading v is allowed).' },
    ],
  });
  await seedNode(pool, 'acme', 'harbor', 'connected');
  await seedNode(pool, 'acme', 'lighthouse', 'connected', { simulated: true, type: 'kubernetes' });
  await seedNode(pool, 'acme', 'pier', 'unreachable');
  await seedNode(pool, 'acme', 'dock', 'enrolling');
  await seedProduct(pool, 'acme', 'shop', [
    { name: 'main', kind: 'rolling' },
    { name: '1.1.0', frozen: true, message: 'First release\n\n- basket\n- search' },
    { name: '1.2.0', parent: '1.1.0', frozen: true, message: 'Faster search' },
    { name: '1.10.0', parent: '1.2.0', message: 'New checkout' },
  ]);
  const at = (deployment: string, node = 'harbor'): { node: string; prefix: string } => ({ node, prefix: deployment });
  await seedDeployment(pool, 'acme', { name: 'shop-production', node: 'harbor', version: '1.2.0', protected: true });
  await seedRecord(pool, 'acme', { deployment: 'shop-production', node: 'harbor', version: '1.1.0', status: 'obsolete', reason: 'another version took its place (R16)', attempt: 'succeeded' });
  await seedRecord(pool, 'acme', { deployment: 'shop-production', node: 'harbor', version: '1.2.0', status: 'successful', live: true, attempt: 'succeeded', events: [['pull', 'ghcr.io/acme/web:1.2.0 is there'], ['start', 'shop-production-web runs'], ['health', 'GET /healthz answers 200']] });
  await seedObserved(pool, 'acme', at('shop-production'), 'healthy', { containers: [container('shop-production-db', { image: 'postgres:16' }), container('shop-production-web')], drift: [{ container: 'shop-production-web', field: 'config.env.REGION', expected: 'eu', actual: 'us' }] });

  await seedDeployment(pool, 'acme', { name: 'shop-staging', node: 'lighthouse', version: '1.10.0', sync: 'out-of-sync', syncReason: 'it was tried 3 times; it waits for a new commit (R23)' });
  await seedRecord(pool, 'acme', { deployment: 'shop-staging', node: 'lighthouse', version: '1.2.0', status: 'successful', live: true, attempt: 'succeeded' });
  await seedRecord(pool, 'acme', {
    deployment: 'shop-staging', node: 'lighthouse', version: '1.10.0', status: 'failed', reason: 'HealthCheckFailed: web did not become healthy within 30s', attempt: 'failed', code: 'HealthCheckFailed',
    evidence: [{ container: 'shop-staging-web', logLines: ['listening on 8080', 'error: relation "basket" does not exist', '    at Query.run (db.js:12:9)'], healthOutput: ['GET /healthz: 500 Internal Server Error'] }],
    events: [['pull', 'ghcr.io/acme/web:1.10.0 is there'], ['start', 'shop-staging-web runs'], ['health', 'GET /healthz answers 500'], ['restore', 'version 1.2.0 runs again']],
  });
  await seedObserved(pool, 'acme', at('shop-staging', 'lighthouse'), 'healthy', { containers: [container('shop-staging-web')] });

  await seedDeployment(pool, 'acme', { name: 'shop-preview', node: 'harbor', version: 'main', sync: 'out-of-sync', syncReason: 'the branch has new content' });
  await seedRecord(pool, 'acme', { deployment: 'shop-preview', node: 'harbor', version: 'main', status: 'in-progress', attempt: 'running', events: [['pull', 'ghcr.io/acme/web:main, layer 3 of 7']] });

  await seedDeployment(pool, 'acme', { name: 'shop-edge', node: 'pier', version: '1.2.0', sync: 'out-of-sync', syncReason: 'version 1.2.0 is wanted' });
  await seedRecord(pool, 'acme', { deployment: 'shop-edge', node: 'pier', version: '1.2.0', status: 'preparing', attempt: 'queued' });

  await seedDeployment(pool, 'acme', { name: 'docs', sync: 'blocked', syncReason: 'there is no product handbook', product: 'handbook' });

  await seedDeployment(pool, 'acme', { name: 'old-shop', node: 'harbor', version: '1.1.0', declared: false, protected: true, sync: 'out-of-sync', syncReason: 'its manifest is gone; it is protected and stays' });
  await seedRecord(pool, 'acme', { deployment: 'old-shop', node: 'harbor', version: '1.1.0', status: 'successful', live: true, attempt: 'succeeded' });
  await seedObserved(pool, 'acme', at('old-shop'), 'degraded', { reason: 'old-shop-web restarts again and again', containers: [container('old-shop-web', { state: 'restarting', health: 'unhealthy', restarts: 14, detail: 'exit code 137, out of memory' })] });

  await seedDeployment(pool, 'acme', { name: 'forgotten', node: 'harbor', declared: false });
  await seedAudit(pool, 'acme', 7);
}

export function commitOf(seed: string): string {
  return Buffer.from(seed.padEnd(20, '~')).toString('hex').slice(0, 40);
}
