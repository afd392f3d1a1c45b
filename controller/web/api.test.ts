import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sql } from 'slonik';
import { seedAudit, seedDeployment, seedHarbour, seedNode, seedObserved, seedProduct, seedRecord, seedTeam } from './testing/harbour.ts';
import { testController } from './testing/controller.ts';
import type { TestController } from './testing/controller.ts';
import { listDeployments } from '../store/views/deployments.ts';
import { loadHistory } from '../store/views/history.ts';
import { listProducts } from '../store/views/products.ts';

const test = suite('api');
let controller: TestController;
test.before(async () => {
  controller = await testController();
  await seedHarbour(controller.db.pool);
  // Another team with the same names everywhere and words of its own: none of them may be seen from acme (R1).
  await seedTeam(controller.db.pool, 'rival', { problems: [{ code: 'YamlSyntax', severity: 'error', file: 'r1v4l.yaml', line: 1, column: 1, message: 'r1v4l', hint: 'r1v4l' }] });
  await seedNode(controller.db.pool, 'rival', 'harbor', 'revoked');
  await seedNode(controller.db.pool, 'rival', 'r1v4l-node', 'connected');
  await seedProduct(controller.db.pool, 'rival', 'shop', [{ name: '1.2.0', message: 'r1v4l' }, { name: 'main', kind: 'rolling', message: 'r1v4l' }]);
  for (const name of ['shop-production', 'r1v4l-only']) {
    await seedDeployment(controller.db.pool, 'rival', { name, node: 'harbor', version: '1.2.0', sync: 'blocked', syncReason: 'r1v4l' });
    await seedRecord(controller.db.pool, 'rival', { deployment: name, node: 'harbor', version: '1.2.0', status: 'failed', reason: 'r1v4l', attempt: 'failed', evidence: [{ container: 'r1v4l', logLines: ['r1v4l'], healthOutput: [] }], events: [['r1v4l', 'r1v4l']] });
    await seedObserved(controller.db.pool, 'rival', { node: 'harbor', prefix: name }, 'degraded', { reason: 'r1v4l', drift: [{ container: 'r1v4l', field: 'r1v4l' }] });
  }
  await seedAudit(controller.db.pool, 'rival', 3);
});
test.after(() => controller.stop());

type Row = Record<string, unknown>;
const pick = (row: Row | undefined, ...keys: string[]): Row => Object.fromEntries(keys.map((key) => [key, row?.[key]]));
const deployments = async (team = 'acme'): Promise<Map<string, Row>> => new Map(((await controller.json(`/api/v1/teams/${team}/deployments`)) as Row[]).map((row) => [String(row['name']), row]));

