import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TagboatError } from '../errors.ts';
import { createLogger } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { KINDS } from '../model/manifest.ts';
import { Secret } from '../secret.ts';
import { appendAudit } from '../store/audit.ts';
import { startEmbeddedDatabase } from '../store/embedded.ts';
import { createStorePool } from '../store/pool.ts';
import { loadOrCreateOperatorToken } from './operator-token.ts';
import { createWeb } from './app.ts';
import { ChangeFeed } from './change-feed.ts';
import { html, href } from './html.ts';
import { startWeb } from './server.ts';
import { testController, OPERATOR_TOKEN } from './testing/controller.ts';
import type { TestController } from './testing/controller.ts';
import { commitOf, container, seedAudit, seedDeployment, seedHarbour, seedNode, seedObserved, seedProduct, seedRecord, seedTeam } from './testing/harbour.ts';

const test = suite('web');
let closed: TestController;
let open: TestController;
test.before(async () => {
  [closed, open] = await Promise.all([testController(), testController({ public: true })]);
  await Promise.all([seedHarbour(closed.db.pool), seedHarbour(open.db.pool)]);
});
test.after(async () => {
  await closed.stop();
  await open.stop();
});

const EVERYTHING = ['/', '/teams/acme', '/teams/acme/deployments/shop-staging', '/teams/acme/products/shop', '/teams/acme/nodes/pier', '/teams/acme/audit', '/metrics', '/nothing',
  '/api/v1/teams', '/api/v1/teams/acme', '/api/v1/teams/acme/nodes', '/api/v1/teams/acme/products', '/api/v1/teams/acme/deployments', '/api/v1/teams/acme/deployments/shop-staging', '/api/v1/teams/acme/deployments/shop-staging/history', '/api/v1/teams/acme/audit', '/api/v1/teams/acme/audit/verification', '/api/v1/teams/none', '/api/v1/nothing'];

test('without a token nothing answers but health, readiness and schemas', async () => {
  for (const token of ['', 'wrong', `${OPERATOR_TOKEN}x`, OPERATOR_TOKEN.slice(0, -1)]) {
    for (const path of EVERYTHING) {
      const response = await closed.fetch(path, { token });
      assert.is(response.status, 401, `${path} with "${token}"`);
      const { error } = (await response.json()) as { error: { code: string; hint: string } };
      assert.is(error.code, 'Unauthorized');
      assert.match(error.hint, 'operator.token');
    }
  }
  for (const path of ['/healthz', '/readyz', '/schemas/deployment.json', '/install.sh']) assert.is((await closed.fetch(path, { token: '' })).status, 200, path);
});

test('people are sent to sign in and come back; a wrong token in a header gets a plain page that tells nothing', async () => {
  const accept = 'text/html,application/xhtml+xml,*/*;q=0.8';
  for (const path of ['/teams/acme', '/teams/none', '/nothing', '/']) {
    const response = await closed.fetch(`${path}?a=b`, { token: '', headers: { accept } });
    assert.is(response.status, 303);
    assert.is(response.headers.get('location'), `/sign-in?next=${encodeURIComponent(`${path}?a=b`)}`);
    assert.not.match(await response.text(), /shop/);
  }
  const response = await closed.fetch('/teams/acme', { token: 'wrong', headers: { accept } });
  assert.is(response.status, 401);
  assert.match(response.headers.get('content-type') ?? '', 'text/html');
  assert.match(response.headers.get('www-authenticate') ?? '', 'Bearer');
  const page = await response.text();
  assert.match(page, 'A token is needed');
  assert.not.match(page, /acme|shop|assets/);
});

test('with the token everything answers', async () => {
  for (const path of EVERYTHING) assert.is((await closed.fetch(path)).status, /no(thing|ne)$/.test(path) ? 404 : 200, path);
});

test('public: everybody reads, a wrong token does not, and operations need the operator', async () => {
  assert.is((await open.fetch('/teams/acme', { token: '' })).status, 200);
  assert.is((await open.fetch('/teams/acme', { token: 'wrong' })).status, 401);
  for (const path of ['/api/v1/teams/acme/nodes/dock/enrolments', '/api/v1/teams/acme/nodes/dock/revocation']) {
    assert.is((await open.fetch(path, { token: '', method: 'POST' })).status, 401);
    assert.is((await closed.fetch(path, { token: '', method: 'POST' })).status, 401);
  }
  assert.equal(open.asked, []);
  assert.ok((await open.fetch('/api/v1/teams/acme/nodes/dock/enrolments', { method: 'POST' })).ok);
});

