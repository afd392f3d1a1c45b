/** A deployment with a long past, for pictures and tests: successes, a failure, a rollback, a superseded attempt, drift, one under way. */
import { sql } from 'slonik';
import type { DatabasePool } from 'slonik';
import { z } from 'zod';
import { id } from '../../store/rows.ts';
import { container, seedDeployment, seedObserved, seedProduct } from './harbour.ts';

type Step = readonly [step: string, seconds: number, text: string];
interface Leg {
  readonly version: string;
  readonly minutesAgo: number;
  readonly outcome: 'succeeded' | 'failed' | 'superseded' | 'running';
  readonly status: 'successful' | 'obsolete' | 'downgraded' | 'failed' | 'in-progress';
  readonly reason?: string;
  readonly steps: readonly Step[];
}

const NAME = 'checkout-and-payment-orchestration-service-production';
const usual: readonly Step[] = [['pull', 6.2, 'pulls ghcr.io/acme/checkout-web:2.3.0 (sha256:9f3c5a71b0d2)'], ['volume', 0.3, 'volumes checkout-data'], ['switch', 0.9, 'sets checkout-web aside, still running'], ['start', 11.4, 'starts checkout-web (ghcr.io/acme/checkout-web:2.3.0)'], ['clean', 1.1, 'all containers are good; removes 1 old']];
const LEGS: readonly Leg[] = [
  { version: '2.0.0', minutesAgo: 60 * 24 * 9, outcome: 'succeeded', status: 'obsolete', steps: usual },
  { version: '2.1.0', minutesAgo: 60 * 24 * 4, outcome: 'succeeded', status: 'obsolete', steps: usual.map(([step, seconds, text]) => [step, seconds * 0.6, text]) },
  { version: '2.2.0', minutesAgo: 60 * 30, outcome: 'superseded', status: 'failed', reason: 'superseded: superseded by commit 4be1c09d2f77', steps: [['pull', 4, 'pulls ghcr.io/acme/checkout-web:2.2.0 (sha256:11aa22bb33cc)'], ['restore', 1.5, 'stops, as the controller asked']] },
  { version: '2.2.1', minutesAgo: 60 * 29, outcome: 'succeeded', status: 'downgraded', reason: 'an older version was rolled back to (R17)', steps: usual },
  { version: '2.1.0', minutesAgo: 60 * 5, outcome: 'succeeded', status: 'successful', steps: [['pull', 0.4, 'ghcr.io/acme/checkout-web:2.1.0 is there'], ['start', 8, 'starts checkout-web'], ['clean', 0.6, 'all containers are good; removes 1 old']] },
  { version: '2.3.0', minutesAgo: 14, outcome: 'failed', status: 'failed', reason: 'HealthCheckFailed: web did not become healthy within 30s', steps: [['pull', 5.1, 'pulls ghcr.io/acme/checkout-web:2.3.0 (sha256:9f3c5a71b0d2)'], ['switch', 0.8, 'sets checkout-web aside, still running'], ['start', 30, 'starts checkout-web (ghcr.io/acme/checkout-web:2.3.0)'], ['restore', 2.2, 'puts back the old checkout-web']] },
  { version: '2.3.1', minutesAgo: 0.4, outcome: 'running', status: 'in-progress', steps: [['pull', 7, 'pulls ghcr.io/acme/checkout-web:2.3.1 (sha256:77de90a1c4b8)'], ['start', 9, 'starts checkout-web (ghcr.io/acme/checkout-web:2.3.1)']] },
];

const ACTION = {
  kind: 'deploy', reason: 'version 2.3.0 is wanted',
  changes: [
    { image: 'web', path: 'image', from: 'ghcr.io/acme/checkout-web:2.1.0', to: 'ghcr.io/acme/checkout-web:2.3.0' },
    { image: 'web', path: 'config.environment.PAYMENT_PROVIDER_CALLBACK_URL', from: 'https://shop.example.org/callbacks/payment', to: 'https://shop.example.org/v2/callbacks/payment?region=eu-central-1&retry=true' },
    { image: 'web', path: 'config.secrets.PAYMENT_KEY', from: 'sealed 5c0d9be81f22', to: 'sealed a94be0117c3d' },
    { image: 'worker', path: 'config.replicas', from: null, to: '3' },
    { image: 'worker', path: 'config.environment.LEGACY_MODE', from: 'true', to: null },
  ],
  strategies: [{ image: 'web', strategy: 'start-first', reason: 'nothing of it is held by one container at a time' }, { image: 'db', strategy: 'recreate', reason: 'the volume data is writable and one container at a time may hold it' }],
  statusChanges: [{ version: '2.1.0', from: 'successful', to: 'obsolete', reason: 'another version takes its place (R16)' }],
};

