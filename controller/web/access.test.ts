import { readdirSync, readFileSync } from 'node:fs';
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Role } from '../model/role.ts';
import { listAudit } from '../store/audit.ts';
import type { Route } from './routes.ts';
import { testController } from './testing/controller.ts';
import type { TestController } from './testing/controller.ts';
import { seedHarbour, seedTeam } from './testing/harbour.ts';
// @timeout 400

const test = suite('access');
let controller: TestController;
let open: TestController;
const MEMBERS = { acme: [['Owner@acme.example', 'owner'], ['admin@acme.example', 'admin'], ['user@acme.example', 'user'], ['both@example.org', 'user']], rival: [['rival@example.org', 'owner'], ['both@example.org', 'admin']] } as const;

async function setMembers(at: TestController, team: string, members: readonly (readonly [string, string])[]): Promise<void> {
  await at.db.pool.query(sql.unsafe`update team set members = ${JSON.stringify(members.map(([email, role]) => ({ name: email, email, role })))}::jsonb where name = ${team}`);
}

test.before(async () => {
  [controller, open] = await Promise.all([testController(), testController({ public: true })]);
  for (const at of [controller, open]) {
    await seedHarbour(at.db.pool);
    await seedTeam(at.db.pool, 'rival');
    for (const [team, members] of Object.entries(MEMBERS)) await setMembers(at, team, members);
  }
});
test.after(async () => {
  await controller.stop();
  await open.stop();
});

type Minted = { readonly id: string; readonly token: string; readonly role: Role };

async function post(path: string, token?: string, body?: unknown): Promise<Response> {
  return controller.fetch(`/api/v1${path}`, { method: 'POST', ...(token !== undefined && { token }), headers: { 'content-type': 'application/json', 'x-tagboat-user': 'ann' }, body: JSON.stringify(body ?? {}) });
}

async function mint(team: string, profile: string, role: Role, more: Readonly<Record<string, unknown>> = {}): Promise<Minted> {
  const response = await post(`/teams/${team}/tokens`, undefined, { profile, role, ...more });
  assert.is(response.status, 201, await response.clone().text());
  return (await response.json()) as Minted;
}

async function mintAll(profile: string, role: Role): Promise<Minted> {
  return (await (await post('/tokens', undefined, { profile, role })).json()) as Minted;
}

/** The address of a route in team acme. */
function address(route: Route, team = 'acme'): string {
  return route.path.replace(':team', team).replace(':kind.json', 'deployment.json').replaceAll(/[:*]\w+/g, 'shop');
}

async function status(route: Route, token: string, team?: string, at = controller): Promise<number> {
  const response = await at.fetch(address(route, team), { token, method: route.method, headers: { accept: 'application/json' } });
  await response.body?.cancel();
  return response.status;
}

const RANK = ['user', 'admin', 'owner'] as const;

test('every route, asked without a token, with a wrong, an expired and a revoked one', async () => {
  assert.ok(controller.routes.length > 30, String(controller.routes.length));
  const revoked = await mint('acme', 'owner@acme.example', 'owner');
  assert.is((await post(`/teams/acme/tokens/${revoked.id}/revocation`)).status, 204);
  const expired = await mint('acme', 'owner@acme.example', 'owner');
  await controller.db.pool.query(sql.unsafe`update access_token set expires_at = now() where id = ${expired.id}`);
  const forged = await mint('acme', 'owner@acme.example', 'owner');
  for (const token of ['', 'wrong', revoked.token, expired.token, `${forged.token.slice(0, -1)}${forged.token.endsWith('A') ? 'B' : 'A'}`]) {
    for (const route of controller.routes) {
      const code = await status(route, token);
      assert.is(code === 401, route.need !== 'anybody', `${route.method} ${route.path} needs ${route.need} and answers ${String(code)} to "${token}"`);
    }
  }
});

test('every route of a team, asked with each role, and from outside', async () => {
  const routes = controller.routes.filter(({ path, need }) => path.includes(':team') && need !== 'anybody' && need !== 'signature');
  for (const role of RANK) {
    const { token } = await mint('acme', `${role}@acme.example`, role);
    for (const route of routes) {
      const enough = RANK.indexOf(role) >= RANK.indexOf(route.need as Role);
      const code = await status(route, token);
      assert.is(code === 403, !enough, `${route.method} ${route.path} needs ${route.need} and answers ${String(code)} to ${role}`);
      assert.is.not(code, 401);
    }
  }
  // A team that is there and one that is not are told apart by nothing (R1, R2).
  for (const { token } of [await mint('rival', 'rival@example.org', 'owner'), await mintAll('rival@example.org', 'owner'), await mint('rival', 'both@example.org', 'admin')]) {
    for (const route of routes) {
      const method = route.method;
      const [foreign, missing] = await Promise.all(['acme', 'nosuch'].map((team) => controller.fetch(address(route, team), { token, method, headers: { accept: 'application/json' } })));
      assert.is(foreign?.status, 404, `${method} ${route.path}`);
      assert.is(missing?.status, 404, `${method} ${route.path}`);
      assert.is((await foreign?.text())?.replaceAll('acme', '*'), (await missing?.text())?.replaceAll('nosuch', '*'));
      assert.equal([...(foreign?.headers ?? [])].filter(([name]) => !['date', 'etag', 'content-length'].includes(name)), [...(missing?.headers ?? [])].filter(([name]) => !['date', 'etag', 'content-length'].includes(name)));
    }
  }
});

