// @timeout 400
/** A repository, or its branch, that is away for a while: told while it is, and not a moment longer; nothing is removed (R20). */
import { rename } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createContainerEngine } from '../../agents/containers/engine.ts';
import { SimulatedRuntime } from '../../agents/simulated/simulated-runtime.ts';
import type { Problem } from '../model/problem.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { deploymentManifest, NODE, PRODUCT, versionManifest } from './story.ts';

const test = suite('repository away');
let stack: Stack;

test.before(async () => {
  const files = { 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.0.0'), 'deployments/shop.yaml': deploymentManifest('shop', '  branch: main\n') };
  stack = await Stack.start(files, { engine: createContainerEngine(new SimulatedRuntime()) });
  await stack.settled('shop', 'main');
});
test.after(async () => stack.stop());

async function problemsAre(...codes: readonly string[]): Promise<void> {
  let last: string[] = [];
  await sleepUntil(async () => {
    stack.controller.pollSoon('acme');
    last = (await stack.get<{ problems: Problem[] }>('')).problems.map(({ code }) => code);
    return last.join() === codes.join();
  }, { what: `the problems ${codes.join(', ')}`, timeoutMs: 50_000, intervalMs: 250 }).catch((error: unknown) => { throw new Error(`${String(error)}; they are ${last.join(', ')}`); });
}

async function unchanged(): Promise<void> {
  const row = await stack.deployment('shop');
  assert.equal([row?.status, row?.health, row?.containers.every(({ state }) => state === 'running')], ['successful', 'healthy', true]);
}

test('a server that loses the repository, and finds it again as it was', async () => {
  const { directory } = stack.repository;
  await rename(directory, `${directory}.away`);
  await problemsAre('RepositoryUnreachable');
  await unchanged();
  await rename(`${directory}.away`, directory);
  await problemsAre();
  await unchanged();
});

test('a branch that is deleted, and pushed again as it was', async () => {
  const head = (await stack.repository.git(['rev-parse', 'refs/heads/main'])).trim();
  await stack.repository.deleteBranch('main');
  await problemsAre('BranchMissing');
  await unchanged();
  await stack.repository.git(['update-ref', 'refs/heads/main', head]);
  await problemsAre();
  await unchanged();
});

test.run();