test('teams, with the fields that tests rely on', async () => {
  const teams = (await controller.json('/api/v1/teams')) as Row[];
  assert.equal(teams.map((team) => pick(team, 'name', 'repository', 'branch')), [
    { name: 'acme', repository: 'https://git.example.org/acme.git', branch: 'main' },
    { name: 'rival', repository: 'https://git.example.org/rival.git', branch: 'main' },
  ]);
  const team = (await controller.json('/api/v1/teams/acme')) as Row & { problems: Row[] };
  assert.match(String(team['polledAt']), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.match(String(team['syncedAt']), /Z$/);
  assert.is(String(team['commit']).length, 40);
  assert.equal(team.problems[0], { code: 'UnknownReference', severity: 'error', file: 'deployments/docs.yaml', line: 7, column: 9, message: 'there is no product handbook', hint: 'Correct the name, or add the manifest it refers to.' });
});

test('nodes have one of four statuses', async () => {
  const nodes = (await controller.json('/api/v1/teams/acme/nodes')) as Row[];
  assert.equal(nodes.map((node) => pick(node, 'name', 'type', 'simulated', 'status', 'agentVersion', 'lastSeenAt')), [
    { name: 'dock', type: 'docker', simulated: false, status: 'enrolling', agentVersion: null, lastSeenAt: null },
    { name: 'harbor', type: 'docker', simulated: false, status: 'connected', agentVersion: '0.1.0', lastSeenAt: '2026-01-03T00:00:00.000Z' },
    { name: 'lighthouse', type: 'kubernetes', simulated: true, status: 'connected', agentVersion: '0.1.0', lastSeenAt: '2026-01-03T00:00:00.000Z' },
    { name: 'pier', type: 'docker', simulated: false, status: 'unreachable', agentVersion: '0.1.0', lastSeenAt: '2026-01-03T00:00:00.000Z' },
  ]);
  assert.is(((await controller.json('/api/v1/teams/rival/nodes')) as Row[]).find((node) => node['name'] === 'harbor')?.['status'], 'revoked');
});

test('products list versions with their parents, numbers in order of semver', async () => {
  const [product] = (await controller.json('/api/v1/teams/acme/products')) as [Row & { versions: Row[] }];
  assert.equal(pick(product, 'name', 'type'), { name: 'shop', type: 'complex' });
  assert.equal(product.versions.map((version) => pick(version, 'name', 'kind', 'parent', 'frozen')), [
    { name: 'main', kind: 'rolling', parent: null, frozen: false },
    { name: '1.10.0', kind: 'incremental', parent: '1.2.0', frozen: false },
    { name: '1.2.0', kind: 'incremental', parent: '1.1.0', frozen: true },
    { name: '1.1.0', kind: 'incremental', parent: null, frozen: true },
  ]);
  assert.is(String(product.versions[1]?.['commit']).length, 40);
});

test('a deployment that is fine has no reason; drift stands beside health', async () => {
  const row = (await deployments()).get('shop-production');
  assert.equal(pick(row, 'product', 'version', 'versionKind', 'node', 'prefix', 'status', 'sync', 'health', 'drifted', 'reason'), {
    product: 'shop', version: '1.2.0', versionKind: 'incremental', node: 'harbor', prefix: 'shop-production', status: 'successful', sync: 'synced', health: 'healthy', drifted: true, reason: '',
  });
  const containers = row?.['containers'] as Row[];
  assert.equal(pick(containers[0], 'name', 'image', 'digest', 'state', 'health'), { name: 'shop-production-db', image: 'postgres:16', digest: `sha256:${'ab12'.repeat(16)}`, state: 'running', health: 'healthy' });
  assert.match(String(row?.['updatedAt']), /Z$/);
});

test('what is not fine says why (R25)', async () => {
  const rows = await deployments();
  const of = (name: string): Row => pick(rows.get(name), 'status', 'sync', 'health', 'reason');
  assert.equal([...rows.keys()], ['docs', 'old-shop', 'shop-edge', 'shop-preview', 'shop-production', 'shop-staging']);
  assert.equal(of('docs'), { status: 'preparing', sync: 'blocked', health: 'unknown', reason: 'there is no product handbook' });
  assert.equal(of('old-shop'), { status: 'successful', sync: 'out-of-sync', health: 'degraded', reason: 'its manifest is gone; it is protected and stays' });
  assert.is(rows.get('old-shop')?.['healthReason'], 'old-shop-web restarts again and again');
  assert.equal(of('shop-edge'), { status: 'preparing', sync: 'out-of-sync', health: 'unknown', reason: 'waits for node pier, which is unreachable' });
  assert.equal(rows.get('shop-edge')?.['waitingFor'], ['node pier']);
  assert.equal(of('shop-preview'), { status: 'in-progress', sync: 'out-of-sync', health: 'progressing', reason: 'the branch has new content' });
  assert.equal(pick(rows.get('shop-preview')?.['attempt'] as Row, 'state', 'kind', 'step'), { state: 'running', kind: 'deploy', step: 'pull' });
  assert.equal(of('shop-staging'), { status: 'failed', sync: 'out-of-sync', health: 'healthy', reason: 'HealthCheckFailed: web did not become healthy within 30s' });
  assert.is(rows.get('shop-staging')?.['liveVersion'], '1.2.0');
});

test('what was seen on a node does not count once the node is away', async () => {
  const { pool } = controller.db;
  await pool.query(sql.unsafe`update node set connected_by = null where team = 'acme' and name = 'harbor'`);
  try {
    const row = (await deployments()).get('shop-production');
    assert.equal(pick(row, 'health', 'reason'), { health: 'unknown', reason: 'node harbor is unreachable, so nothing is known of what runs there' });
  } finally {
    await pool.query(sql.unsafe`update node set connected_by = 'replica-1' where team = 'acme' and name = 'harbor'`);
  }
});

test('a deployment that moves shows where it goes and what is left', async () => {
  const { pool } = controller.db;
  await pool.query(sql.unsafe`update deployment set node = 'lighthouse', sync = 'out-of-sync', sync_reason = 'it moves' where team = 'acme' and name = 'shop-production'`);
  try {
    const row = (await deployments()).get('shop-production');
    assert.equal(pick(row, 'node', 'status', 'leftovers', 'containers'), { node: 'lighthouse', status: 'preparing', leftovers: [{ node: 'harbor', prefix: 'shop-production' }], containers: [] });
  } finally {
    await pool.query(sql.unsafe`update deployment set node = 'harbor', sync = 'synced', sync_reason = '' where team = 'acme' and name = 'shop-production'`);
  }
});

test('a deployment whose target another one owns does not show that one\'s containers', async () => {
  const { pool } = controller.db;
  await seedDeployment(pool, 'acme', { name: 'thief', node: 'harbor', prefix: 'shop-production', sync: 'blocked', syncReason: 'shop-production owns this target' });
  try {
    assert.equal(pick((await deployments()).get('thief'), 'status', 'health', 'containers', 'drifted'), { status: 'preparing', health: 'unknown', containers: [], drifted: false });
  } finally {
    await pool.query(sql.unsafe`delete from deployment where team = 'acme' and name = 'thief'`);
  }
});

test('history has one item a record, the latest activity first, failures with their evidence', async () => {
  const history = (await controller.json('/api/v1/teams/acme/deployments/shop-staging/history')) as (Row & { attempts: (Row & { evidence: Row[]; events: Row[] })[] })[];
  assert.equal(history.map((item) => pick(item, 'version', 'status', 'actor', 'reason', 'live')), [
    { version: '1.10.0', status: 'failed', actor: 'ann@example.org', reason: 'HealthCheckFailed: web did not become healthy within 30s', live: false },
    { version: '1.2.0', status: 'successful', actor: 'ann@example.org', reason: '', live: true },
  ]);
  assert.match(String(history[0]?.['startedAt']), /Z$/);
  assert.match(String(history[0]?.['finishedAt']), /Z$/);
  const [attempt] = history[0]?.attempts ?? [];
  assert.equal(pick(attempt, 'kind', 'outcome', 'code', 'reason'), { kind: 'deploy', outcome: 'failed', code: 'HealthCheckFailed', reason: 'web did not become healthy within 30s' });
  assert.equal(attempt?.evidence[0]?.['healthOutput'], ['GET /healthz: 500 Internal Server Error']);
  assert.equal(attempt?.events.map((event) => event['step']), ['pull', 'start', 'health', 'restore']);
  // The record that is tried again comes first, whatever its age.
  const { pool } = controller.db;
  await pool.query(sql.unsafe`update record set status = 'preparing', resting_status = 'obsolete' where team = 'acme' and deployment = 'shop-production' and version = '1.1.0'`);
  const again = (await controller.json('/api/v1/teams/acme/deployments/shop-production/history')) as Row[];
  assert.equal(again.map((item) => item['version']), ['1.1.0', '1.2.0']);
  await pool.query(sql.unsafe`update record set status = 'obsolete' where team = 'acme' and deployment = 'shop-production' and version = '1.1.0'`);
});

test('a deployment that is gone keeps its history and its address', async () => {
  assert.equal(await controller.json('/api/v1/teams/acme/deployments/forgotten/history'), []);
  assert.is(((await controller.json('/api/v1/teams/acme/deployments/forgotten')) as Row)['declared'], false);
  assert.not.ok((await deployments()).has('forgotten'));
});

test('the audit log is paged without gaps, and proved', async () => {
  const ids: number[] = [];
  let next: number | null = null;
  do {
    const page = (await controller.json(`/api/v1/teams/acme/audit?limit=3${next === null ? '' : `&before=${String(next)}`}`)) as { rows: Row[]; next: number | null };
    ids.push(...page.rows.map((row) => Number(row['id'])));
    next = page.next;
  } while (next !== null);
  assert.equal(ids, [7, 6, 5, 4, 3, 2, 1]);
  const { rows } = (await controller.json('/api/v1/teams/acme/audit')) as { rows: Row[] };
  assert.equal(pick(rows[0], 'actor', 'action', 'object', 'result'), { actor: 'ann@example.org', action: 'deployment.deploy', object: 'deployment/shop-7', result: 'planned' });
  assert.match(String(rows[0]?.['hash']), /^[0-9a-f]{64}$/);
  assert.equal(pick((await controller.json('/api/v1/teams/acme/audit/verification')) as Row, 'checked', 'ok', 'firstBroken'), { checked: 7, ok: true, firstBroken: null });
});

test('the audit log is filtered by who, what, where and when', async () => {
  const ids = async (query: string): Promise<number[]> => ((await controller.json(`/api/v1/teams/acme/audit?${query}`)) as { rows: Row[] }).rows.map((row) => Number(row['id']));
  assert.equal(await ids('object=SHOP-3'), [3]);
  assert.equal(await ids('actor=ann@&action=deploy&result=planned&limit=2'), [7, 6]);
  assert.equal(await ids('actor=ann@&limit=2&before=6'), [5, 4]);
  assert.equal(await ids('actor=bob'), []);
  assert.equal(await ids('object=shop%25'), [], 'a % is a % and no pattern');
  assert.equal((await ids('from=2020-01-01')).length, 7);
  assert.equal(await ids('from=2020-01-01&to=2020-01-02T00:00:00Z'), []);
  const own = (await controller.json('/api/v1/audit')) as { rows: Row[] };
  assert.ok(own.rows.every((row) => row['team'] === ''));
});

test('what is left empty counts as left out', async () => {
  assert.equal(await controller.json('/api/v1/teams/acme/audit?before=&limit='), await controller.json('/api/v1/teams/acme/audit'));
});

for (const query of ['from=yesterday', 'to=2026-13-01', 'actor=a&actor=b', 'actor=%00', `object=${'x'.repeat(301)}`, 'limit=0', 'limit=1001', 'limit=x', 'limit=-1', 'before=0', 'before=1.5', 'limit=1&limit=2']) {
  test(`bad paging is refused: ${query}`, async () => {
    const response = await controller.fetch(`/api/v1/teams/acme/audit?${query}`);
    assert.is(response.status, 400);
    const { error } = (await response.json()) as { error: Row };
    assert.is(error['code'], 'UsageError');
    assert.ok(error['message'] && error['hint']);
  });
}

const NOT_THERE = ['/teams/none', '/teams/none/nodes', '/teams/none/products', '/teams/none/deployments', '/teams/none/audit', '/teams/none/audit/verification', '/teams/acme/deployments/none', '/teams/acme/deployments/none/history', '/teams/acme/deployments/r1v4l-only', '/teams/acme/deployments/r1v4l-only/history', '/nothing', "/teams/acme'--/nodes"];
for (const path of NOT_THERE) {
  test(`404 for ${path}`, async () => {
    const response = await controller.fetch(`/api/v1${path}`);
    assert.is(response.status, 404);
    assert.is(((await response.json()) as { error: Row }).error['code'], 'NotFound');
  });
}

test('what exists but not with this method says which it has; a body that cannot be read says why', async () => {
  const ask = async (method: string, path: string, body?: string, type = 'application/json'): Promise<[number, string | null, unknown]> => {
    const response = await controller.fetch(path, { method, ...(body === undefined ? {} : { body, headers: { 'content-type': type } }) });
    return [response.status, response.headers.get('allow'), method === 'HEAD' ? null : ((await response.json()) as { error: Row }).error['code']];
  };
  assert.equal(await ask('POST', '/api/v1/teams'), [405, 'GET, HEAD', 'MethodNotAllowed']);
  assert.equal(await ask('DELETE', '/api/v1/teams/acme/deployments/docs'), [405, 'GET, HEAD', 'MethodNotAllowed']);
  assert.equal(await ask('PATCH', '/api/v1/teams/acme/tokens'), [405, 'GET, HEAD, POST', 'MethodNotAllowed']);
  assert.equal(await ask('GET', '/webhooks/acme'), [405, 'POST', 'MethodNotAllowed']);
  assert.equal(await ask('PUT', '/api/v1/nothing'), [404, null, 'NotFound']);
  assert.equal(await ask('POST', '/api/v1/teams/acme/tokens', '{'), [400, null, 'UsageError']);
  assert.equal(await ask('POST', '/api/v1/teams/acme/tokens', JSON.stringify({ label: 'x'.repeat(70_000) })), [413, null, 'UsageError']);
  assert.equal(await ask('POST', '/api/v1/teams/acme/tokens', 'role=owner', 'application/x-www-form-urlencoded'), [415, null, 'MediaTypeUnsupported']);
});

test('an address that is not well encoded is refused, not a crash', async () => {
  assert.is((await controller.fetch('/api/v1/teams/%E0%A4%A')).status, 400);
});

test('nothing of another team is told (R1)', async () => {
  for (const path of ['', '/nodes', '/products', '/deployments', '/deployments/shop-production', '/deployments/shop-production/history', '/audit', '/audit/verification']) {
    assert.not.match(await (await controller.fetch(`/api/v1/teams/acme${path}`)).text(), /r1v4l|rival/, path);
  }
  for (const path of ['', '/deployments/shop-production', '/products/shop', '/nodes/harbor', '/audit']) assert.not.match(await controller.text(`/teams/acme${path}`), /r1v4l|rival/, path);
  assert.match(await controller.text('/teams/rival/deployments/shop-production'), /r1v4l/);
});

test('operations are handed on with the name of who asked', async () => {
  const minted = await controller.fetch('/api/v1/teams/acme/nodes/dock/enrolments', { method: 'POST', headers: { 'x-tagboat-user': 'ann' } });
  assert.is(minted.status, 201);
  assert.equal(await minted.json(), { token: 'tgb_secret', expiresAt: '2026-01-01T00:15:00.000Z', join: 'join-word', command: 'npx tagboat agent docker --join join-word', agentCommand: 'tagboat agent docker --join join-word', manifest: null });
  assert.is((await controller.fetch('/api/v1/teams/acme/nodes/pier/revocation', { method: 'POST', headers: { 'x-tagboat-user': 'a b"c' } })).status, 204);
  assert.equal(controller.asked, ['enrol acme/dock cli:ann', 'revoke acme/pier cli:operator']);
  const unknown = await controller.fetch('/api/v1/teams/acme/nodes/nowhere/enrolments', { method: 'POST' });
  assert.is(unknown.status, 404);
  assert.is(((await unknown.json()) as { error: Row }).error['code'], 'NodeUnknown');
  assert.is((await controller.fetch('/api/v1/teams/none/nodes/dock/enrolments', { method: 'POST' })).status, 404);
});

test('a thousand deployments are one query', async () => {
  const { pool } = controller.db;
  await seedTeam(pool, 'fleet');
  await seedNode(pool, 'fleet', 'harbor', 'connected');
  await seedProduct(pool, 'fleet', 'shop', [{ name: '1.2.0' }]);
  await pool.query(sql.unsafe`insert into deployment (team, name, product, version, version_kind, node, prefix, sync) select 'fleet', 'd' || n, 'shop', '1.2.0', 'incremental', 'harbor', 'd' || n, 'synced' from generate_series(1, 1000) n`);
  await pool.query(sql.unsafe`insert into record (team, deployment, product, version_id, version, version_kind, node, prefix, commit_id, actor, spec, spec_hash, overrides_hash, version_content, attempt_key)
    select 'fleet', d.name, 'shop', v.id, v.name, v.kind, 'harbor', d.prefix, 'c', 'ann', '{}', 'h', 'o', '{}', 'k' from deployment d, version v where d.team = 'fleet' and v.team = 'fleet'`);
  await pool.query(sql.unsafe`insert into target (team, node, prefix, deployment, record_id, live_record_id) select team, node, prefix, deployment, id, id from record where team = 'fleet'`);
  await pool.query(sql.unsafe`insert into observed (team, node, prefix, deployment, health, containers) select team, node, prefix, deployment, 'healthy', '[{"name": "web", "image": "web:1", "digest": "", "state": "running", "health": "healthy"}]' from target where team = 'fleet'`);
  await pool.query(sql.unsafe`insert into attempt (team, deployment, node, prefix, record_id, kind, commit_id, plan_hash, actor, action, timeout_ms) select team, deployment, node, prefix, id, 'deploy', 'c', 'p', 'ann', '{}', 1 from record where team = 'fleet'`);
  await pool.query(sql.unsafe`analyze`);
  let queries = 0;
  const counting = new Proxy(pool, {
    get: (target, name, receiver) => {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value === 'function' && ['any', 'anyFirst', 'exists', 'many', 'manyFirst', 'maybeOne', 'maybeOneFirst', 'one', 'oneFirst', 'query', 'transaction', 'connect'].includes(String(name))) queries++;
      return value;
    },
  });
  assert.is((await listDeployments(counting, 'fleet')).length, 1_000);
  assert.is(queries, 1);
  await listProducts(counting, 'fleet');
  assert.is(queries, 3);
  await loadHistory(counting, 'fleet', 'd1');
  assert.is(queries, 7);
  assert.is(((await controller.json('/api/v1/teams/fleet/deployments')) as Row[]).length, 1_000);
});

test.run();
