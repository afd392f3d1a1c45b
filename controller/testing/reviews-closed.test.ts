// @timeout 400
/** Closed requests disappear without a token, from the refs of a real Git server and what its webhooks tell. */
import { createHmac } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sql } from 'slonik';
import { z } from 'zod';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import type { ReviewView } from '../store/views/reviews.ts';
import { giteaApi } from '../forges/testing/apis.ts';
import { ForgeServer } from '../forges/testing/forge-server.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { NODE, PRODUCT, deploymentManifest, versionManifest } from './story.ts';

const test = suite('closed reviews');
const SECRET = 'c4n4ry-hook-of-closed-reviews';
const DEPLOYMENT = 'deployments/shop.yaml';
let stack: Stack;
let main = '';

test.before(async () => {
  stack = await Stack.start({ 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0') }, { engine: createSimulatedEngine(), settings: { TAGBOAT_TEAMS_0_WEBHOOK_SECRET: SECRET } });
  main = await stack.push({ [DEPLOYMENT]: deploymentManifest('shop', '  branch: main\n') });
});
test.after(() => stack.stop());

/** As GitLab and Gitea have it: a branch of the same repository, and the ref of the request. */
async function open(ref: string, branch: string, region: string, date?: Date): Promise<string> {
  const head = await stack.repository.commit({ [DEPLOYMENT]: deploymentManifest('shop', `  branch: main\n  environment: { REGION: ${region} }\n`) }, region, { branch, from: main, ...(date && { date }) });
  await stack.repository.git(['update-ref', `refs/${ref}/head`, head]);
  return head;
}

async function shown(test: (refs: readonly string[]) => boolean): Promise<void> {
  let refs: readonly string[] = [];
  await sleepUntil(async () => {
    stack.controller.pollSoon('acme');
    refs = (await stack.get<ReviewView[]>('/reviews')).map(({ ref }) => ref);
    return test(refs);
  }, { what: 'other reviews', intervalMs: 200 }).catch((error: unknown) => {
    throw new Error(`${String(error)}; shown are ${refs.join(', ')}`);
  });
}

async function hook(action: string, state: string, number: number, head: string): Promise<number> {
  const body = JSON.stringify({ action, number, pull_request: { number, state, merged: false, head: { sha: head }, updated_at: new Date().toISOString() }, repository: { full_name: 'acme' } });
  const signature = createHmac('sha256', SECRET).update(body).digest('hex');
  const response = await fetch(`${stack.controller.url}/webhooks/acme`, { method: 'POST', body, headers: { 'content-type': 'application/json', 'x-gitea-event': 'pull_request', 'x-gitea-delivery': `${action}-${String(number)}`, 'x-gitea-signature': signature }, signal: AbortSignal.timeout(60_000) });
  return response.status;
}

test('a request disappears with its branch, and when its branch went on alone', async () => {
  await open('merge-requests/1', 'one', 'eu');
  await open('pull/2', 'two', 'us');
  await open('pull/3', 'three', 'asia');
  await shown((refs) => ['merge-requests/1', 'pull/2', 'pull/3'].every((ref) => refs.includes(ref)));
  await stack.repository.deleteBranch('one');
  await shown((refs) => !refs.includes('merge-requests/1') && refs.includes('pull/2'));
  await stack.repository.commit({ 'notes.txt': 'on' }, 'Go on', { branch: 'two' });
  await sleepUntil(async () => {
    stack.controller.pollSoon('acme');
    return (await stack.db.pool.query(sql.unsafe`update request set strayed_at = strayed_at - interval '1 hour' where ref = 'pull/2' and strayed_at is not null`)).rowCount > 0;
  }, { what: 'the branch to be seen elsewhere' });
  await shown((refs) => !refs.includes('pull/2') && refs.includes('pull/3'));
});

test('a request disappears when the host tells that it was closed, and comes back when it was opened again', async () => {
  const head = await open('pull/4', 'four', 'mars');
  await shown((refs) => refs.includes('pull/4'));
  assert.is(await hook('closed', 'closed', 4, head), 202);
  await shown((refs) => !refs.includes('pull/4'));
  assert.is(await hook('reopened', 'open', 4, head), 202);
  await shown((refs) => refs.includes('pull/4'));
  // A delivery that was heard before tells nothing.
  assert.is(await hook('closed', 'closed', 4, head), 202);
  assert.is(await stack.db.pool.oneFirst(sql.type(z.object({ told: z.string() }))`select told from request where ref = 'pull/4'`), 'open');
  assert.match(await (await fetch(`${stack.controller.url}/teams/acme/deliveries`)).text(), 'the request is closed');
});

test('what nobody touched for long is taken for closed until it moves; the limit counts only what may be open', async () => {
  // The repository's own commits are of January 2026.
  await open('pull/5', 'five', 'old', new Date('2025-09-01T00:00:00Z'));
  await shown((refs) => refs.includes('pull/5'));
  await stack.db.pool.query(sql.unsafe`update request set since = null where ref = 'pull/5'`);
  await shown((refs) => !refs.includes('pull/5') && refs.includes('pull/3'));
  await open('pull/5', 'five', 'new', new Date());
  await shown((refs) => refs.includes('pull/5'));
});

test('of a public project the host is asked without a token, so that a fork\'s request disappears when it is closed', async () => {
  const api = giteaApi('nobody has it');
  const forge = await ForgeServer.start({ ...api, signIn: ({ authorization }) => (authorization === undefined ? undefined : 'signs in') });
  const asking = await Stack.start({ 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0') }, {
    engine: createSimulatedEngine(),
    settings: { TAGBOAT_TEAMS_0_REVIEWS_PROVIDER: 'gitea', TAGBOAT_TEAMS_0_REVIEWS_API: forge.api, TAGBOAT_TEAMS_0_REVIEWS_PROJECT: 'acme/deployments' },
  });
  const request = async (number: number): Promise<void> => {
    const head = await asking.repository.commit({ 'notes.txt': String(number) }, `Request ${String(number)}`, { branch: 'fork', from: await asking.repository.git(['rev-parse', 'main']) });
    await asking.repository.git(['update-ref', `refs/pull/${String(number)}/head`, head]);
    await asking.repository.deleteBranch('fork');
    forge.state.open.push({ number, branch: 'fork', head });
  };
  const shownThere = async (wanted: string): Promise<void> => sleepUntil(async () => (await asking.get<ReviewView[]>('/reviews')).map(({ ref }) => ref).sort().join() === wanted, { what: wanted }).then(() => undefined);
  try {
    await request(1);
    await request(2);
    await shownThere('pull/1,pull/2');
    forge.state.open = forge.state.open.filter(({ number }) => number !== 1);
    await request(3); // what moves among the refs is a reason to ask again
    await shownThere('pull/2,pull/3');
    assert.equal(forge.violations, []);
  } finally {
    await asking.stop();
    await forge.close();
  }
});

test.run();