/** In a team that `seedHarbour` has made. Returns the deployment's name. */
export async function seedVoyage(pool: DatabasePool, team: string): Promise<string> {
  await seedProduct(pool, team, 'checkout', ['2.0.0', '2.1.0', '2.2.0', '2.2.1', '2.3.0', '2.3.1'].map((name, index, all) => ({ name, ...(index > 0 && { parent: all[index - 1] ?? '' }), frozen: index < 4, message: `Release ${name}` })));
  await seedDeployment(pool, team, { name: NAME, node: 'harbor', prefix: 'checkout', product: 'checkout', version: '2.3.1', sync: 'out-of-sync', syncReason: 'version 2.3.1 is wanted', protected: true });
  await pool.query(sql.unsafe`insert into target (team, node, prefix, deployment) values (${team}, 'harbor', 'checkout', ${NAME})`);
  let live: number | null = null;
  for (const leg of LEGS) {
    const record: number = await pool.oneFirst(sql.type(z.object({ id }))`
      insert into record (team, deployment, product, version_id, version, version_kind, node, prefix, commit_id, actor, spec, spec_hash, overrides_hash, version_content, attempt_key, created_at)
      select ${team}, ${NAME}, 'checkout', v.id, v.name, v.kind, 'harbor', 'checkout', md5(${leg.version}), 'grace.hopper@example.org', '{}', 'h', 'o', '{}', 'k', now() - ${leg.minutesAgo} * interval '1 minute'
      from version v where v.team = ${team} and v.product = 'checkout' and v.name = ${leg.version} returning id`);
    const took = leg.steps.reduce((sum, [, seconds]) => sum + seconds, 1);
    const way = leg.status === 'in-progress' ? ['in-progress'] : leg.status === 'failed' ? ['in-progress', 'failed'] : leg.status === 'successful' ? ['in-progress', 'successful'] : ['in-progress', 'successful', leg.status];
    const done = leg.outcome !== 'running';
    for (const status of way) {
      await pool.query(sql.unsafe`update record set status = ${status}, reason = ${leg.reason ?? ''}, started_at = now() - ${leg.minutesAgo} * interval '1 minute', finished_at = case when ${done} then now() - ${leg.minutesAgo} * interval '1 minute' + ${took} * interval '1 second' end, updated_at = now() where id = ${record}`);
    }
    if (leg.status === 'successful') live = record;
    const code = leg.outcome === 'failed' ? 'HealthCheckFailed' : '';
    const evidence = leg.outcome === 'failed' ? [{ container: 'checkout-web', logLines: ['2026-01-02T10:00:01Z INFO  listening on :8080', '2026-01-02T10:00:03Z ERROR migration 0042 failed: relation "payment_intent" already exists', '2026-01-02T10:00:03Z FATAL giving up'], healthOutput: ['GET http://127.0.0.1:8080/healthz: 503 Service Unavailable', 'GET http://127.0.0.1:8080/healthz: connection refused'] }] : [];
    const attempt = await pool.oneFirst(sql.type(z.object({ id }))`
      insert into attempt (team, deployment, node, prefix, record_id, kind, state, commit_id, plan_hash, actor, action, timeout_ms, created_at, started_at, finished_at, deadline, fencing_token, outcome, code, reason, restored, evidence, digests)
      select ${team}, ${NAME}, 'harbor', 'checkout', ${record}, 'deploy', ${done ? 'done' : 'running'}, md5(${leg.version}), md5('plan' || ${leg.version}), 'grace.hopper@example.org', ${JSON.stringify({ ...ACTION, from: '2.1.0', to: leg.version })}::jsonb, 60000, r.started_at, r.started_at, r.finished_at,
        case when ${done} then null else now() + interval '1 minute' end, case when ${done} then null else 1 end, ${done ? leg.outcome : null}, ${code}, ${leg.reason?.replace(/^\w+: /, '') ?? null}, ${done ? true : null}, ${JSON.stringify(evidence)}::jsonb,
        ${JSON.stringify(leg.outcome === 'succeeded' ? [{ name: 'web', image: `ghcr.io/acme/checkout-web:${leg.version}`, digest: `sha256:${'9f3c'.repeat(16)}` }] : [])}::jsonb
      from record r where r.id = ${record} returning id`);
    let at = 0.6;
    for (const [index, [step, seconds, text]] of leg.steps.entries()) {
      await pool.query(sql.unsafe`insert into attempt_event (attempt_id, sequence, at, step, text) select ${attempt}, ${index + 1}, started_at + ${at} * interval '1 second', ${step}, ${text} from attempt where id = ${attempt}`);
      at += seconds;
    }
    await pool.query(sql.unsafe`update target set record_id = ${record}, live_record_id = ${live} where team = ${team} and node = 'harbor' and prefix = 'checkout'`);
  }
  const plan = { actions: [{ deployment: NAME, kind: 'deploy' }, { deployment: 'shop-staging', kind: 'deploy', from: '1.1.0', to: '1.2.0', reason: 'version 1.2.0 is wanted' }] };
  await pool.query(sql.unsafe`insert into plan (team, hash, commit_id, plan) select ${team}, md5('plan2.3.0'), md5('2.3.0'), ${JSON.stringify(plan)}::jsonb`);
  await seedObserved(pool, team, { node: 'harbor', prefix: 'checkout', deployment: NAME }, 'healthy', {
    containers: [container('checkout-db', { image: 'postgres:16.4-bookworm' }), container('checkout-web', { image: 'registry.internal.example.org:5000/payments/checkout-and-payment-orchestration-web:2.1.0' }), container('checkout-worker', { state: 'exited', exitCode: 0, health: 'none' })],
    drift: [{ container: 'checkout-web', field: 'config.environment.PAYMENT_PROVIDER_CALLBACK_URL', expected: 'https://shop.example.org/callbacks/payment', actual: 'http://localhost:9999/a-callback-that-somebody-set-by-hand-while-debugging' }, { container: 'checkout-web', field: 'resources.limits.memory', expected: '512Mi', actual: '4Gi' }],
  });
  return NAME;
}
