import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { listAudit } from '../store/audit.ts';
import { AttemptLimit } from './attempt-limit.ts';
import { safeNext } from './safe-next.ts';
import { CookieBrowser } from './testing/cookie-browser.ts';
import { OPERATOR_TOKEN, testController } from './testing/controller.ts';
import type { TestController } from './testing/controller.ts';
import { seedHarbour } from './testing/harbour.ts';
// @timeout 400

const test = suite('sign-in');
let controller: TestController;
test.before(async () => {
  controller = await testController();
  await seedHarbour(controller.db.pool);
  await controller.db.pool.query(sql.unsafe`update team set members = '[{"name": "Ann", "email": "ann@example.org", "role": "admin"}]' where name = 'acme'`);
});
test.after(() => controller.stop());

async function mint(role = 'admin'): Promise<{ readonly id: string; readonly token: string }> {
  const response = await controller.fetch('/api/v1/teams/acme/tokens', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ profile: 'ann@example.org', role }) });
  return (await response.json()) as { id: string; token: string };
}

/** Every test has an address of its own, so that attempts of one do not count for another. */
let address = 0;
function browser(at: TestController = controller): CookieBrowser {
  return new CookieBrowser(at.url, { 'x-forwarded-for': `203.0.113.${String(++address)}` });
}

async function signIn(who: CookieBrowser, token: string, from = '/teams/acme?a=b'): Promise<Response> {
  const page = await who.follow(from);
  return who.submit(page, '/sign-in', { token });
}