test('readiness waits for the first look at each team, and names teams only to those who may read', async () => {
  closed.teams = [{ name: 'acme', state: 'ready', reason: '' }, { name: 'rival', state: 'pending', reason: '' }];
  const waiting = await closed.fetch('/readyz', { token: '' });
  assert.is(waiting.status, 503);
  assert.equal(await waiting.json(), { ready: false, database: 'ok', pending: 1, failed: 0 });
  closed.teams = [{ name: 'acme', state: 'ready', reason: '' }, { name: 'rival', state: 'failed', reason: 'RemoteUnauthorized' }];
  const done = await closed.fetch('/readyz');
  assert.is(done.status, 200);
  assert.equal(await done.json(), { ready: true, database: 'ok', pending: 0, failed: 1, teams: closed.teams });
  closed.teams = [];
});

test('schemas are served by kind, and nothing else of the disk', async () => {
  for (const path of ['deployment', 'Deployment', 'ConfigBundle', 'configbundle', 'config-bundle', 'controller-config', 'container-config.schema']) assert.is((await closed.fetch(`/schemas/${path}.json`, { token: '' })).status, 200, path);
  const listed = (await (await closed.fetch('/schemas', { token: '' })).json()) as { kind: string; url: string }[];
  assert.equal(listed.map(({ kind }) => kind).sort(), [...KINDS, 'ControllerConfig'].sort());
  for (const { kind, url } of listed) {
    const schema = (await (await closed.fetch(url, { token: '' })).json()) as { title?: string };
    assert.ok(schema.title, kind);
    // Without any other schema at hand.
    const validate = new Ajv2020({ strict: false, formats: { uri: true, email: true } }).compile(schema);
    assert.not.ok(validate({ kind: 'nothing of ours' }), kind);
  }
  for (const path of ['none', '..%2Fpackage', '..%2f..%2fetc%2fpasswd%00', '%2e%2e', 'a.b']) {
    const { status } = await closed.fetch(`/schemas/${path}.json`, { token: '' });
    assert.ok(status === 404 || status === 401 || status === 400, `${path}: ${String(status)}`);
  }
});

test('what no row can hold is a request that is not well formed, wherever it stands', async () => {
  for (const path of ['/api/v1/teams/%00', '/api/v1/teams/acme/deployments/a%00', '/api/v1/teams/acme/reviews/%00', '/badges/acme/%00.svg', '/teams/acme/nodes/%00', '/teams/acme/audit?actor=%00']) assert.is((await closed.fetch(path)).status, 400, path);
  for (const path of ['nodes/%00/revocation', 'tokens/%00/revocation']) assert.is((await closed.fetch(`/api/v1/teams/acme/${path}`, { method: 'POST' })).status, 400, path);
  for (const label of ['\\u0000', '\\ud800']) {
    const response = await closed.fetch('/api/v1/teams/acme/tokens', { method: 'POST', headers: { 'content-type': 'application/json' }, body: `{"profile":"ann@example.org","label":"${label}"}` });
    assert.is(response.status, 400, label);
  }
});

test('metrics count deployments by sync and health, and requests by route pattern', async () => {
  await closed.json('/api/v1/teams/acme/deployments/shop-staging');
  const text = await (await closed.fetch('/metrics')).text();
  assert.match(text, 'tagboat_deployments{team="acme",sync="out-of-sync",health="degraded"} 1');
  assert.match(text, 'tagboat_deployments{team="acme",sync="synced",health="healthy"} 1');
  assert.match(text, 'tagboat_http_requests_total{method="GET",route="/api/v1/teams/:team/deployments/:name",status="200"}');
  assert.match(text, 'tagboat_audit_rows_total{team="acme"} 7');
  assert.match(text, '# TYPE tagboat_git_requests_total counter');
  assert.match(text, 'tagboat_process_cpu_seconds_total');
  assert.not.match(text, 'shop-staging');
});

