import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Secret } from '../secret.ts';
import { listAudit } from '../store/audit.ts';
import { CookieBrowser } from './testing/cookie-browser.ts';
import { testController } from './testing/controller.ts';
import type { TestController } from './testing/controller.ts';
import { seedHarbour } from './testing/harbour.ts';
import { freePort } from '../../agents/testing/ports.ts';
import { identityProvider, passProvider } from './testing/identity-provider.ts';
import type { IdentityProvider } from './testing/identity-provider.ts';
// @timeout 400

const SECRET = 'oidc-c4n4ry-client-secret';
const test = suite('sign-in at an OpenID Connect provider');
let controller: TestController;
let provider: IdentityProvider;

async function start(claimsInToken: boolean): Promise<void> {
  const port = await freePort();
  const publicUrl = `http://127.0.0.1:${String(port)}`;
  provider = await identityProvider({ id: 'tagboat', secret: SECRET, redirectUri: `${publicUrl}/sign-in/oidc/callback`, claimsInToken });
  provider.accounts.set('ann', { email: 'Ann@Example.org', email_verified: true });
  provider.accounts.set('unverified', { email: 'ann@example.org', email_verified: false });
  provider.accounts.set('silent', {});
  provider.accounts.set('stranger', { email: 'stranger@example.org', email_verified: true });
  controller = await testController({ publicUrl, port, oidc: { issuer: provider.issuer, clientId: 'tagboat', clientSecret: new Secret(SECRET), scopes: ['openid', 'email'] } });
  await seedHarbour(controller.db.pool);
  await controller.db.pool.query(sql.unsafe`update team set members = '[{"name": "Ann", "email": "ann@example.org", "role": "admin"}]' where name = 'acme'`);
}

test.before(() => start(false));
test.after(async () => {
  await controller.stop();
  await provider.stop();
});

let address = 0;
function browser(): CookieBrowser {
  return new CookieBrowser(controller.url, { 'x-forwarded-for': `203.0.113.${String(++address)}` });
}

async function throughProvider(who: CookieBrowser, login: string): Promise<string> {
  return passProvider(who, controller.url, login, '/sign-in/oidc?next=%2Fteams%2Facme');
}

test('a member with a verified address gets a session and the roles of the profile', async () => {
  const ann = browser();
  assert.match(await ann.follow('/teams/acme'), `href="/sign-in/oidc?next=%2Fteams%2Facme"`);
  const back = await throughProvider(ann, 'ann');
  const entered = await ann.get(back);
  assert.is(entered.status, 303, await entered.clone().text());
  assert.is(entered.headers.get('location'), '/teams/acme');
  assert.match(await (await ann.get('/teams/acme')).text(), 'ann@example.org');
  assert.is((await ann.get('/api/v1/teams/acme/tokens', 'application/json')).status, 200, 'an admin, as team.yaml says');
  assert.is((await ann.get('/teams/rival')).status, 404);
  // The same answer of the provider is good once, and for this browser only.
  const again = await ann.get(back);
  assert.is(again.headers.get('location'), '/sign-in');
  const thief = browser();
  assert.is((await thief.get(back)).headers.get('location'), '/sign-in');
  assert.not.ok(thief.cookies.has('tagboat-session'));
  await controller.db.pool.query(sql.unsafe`update team set members = '[]' where name = 'acme'`);
  assert.is((await ann.get('/teams/acme')).status, 404, 'a member no more');
  await controller.db.pool.query(sql.unsafe`update team set members = '[{"name": "Ann", "email": "ann@example.org", "role": "admin"}]' where name = 'acme'`);
});

test('an answer for another trip, with another state, nonce or verifier, or an error opens nothing', async () => {
  const spoil = async (change: (trip: Record<string, string>) => unknown, address?: (back: string) => string): Promise<Response> => {
    const who = browser();
    const back = await throughProvider(who, 'ann');
    const trip = JSON.parse(Buffer.from(who.cookies.get('tagboat-oidc') ?? '', 'base64url').toString()) as Record<string, string>;
    change(trip);
    who.cookies.set('tagboat-oidc', Buffer.from(JSON.stringify(trip)).toString('base64url'));
    const response = await who.get(address?.(back) ?? back);
    assert.not.ok(who.cookies.has('tagboat-session'));
    return response;
  };
  assert.is((await spoil((trip) => (trip['state'] = 'other'))).status, 403);
  assert.is((await spoil((trip) => (trip['nonce'] = 'other'))).status, 403);
  assert.is((await spoil((trip) => (trip['verifier'] = 'v'.repeat(43)))).status, 403);
  assert.is((await spoil(() => undefined, (back) => `${back.split('?')[0] ?? ''}?error=access_denied&state=${new URL(back).searchParams.get('state') ?? ''}`)).status, 403);
  assert.is((await spoil(() => undefined, (back) => back.replace(/code=[^&]+/, 'code=guess'))).status, 403);
  await spoil((trip) => delete trip['verifier']);
});

test('the way back leads to a page here, whatever the cookie says', async () => {
  const who = browser();
  const back = await throughProvider(who, 'ann');
  const trip = JSON.parse(Buffer.from(who.cookies.get('tagboat-oidc') ?? '', 'base64url').toString()) as Record<string, string>;
  who.cookies.set('tagboat-oidc', Buffer.from(JSON.stringify({ ...trip, next: '//evil.example' })).toString('base64url'));
  assert.is((await who.get(back)).headers.get('location'), '/');
});

for (const [login, words] of [['unverified', 'has not verified the e-mail address'], ['silent', 'tells no e-mail address'], ['stranger', 'stranger@example.org is no member of any team']] as const) {
  test(`${login}: refused with the reason`, async () => {
    const who = browser();
    const response = await who.get(await throughProvider(who, login));
    assert.is(response.status, 403);
    assert.match(await response.text(), words);
    assert.not.ok(who.cookies.has('tagboat-session'));
    assert.ok((await listAudit(controller.db.pool, '')).some(({ action, result }) => action === 'session.refused' && result.includes(words)));
  });
}

test('the client\'s secret and the codes are told nobody', async () => {
  assert.not.match(controller.logged.join(''), SECRET);
  assert.not.match(JSON.stringify(await listAudit(controller.db.pool, '', { limit: 1_000 })), new RegExp(`${SECRET}|code=`));
  assert.ok((await listAudit(controller.db.pool, '')).some(({ action, actor }) => action === 'session.opened' && actor === 'ann@example.org'));
});

test('a provider that puts the address into the token does as well; one that is away is told, and comes back', async () => {
  await controller.stop();
  await provider.stop();
  await start(true);
  const ann = browser();
  assert.is((await ann.get(await throughProvider(ann, 'ann'))).status, 303);
  const { issuer } = provider;
  await provider.stop();
  await controller.stop();
  const port = await freePort();
  controller = await testController({ publicUrl: `http://127.0.0.1:${String(port)}`, port, oidc: { issuer, clientId: 'tagboat', clientSecret: null, scopes: ['openid', 'email'] } });
  const response = await browser().get('/sign-in/oidc');
  assert.is(response.status, 503);
  assert.match(await response.text(), 'does not answer');
  assert.is((await browser().get('/sign-in')).status, 200, 'tokens work meanwhile');
});

test.run();
