// @timeout 400
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { saveWatched } from '../../store/deliveries.ts';
import type { DeliveryRow } from '../../store/deliveries.ts';
import { createListener } from '../../store/listen.ts';
import type { Listener } from '../../store/listen.ts';
import { CHANNELS } from '../../store/notify.ts';
import { sleepUntil } from '../../testing/sleep-until.ts';
import { sql } from 'slonik';
import { testController } from '../testing/controller.ts';
import type { TestController } from '../testing/controller.ts';
import { seedTeam } from '../testing/harbour.ts';
import type { Delivery } from '../testing/hooks.ts';
import { delivery, pushDelivery, signedByGitlab } from '../testing/hooks.ts';
import { isSameRepository } from './relevance.ts';
import { MAX_BODY_BYTES } from './receive.ts';
import type { Provider } from './signature.ts';

const test = suite('webhooks');
const SECRET = 'c4n4ry-webhook-secret-0123';
const WHSEC = `whsec_${Buffer.from('c4n4ry-signing-token').toString('base64')}`;
const PROVIDERS: readonly Provider[] = ['github', 'gitlab', 'gitea', 'forgejo', 'bitbucket'];
let controller: TestController;
let listener: Listener;
let polls: string[] = [];

test.before(async () => {
  controller = await testController({ webhookSecrets: { acme: SECRET, signed: WHSEC, mute: null, flooded: null } });
  for (const team of ['acme', 'signed', 'mute', 'flooded', 'rival']) await seedTeam(controller.db.pool, team);
  listener = await createListener(controller.db.url, [CHANNELS.poll], (_channel, team) => void polls.push(team));
});
test.before.each(async () => {
  // Notifications come in their order: after this one, all of the test before are here.
  await controller.db.pool.query(sql.unsafe`select pg_notify(${CHANNELS.poll}, 'the last')`);
  await sleepUntil(() => polls.at(-1) === 'the last', { what: 'the notifications of before' });
  polls = [];
  await controller.db.pool.query(sql.unsafe`delete from delivery`);
  await controller.db.pool.query(sql.unsafe`delete from request`);
  for (const team of ['acme', 'signed']) {
    await controller.db.pool.query(sql.unsafe`update team set repository = ${'ssh://git@git.internal.test/acme/deployments.git'} where name = ${team}`);
    await saveWatched(controller.db.pool, team, [
      { url: 'ssh://git@git.internal.test/acme/deployments.git', branches: ['main', 'staging'], tags: ['shop/*'] },
      { url: 'https://git.example.test/acme/shop.git', branches: ['main'], tags: ['v*'] },
    ]);
  }
});
test.after(async () => {
  await listener.close();
  await controller.stop();
});

interface Answer {
  readonly status: number;
  readonly outcome?: string;
  readonly reason?: string;
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string };
}

async function send({ headers, body }: Delivery, team = 'acme'): Promise<Answer> {
  const response = await controller.fetch(`/webhooks/${team}`, { method: 'POST', token: '', headers, body });
  return { status: response.status, ...((await response.json()) as object) };
}

async function rows(team = 'acme'): Promise<DeliveryRow[]> {
  return ((await controller.json(`/api/v1/teams/${team}/deliveries`)) as { rows: DeliveryRow[] }).rows;
}

async function woken(count: number): Promise<void> {
  await sleepUntil(() => polls.length >= count, { what: 'a notification' });
  assert.is(polls.length, count);
}

/** One more push that certainly wakes: what came before it has been told by then. */
async function settled(expected: number): Promise<void> {
  await send(pushDelivery('github', { secret: SECRET }));
  await woken(expected + 1);
}

test('a push that each host signs wakes the team once, and is written down', async () => {
  for (const provider of PROVIDERS) {
    const one = pushDelivery(provider, { secret: SECRET, id: `id-${provider}` });
    const answer = await send(one);
    assert.equal([answer.status, answer.outcome], [202, 'polled'], provider);
    const again = await send(one);
    assert.equal([again.status, again.outcome], [202, 'duplicate'], provider);
  }
  await settled(PROVIDERS.length);
  assert.equal((await rows()).slice(1).map(({ provider, outcome, deliveryId, ref, status }) => [provider, outcome, deliveryId, ref, status]), PROVIDERS.toReversed().flatMap((provider) => ['duplicate', 'polled'].map((outcome) => [provider, outcome, `id-${provider}`, 'refs/heads/main', 202])));
});