test('pages are strict about what they load', async () => {
  const response = await closed.fetch('/teams/acme');
  const policy = response.headers.get('content-security-policy') ?? '';
  assert.match(policy, "default-src 'none'");
  assert.not.match(policy, 'unsafe');
  assert.is(response.headers.get('x-content-type-options'), 'nosniff');
  assert.is(response.headers.get('cache-control'), 'no-store');
  assert.is(response.headers.get('x-powered-by'), null);
  const page = await response.text();
  assert.not.match(page, /\sstyle=|\son[a-z]+=|javascript:/i);
  for (const [, address] of page.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) assert.is((await closed.fetch((address ?? '').replaceAll('&#38;', '&'))).status, 200, address);
});

test('pages tell what a person looks for', async () => {
  const page = await closed.text('/teams/acme');
  for (const words of ['deployments/docs.yaml:7:9', 'Correct the name, or add the manifest it refers to.', 'simulated', 'waits for node pier', 'drifted', 'manifest gone', '1.2.0 serves']) assert.match(page, words);
  const deployment = await closed.text('/teams/acme/deployments/shop-staging');
  for (const words of ['relation &#34;basket&#34; does not exist', '500 Internal Server Error', 'config.environment.WORKERS', 'recreate', 'HealthCheckFailed', 'version 1.2.0 runs again', 'id="attempt-', 'aria-label="Steps: ']) assert.match(deployment, words);
  assert.match(await closed.text('/teams/acme/products/shop'), 'href="#version-incremental-1.1.0"');
  assert.match(await closed.text('/teams/acme/nodes/dock'), 'tagboat node enroll dock --team acme');
  assert.match(await closed.text('/teams/acme/audit?limit=2'), '?limit=2&#38;before=6');
  assert.match(await closed.text('/teams/acme?refresh=5'), '<meta http-equiv="refresh" content="5">');
  assert.is((await closed.fetch('/teams/acme?refresh=x')).status, 400);
});

test('the overview counts what needs a look, and its filter is an address', async () => {
  const all = await closed.text('/teams/acme');
  assert.match(all, '6 of 6 deployments need a look');
  const rows = async (query: string): Promise<string[]> => [...(await closed.text(`/teams/acme?${query}`)).matchAll(/<tr role="row" id="d-([^"]+)"/g)].map(([, name]) => name ?? '');
  assert.equal(await rows(''), ['shop-staging', 'docs', 'old-shop', 'shop-production', 'shop-edge', 'shop-preview'], 'the worst first');
  assert.equal(await rows('show=failed'), ['shop-staging']);
  assert.equal(await rows('show=blocked'), ['docs']);
  assert.equal(await rows('show=waiting'), ['shop-edge']);
  assert.equal(await rows('show=working'), ['shop-preview']);
  assert.equal(await rows('show=drifted&node=harbor&product=shop&q=PROD'), ['shop-production']);
  assert.equal(await rows('show=fine'), []);
  assert.match(await closed.text('/teams/acme?show=fine'), 'No deployment is like that');
  assert.match(await closed.text('/teams/acme?view=where'), '<table class="matrix">');
  for (const bad of ['show=nonsense', 'node=a&node=b', `q=${'x'.repeat(300)}`, 'page=0', 'view=3d']) assert.is((await closed.fetch(`/teams/acme?${bad}`)).status, 400, bad);
});

test('any attempt has a page of its own, under its own deployment and team alone', async () => {
  const id = String(await closed.db.pool.oneFirst(sql.unsafe`select id from attempt where team = 'acme' and deployment = 'shop-staging' and outcome = 'failed'`));
  const page = await closed.text(`/teams/acme/deployments/shop-staging/attempts/${id}`);
  for (const words of ['HealthCheckFailed', 'relation &#34;basket&#34;', 'config.environment.WORKERS', 'A gap is expected for web']) assert.match(page, words);
  for (const path of [`/teams/acme/deployments/shop-production/attempts/${id}`, '/teams/acme/deployments/shop-staging/attempts/999999', '/teams/acme/deployments/shop-staging/attempts/0x1', '/teams/acme/deployments/shop-staging/attempts/99999999999999999999']) {
    assert.is((await closed.fetch(path)).status, 404, path);
  }
});

