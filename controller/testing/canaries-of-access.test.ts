// @timeout 400
/**
 * R27, without an engine: every key by which somebody gets at the controller, or the controller at others, is used in earnest — also where it is
 * refused by somebody who says it back — and then looked for in everything that left the process.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { runAgent } from '../../agents/main.ts';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { seal } from '../../proto/sealed.ts';
import { githubApi } from '../forges/testing/apis.ts';
import { ForgeServer } from '../forges/testing/forge-server.ts';
import { createLogger } from '../log.ts';
import { loadRecipients } from '../store/nodes.ts';
import { CookieBrowser } from '../web/testing/cookie-browser.ts';
import { delivery, pushDelivery } from '../web/testing/hooks.ts';
import { freePort } from '../../agents/testing/ports.ts';
import { identityProvider, passProvider } from '../web/testing/identity-provider.ts';
import { CanarySearch, everyFile } from './canary-search.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { NODE, PRODUCT, deploymentManifest, versionManifest } from './story.ts';

const test = suite('canaries of access (R27)');
const CANARIES = {
  forge: 'c4n4ry-forge-token-4321',
  git: 'c4n4ry-git-password-"quoted"-4321',
  notification: 'c4n4ry-path-of-the-chat-4321',
  notificationQuery: 'c4n4ry-query-of-the-chat-4321',
  oidc: 'c4n4ry-oidc-client-secret-4321',
  sealed: 'c4n4ry-sealed-value-4321',
  webhook: 'c4n4ry-webhook-secret-4321',
  guess: 'c4n4ry-wrong-webhook-token-4321',
};
const search = new CanarySearch();
const log = (line: string): void => search.hear('logs', line);
const within = (): AbortSignal => AbortSignal.timeout(60_000);

test('the search finds a secret however a program writes it', () => {
  const secret = 'c4n4ry "one" & another/two';
  for (const written of [secret, JSON.stringify({ secret }), `?q=${encodeURIComponent(secret)}`, ...['', 'a', 'ab'].map((before) => Buffer.from(`${before}${secret}`).toString('base64')), `\\x${Buffer.from(secret).toString('hex')}`]) {
    const one = new CanarySearch();
    one.hear('there', written.padEnd(500));
    assert.is.not(one.find({ secret }, ['there']).length, 0, written);
  }
});

test('every key is used, and none is found', async () => {
  const forge = await ForgeServer.start(githubApi(CANARIES.forge, '/api/v3'));
  const heardByChat: string[] = [];
  const chat = createServer((request, response) => {
    request.resume();
    heardByChat.push(request.url ?? '');
    // The first answer says the address back.
    response.writeHead(heardByChat.length === 1 ? 500 : 200, { 'retry-after': '1' }).end(`you asked for ${request.url ?? ''}`);
  });
  await new Promise<void>((resolve) => chat.listen(0, '127.0.0.1', resolve));
  const port = await freePort();
  const publicUrl = `http://127.0.0.1:${String(port)}`;
  const provider = await identityProvider({ id: 'tagboat', secret: CANARIES.oidc, redirectUri: `${publicUrl}/sign-in/oidc/callback` });
  provider.accounts.set('ann', { email: 'ann@example.org', email_verified: true });
  const stopFrames = search.hearFrames();
  const stack = await Stack.start(
    {
      'team.yaml': 'apiVersion: tagboat/v1\nkind: Team\nmetadata: { name: acme }\nspec: { members: [ { name: Ann, email: ann@example.org, role: admin } ] }\n',
      'nodes/harbor.yaml': NODE, 'nodes/pier.yaml': NODE.replace('harbor', 'pier'), 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0'),
      'chat.yaml': 'apiVersion: tagboat/v1\nkind: Notification\nmetadata: { name: chat }\nspec: { channel: webhook, urlFrom: acme-chat, events: [ deployment-started, deployment-succeeded ] }\n',
    },
    {
      engine: createSimulatedEngine(),
      onLog: log,
      settings: {
        TAGBOAT_LISTENERS_HTTP_PORT: String(port), TAGBOAT_PUBLIC_URL: publicUrl,
        TAGBOAT_OIDC_ISSUER: provider.issuer, TAGBOAT_OIDC_CLIENT_ID: 'tagboat', TAGBOAT_OIDC_CLIENT_SECRET: CANARIES.oidc,
        TAGBOAT_NOTIFICATIONS_ALLOW_PRIVATE_ADDRESSES: 'true',
        TAGBOAT_TEAMS_0_NOTIFICATION_URLS_0_NAME: 'acme-chat',
        TAGBOAT_TEAMS_0_NOTIFICATION_URLS_0_URL: `http://127.0.0.1:${String((chat.address() as AddressInfo).port)}/hook/${CANARIES.notification}?key=${CANARIES.notificationQuery}`,
        TAGBOAT_TEAMS_0_CREDENTIALS_TYPE: 'basic', TAGBOAT_TEAMS_0_CREDENTIALS_USERNAME: 'deploy', TAGBOAT_TEAMS_0_CREDENTIALS_PASSWORD: CANARIES.git,
        TAGBOAT_TEAMS_0_WEBHOOK_SECRET: CANARIES.webhook,
        TAGBOAT_TEAMS_0_REVIEWS_PROVIDER: 'github', TAGBOAT_TEAMS_0_REVIEWS_API: forge.api, TAGBOAT_TEAMS_0_REVIEWS_PROJECT: 'acme/deployments', TAGBOAT_TEAMS_0_REVIEWS_TOKEN: CANARIES.forge,
      },
    },
  );
  const stopAgent = new AbortController();
  const streams = new AbortController();
  try {
    const secrets: Record<string, string> = { ...CANARIES, operator: readFileSync(everyFile(stack.home).find((path) => path.endsWith('operator.token'))!, 'utf8').trim() };
    const at = (path: string): string => `${stack.controller.url}${path}`;
    const ask = async (path: string, token: string, body?: unknown): Promise<Response> =>
      fetch(at(path), { signal: within(), headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) }, ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }) });

    // Server-sent events are read from before anything happens.
    const events = await fetch(at('/api/v1/teams/acme/events'), { signal: streams.signal });
    void hearStream('events', events);

    // Git asks for the password from here on, and refuses it once, saying it back.
    stack.server.auth = { username: 'deploy', password: CANARIES.git };
    const basic = Buffer.from(`deploy:${CANARIES.git}`).toString('base64');
    stack.server.fault = { status: 401, headers: { 'www-authenticate': `Basic realm="not ${basic}"` }, body: `deploy:${CANARIES.git} (${basic}) is wrong`, times: 2 };
    const recipients = await sleepUntil(async () => (await loadRecipients(stack.db.pool, 'acme')).get('harbor') ?? null, { what: 'the keys of the node' });
    const sealed = await seal(Buffer.from(CANARIES.sealed), { team: 'acme', node: 'harbor' }, recipients);
    const manifest = (more: string): string => deploymentManifest('shop', `  branch: main\n  config: { secrets: { PASSWORD: { sealed: { harbor: "${sealed}" } } } }\n${more}`);
    const main = await stack.push({ 'deployments/shop.yaml': manifest('') });
    await stack.settled('shop', 'main', main);
    assert.ok(stack.server.log.some(({ headers, status }) => headers.authorization === `Basic ${basic}` && status === 200), 'Git was asked with the password');
    await sleepUntil(() => heardByChat.length >= 3, { what: 'the chat to hear of the deployment, and of the first thing twice', timeoutMs: 60_000 });

    // A review: the host refuses the token with the token in its words, then takes it.
    const refusal = { status: 401, message: `bad credentials ${CANARIES.forge}` };
    const asked = (forge.fault = { ...refusal, method: 'GET', times: 1 });
    const head = await stack.repository.commit({ 'deployments/shop.yaml': manifest('  environment: { REGION: eu }\n') }, 'Request 7', { branch: 'topic', from: main });
    await stack.repository.git(['update-ref', 'refs/pull/7/head', head]);
    forge.state.open.push({ number: 7, branch: 'topic', head });
    await sleepUntil(() => (stack.controller.pollSoon('acme'), asked.times === 0), { what: 'the host to be asked for open requests' });
    forge.fault = { ...refusal, method: 'POST', times: 2 };
    const refused = async (): Promise<boolean> => (await stack.db.pool.anyFirst(sql.type(z.object({ error: z.string().nullable() }))`select last_error as error from outbox where team = 'acme'`)).some((error) => error?.includes('bad credentials') === true);
    await sleepUntil(async () => (stack.controller.pollSoon('acme'), refused()), { what: 'the refusal of the Git host' });
    await look('while the Git host refuses');
    await sleepUntil(() => forge.state.comments.some(({ request }) => request === 7), { what: 'the comment at the Git host', timeoutMs: 60_000 });

    // Webhooks: one that is signed, one with the secret in clear, and one with a wrong one.
    for (const [made, status] of [[pushDelivery('github', { secret: CANARIES.webhook, repository: 'acme' }), 202], [pushDelivery('gitlab', { secret: CANARIES.webhook, repository: 'acme' }), 202], [delivery('gitlab', 'Push Hook', { object_kind: 'push', token: CANARIES.guess }, { secret: CANARIES.guess }), 401]] as const) {
      const response = await fetch(at('/webhooks/acme'), { method: 'POST', ...made, signal: within() });
      assert.is(response.status, status);
      await search.hearAnswer('errors', response);
    }

    // An access token, a session from it, and one from the identity provider.
    const minted = (await (await ask('/api/v1/teams/acme/tokens', secrets['operator']!, { profile: 'ann@example.org', role: 'admin', label: 'canary' })).json()) as { token: string };
    secrets['access token'] = minted.token;
    await search.hearAnswer('pages', await ask('/api/v1/teams/acme/tokens', minted.token));
    const browser = new CookieBrowser(stack.controller.url, {});
    assert.is((await browser.submit(await browser.follow('/sign-in'), '/sign-in', { token: minted.token })).status, 303);
    secrets['session'] = browser.cookies.get('tagboat-session')!;
    assert.match(await search.hearAnswer('pages', await browser.get('/teams/acme')), 'ann@example.org');
    const guest = new CookieBrowser(stack.controller.url, {});
    const back = await passProvider(guest, stack.controller.url, 'ann', '/sign-in/oidc?next=%2Fteams%2Facme');
    secrets['code of the provider'] = new URL(back).searchParams.get('code')!;
    assert.is((await guest.get(back)).status, 303);
    secrets['session by the provider'] = guest.cookies.get('tagboat-session')!;
    assert.match(await search.hearAnswer('pages', await guest.get('/teams/acme')), 'ann@example.org');
    await search.hearAnswer('errors', await guest.get(back)); // a code is good once

    // A second node comes in with a token from the API, whose word is good once.
    const enrolment = (await (await ask('/api/v1/teams/acme/nodes/pier/enrolments', minted.token, {})).json()) as { token: string; join: string };
    Object.assign(secrets, { 'enrolment token': enrolment.token, 'join word': enrolment.join });
    const enter = (directory: string): Promise<void> =>
      runAgent({ directory: join(stack.home, 'agent', directory), controller: `127.0.0.1:${String(stack.controller.agentPort)}`, enrolment: { address: `127.0.0.1:${String(stack.controller.enrolPort)}`, fingerprint: stack.controller.fingerprint, token: enrolment.token }, engine: createSimulatedEngine(), version: '0.0.0-test', log: createLogger({ level: 'debug', write: log }) }, stopAgent.signal);
    const pier = enter('pier');
    await sleepUntil(async () => (await stack.get<{ name: string; status: string }[]>('/nodes')).some(({ name, status }) => name === 'pier' && status === 'connected'), { what: 'the second node' });
    const again = await enter('again').then(() => 'it came in again', (error: unknown) => String(error));
    assert.match(again, /token/i);
    search.hear('errors', again);

    // What is refused is answered in words: a wrong token, a body of nonsense with a token in it, a page that is not there.
    for (const response of [
      await ask('/api/v1/teams/acme/tokens', `${minted.token}x`),
      await ask('/api/v1/teams/acme/tokens', minted.token, { profile: secrets['operator'], role: minted.token }),
      await fetch(at('/api/v1/teams/acme/tokens'), { method: 'POST', signal: within(), headers: { authorization: `Bearer ${minted.token}`, 'content-type': 'application/json' }, body: `{"token": "${minted.token}"` }),
      await browser.post('/sign-in', { token: `${minted.token}x`, csrf: 'wrong' }),
      await ask('/no-such-page', minted.token),
    ]) {
      assert.ok(response.status >= 400);
      await search.hearAnswer('errors', response);
    }
    await look('at the end', minted.token);
    assert.match(search.at('events'), 'event: deployment');
    stopAgent.abort();
    await pier;
    await search.hearRows(stack.db.url);
    search.hearFiles('files of the nodes', join(stack.home, 'agent'), /secrets\.key$/);
    search.hearFiles('files of the controller', join(stack.home, '.tagboat'), /operator\.token$/);
    assert.equal(search.find(secrets, ['logs', 'frames of the agent', 'frames of the controller', 'events', 'pages', 'errors', 'rows', 'files of the nodes', 'files of the controller']), []);
    assert.equal(forge.violations, []);

    /** Every page and answer that there is for a team, as somebody who may see all of it. */
    async function look(when: string, token = secrets['operator']!): Promise<void> {
      const team = '/teams/acme';
      const pages = ['', '/deployments/shop', '/products', '/products/shop', '/nodes', '/nodes/harbor', '/nodes/pier', '/reviews', '/reviews/pull%2F7', '/audit', '/deliveries'];
      const api = ['', '/nodes', '/products', '/deployments', '/deployments/shop/history', '/audit?limit=200', '/reviews', '/reviews/pull%2F7', '/deliveries', '/notifications', '/live-state', '/tokens'];
      for (const path of ['/', '/sign-in', '/metrics', '/readyz', '/badges/acme.svg', '/api/v1/teams', '/api/v1/openapi.json', '/api/v1/tokens', ...pages.map((path) => team + path), ...api.map((path) => `/api/v1${team}${path}`)]) {
        const response = await ask(path, token);
        assert.is(response.status, 200, `${path} ${when}`);
        await search.hearAnswer('pages', response);
      }
    }
  } finally {
    streams.abort();
    stopAgent.abort();
    stopFrames();
    await stack.stop();
    await provider.stop();
    await forge.close();
    chat.closeAllConnections();
    chat.close();
  }
});

async function hearStream(where: string, response: Response): Promise<void> {
  try {
    for await (const chunk of response.body ?? []) search.hear(where, Buffer.from(chunk as Uint8Array).toString('utf8'));
  } catch {
    // Cut at the end.
  }
}

test.run();
