// @timeout 240
/** More teams on one controller than Node.js expects of listeners. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { TestRepository } from './git-repository.ts';
import { Stack } from './stack.ts';
import { NODE } from './story.ts';

const OTHERS = 15;

test('each of many teams is read, and Node.js takes nothing for a leak', async () => {
  const warnings: string[] = [];
  const hear = (warning: Error): void => void warnings.push(String(warning));
  process.on('warning', hear);
  const other = await TestRepository.create('other');
  await other.commit({ 'nodes/harbor.yaml': NODE });
  const settings = Object.fromEntries(
    Array.from({ length: OTHERS }, (_, index) => Object.entries({ NAME: `other-${index}`, REPOSITORY: other.directory, POLL: '* * * * * *' }).map(([key, value]) => [`TAGBOAT_TEAMS_${index + 1}_${key}`, value])).flat(),
  );
  const stack = await Stack.start({ 'nodes/harbor.yaml': NODE }, { engine: createSimulatedEngine(), settings });
  try {
    assert.equal(stack.controller.teams().map(({ state }) => state), Array.from({ length: OTHERS + 1 }, () => 'ready'));
  } finally {
    await stack.stop();
    await other.remove();
    process.off('warning', hear);
  }
  assert.equal(warnings, []);
});

test.run();