test('a link of the audit log to a deployment that was renamed or removed says what became of it', async () => {
  const { pool } = closed.db;
  const said = async (path: string): Promise<string> => (await closed.text(path)).replaceAll(/<time[^>]*>([^<]*)<\/time>/g, '$1');
  await seedTeam(pool, 'past');
  await seedNode(pool, 'past', 'harbor', 'connected');
  await seedProduct(pool, 'past', 'shop', [{ name: '1.0.0' }]);
  await pool.transaction(async (tx) => {
    const row = async (action: string, name: string, target: string, more = {}): Promise<unknown> => appendAudit(tx, { team: 'past', actor: 'ann@example.org', action, object: `deployment/${name}`, commit: commitOf(name), result: 'planned', detail: { target, reason: `${action} of ${name}`, ...more } });
    await row('deployment.deploy', 'first', 'harbor/shop');
    await row('deployment.deploy', 'other', 'harbor/other');
    await row('deployment.adopted', 'second', 'harbor/shop');
    await row('deployment.adopted', 'third', 'harbor/shop');
    await row('deployment.adopted', 'unrelated', 'harbor/elsewhere');
    await row('deployment.remove', 'removed', 'harbor/removed');
  });
  const log = await closed.text('/teams/past/audit');
  for (const [, address] of log.matchAll(/href="(\/teams\/past\/deployments\/[^"]+)"/g)) assert.is((await closed.fetch(address!)).status, 200, address);
  const first = await said('/teams/past/deployments/first');
  for (const words of ['It was renamed: <a href="/teams/past/deployments/second">second</a> adopted its target just now', 'deployment.deploy of first', '?object=deployment%2Ffirst']) assert.match(first, words);
  assert.not.match(first, /of other|of second|third/);
  assert.match(await said('/teams/past/deployments/second'), 'It was renamed: <a href="/teams/past/deployments/third">');
  assert.match(await said('/teams/past/deployments/third'), 'There is no deployment of this name any more.');
  assert.match(await said('/teams/past/deployments/other'), 'There is no deployment of this name any more.');
  assert.is((await closed.fetch('/teams/past/deployments/never')).status, 404);
  assert.is((await closed.fetch('/teams/acme/deployments/first')).status, 404, 'another team\'s past is not told (R1)');
  assert.is((await closed.fetch('/api/v1/teams/past/deployments/first')).status, 404);

  await seedDeployment(pool, 'past', { name: 'removed', declared: false, node: 'harbor' });
  const removed = await said('/teams/past/deployments/removed');
  assert.match(removed, 'Its manifest is gone, and nothing of it runs any more.');
  assert.not.match(removed, /preparing|<dt>Sync/);
  await pool.query(sql.unsafe`insert into attempt (team, deployment, node, prefix, kind, state, outcome, commit_id, plan_hash, actor, action, timeout_ms, started_at, finished_at)
    values ('past', 'removed', 'harbor', 'removed', 'remove', 'done', 'succeeded', ${commitOf('end')}, 'p', 'ann@example.org', '{"kind": "remove"}', 1000, now(), now())`);
  assert.match(await said('/teams/past/deployments/removed'), `it was removed just now, with commit <code class="commit" title="${commitOf('end')}">`);
});

test('the audit log is filtered by who, what, which, how it ended and when', async () => {
  const rows = async (query: string): Promise<string[]> => ((await closed.json(`/api/v1/teams/acme/audit?${query}`)) as { rows: { object: string }[] }).rows.map(({ object }) => object);
  const all = await rows('');
  assert.equal(await rows('actor=ANN@&action=deploy&result=planned'), all);
  assert.equal(await rows('object=shop-3'), ['deployment/shop-3']);
  assert.equal(await rows('actor=bob'), []);
  assert.equal(await rows('object=%25'), [], 'no pattern');
  const today = new Date().toISOString().slice(0, 10);
  assert.equal(await rows(`from=${today}&to=${today}`), all);
  assert.equal(await rows('to=2020-01-01'), []);
  assert.equal(await rows(`from=${new Date(Date.now() + 60_000).toISOString()}`), []);
  for (const bad of ['from=yesterday', 'to=2026-02-31T99:00:00Z', 'from=2026-99-01', 'actor=a&actor=b', `object=${'x'.repeat(201)}`]) assert.is((await closed.fetch(`/api/v1/teams/acme/audit?${bad}`)).status, 400, bad);
  const page = await closed.text('/teams/acme/audit?action=deploy&limit=2');
  assert.match(page, 'action=deploy&#38;limit=2&#38;before=6');
  assert.match(page, '<a href="/teams/acme/deployments/shop-7">shop-7</a>');
  assert.match(await closed.text('/teams/acme/audit?action=nothing'), 'No row is like that');
});