test('a captured delivery with another id or another host\'s headers is no new one', async () => {
  const one = pushDelivery('github', { secret: SECRET });
  assert.is((await send(one)).outcome, 'polled');
  assert.is((await send({ ...one, headers: { ...one.headers, 'x-github-delivery': 'another' } })).outcome, 'duplicate');
  const { 'x-github-delivery': _id, ...bare } = one.headers;
  assert.is((await send({ ...one, headers: bare })).outcome, 'duplicate');
});

test('no signature, a wrong one, a changed payload and the wrong secret: 401, with the same words for teams that are not there', async () => {
  for (const provider of PROVIDERS) {
    const good = pushDelivery(provider, { secret: SECRET });
    const unsigned = Object.fromEntries(Object.entries(good.headers).filter(([name]) => !/signature|token/.test(name)));
    const answers = [await send({ ...good, headers: unsigned }), await send(pushDelivery(provider, { secret: 'c4n4ry-wrong' }))];
    if (provider !== 'gitlab') answers.push(await send({ ...good, body: good.body.replace('main', 'evil') }));
    for (const answer of answers) {
      assert.is(answer.status, 401, provider);
      assert.match(answer.error?.message ?? '', /not signed|does not fit/);
    }
  }
  const plain = await send({ headers: {}, body: '{}' });
  assert.equal([plain.status, plain.error?.message], [401, 'the request is not signed']);
  for (const make of [pushDelivery('github', { secret: 'x' }), { headers: {}, body: '{}' }]) {
    const [known, ...others] = await Promise.all(['acme', 'mute', 'rival', 'nosuch', '..%2f'].map((team) => send(make, team)));
    for (const other of others) assert.equal(other, known);
  }
  assert.equal(polls, []);
});

test('a Gitea signature decides; GitHub\'s header beside it does not rescue it', async () => {
  const good = pushDelivery('gitea', { secret: SECRET });
  assert.is((await send({ ...good, headers: { ...good.headers, 'x-gitea-signature': '0'.repeat(64) } })).status, 401);
});

test('GitLab\'s signing token: signed over id, time and body; not old, not rescued by a token in clear', async () => {
  const payload = { object_kind: 'push', ref: 'refs/heads/main', project: { path_with_namespace: 'acme/deployments' } };
  const now = Math.floor(Date.now() / 1_000);
  assert.is((await send(signedByGitlab({ ...payload, n: 1 }, WHSEC, now), 'signed')).status, 202);
  assert.is((await send(signedByGitlab({ ...payload, n: 2 }, WHSEC, now - 3_600), 'signed')).status, 401);
  const other = signedByGitlab({ ...payload, n: 3 }, `whsec_${Buffer.from('another').toString('base64')}`, now);
  assert.is((await send({ ...other, headers: { ...other.headers, 'x-gitlab-token': WHSEC } }, 'signed')).status, 401);
  const good = signedByGitlab({ ...payload, n: 4 }, WHSEC, now);
  assert.is((await send({ ...good, headers: { ...good.headers, 'webhook-signature': `v1,${'A'.repeat(43)}= ${good.headers['webhook-signature'] ?? ''}` } }, 'signed')).status, 202);
  assert.is((await send({ ...good, headers: { ...good.headers, 'webhook-id': 'x' } }, 'signed')).status, 401);
});

