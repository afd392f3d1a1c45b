import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AgentUpdateState } from '../../proto/gen/agent/v1/agent.ts';
import { AgentError } from './errors.ts';
import type { Exchange, Failure } from './exchange.ts';
import { Updater } from './updater.ts';

const test = suite('the version of the agent that is wanted');

/** An agent of version 1.0.0 whose exchange is prepared when the test says so. */
function agent(supported = true) {
  const said: AgentUpdateState[] = [];
  const done: string[] = [];
  let failure: Failure | undefined;
  let prepared: (error?: Error) => void = () => undefined;
  const exchange: Partial<Exchange> = {
    prepare: ({ version }) => new Promise((resolve, reject) => {
      done.push(`prepare ${version}`);
      prepared = (error) => (error === undefined ? resolve() : reject(error));
    }),
    lastFailure: () => failure,
    noteFailure: (version, reason) => void (failure = { version, reason, tries: 1, at: Date.now() }),
  };
  const updater = new Updater({
    version: '1.0.0',
    exchange: supported ? (exchange as Exchange) : undefined,
    log: { info: () => undefined, warn: () => undefined },
    send: (state) => void said.push(state),
    drain: async () => void done.push('drain'),
    undrain: () => void done.push('undrain'),
    leave: () => void done.push('leave'),
  });
  const want = (version: string): void => updater.want({ version, image: `tagboat:${version}` });
  const ready = async (error?: Error): Promise<void> => {
    prepared(error);
    await sleep(5);
  };
  return { updater, want, ready, said, done };
}

test('comes when everything is prepared and the attempts have ended', async () => {
  const { want, ready, said, done } = agent();
  want('1.0.0');
  assert.equal(done, [], 'it is this one');
  want('2.0.0');
  await ready();
  assert.equal(done, ['prepare 2.0.0', 'drain', 'leave']);
  assert.equal(said.map(({ version, code }) => `${version} ${code}`), ['1.0.0 ', '2.0.0 ']);
});

test('is left alone when another one is wanted meanwhile, or none', async () => {
  const { want, ready, done } = agent();
  want('2.0.0');
  want('3.0.0');
  await ready();
  assert.equal(done, ['prepare 2.0.0', 'drain', 'undrain', 'prepare 3.0.0']);
  want('');
  await ready();
  assert.equal(done.slice(4), ['drain', 'undrain']);
  await ready();
  assert.is(done.length, 6, 'nothing is tried any more');
});

test('that failed is said, rests, and is forgotten when nothing is wanted', async () => {
  const { updater, want, ready, said, done } = agent();
  want('2.0.0');
  await ready(new AgentError('UpdateFailed', 'the image is not to be had'));
  assert.equal(done, ['prepare 2.0.0', 'undrain']);
  assert.match(said.at(-1)!.reason, /^the image is not to be had; 1\.0\.0 goes on, it is tried again after \d{4}-/);
  want('2.0.0');
  assert.is(done.length, 2, 'it rests');
  const before = said.length;
  want('');
  want('1.0.0');
  want('');
  assert.is(said.length, before + 1, 'only that it is this one');
  updater.stop();
});

test('is told to be impossible where nobody can exchange the agent', () => {
  const { want, said, done } = agent(false);
  want('2.0.0');
  assert.equal(done, []);
  assert.equal(said.map(({ version, code }) => [version, code]), [['2.0.0', 'AgentUpdateUnsupported']]);
});

test.run();