test('what is for the operator is for nobody else', async () => {
  const { token } = await mintAll('owner@acme.example', 'owner');
  const routes = controller.routes.filter(({ need }) => need === 'operator');
  assert.ok(routes.length > 0);
  for (const route of routes) assert.is(await status(route, token), 403, route.path);
});

test('lists, metrics and readiness hold only what the caller may see', async () => {
  controller.teams = [{ name: 'acme', state: 'ready', reason: '' }, { name: 'rival', state: 'failed', reason: 'r1v4l' }];
  const { token } = await mint('acme', 'user@acme.example', 'user');
  const get = async (path: string): Promise<string> => (await controller.fetch(path, { token, headers: { accept: path === '/' ? 'text/html' : 'application/json' } })).text();
  for (const path of ['/', '/api/v1/teams', '/metrics', '/readyz', '/api/v1/tokens']) {
    const text = await get(path);
    assert.not.match(text, /rival|r1v4l/, path);
    assert.match(text, 'acme', path);
  }
  assert.match(await (await controller.fetch('/metrics')).text(), 'team="acme"');
  controller.teams = [];
});

test('a token never does more than its profile at that moment: demoted, removed, back again', async () => {
  const { token } = await mint('acme', 'ADMIN@acme.example', 'admin');
  const all = await mintAll('both@example.org', 'owner');
  const tokens = async (): Promise<number> => (await controller.fetch('/api/v1/teams/acme/tokens', { token })).status;
  assert.is(await tokens(), 200);
  await setMembers(controller, 'acme', [['admin@acme.example', 'user']]);
  assert.is(await tokens(), 403);
  assert.is((await controller.fetch('/api/v1/teams/acme', { token })).status, 200);
  assert.equal(((await controller.json('/api/v1/teams', { token: all.token })) as { name: string }[]).map(({ name }) => name), ['rival']);
  await setMembers(controller, 'acme', []);
  assert.is(await tokens(), 404);
  assert.equal(await controller.json('/api/v1/teams', { token }), []);
  await setMembers(controller, 'acme', MEMBERS.acme);
  assert.is(await tokens(), 200);
  // Nor more than it was minted for.
  const reader = await mint('acme', 'owner@acme.example', 'user');
  assert.is((await controller.fetch('/api/v1/teams/acme/tokens', { token: reader.token })).status, 403);
  // A profile of two teams with a token of one.
  const one = await mint('rival', 'both@example.org', 'admin');
  assert.equal(((await controller.json('/api/v1/teams', { token: one.token })) as { name: string }[]).map(({ name }) => name), ['rival']);
  assert.is((await controller.fetch('/api/v1/teams/acme', { token: one.token })).status, 404);
});

test('who mints gives away no more than they have, to members only', async () => {
  const admin = await mint('acme', 'admin@acme.example', 'admin');
  const ask = async (body: unknown, token = admin.token, team = 'acme'): Promise<number> => (await post(`/teams/${team}/tokens`, token, body)).status;
  assert.is(await ask({ profile: 'owner@acme.example', role: 'admin' }), 201);
  assert.is(await ask({ profile: 'owner@acme.example', role: 'owner' }), 403);
  assert.ok((await listAudit(controller.db.pool, 'acme')).some(({ actor, object, result }) => actor === 'admin@acme.example' && object === 'token with role owner' && result === 'Forbidden'));
  assert.is(await ask({}), 201, 'for oneself, to read');
  assert.is(await ask({ profile: 'rival@example.org' }), 404);
  assert.is(await ask({ profile: 'both@example.org' }, admin.token, 'rival'), 404);
  assert.is((await post('/tokens', admin.token, { profile: 'admin@acme.example' })).status, 403);
  for (const body of [{ profile: 'nobody' }, { role: 'god' }, { expiresIn: '0d' }, { expiresIn: '367d' }, { expiresIn: '1s' }, { label: 'x'.repeat(201) }, { team: 'rival' }, [], 'text']) assert.is(await ask(body), 400, JSON.stringify(body));
  assert.is((await controller.fetch('/api/v1/teams/acme/tokens', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' })).status, 400);
  assert.is((await controller.fetch('/api/v1/teams/acme/tokens', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ label: 'x'.repeat(70_000) }) })).status, 413);
  const fresh = await mint('acme', 'user@acme.example', 'user', { label: 'ci', expiresIn: '1h' });
  assert.match(fresh.token, /^tgb_[0-9a-f]{12}_[\w-]{43}$/);
  const listed = (await controller.json('/api/v1/teams/acme/tokens')) as Record<string, unknown>[];
  const mine = listed.find(({ id }) => id === fresh.id);
  assert.equal([mine?.['profile'], mine?.['team'], mine?.['role'], mine?.['label'], mine?.['state'], mine?.['lastUsedAt'], mine?.['createdBy']], ['user@acme.example', 'acme', 'user', 'ci', 'active', null, 'cli:ann']);
  assert.not.match(JSON.stringify(listed), /hash|tgb_/);
  await controller.json('/api/v1/teams', { token: fresh.token });
  const used = ((await controller.json('/api/v1/tokens', { token: fresh.token })) as Record<string, unknown>[])[0];
  assert.match(String(used?.['lastUsedAt']), /:00:00\.000Z$/);
  // A token of one's own can end itself, and no other.
  const other = await mint('acme', 'user@acme.example', 'user');
  assert.is((await post(`/tokens/${other.id}/revocation`, fresh.token)).status, 404);
  assert.is((await post(`/tokens/${fresh.id}/revocation`, fresh.token)).status, 204);
  assert.is((await controller.fetch('/api/v1/teams', { token: fresh.token })).status, 401);
  const stored = await controller.db.pool.one(sql.unsafe`select * from access_token where id = ${other.id}`);
  assert.not.match(JSON.stringify(stored), other.token.slice(17));
});

