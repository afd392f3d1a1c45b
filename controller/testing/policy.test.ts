// @timeout 240
/** The policy of a team from the push to the containers: what nobody signed, or the wrong one, changes nothing, whoever restarts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createContainerEngine } from '../../agents/containers/engine.ts';
import { SimulatedRuntime } from '../../agents/simulated/simulated-runtime.ts';
import type { Problem } from '../model/problem.ts';
import { loadAccepted, saveTeam } from '../store/teams.ts';
import type { ReviewView } from '../store/views/reviews.ts';
import type { Signature } from './signing.ts';
import { commitSigned, sshSignature } from './signing.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { deploymentManifest, NODE, PRODUCT, versionManifest } from './story.ts';

const test = suite('policy to containers');
const VERSION = 'products/shop/version.yaml';
const runtime = new SimulatedRuntime();
const SHOP = deploymentManifest('shop', '  branch: main\n  selfHeal: true\n');
let stack: Stack;
let keys: string;
let ada: Signature;
let eve: Signature;
let good: string;

test.before(async () => {
  keys = mkdtempSync(join(tmpdir(), 'tagboat-policy-'));
  ada = await sshSignature(keys, 'ada');
  eve = await sshSignature(keys, 'eve');
  stack = await Stack.start({ 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, [VERSION]: versionManifest('1.0.0') }, { engine: createContainerEngine(runtime) });
});
test.after(async () => {
  await stack.stop();
  rmSync(keys, { recursive: true, force: true });
});

interface Team {
  readonly commit: string;
  readonly problems: readonly Problem[];
}

function team(policy: string, ...listed: readonly Signature[]): string {
  return `apiVersion: tagboat/v1\nkind: Team\nmetadata: { name: acme }\nspec:\n  members: [ { name: Ada, email: ada@example.test, keys: [ ${listed.map(({ listed: { type, key } }) => `{ type: ${type}, key: "${key}" }`).join(', ')} ] } ]\n  policy: { ${policy} }\n`;
}

async function refusedIs(commit: string): Promise<Problem> {
  const found = await sleepUntil(async () => (await stack.get<Team>('')).problems.find(({ code, message }) => code === 'CommitRefused' && message.includes(commit.slice(0, 12))), { what: `the refusal of ${commit}`, timeoutMs: 30_000 });
  const { commit: shown, problems } = await stack.get<Team>('');
  assert.is(shown, good);
  assert.is(problems.length, 1);
  return found;
}

async function audited(): Promise<string[]> {
  const { rows } = await stack.get<{ rows: { action: string; commit: string | null; result: string; actor: string }[] }>('/audit?limit=1000');
  return rows.filter(({ action }) => action === 'commit.refused').map(({ commit, result, actor }) => `${actor} ${result} ${commit ?? ''}`).reverse();
}

async function unchanged(): Promise<void> {
  const row = await stack.deployment('shop');
  assert.equal([row?.commit, row?.status, row?.sync, row?.health], [good, 'successful', 'synced', 'healthy']);
  assert.ok(row?.containers.some(({ image }) => image === 'tagboat-test-web:1.0.0'));
}

async function signed(by: Signature, files: Readonly<Record<string, string | null>>, message: string): Promise<string> {
  const oid = await commitSigned(stack.repository, by, files, message);
  stack.controller.pollSoon('acme');
  return oid;
}

test('what a member signed is deployed', async () => {
  await stack.push({ 'team.yaml': team('requireSignedCommits: true', ada) }, 'turn it on');
  good = await signed(ada, { 'deployments/shop.yaml': SHOP }, 'deploy');
  await stack.settled('shop', 'main', good);
});

test('what nobody signed changes nothing: no version, no removal; it is told once, on the page and in the audit log', async () => {
  const bad = await stack.push({ [VERSION]: versionManifest('6.6.6'), 'deployments/shop.yaml': null }, 'evil');
  const problem = await refusedIs(bad);
  assert.equal([problem.file, problem.line, problem.severity], ['team.yaml', 6, 'error']);
  assert.match(problem.message, /of Ada Test <ada@example.test> is not signed \(requireSignedCommits\)/);
  assert.match(problem.hint, /let a member commit on top/);
  assert.match(await stack.look(''), /the head is not deployed/);
  await unchanged();

  // Neither time nor a restart makes it good, nor tells it again.
  await stack.controller.stop();
  await stack.startController();
  await refusedIs(bad);
  const polled = (await stack.get<{ polledAt: string }>('')).polledAt;
  await sleepUntil(async () => (await stack.get<{ polledAt: string }>('')).polledAt > polled, { what: 'another poll', timeoutMs: 20_000 });
  await stack.until('shop', 'the node is back', ({ health }) => health === 'healthy');
  await unchanged();
  assert.equal(await audited(), [`controller CommitRefused ${bad}`]);

  // What is good goes on being looked after.
  const healed = async (): Promise<number> => (await stack.get<{ rows: { action: string }[] }>('/audit?limit=1000')).rows.filter(({ action }) => action.includes('heal')).length;
  runtime.tamper('shop-web', (one) => {
    Object.assign(one.plan.config, { environment: { SNEAKED: 'in' } });
  });
  await sleepUntil(async () => (await healed()) > 0, { what: 'the mending', timeoutMs: 60_000 });
  await stack.until('shop', 'mended', ({ drifted, status, health }) => !drifted && status === 'successful' && health === 'healthy');
  await unchanged();
});

test('a commit that brings its own key, or turns the policy off, is judged by what was before it', async () => {
  const hers = await signed(eve, { 'team.yaml': team('requireSignedCommits: true', ada, eve) }, 'let me in');
  assert.match((await refusedIs(hers)).message, /is signed with SHA256:\S+, which no member lists/);
  const off = await stack.push({ 'team.yaml': team('requireSignedCommits: false', ada) }, 'off');
  await refusedIs(off);
  const after = await signed(eve, { [VERSION]: versionManifest('6.6.7') }, 'go on');
  await refusedIs(after);
  await unchanged();
  assert.is((await audited()).length, 4);
});

test('a member commits on top, and it goes on; an unsigned tag holds up its own deployment alone', async () => {
  await stack.repository.tag('shop/1.0.0', good);
  await stack.repository.tag('shop/1.1.0', await stack.repository.commit({ 'notes.txt': 'x' }, 'work', { branch: 'work' }));
  const tagged = (name: string, version: string): string => deploymentManifest(name, `  version: ${version}\n`).replace('name: shop', `name: ${name}`);
  good = await signed(ada, { 'team.yaml': team('requireSignedCommits: true', ada), [VERSION]: versionManifest('1.2.0'), 'deployments/shop.yaml': SHOP, 'deployments/one.yaml': tagged('one', '1.0.0'), 'deployments/two.yaml': tagged('two', '1.1.0') }, 'mend');
  const row = await stack.settled('shop', 'main', good);
  assert.ok(row.containers.some(({ image }) => image === 'tagboat-test-web:1.2.0'));
  await stack.settled('one', '1.0.0');
  const two = await stack.until('two', 'blocked', ({ sync }) => sync === 'blocked');
  assert.match(two.reason, /version 1\.1\.0 of shop is not deployed: commit \w+ of .* is not signed/);
  const { problems, commit } = await stack.get<Team>('');
  assert.equal(problems.map(({ code, file, object }) => [code, file, object]), [['CommitRefused', 'deployments/two.yaml', 'Deployment/two']]);
  assert.is(commit, good);
  await stack.repository.tag('shop/1.1.0', good, { force: true });
  stack.controller.pollSoon('acme');
  await stack.settled('two', '1.1.0');
  assert.equal((await stack.get<Team>('')).problems, []);
  assert.is((await audited()).length, 4);
});

test('a review says beforehand that the head of its request would be refused, and takes the word of nobody in it', async () => {
  const request = async (number: number, head: string): Promise<ReviewView> => {
    await stack.repository.git(['update-ref', `refs/pull/${number}/head`, head]);
    stack.controller.pollSoon('acme');
    return sleepUntil(async () => (await stack.get<ReviewView[]>('/reviews')).find((review) => review.head === head) ?? null, { what: `the review of ${head}`, timeoutMs: 60_000 });
  };
  const change = { 'deployments/one.yaml': null };
  const topic = async (by: Signature, files: Readonly<Record<string, string | null>>): Promise<string> => {
    await stack.repository.git(['update-ref', 'refs/heads/topic', good]);
    return commitSigned(stack.repository, by, files, 'topic', 'topic');
  };
  const bad = await request(1, await stack.repository.commit(change, 'by nobody', { branch: 'topic', from: good }));
  assert.equal(bad.problems.map(({ code, severity, file, line }) => [code, severity, file, line]), [['CommitRefused', 'warning', 'team.yaml', 6]]);
  assert.match(bad.problems[0]!.message, `would not be deployed: commit ${bad.head.slice(0, 12)} of Ada Test <ada@example.test> is not signed (requireSignedCommits)`);
  assert.equal(bad.actions.map(({ kind, deployment }) => `${kind} ${deployment}`), ['remove one'], 'it is planned all the same');
  assert.match(await stack.look('/reviews/pull%2F1'), 'is not signed (requireSignedCommits)');
  assert.equal((await request(2, await topic(ada, change))).problems, []);
  const hers = await request(3, await topic(eve, { ...change, 'team.yaml': team('requireSignedCommits: false', ada, eve) }));
  assert.equal(hers.problems.map(({ code, severity }) => [code, severity]), [['CommitRefused', 'warning']]);
  assert.match(hers.problems[0]!.message, 'which no member lists');
  assert.equal((await stack.get<Team>('')).problems, [], 'nothing is wrong with the team itself');
});

test('what the operator points to another place begins anew there', async () => {
  const { pool } = stack.db;
  assert.is((await loadAccepted(pool, 'acme'))?.commit, good);
  const settings = { name: 'acme', repository: `${stack.server.url}/acme.git`, branch: 'main', directory: '' };
  await saveTeam(pool, settings);
  assert.is((await loadAccepted(pool, 'acme'))?.trust?.requireSignedCommits, true);
  await saveTeam(pool, { ...settings, branch: 'other' });
  assert.is(await loadAccepted(pool, 'acme'), null);
});

test.run();