test('a token opens a session; the browser comes back to where it wanted to go, and can leave', async () => {
  const ann = browser();
  const { token } = await mint();
  const entered = await signIn(ann, token);
  assert.is(entered.status, 303);
  assert.is(entered.headers.get('location'), '/teams/acme?a=b');
  const cookie = entered.headers.getSetCookie().find((one) => one.startsWith('tagboat-session=')) ?? '';
  assert.match(cookie, /HttpOnly/);
  assert.match(cookie, /SameSite=Lax/);
  assert.match(cookie, /Path=\//);
  assert.not.match(cookie, /Secure|Domain/);
  assert.not.match(cookie, token);
  const page = await (await ann.get('/teams/acme')).text();
  assert.match(page, 'ann@example.org');
  assert.match(page, 'Sign out');
  assert.match(await (await ann.get('/sign-in')).text(), 'ann@example.org');
  // The API answers the session, too, but changes nothing without the token of a form.
  assert.is((await ann.get('/api/v1/teams/acme', 'application/json')).status, 200);
  assert.is((await ann.post('/api/v1/teams/acme/nodes/dock/enrolments', {})).status, 403);
  assert.is((await ann.post('/api/v1/teams/acme/nodes/dock/enrolments', {}, { 'x-csrf-token': 'wrong' })).status, 403);
  assert.is((await ann.post('/api/v1/teams/acme/nodes/dock/enrolments', {}, { 'x-csrf-token': ann.field(page, 'csrf') })).status, 201);
  const kept = ann.cookies.get('tagboat-session') ?? '';
  assert.is((await ann.post('/sign-out', { csrf: 'x' })).status, 403);
  assert.is((await ann.get('/teams/acme')).status, 200);
  const left = await ann.submit(page, '/sign-out', {});
  assert.is(left.headers.get('location'), '/sign-in');
  assert.is((await ann.get('/teams/acme')).status, 303);
  ann.cookies.set('tagboat-session', kept);
  assert.is((await ann.get('/teams/acme')).status, 303, 'the cookie is good for nothing afterwards');
});

test('a session can do what its token can, and ends with it', async () => {
  const reader = browser();
  const { id, token } = await mint('user');
  await signIn(reader, token);
  const page = await (await reader.get('/teams/acme')).text();
  assert.is((await reader.post('/api/v1/teams/acme/nodes/dock/enrolments', {}, { 'x-csrf-token': reader.field(page, 'csrf') })).status, 403);
  assert.is((await reader.get('/teams/rival')).status, 404);
  await controller.fetch(`/api/v1/teams/acme/tokens/${id}/revocation`, { method: 'POST' });
  assert.is((await reader.get('/teams/acme')).status, 303);
  const short = await mint('user');
  const late = browser();
  await signIn(late, short.token);
  await controller.db.pool.query(sql.unsafe`update access_token set expires_at = now() where id = ${short.id}`);
  assert.is((await late.get('/teams/acme')).status, 303);
  const old = browser();
  await signIn(old, (await mint('user')).token);
  await controller.db.pool.query(sql.unsafe`update web_session set expires_at = now()`);
  assert.is((await old.get('/teams/acme')).status, 303);
});

test('the operator signs in with the operator\'s token; another operator\'s token ends the session', async () => {
  const operator = browser();
  await signIn(operator, OPERATOR_TOKEN, '/');
  assert.match(await (await operator.get('/teams/acme')).text(), 'operator');
  await controller.db.pool.query(sql.unsafe`update web_session set operator_hash = 'of the token before' where operator_hash is not null`);
  assert.is((await operator.get('/teams/acme')).status, 303);
});

test('what is kept of a session is a hash', async () => {
  const ann = browser();
  await signIn(ann, (await mint()).token);
  const kept = ann.cookies.get('tagboat-session') ?? '';
  assert.match(kept, /^tgs_[\w-]{43}$/);
  assert.not.match(JSON.stringify(await controller.db.pool.any(sql.unsafe`select * from web_session`)), kept.slice(4));
});

test('a form that does not come from the page is refused, whatever token it holds', async () => {
  const ann = browser();
  const { token } = await mint();
  assert.is((await ann.post('/sign-in', { token })).status, 403);
  await ann.get('/sign-in');
  assert.is((await ann.post('/sign-in', { token, csrf: 'guess' })).status, 403);
  const other = browser();
  const page = await other.follow('/sign-in');
  assert.is((await ann.post('/sign-in', { token, csrf: other.field(page, 'csrf') })).status, 403);
  assert.not.ok(ann.cookies.has('tagboat-session'));
});

test('attempts are counted for each address and for each account, and that is told', async () => {
  const guesser = browser();
  const page = await guesser.follow('/sign-in');
  let last: Response | undefined;
  let tries = 0;
  for (; tries < 40 && last?.status !== 429; tries++) last = await guesser.submit(page, '/sign-in', { token: `guess-${String(tries)}` });
  assert.is(tries, 31);
  assert.is(last?.headers.get('retry-after'), '300');
  assert.is((await signIn(guesser, (await mint()).token)).status, 429, 'also with the right one');
  assert.is((await signIn(browser(), (await mint()).token)).status, 303, 'others are not held up');
  // One account from many addresses.
  const { id, token } = await mint();
  const wrong = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
  const codes: number[] = [];
  for (let n = 0; n < 11; n++) codes.push((await signIn(browser(), wrong)).status);
  assert.equal(codes, [...Array.from({ length: 10 }, () => 401), 429]);
  assert.is((await signIn(browser(), token)).status, 429);
  const said = (await listAudit(controller.db.pool, '', { limit: 1_000 })).map(({ actor, action, object, result }) => [actor, action, object, result].join(' '));
  assert.ok(said.some((row) => /^address:203.0.113.\d+ session.refused sign-in too many attempts$/.test(row)), said.join('\n'));
  assert.ok(said.some((row) => row.includes(`session.refused token/${id} too many attempts`)));
  assert.ok(said.filter((row) => row.includes('session.refused')).length < 30, 'not every attempt is a row');
  assert.ok((await listAudit(controller.db.pool, 'acme')).some(({ action, actor }) => action === 'session.opened' && actor === 'ann@example.org'));
  assert.not.match(JSON.stringify(await listAudit(controller.db.pool, '', { limit: 1_000 })), /tgb_|tgs_|guess-/);
});

test('the counter forgets what is old and never holds more than it may', () => {
  let now = 0;
  const limit = new AttemptLimit({ limit: 2, windowMs: 10, keys: 3, now: () => now });
  assert.equal([limit.take('a'), limit.take('a'), limit.take('a')], [true, true, false]);
  now = 10;
  assert.ok(limit.take('a'));
  for (const key of ['b', 'c', 'd']) limit.take(key);
  assert.equal([limit.take('a'), limit.take('a')], [true, true], 'the oldest was forgotten');
  limit.take('z');
  limit.take('z');
  limit.forget('z');
  assert.ok(limit.take('z'));
});

test('behind https cookies are bound to the host and to https, and browsers are told to stay there', async () => {
  const strict = await testController({ publicUrl: 'https://tagboat.example.org' });
  try {
    const ann = browser(strict);
    const entered = await signIn(ann, OPERATOR_TOKEN, '/');
    assert.is(entered.status, 303);
    assert.match(entered.headers.getSetCookie().join('\n'), /^__Host-tagboat-session=tgs_[\w-]+;.*Path=\/;.*HttpOnly; Secure; SameSite=Lax$/m);
    assert.match(entered.headers.get('strict-transport-security') ?? '', 'max-age=');
    ann.cookies.set('tagboat-session', ann.cookies.get('__Host-tagboat-session') ?? '');
    ann.cookies.delete('__Host-tagboat-session');
    assert.is((await ann.get('/')).status, 303, 'a cookie that another host could have set counts for nothing');
  } finally {
    await strict.stop();
  }
});

test('pages may not be framed, run no inline script and send forms to themselves alone', async () => {
  const response = await browser().get('/sign-in');
  assert.is(response.status, 200);
  const policy = response.headers.get('content-security-policy') ?? '';
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) assert.ok(policy.includes(part), part);
  assert.equal(['x-content-type-options', 'referrer-policy', 'x-frame-options', 'cache-control'].map((name) => response.headers.get(name)), ['nosniff', 'no-referrer', 'DENY', 'no-store']);
  assert.is(response.headers.get('strict-transport-security'), null);
  assert.not.match(await response.text(), /<script|style=|\son\w+=/);
});

test('after sign-in one lands here, whatever the address asked for', () => {
  for (const good of ['/', '/teams/acme', '/teams/acme/audit?before=5&limit=2', '/teams/a%2Fb']) assert.is(safeNext(good), good);
  for (const bad of [undefined, ['/a'], '', 'teams', '//evil.example', '/\\evil.example', '/..//evil.example', '/a/../..//evil.example', '/%2e%2e//evil.example', 'https://evil.example/', 'javascript:alert(1)', '/\nevil', '/teams\tacme', '/sign-in', '/sign-out', '/api/v1/teams', `/${'x'.repeat(3_000)}`]) assert.is(safeNext(bad), '/', String(bad));
});

test('an address in the form that leads elsewhere leads home', async () => {
  const ann = browser();
  const page = await ann.follow('/sign-in?next=//evil.example');
  assert.is(ann.field(page, 'next'), '/');
  const entered = await ann.post('/sign-in', { token: (await mint()).token, csrf: ann.field(page, 'csrf'), next: 'https://evil.example/' });
  assert.is(entered.headers.get('location'), '/');
});

test.run();