test('badges say status and sync, to those who may see the team, and hold nothing that runs', async () => {
  const badge = await closed.fetch('/badges/acme/shop-staging.svg');
  assert.match(badge.headers.get('content-type') ?? '', 'image/svg+xml');
  assert.is(badge.headers.get('cache-control'), 'private, max-age=30');
  const text = await badge.text();
  assert.match(text, '<title>shop-staging: 1.10.0 failed, out-of-sync</title>');
  assert.match(text, 'role="img" aria-label="shop-staging: 1.10.0 failed, out-of-sync"');
  assert.match(await closed.text('/badges/acme.svg'), 'acme: 0 of 6 in order, 1 failed');
  for (const path of ['/badges/acme/shop-staging.svg', '/badges/acme.svg']) {
    assert.is((await closed.fetch(path, { token: '' })).status, 401, path);
    const everybody = await open.fetch(path, { token: '' });
    assert.equal([everybody.status, everybody.headers.get('cache-control')], [200, 'public, max-age=30'], path);
  }
  for (const path of ['/badges/acme/none.svg', '/badges/none.svg', '/badges/none/shop-staging.svg']) assert.is((await closed.fetch(path)).status, 404, path);
});

test('a node tells what was tried on it and what happened to it', async () => {
  const page = await closed.text('/teams/acme/nodes/lighthouse');
  for (const words of ['Latest attempts', 'shop-staging/attempts/', 'web did not become healthy', 'simulated']) assert.match(page, words);
});