test('what is signed and not understood: 422, with a reason that is on the log, and may be sent again', async () => {
  for (const [made, reason] of [
    [delivery('github', 'push', 'payload=%7B', { secret: SECRET }), /no JSON/],
    [delivery('github', 'push', 'other=%7B%7D', { secret: SECRET }), /no JSON/],
    [delivery('github', 'push', '[]', { secret: SECRET }), /no JSON object/],
    [delivery('github', 'star', { repository: { full_name: 'acme/deployments' } }, { secret: SECRET }), /event star means nothing/],
    [delivery('gitlab', 'Pipeline Hook', { object_kind: 'pipeline' }, { secret: SECRET }), /means nothing/],
    [delivery('bitbucket', 'issue:created', {}, { secret: SECRET }), /means nothing/],
    [delivery('github', 'push', { repository: { full_name: 'acme/deployments' } }, { secret: SECRET }), /no ref/],
    [delivery('github', 'push', { ref: 7, repository: [] }, { secret: SECRET }), /no ref/],
    [pushDelivery('github', { secret: SECRET, repository: 'acme/other' }), /not this team's/],
  ] as const) {
    for (let time = 0; time < 2; time += 1) {
      const answer = await send(made);
      assert.is(answer.status, 422, String(reason));
      assert.is(answer.error?.code, 'WebhookRefused');
      assert.match(answer.error?.message ?? '', reason);
      const [row] = await rows();
      assert.equal([row?.outcome, row?.status], ['refused', 422]);
      assert.match(row?.reason ?? '', reason);
    }
  }
  assert.equal(polls, []);
});

test('only refs that somebody watches wake the team; sources, tags and requests too', async () => {
  const push = (ref: string, repository = 'acme/deployments'): Delivery => pushDelivery('github', { secret: SECRET, ref, repository });
  for (const [made, outcome] of [
    [push('refs/heads/staging'), 'polled'],
    [push('refs/heads/nobody'), 'ignored'],
    [delivery('github', 'push', { ref: 'refs/heads/main' }, { secret: SECRET }), 'polled'],
    [delivery('github', 'push', `payload=${encodeURIComponent(JSON.stringify({ ref: 'refs/heads/main', after: 'a form', repository: { full_name: 'acme/deployments' } }))}`, { secret: SECRET }), 'polled'],
    [push('refs/heads/feature/x'), 'polled'],
    [push('refs/tags/shop/1.0.0'), 'polled'],
    [push('refs/tags/other/1.0.0'), 'ignored'],
    [push('refs/heads/main', 'acme/shop'), 'polled'],
    [push('refs/heads/feature/x', 'acme/shop'), 'ignored'],
    [push('refs/tags/v1', 'acme/shop'), 'polled'],
    [delivery('github', 'ping', { zen: 'x', repository: { full_name: 'acme/deployments' } }, { secret: SECRET }), 'ignored'],
    [delivery('github', 'pull_request', { action: 'synchronize', repository: { full_name: 'acme/deployments' } }, { secret: SECRET }), 'polled'],
    [delivery('github', 'delete', { ref: 'shop/1.0.0', ref_type: 'tag', repository: { full_name: 'acme/deployments' } }, { secret: SECRET }), 'polled'],
    [delivery('gitlab', 'Merge Request Hook', { object_kind: 'merge_request', project: { path_with_namespace: 'acme/deployments' } }, { secret: SECRET }), 'polled'],
    [delivery('bitbucket', 'repo:refs_changed', { repository: { slug: 'deployments', project: { key: 'ACME' } }, changes: [{ ref: { id: 'refs/heads/x' } }, { ref: { id: 'refs/heads/main' } }] }, { secret: SECRET }), 'polled'],
    [delivery('bitbucket', 'repo:push', { repository: { full_name: 'acme/deployments' }, push: { changes: [{ new: null, old: { type: 'tag', name: 'shop/1.0.0' } }] } }, { secret: SECRET }), 'polled'],
    [delivery('bitbucket', 'pr:opened', { date: '2026-05-04T10:20:30+0000', pullRequest: { id: 7, state: 'OPEN', fromRef: { latestCommit: 'a'.repeat(40) }, toRef: { repository: { slug: 'deployments', project: { key: 'ACME' } } } } }, { secret: SECRET }), 'polled'],
    [delivery('bitbucket', 'pullrequest:created', { repository: { full_name: 'acme/deployments' } }, { secret: SECRET }), 'polled'],
  ] as const) {
    const answer = await send(made);
    assert.equal([answer.status, answer.outcome], [202, outcome], made.body);
  }
  await settled(14);
});

test('what became of a request is kept, the later word of two, for every host that has refs of requests', async () => {
  const head = 'a'.repeat(40);
  const github = (state: string, updated: string, merged = false): unknown => ({ action: 'x', pull_request: { number: 3, state, merged, head: { sha: head }, updated_at: updated }, repository: { full_name: 'acme/deployments' } });
  const dataCenter = { date: '2026-05-04T10:20:30+0000', pullRequest: { id: 5, state: 'DECLINED', fromRef: { latestCommit: head }, toRef: { repository: { slug: 'deployments', project: { key: 'ACME' } } } } };
  for (const one of [
    delivery('gitea', 'pull_request', github('closed', '2026-05-04T10:20:30Z'), { secret: SECRET }),
    delivery('gitea', 'pull_request', github('open', '2026-05-04T10:20:20Z'), { secret: SECRET }),
    delivery('gitlab', 'Merge Request Hook', { object_kind: 'merge_request', object_attributes: { iid: 4, state: 'merged', last_commit: { id: head }, updated_at: '2026-05-04 10:20:30 UTC' }, project: { path_with_namespace: 'acme/deployments' } }, { secret: SECRET }),
    delivery('bitbucket', 'pr:declined', dataCenter, { secret: SECRET }),
    delivery('gitea', 'pull_request', { ...(github('closed', 'never') as object), pull_request: { number: -1, state: 'closed' } }, { secret: SECRET }),
  ]) assert.is((await send(one)).status, 202);
  const told = await controller.db.pool.any(sql.unsafe`select ref, told, told_head as head, to_char(told_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS') as at from request where team = 'acme' order by ref`);
  const at = '2026-05-04 10:20:30';
  assert.equal(told.map((row) => ({ ...row })), [{ ref: 'merge-requests/4', told: 'merged', head, at }, { ref: 'pull-requests/5', told: 'closed', head, at }, { ref: 'pull/3', told: 'closed', head, at }]);
});

test('before the first reading every push to the repository is worth a look', async () => {
  await saveWatched(controller.db.pool, 'acme', []);
  assert.is((await send(pushDelivery('gitlab', { secret: SECRET, ref: 'refs/heads/anything' }))).outcome, 'polled');
});

test('a body that is too large or compressed is refused before it is parsed', async () => {
  const large = await send(delivery('github', 'push', 'x'.repeat(MAX_BODY_BYTES + 1), { secret: SECRET }));
  assert.is(large.status, 413);
  const packed = pushDelivery('github', { secret: SECRET });
  assert.is((await send({ ...packed, headers: { ...packed.headers, 'content-encoding': 'gzip' } })).status, 415);
});

test('the log holds no secret and no payload; unsigned deliveries cannot fill it', async () => {
  for (let n = 0; n < 25; n += 1) await send(pushDelivery('gitlab', { secret: `c4n4ry-guess-${String(n)}` }), 'flooded');
  await sleepUntil(async () => (await rows('flooded')).length >= 10, { what: 'the refused ones' });
  const unsigned = await rows('flooded');
  assert.ok(unsigned.length <= 20, 'ten in each of two minutes at most');
  assert.ok(unsigned.every(({ outcome, status, reason }) => outcome === 'refused' && status === 401 && reason.includes('no webhookSecret')));
  assert.is((await send(pushDelivery('github', { secret: SECRET }))).status, 202);
  assert.is((await send(pushDelivery('github', { secret: SECRET, ref: 'refs/heads/main\u0000' }))).status, 422);
  assert.is((await send(pushDelivery('github', { secret: SECRET, ref: 'refs/heads/<script>' }))).outcome, 'ignored');
  const all = [...unsigned, ...(await rows())];
  const page = `${await controller.text('/teams/acme/deliveries')}${await controller.text('/teams/flooded/deliveries')}`;
  assert.match(page, 'nobody watches this ref');
  for (const text of [JSON.stringify(all).replace('heads/<script>', ''), page, controller.logged.join('\n'), await controller.text('/metrics')]) assert.not.match(text, /c4n4ry|heads\/<script>|clone_url/);
  assert.match(await controller.text('/metrics'), 'tagboat_webhooks_total{team="acme",provider="github",outcome="polled"}');
});

test('pages of the log', async () => {
  for (let n = 0; n < 5; n += 1) await send(pushDelivery('github', { secret: SECRET }));
  const first = (await controller.json('/api/v1/teams/acme/deliveries?limit=2')) as { rows: DeliveryRow[]; next: number };
  const second = (await controller.json(`/api/v1/teams/acme/deliveries?limit=2&before=${String(first.next)}`)) as { rows: DeliveryRow[] };
  assert.ok((first.rows.at(-1)?.id ?? 0) > (second.rows[0]?.id ?? Infinity));
  assert.equal(((await controller.json('/api/v1/teams/rival/deliveries')) as { rows: DeliveryRow[] }).rows, [], 'R1');
});

test('names of one repository', () => {
  const url = 'ssh://git@git.internal.test:2222/acme/deployments.git';
  for (const name of ['acme/deployments', 'Acme/Deployments', 'https://git.example.test/acme/deployments', 'git@git.example.test:acme/deployments.git']) assert.ok(isSameRepository(name, url), name);
  for (const name of ['', 'acme/other', 'x/acme/deployments', 'https://git.example.test/other/deployments', 'acme/deployments/x']) assert.not(isSameRepository(name, url), name);
  assert.ok(isSameRepository('acme/deployments', 'https://host.test/git/acme/deployments'));
  assert.ok(isSameRepository('acme/deployments', '/srv/git/deployments.git'));
});

test.run();