test('tokens, their ends and refusals are audit rows, without the token (R26, R27)', async () => {
  const { pool } = controller.db;
  const minted = await mint('acme', 'user@acme.example', 'user');
  assert.is((await controller.fetch('/api/v1/teams/acme/tokens', { token: minted.token })).status, 403);
  assert.is((await controller.fetch('/api/v1/teams/rival', { token: minted.token })).status, 404);
  assert.is((await post(`/teams/acme/tokens/${minted.id}/revocation`)).status, 204);
  assert.is((await post(`/teams/acme/tokens/${minted.id}/revocation`)).status, 204);
  for (let n = 0; n < 3; n++) assert.is((await controller.fetch('/api/v1/teams', { token: minted.token })).status, 401);
  const rows = (await listAudit(pool, 'acme', { limit: 1_000 })).filter(({ object, actor }) => object === `token/${minted.id}` || actor === 'user@acme.example');
  const said = rows.map(({ actor, action, object, result }) => [actor, action, object, result].join(' '));
  assert.is(said.filter((row) => row === `cli:ann token.created token/${minted.id} accepted`).length, 1);
  assert.is(said.filter((row) => row === `cli:ann token.revoked token/${minted.id} accepted`).length, 1);
  assert.is(said.filter((row) => row === `user@acme.example access.refused token/${minted.id} the token is revoked`).length, 1, said.join('\n'));
  assert.ok(said.some((row) => /^user@acme.example access.refused GET \/teams\/:team\/tokens Forbidden$/.test(row)), said.join('\n'));
  const own = (await listAudit(pool, '', { limit: 1_000 })).map(({ actor, action, object, result }) => [actor, action, object, result].join(' '));
  assert.ok(own.some((row) => /^user@acme.example access.refused GET \/teams\/:team rival NotFound$/.test(row)), own.join('\n'));
  assert.ok(own.some((row) => /^address:\S+ access.refused token\/unknown the token is unknown$/.test(row)));
  for (const team of ['acme', 'rival', '']) assert.not.match(JSON.stringify(await listAudit(pool, team, { limit: 1_000 })), /tgb_[0-9a-f]{12}_/);
  assert.not.match(controller.logged.join(''), /tgb_[0-9a-f]{12}_/);
});

test('public: everybody reads, a member who signed in keeps the roles of the profile, operations need them', async () => {
  for (const route of open.routes) {
    const code = await status(route, '', 'acme', open);
    const wanted = route.need === 'signature' || route.need === 'admin' || route.need === 'owner' || route.need === 'operator' || (route.path.startsWith('/api/v1/tokens') && route.need === 'reader');
    assert.is(code === 401, wanted, `${route.method} ${route.path} answers ${String(code)}`);
    if (route.need !== 'anybody') assert.is(await status(route, 'wrong', 'acme', open), 401);
  }
  const minted = (await (await open.fetch('/api/v1/teams/acme/tokens', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ profile: 'admin@acme.example', role: 'admin' }) })).json()) as Minted;
  assert.is((await open.fetch('/api/v1/teams/acme/tokens', { token: minted.token })).status, 200);
  assert.is((await open.fetch('/api/v1/teams/rival', { token: minted.token })).status, 200);
  assert.is((await open.fetch('/api/v1/teams/rival/tokens', { token: minted.token })).status, 403);
});

test('no route is made past the table', () => {
  const folder = new URL('.', import.meta.url);
  const makers = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && /\bRouter\(|\bapp\.(get|post|put|patch|delete|all|route)\('\//.test(readFileSync(new URL(name, folder), 'utf8')));
  assert.equal(makers, ['routes.ts']);
});

test.run();