test('more than a thousand deployments come in pages, and the filter goes along', async () => {
  await seedTeam(closed.db.pool, 'huge');
  await closed.db.pool.query(sql.unsafe`insert into deployment (team, name, product) select 'huge', 'd' || lpad(n::text, 4, '0'), 'shop' from generate_series(1, 1005) n`);
  const page = async (query: string): Promise<string> => closed.text(`/teams/huge?${query}`);
  const rows = (text: string): number => text.match(/<tr role="row" id="d-/g)?.length ?? 0;
  const first = await page('product=shop');
  assert.equal([rows(first), rows(await page('product=shop&page=2')), rows(await page('page=99')), rows(await page('q=d1'))], [1_000, 5, 5, 6]);
  assert.match(first, 'Page 1 of 2');
  assert.match(first, 'product=shop&#38;page=2');
});

test('large pages are sent compressed to who takes that', async () => {
  const ask = async (encoding: string): Promise<Response> => closed.fetch('/teams/acme', { headers: { accept: 'text/html', 'accept-encoding': encoding } });
  assert.is((await ask('gzip')).headers.get('content-encoding'), 'gzip');
  assert.is((await ask('identity')).headers.get('content-encoding'), null);
  assert.match((await ask('gzip')).headers.get('vary') ?? '', 'Accept-Encoding');
});

test('whatever a manifest, an agent or a log line says is inert on every page', async () => {
  const evil = `<script>alert('x')</script>"><img src=x onerror=alert(1)>\`&amp;`;
  const { pool } = closed.db;
  await seedTeam(pool, 'evil', { problems: [{ code: evil, severity: 'error', file: evil, line: 1, column: 1, message: evil, hint: evil }] });
  await pool.query(sql.unsafe`update team set repository = ${evil}, branch = ${evil}, directory = ${evil}, commit_id = ${evil} where name = 'evil'`);
  await seedNode(pool, 'evil', evil, 'connected');
  await pool.query(sql.unsafe`update node set agent_version = ${evil}, engine_version = ${evil}, labels = ${JSON.stringify({ [evil]: evil })}::jsonb where team = 'evil'`);
  await seedProduct(pool, 'evil', evil, [{ name: evil, message: evil, frozen: true }, { name: 'child', parent: evil }]);
  await pool.query(sql.unsafe`update product set description = ${evil} where team = 'evil'`);
  await pool.query(sql.unsafe`update version set tagger = ${evil} where team = 'evil'`);
  await seedDeployment(pool, 'evil', { name: evil, node: evil, prefix: evil, product: evil, version: evil, sync: 'blocked', syncReason: evil });
  await seedRecord(pool, 'evil', { deployment: evil, node: evil, product: evil, version: evil, status: 'failed', reason: evil, attempt: 'failed', code: evil, evidence: [{ container: evil, logLines: [evil], healthOutput: [evil] }], events: [[evil, evil]] });
  const action = { kind: evil, reason: evil, from: evil, to: `${evil}2`, changes: [{ image: evil, path: evil, from: evil, to: evil }], strategies: [{ image: evil, strategy: evil, reason: evil }] };
  await pool.query(sql.unsafe`update attempt set action = ${JSON.stringify(action)}::jsonb, actor = ${evil}, commit_id = ${evil}, plan_hash = ${evil}, digests = ${JSON.stringify([{ name: evil, image: evil, digest: `sha256:${evil}` }])}::jsonb where team = 'evil'`);
  await seedObserved(pool, 'evil', { node: evil, prefix: evil, deployment: evil }, 'degraded', { reason: evil, containers: [container(evil, { image: evil, digest: `sha256:${evil}`, state: evil, health: evil, detail: evil })], drift: [{ container: evil, field: evil, expected: evil, actual: evil }] });
  await seedAudit(pool, 'evil', 1);
  for (const path of ['/', '/teams/evil', '/teams/evil?view=where', '/teams/evil/products', '/teams/evil/nodes', `/teams/evil?q=${encodeURIComponent(evil)}&node=${encodeURIComponent(evil)}`, href('teams', 'evil', 'deployments', evil), href('teams', 'evil', 'products', evil), href('teams', 'evil', 'nodes', evil), href('badges', 'evil', `${evil}.svg`), '/badges/evil.svg', '/teams/evil/audit', href('teams', evil), href(evil)]) {
    const page = await closed.text(path);
    if (path.startsWith('/badges/')) {
      assert.match(page, /^<svg/);
      assert.not.match(page, /<script|<img|<a /);
      continue;
    }
    assert.match(page, path === '/' || path === '/teams/evil/audit' || path === href(evil) || path === href('teams', evil) ? /<main/ : '&#60;script&#62;');
    assert.is(page.match(/<script/g)?.length ?? 0, page.includes('live.js') ? 1 : 0, path);
    assert.not.match(page, /<img src=x/, path);
  }
});

test('the template escapes all but its own markup', () => {
  assert.is(html`<a title="${`"'<>&\``}">${[html`<b>${'<'}</b>`, 1, null, undefined, false, '<']}</a>`.markup, '<a title="&#34;&#39;&#60;&#62;&#38;&#96;"><b>&#60;</b>1&#60;</a>');
  assert.is(href('teams', 'a/b', '..?#"'), '/teams/a%2Fb/..%3F%23%22');
});

test('the operator\'s token is made once, for its owner only, also when replicas start at once', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tagboat-token-'));
  try {
    const path = join(directory, 'data', 'operator.token');
    const tokens = await Promise.all([loadOrCreateOperatorToken(path), loadOrCreateOperatorToken(path), loadOrCreateOperatorToken(path)]);
    assert.is(new Set(tokens.map((token) => token.reveal())).size, 1);
    assert.is(statSync(path).mode & 0o777, 0o600);
    assert.equal(readdirSync(join(directory, 'data')), ['operator.token']);
    assert.match(readFileSync(path, 'utf8'), /^tgo_[\w-]{43}\n$/);
    assert.is((await loadOrCreateOperatorToken(path)).reveal(), tokens[0]?.reveal());
    writeFileSync(join(directory, 'short'), 'abc\n');
    await loadOrCreateOperatorToken(join(directory, 'short')).then(
      () => assert.unreachable(),
      (error: unknown) => assert.ok(error instanceof TagboatError && error.code === 'ConfigInvalid' && !error.message.includes('abc')),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

/** A web whose one slow thing is readiness, which is asked without a database. */
function bareWeb(more: { readonly deadlineMs?: number; readonly pool?: TestController['db']['pool'] } = {}) {
  const logged: string[] = [];
  const app = createWeb({
    pool: more.pool ?? closed.db.pool, log: createLogger({ write: (line) => void logged.push(line) }), metrics: createMetrics(), readiness: { teams: () => [] }, version: '0.1.0', closing: new AbortController().signal, changes: new ChangeFeed({ pool: closed.db.pool, log: createLogger({ write: () => undefined }) }), hasNotificationUrl: () => false,
    logs: { read: () => assert.unreachable() as never },
    nodes: { installScript: '', mintEnrolment: () => new Promise(() => undefined), revoke: () => Promise.reject(new Error('Bearer c4n4ryc4n4ry went wrong')) },
    config: { public: true, publicUrl: 'http://127.0.0.1', oidc: null, trustedProxies: [] }, operatorToken: new Secret(OPERATOR_TOKEN), hooks: new Map(), ...(more.deadlineMs !== undefined && { deadlineMs: more.deadlineMs }),
  });
  return { app, logged };
}
const asOperator = { method: 'POST', headers: { authorization: `Bearer ${OPERATOR_TOKEN}` } };

test('a request that takes too long is told so; an unforeseen error tells nothing outside and is scrubbed in the log', async () => {
  const { app, logged } = bareWeb({ deadlineMs: 2_000 });
  const web = await startWeb(app, { host: '127.0.0.1', port: 0 });
  try {
    const late = await fetch(`${web.url}/api/v1/teams/acme/nodes/dock/enrolments`, asOperator);
    assert.is(late.status, 503);
    assert.is(((await late.json()) as { error: { code: string } }).error.code, 'Timeout');
    const broken = await fetch(`${web.url}/api/v1/teams/acme/nodes/dock/revocation`, asOperator);
    assert.is(broken.status, 500);
    assert.equal(Object.keys((await broken.clone().json()) as object), ['error']);
    assert.not.match(await broken.text(), /c4n4ry|went wrong/);
    assert.match(logged.join(''), 'a request failed');
    assert.not.match(logged.join(''), /c4n4ry|operator-/);
  } finally {
    await web.stop();
  }
});

test('stopping lets an answer under way end, and does not wait for ever', async () => {
  let release: (() => void) | undefined;
  const web = await startWeb((_request, response) => {
    release = () => response.end('whole');
  }, { host: '127.0.0.1', port: 0, graceMs: 2_000 });
  const answer = fetch(web.url).then((response) => response.text());
  while (release === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  const stopped = web.stop();
  release();
  assert.is(await answer, 'whole');
  await stopped;
  const stuck = await startWeb(() => undefined, { host: '127.0.0.1', port: 0, graceMs: 100 });
  const cut = fetch(stuck.url).then(() => 'answered', () => 'cut');
  await new Promise((resolve) => setTimeout(resolve, 50));
  await stuck.stop();
  assert.is(await cut, 'cut');
});

test('a port that is taken is a configuration error that names it', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as { port: number };
  const error = await startWeb(() => undefined, { host: '127.0.0.1', port }).then(() => null, (failure: unknown) => failure);
  assert.ok(error instanceof TagboatError && error.code === 'ConfigInvalid' && error.message.includes(String(port)));
  other.close();
});

test('a database that is away makes 503 and not ready, and the process stays alive', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tagboat-web-'));
  const server = await startEmbeddedDatabase({ directory, durable: false });
  const pool = await createStorePool({ url: server.url });
  const web = await startWeb(bareWeb({ pool }).app, { host: '127.0.0.1', port: 0 });
  try {
    assert.is((await fetch(`${web.url}/readyz`)).status, 200);
    await server.stop();
    const ready = await fetch(`${web.url}/readyz`);
    assert.is(ready.status, 503);
    assert.is(((await ready.json()) as { database: string }).database, 'does not answer');
    const teams = await fetch(`${web.url}/api/v1/teams`);
    assert.is(teams.status, 503);
    assert.is(((await teams.json()) as { error: { code: string } }).error.code, 'DatabaseUnreachable');
    assert.is((await fetch(`${web.url}/healthz`)).status, 200);
  } finally {
    await web.stop();
    await pool.end();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});

test.run();
