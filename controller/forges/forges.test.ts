/** All hosts on loopback; each request is checked against the documented API. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Secret } from '../secret.ts';
import type { CommitStatus, ForgeClient } from './forge.ts';
import { forgeErrorOf, forgeFetch } from './forge-fetch.ts';
import type { ForgeError } from './forge-fetch.ts';
import { askAnonymously } from './anonymous.ts';
import { openForge } from './open-forge.ts';
import { tellComment, tellStatus } from './tell.ts';
import { bitbucketApi, bitbucketDataCenterApi, giteaApi, githubApi, gitlabApi } from './testing/apis.ts';
import { ForgeServer } from './testing/forge-server.ts';

const TOKEN = 'c4n4ry-token';
const APIS = { github: githubApi, gitlab: gitlabApi, gitea: giteaApi, bitbucket: bitbucketApi, 'bitbucket-data-center': bitbucketDataCenterApi } as const;
const STATUS: CommitStatus = { commit: 'a'.repeat(40), state: 'success', context: 'tagboat/acme', description: '1 deploy; plan 0123456789ab', url: 'https://tagboat.example.org/teams/acme/reviews/pull%2F17' };
const told = (body: string, known: string | null = null) => ({ request: 17, marker: 'tagboat review acme pull%2F17', body, known });

async function refusal(work: Promise<unknown>): Promise<ForgeError> {
  try {
    await work;
  } catch (error) {
    return forgeErrorOf(error);
  }
  throw new Error('it was not refused');
}

for (const provider of ['github', 'gitlab', 'gitea', 'bitbucket', 'bitbucket-data-center'] as const) {
  const test = suite(provider);
  let server: ForgeServer;
  let forge: ForgeClient;
  test.before.each(async () => {
    server = await ForgeServer.start(APIS[provider](TOKEN));
    forge = await openForge({ provider, api: server.api, project: 'acme/deployments', token: new Secret(TOKEN) });
  });
  test.after.each(async () => {
    await server.close();
    assert.equal(server.violations, []);
  });

  test('a status is told, and not again when its answer was lost', async () => {
    await tellStatus(forge, { ...STATUS, description: 'x'.repeat(600) }, false);
    assert.is(server.state.statuses.length, 1);
    assert.ok(server.state.statuses[0]!.description.endsWith('…'));
    await tellStatus(forge, { ...STATUS, state: 'failure' }, false);
    const said = server.state.statuses.length;
    await tellStatus(forge, { ...STATUS, state: 'failure' }, true);
    assert.is(server.requests.at(-1)!.method, 'GET');
    assert.is(server.state.statuses.length, said);
    await tellStatus(forge, { ...STATUS, commit: 'b'.repeat(40) }, true);
    assert.is(server.state.statuses[0]!.commit, 'b'.repeat(40));
  });

  test('one comment is kept up to date, also when nobody noted that it was made', async () => {
    for (let n = 0; n < 120; n++) server.state.say(17, `chatter ${String(n)}`, 9);
    const id = await tellComment(forge, told('First | plan'));
    assert.is(await tellComment(forge, told('Second', id)), id);
    assert.is(await tellComment(forge, told('Third')), id, 'found by its hidden marker');
    const before = server.requests.length;
    assert.is(await tellComment(forge, told('Third')), id);
    assert.ok(server.requests.slice(before).every(({ method }) => method === 'GET'), 'what is there already is not written again');
    const mine = server.state.comments.filter(({ author }) => author === server.state.me);
    assert.is(mine.length, 1);
    assert.match(mine[0]!.body, /^Third\n/);
    assert.match(mine[0]!.body, provider.startsWith('bitbucket') ? '[//]: # (tagboat review acme pull%2F17)' : '<!-- tagboat review acme pull%2F17 -->');
  });

  test('somebody else\'s comment with the marker is left alone, and one that was deleted is made anew', async () => {
    server.state.say(17, forge.hidden('tagboat review acme pull%2F17'), 666);
    const id = await tellComment(forge, told('Plan'));
    assert.equal(server.state.comments.map(({ author }) => author), [666, server.state.me]);
    server.state.comments = server.state.comments.filter((comment) => String(comment.id) !== id);
    const again = await tellComment(forge, told('Plan', id));
    assert.is.not(again, id);
    assert.is(server.state.comments.length, 2);
  });

  test('a monstrous plan is cut at a line', async () => {
    const id = await tellComment(forge, told('A line of a plan that goes on and on.\n'.repeat(30_000)));
    const { body } = server.state.comments.find((comment) => String(comment.id) === id)!;
    assert.ok(body.length <= forge.limits.comment);
    assert.match(body, /goes on and on\.\n\nThis is not all/);
  });

  test('open requests are listed', async () => {
    server.state.open = Array.from({ length: 120 }, (_, n) => ({ number: n + 1, branch: `topic-${String(n)}`, head: 'c'.repeat(40) }));
    const open = await forge.openRequests();
    assert.is(open.length, 120);
    assert.equal([open[0]!.number, open[0]!.branch], [1, 'topic-0']);
  });

  test('what the host refuses says why, without the token, and how long to wait', async () => {
    server.fault = { status: 429, headers: { 'retry-after': '90' }, times: 1 };
    const limited = await refusal(forge.setStatus(STATUS));
    assert.equal([limited.status, limited.pauseMs], [429, 90_000]);
    assert.is(server.requests.length, 1, 'it is not asked again at once');
    server.fault = { status: 403, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Math.ceil(Date.now() / 1_000) + 600) }, times: 1 };
    const spent = await refusal(forge.setStatus(STATUS));
    assert.ok(spent.pauseMs! > 500_000 && spent.pauseMs! <= 601_000, String(spent.pauseMs));
    server.fault = { status: 500, times: 1 };
    assert.is((await refusal(forge.createComment(17, 'x'))).status, 500);
    server.fault = { lost: true, times: 1 };
    assert.is((await refusal(forge.createComment(17, 'x'))).status, 0);
  });

  test.run();
}

const dataCenter = suite('Bitbucket Data Center');

dataCenter('a comment that somebody else changed meanwhile is changed all the same, and a refusal says why', async () => {
  const server = await ForgeServer.start(bitbucketDataCenterApi(TOKEN));
  const forge = await openForge({ provider: 'bitbucket-data-center', api: server.api, project: 'ACME/deployments', token: new Secret(TOKEN) });
  const id = await tellComment(forge, told('First'));
  server.fault = { status: 409, method: 'PUT', times: 1 };
  assert.is(await tellComment(forge, told('Second', id)), id);
  assert.match(server.state.comments[0]!.body, /^Second\n/);
  server.fault = { status: 409, method: 'PUT', times: 2 };
  assert.is((await refusal(forge.updateComment(17, id, 'Third'))).status, 409);
  server.state.comments[0]!.author = 9;
  assert.match((await refusal(forge.updateComment(17, id, 'Third'))).message, 'You are not permitted');
  await server.close();
  assert.equal(server.violations, []);
});

dataCenter.run();

const anonymous = suite('without a token');

for (const [provider, make] of [['gitlab', gitlabApi], ['gitea', giteaApi]] as const) {
  anonymous(`${provider} says which requests of a public project are open, and the refusal of another is told`, async () => {
    const api = make(TOKEN);
    const server = await ForgeServer.start({ ...api, signIn: ({ authorization, 'private-token': token }) => (authorization === undefined && token === undefined ? undefined : 'signs in') });
    const address = { provider, api: provider === 'gitlab' ? server.api.replace('/api/v4', '') : server.api, project: 'acme/deployments' };
    server.state.open = Array.from({ length: 120 }, (_, n) => ({ number: n + 1, branch: `topic-${String(n)}`, head: 'c'.repeat(40) }));
    const open = await askAnonymously(address);
    assert.equal([open.length, open[0], open[119]!.number], [120, { number: 1, branch: 'topic-0', head: 'c'.repeat(40) }, 120]);
    server.fault = { status: 404, times: 1 };
    assert.is((await refusal(askAnonymously(address))).status, 404);
    await server.close();
    assert.equal(server.violations, []);
  });
}

anonymous.run();

const test = suite('the token');

test('it goes to the configured API and nowhere else, redirects included', async () => {
  const heard: (string | undefined)[] = [];
  const other = createServer((request, response) => {
    heard.push(request.headers.authorization);
    response.end('{}');
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  const server = await ForgeServer.start(githubApi(TOKEN));
  const fetch = forgeFetch(`${server.api}/api`, new Secret(TOKEN));
  server.fault = { status: 307, headers: { location: elsewhere }, times: 1 };
  assert.is((await refusal(fetch(`${server.api}/api/user`, { headers: { authorization: TOKEN } }))).status, 307);
  for (const url of [elsewhere, `${elsewhere}${new URL(server.api).pathname.replace(/\/+$/, '')}/api/user`, `${server.api}/other`, `${server.api}/apiary`]) assert.match((await refusal(fetch(url, { headers: { authorization: TOKEN } }))).message, 'is not the configured API');
  assert.equal(heard, []);
  server.fault = { status: 401, times: 1 };
  assert.not.match((await refusal(fetch(`${server.api}/api/${TOKEN}`))).message, TOKEN);
  await server.close();
  other.close();
});

test.run();
