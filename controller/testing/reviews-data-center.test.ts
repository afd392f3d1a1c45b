// @timeout 400
/** Reviews at Bitbucket Data Center, which makes and moves the refs of requests only when somebody looks at them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { bitbucketDataCenterApi } from '../forges/testing/apis.ts';
import { ForgeServer } from '../forges/testing/forge-server.ts';
import type { ReviewView } from '../store/views/reviews.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { NODE, PRODUCT, deploymentManifest, versionManifest } from './story.ts';

const test = suite('reviews at Bitbucket Data Center');
const DEPLOYMENT = 'deployments/shop.yaml';
const TOKEN = 'c4n4ry-data-center-token';
let forge: ForgeServer;
let stack: Stack;
let main = '';

test.before(async () => {
  forge = await ForgeServer.start(bitbucketDataCenterApi(TOKEN));
  stack = await Stack.start({ 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0') }, {
    engine: createSimulatedEngine(),
    settings: { TAGBOAT_TEAMS_0_REVIEWS_PROVIDER: 'bitbucket-data-center', TAGBOAT_TEAMS_0_REVIEWS_API: forge.api, TAGBOAT_TEAMS_0_REVIEWS_PROJECT: 'ACME/deployments', TAGBOAT_TEAMS_0_REVIEWS_TOKEN: TOKEN },
  });
  main = await stack.push({ [DEPLOYMENT]: deploymentManifest('shop', '  branch: main\n') });
});
test.after(async () => {
  await stack.stop();
  await forge.close();
  assert.equal(forge.violations, []);
});

const push = async (branch: string, region: string, from?: string): Promise<string> =>
  stack.repository.commit({ [DEPLOYMENT]: deploymentManifest('shop', `  branch: main\n  environment: { REGION: ${region} }\n`) }, region, { branch, ...(from !== undefined && { from }) });
const shown = async (test: (reviews: readonly ReviewView[]) => boolean, what: string): Promise<void> =>
  sleepUntil(async () => test(await stack.get<ReviewView[]>('/reviews')), { what }).then(() => undefined);

test('a request is reviewed at the head that the host names, told there, and gone when it is declined', async () => {
  const first = await push('topic', 'eu', main);
  await stack.repository.git(['update-ref', 'refs/pull-requests/7/from', first]);
  const second = await push('topic', 'us'); // nobody has looked: the ref stays behind
  const other = await push('other', 'asia', main); // and of this one there is none yet
  forge.state.open = [{ number: 7, branch: 'topic', head: second }, { number: 8, branch: 'other', head: other }];
  await shown((reviews) => reviews.map(({ ref, head }) => `${ref} ${head}`).sort().join() === `pull-requests/7 ${second},pull-requests/8 ${other}`, 'both reviews at their present heads');
  await sleepUntil(() => [7, 8].every((number) => forge.state.comments.some(({ request, body }) => request === number && body.includes('Plan for'))), { what: 'both comments', timeoutMs: 60_000 });
  await sleepUntil(() => [second, other].every((commit) => forge.state.statuses.some((status) => status.commit === commit && status.state === 'SUCCESSFUL')), { what: 'both statuses', timeoutMs: 60_000 });
  assert.is(forge.state.comments.length, 2);

  forge.state.open = forge.state.open.filter(({ number }) => number !== 7);
  const third = await push('other', 'mars');
  forge.state.open[0]!.head = third;
  await shown((reviews) => reviews.map(({ ref, head }) => `${ref} ${head}`).join() === `pull-requests/8 ${third}`, 'the declined one to disappear');
});

test.run();
