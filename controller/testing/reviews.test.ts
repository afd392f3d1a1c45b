// @timeout 400
/** Requests to merge, from their refs on a real Git server to page and API, and what their merge carries out. */
import { sql } from 'slonik';
import { z } from 'zod';
import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import { Command } from 'commander';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { githubApi } from '../forges/testing/apis.ts';
import { ForgeServer } from '../forges/testing/forge-server.ts';
import { registerPlan } from '../cli/plan.ts';
import { loadRecipients } from '../store/nodes.ts';
import { seal } from '../../proto/sealed.ts';
import type { ReviewView } from '../store/views/reviews.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { NODE, PRODUCT, deploymentManifest, versionManifest } from './story.ts';

const test = suite('reviews');
const DEPLOYMENT = 'deployments/shop.yaml';
const manifest = (more = ''): string => deploymentManifest('shop', `  branch: main\n${more}`);

const TOKEN = 'c4n4ry-forge-token';
let forge: ForgeServer;
let stack: Stack;
let start = '';
test.before(async () => {
  forge = await ForgeServer.start(githubApi(TOKEN, '/api/v3'));
  stack = await Stack.start({ 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0'), 'notes.yaml': 'free: text\n' }, { engine: createSimulatedEngine(), settings: { TAGBOAT_TEAMS_0_REVIEWS_PROVIDER: 'github', TAGBOAT_TEAMS_0_REVIEWS_API: forge.api, TAGBOAT_TEAMS_0_REVIEWS_PROJECT: 'acme/deployments', TAGBOAT_TEAMS_0_REVIEWS_TOKEN: TOKEN } });
  start = await stack.push({ [DEPLOYMENT]: manifest() });
  await stack.settled('shop', 'main', start);
});
test.after(async () => {
  await stack.stop();
  await forge.close();
  assert.equal(forge.violations, []);
});

/** What a Git host does with a request: its head is a ref, and no branch. */
async function open(number: number, files: Readonly<Record<string, string | null>>, options: { readonly from?: string; readonly message?: string; readonly kind?: string } = {}): Promise<string> {
  const branch = `topic-${String(number)}`;
  const head = await stack.repository.commit(files, options.message ?? `Request ${String(number)}`, { branch, from: options.from ?? (await stack.repository.git(['rev-parse', 'main'])) });
  await stack.repository.git(['update-ref', `refs/${options.kind ?? 'pull'}/${String(number)}/head`, head]);
  await stack.repository.deleteBranch(branch);
  forge.state.open.push({ number, branch, head });
  stack.controller.pollSoon('acme');
  return head;
}

const list = async (): Promise<ReviewView[]> => stack.get('/reviews');
const find = async (ref: string): Promise<ReviewView | null> => (await list()).find((review) => review.ref === ref) ?? null;

async function reviewed(ref: string, head: string, test: (review: ReviewView) => boolean = () => true): Promise<ReviewView> {
  return sleepUntil(async () => {
    const review = await find(ref);
    return review?.head === head && test(review) ? review : null;
  }, { what: `the review ${ref}` });
}

async function gone(ref: string): Promise<void> {
  await sleepUntil(async () => (await find(ref)) === null, { what: `${ref} to disappear` });
}

async function merged(ref: string): Promise<ReviewView> {
  return sleepUntil(async () => {
    const review = await stack.get<ReviewView>(`/reviews/${encodeURIComponent(ref)}`).catch(() => null);
    return review?.state === 'merged' ? review : null;
  }, { what: `${ref} to be merged` });
}

async function counts(): Promise<unknown> {
  return stack.db.pool.one(sql.type(z.object({ records: z.number(), attempts: z.number(), targets: z.number(), problems: z.unknown(), commit: z.string() }))`
    select (select count(*)::int from record) as records, (select count(*)::int from attempt) as attempts, (select count(*)::int from target) as targets, problems, commit_id as commit from team`);
}

test('a request is planned against what is live, with every field that people need, and changes nothing', async () => {
  const before = await counts();
  const head = await open(17, { [DEPLOYMENT]: manifest('  environment: { REGION: eu }\n'), 'README.md': 'hello' }, { message: 'Move to Europe\n\nBecause.' });
  const review = await reviewed('pull/17', head);
  assert.is(review.base, start);
  assert.is(review.title, 'Move to Europe');
  assert.equal(review.problems, []);
  assert.match(review.planHash, /^[0-9a-f]{64}$/);
  const [action, ...others] = review.actions;
  assert.equal(others, []);
  assert.equal([action!.kind, action!.deployment, action!.node, action!.prefix, action!.from, action!.to], ['deploy', 'shop', 'harbor', 'shop', 'main', 'main']);
  assert.equal(action!.changes, ['db', 'web'].map((image) => ({ image, path: 'config.environment', from: null, to: '{"REGION":"eu"}' })));
  assert.match(action!.strategies.find(({ image }) => image === 'db')!.reason, 'there is a gap');
  assert.equal(await counts(), before);

  for (const path of ['/reviews/pull/17', '/reviews/pull%2F17', '/reviews/17', '/reviews/refs%2Fpull%2F17%2Fhead']) assert.is((await stack.get<ReviewView>(path)).head, head, path);
  const page = await (await fetch(`${stack.controller.url}/teams/acme/reviews/pull%2F17`)).text();
  for (const text of ['Move to Europe', 'A gap is expected for db', 'REGION', review.planHash.slice(0, 12), 'harbor']) assert.match(page, text);
  assert.match(await (await fetch(`${stack.controller.url}/teams/acme/reviews`)).text(), '1 deploy');
  assert.is((await fetch(`${stack.controller.url}/api/v1/teams/acme/reviews/pull%2F99`)).status, 404);
});

test('what a request breaks is told with file and line, and is no problem of the team', async () => {
  const head = await open(18, { [DEPLOYMENT]: manifest('  colour: blue\n') });
  const { problems, actions } = await reviewed('pull/18', head);
  assert.equal(problems.map(({ code, file, line }) => [code, file, line]), [['SchemaViolation', DEPLOYMENT, 10]]);
  assert.equal(actions.map(({ kind, reason }) => [kind, /nothing is removed/.test(reason)]), [['hold', true]]);
  assert.equal((await stack.get<{ problems: unknown[] }>('')).problems, []);
});

test('a removal is shown; merge requests of GitLab are found, too', async () => {
  const head = await open(5, { [DEPLOYMENT]: null }, { kind: 'merge-requests' });
  const { actions } = await reviewed('merge-requests/5', head);
  assert.equal(actions.map(({ kind, deployment, removesVolumes }) => [kind, deployment, removesVolumes]), [['remove', 'shop', false]]);
});

test('secrets are a digest of their ciphertext', async () => {
  const recipients = await sleepUntil(async () => (await loadRecipients(stack.db.pool, 'acme')).get('harbor'), { what: 'the keys of the node' });
  const ciphertext = await seal(Buffer.from('c4n4ry-value'), { team: 'acme', node: 'harbor' }, recipients);
  const head = await open(19, { [DEPLOYMENT]: manifest(`  config: { secrets: { PASSWORD: { sealed: { harbor: "${ciphertext}" } } } }\n`) });
  const review = await reviewed('pull/19', head);
  assert.equal(review.problems, []);
  const everything = JSON.stringify(review) + (await (await fetch(`${stack.controller.url}/teams/acme/reviews/pull/19`)).text());
  assert.match(everything, /secrets.*sealed [0-9a-f]{12}/);
  assert.not.match(everything, ciphertext.slice(100, 132));
  assert.not.match(everything, 'c4n4ry');
});

/** `tagboat plan` in this process, with the controller's address in the environment. */
async function planned(args: readonly string[], url = stack.controller.url): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let [code, out, err] = [-1, '', ''];
  const io = { env: { TAGBOAT_URL: url }, directory: stack.repository.directory, out: (text: string) => void (out += text), err: (text: string) => void (err += text), exit: (value: number) => void (code = value) };
  const program = new Command('tagboat').exitOverride();
  registerPlan(program, io);
  await program.parseAsync(['plan', ...args], { from: 'user' });
  return { code, out, err };
}

test('the command line makes the same plan against the live state, secrets masked, and says what it compares with', async () => {
  for (const ref of ['pull/17', 'pull/19']) {
    const review = (await find(ref))!;
    const { code, out, err } = await planned(['--head', `refs/${ref}/head`, '--format', 'json']);
    assert.is(code, 0, err);
    const plan = JSON.parse(out) as { hash: string; basis: string; actions: unknown };
    assert.is(plan.hash, review.planHash);
    assert.equal(plan.actions, review.actions);
    assert.is(plan.basis, 'the live state of team acme');
  }
  const broken = await planned(['--head', 'refs/pull/18/head']);
  assert.is(broken.code, 1);
  assert.match(broken.out, `${DEPLOYMENT}:10:`);
  assert.match((await planned(['--head', start, '--base', start])).out, 'not the live state');
  assert.is((await planned(['--head', 'nowhere'])).code, 2);
  assert.is((await planned([], 'http://127.0.0.1:9')).code, 3);
  const state = JSON.stringify(await stack.get('/live-state'));
  assert.match(state, start);
});

/** The comments at a request, once one of them is as told. */
async function commented(number: number, test: RegExp): Promise<string> {
  const mine = (): string[] => forge.state.comments.filter(({ request }) => request === number).map(({ body }) => body);
  await sleepUntil(() => mine().some((body) => test.test(body)), { what: `a comment like ${String(test)} at request ${String(number)}, not ${JSON.stringify(mine())}`, timeoutMs: 60_000 });
  assert.is(mine().length, 1);
  return mine()[0]!;
}

test('the Git host is told the verdict and the very text of the command line, once', async () => {
  const review = (await find('pull/17'))!;
  const comment = await commented(17, /Plan for/);
  const { out } = await planned(['--head', 'refs/pull/17/head', '--format', 'markdown']);
  assert.ok(comment.startsWith(out.trimEnd()), `${comment}\n--- is not ---\n${out}`);
  assert.match(comment, `${review.planHash.slice(0, 12)}`);
  assert.match(comment, '/teams/acme/reviews/pull%2F17');
  const status = await sleepUntil(() => forge.state.statuses.find(({ commit }) => commit === review.head), { what: 'the status of pull/17' });
  assert.equal([status.state, status.context, status.description], ['success', 'tagboat/acme', `1 deploy; plan ${review.planHash.slice(0, 12)}`]);
  await commented(18, /SchemaViolation/);
  const broken = (await find('pull/18'))!.head;
  const told = await sleepUntil(() => forge.state.statuses.find(({ commit }) => commit === broken), { what: 'the status of pull/18' });
  assert.is(told.state, 'failure');
  assert.match(told.description, `1 problem: ${DEPLOYMENT}:10 `);
  await sleepUntil(async () => (await stack.get<{ deliveries: { state: string }[] }>('/reviews/pull/17')).deliveries.every(({ state }) => state === 'sent'), { what: 'the notes of what was told' });
  const { deliveries } = await stack.get<{ deliveries: { kind: string; state: string }[] }>('/reviews/pull/17');
  assert.equal(deliveries.map(({ kind, state }) => [kind, state]), [['comment', 'sent'], ['status', 'sent']]);
  const rows = JSON.stringify(await stack.db.pool.any(sql.unsafe`select * from outbox`));
  assert.not.match(rows, TOKEN);
});

test('a head behind the branch is merged file by file; what both changed is a conflict that says so', async () => {
  const main = await stack.push({ 'products/shop/version.yaml': versionManifest('1.1.0'), 'notes.yaml': 'free: words\n' }, 'Release 1.1.0');
  await stack.settled('shop', 'main', main);
  assert.match((await planned(['--head', start])).out, `the head does not hold commit ${main.slice(0, 12)} of main, which is live`);
  const behind = await find('pull/17');
  const rebased = await reviewed('pull/17', behind!.head, (review) => review.base === main);
  assert.is(rebased.method, 'files');
  assert.equal(rebased.actions[0]!.changes.map(({ path }) => path), ['config.environment', 'config.environment'], 'the image stays what the branch has');
  const head = await open(20, { 'products/shop/version.yaml': versionManifest('1.2.0'), 'notes.yaml': 'free: verse\n' }, { from: start });
  const { problems, actions } = await reviewed('pull/20', head);
  assert.equal(problems.map(({ code, severity, file }) => [code, severity, file]), [['MergeConflict', 'error', 'notes.yaml'], ['MergeConflict', 'error', 'products/shop/version.yaml']]);
  assert.match(problems[1]!.message, 'both main and the request changed the file since they parted; this plan shows it as it is on main');
  assert.equal(actions, []);

  // A Git host that merges line by line knows better, as long as its merge is of today.
  const fresh = await stack.repository.commit({ 'products/shop/version.yaml': versionManifest('1.3.0') }, 'Merge', { branch: 'merge', from: main, merge: [head] });
  await stack.repository.git(['update-ref', 'refs/pull/20/merge', fresh]);
  await stack.repository.deleteBranch('merge');
  const merged = await reviewed('pull/20', head, (review) => review.method === 'host');
  assert.equal(merged.problems, []);
  assert.match(JSON.stringify(merged.actions), 'tagboat-test-web:1.3.0');
});

test('closed requests disappear, and so do those whose head the branch holds', async () => {
  await stack.repository.git(['update-ref', '-d', 'refs/pull/18/head']);
  stack.controller.pollSoon('acme');
  await gone('pull/18');
  const head = await open(22, { [DEPLOYMENT]: manifest('  environment: { REGION: moon }\n') });
  await reviewed('pull/22', head);
  // Hosts keep the refs of what was closed without a merge; the host knows.
  forge.state.open = forge.state.open.filter(({ number }) => number !== 22);
  await open(23, { 'docs.md': 'text' });
  await gone('pull/22');
  assert.is((await fetch(`${stack.controller.url}/api/v1/teams/acme/reviews/pull%2F18`)).status, 404);
});

test('what was reviewed is what runs, also after a squash', async () => {
  const review = (await find('pull/17'))!;
  const squashed = await stack.push({ [DEPLOYMENT]: manifest('  environment: { REGION: eu }\n'), 'README.md': 'hello' }, 'Move to Europe (#17)');
  await stack.settled('shop', 'main', squashed);
  const after = await merged('pull/17');
  assert.match(await commented(17, /^\*\*Merged\*\*/), 'What was reviewed is what is carried out.');
  assert.equal([after.outcome, after.mergedCommit, after.executedHash, after.difference], ['reviewed', squashed, review.planHash, null]);
  assert.is(await find('pull/17'), null);
  const { rows } = await stack.get<{ rows: { action: string; object: string; result: string; commit: string }[] }>('/audit?limit=200');
  assert.equal(rows.filter(({ action }) => action === 'review.merged').map(({ object, result, commit }) => [object, result, commit]), [['review/pull/17', 'reviewed', squashed]]);
  const told = await stack.db.pool.manyFirst(sql.type(z.object({ review: z.unknown() }))`select review from attempt where commit_id = ${squashed}`);
  assert.equal(told, [{ ref: 'pull/17', planHash: review.planHash, outcome: 'reviewed' }]);
});

test('when the world moved before the merge, the plan is made anew and the difference is kept', async () => {
  const main = await stack.repository.git(['rev-parse', 'main']);
  const head = await open(21, { [DEPLOYMENT]: manifest('  environment: { REGION: us }\n') });
  const review = await reviewed('pull/21', head);
  // Another commit and the merge arrive together, so that nobody could review the one on top of the other.
  await stack.repository.commit({ 'products/shop/version.yaml': versionManifest('2.0.0') }, 'Release 2.0.0', { branch: 'next', from: main });
  const merge = await stack.repository.commit({ [DEPLOYMENT]: manifest('  environment: { REGION: us }\n') }, 'Merge 21', { branch: 'next', merge: [head] });
  await stack.repository.forcePush('main', merge);
  stack.controller.pollSoon('acme');
  const after = await merged('pull/21');
  assert.is(after.outcome, 'replanned');
  assert.is.not(after.executedHash, review.planHash);
  assert.equal(after.difference, { added: [], gone: [], changed: ['shop on harbor/shop'] });
  assert.match(await (await fetch(`${stack.controller.url}/teams/acme/reviews/pull/21`)).text(), 'done otherwise');
});

test('a numbered version, a new product and what becomes of the old record are foreseen as they come', async () => {
  await stack.settled('shop', 'main', await stack.repository.git(['rev-parse', 'main']));
  await stack.repository.tag('shop/2.0.0');
  const files = {
    [DEPLOYMENT]: deploymentManifest('shop', '  version: 2.0.0\n'),
    'products/docs/all.yaml': [PRODUCT, versionManifest('7')].map((text) => text.replaceAll('name: shop', 'name: docs')).join('---\n'),
    'deployments/docs.yaml': deploymentManifest('docs', '').replaceAll(': shop', ': docs'),
  };
  const head = await open(24, files);
  const review = await reviewed('pull/24', head, ({ actions }) => actions.length === 2);
  assert.equal(review.problems, []);
  const shop = review.actions.find(({ deployment }) => deployment === 'shop')!;
  assert.equal([shop.from, shop.to, shop.statusChanges.map(({ version, to }) => [version, to])], ['main', '2.0.0', [['2.0.0', 'successful'], ['main', 'obsolete']]]);
  await stack.repository.forcePush('main', head);
  stack.controller.pollSoon('acme');
  const after = await merged('pull/24');
  assert.equal([after.outcome, after.difference], ['reviewed', null]);
  await stack.settled('docs', 'main', head);
});

test('one monstrous request does not hide the others', async () => {
  const blob = await stack.repository.git(['hash-object', '-w', '--stdin'], 'no commit');
  await stack.repository.git(['update-ref', 'refs/pull/90/head', blob]);
  forge.state.open.push({ number: 90, branch: 'blob', head: blob });
  const head = await open(91, { [DEPLOYMENT]: manifest('  environment: { REGION: asia }\n') });
  await reviewed('pull/91', head);
  const broken = await reviewed('pull/90', blob);
  assert.equal(broken.problems.map(({ code }) => code), ['RequestUnreadable']);
  await stack.settled('shop', '2.0.0');
  // A node that is away is named; it changes nothing in the plan.
  const { planHash } = (await find('pull/91'))!;
  await stack.stopAgent();
  const away = await reviewed('pull/91', head, ({ notes }) => notes.length > 0);
  assert.equal([away.notes, away.planHash], [['harbor/shop waits: node harbor is unreachable'], planHash]);
});

test.run();
