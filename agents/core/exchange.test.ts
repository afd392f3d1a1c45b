import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pauseBefore } from './exchange.ts';

const test = suite('when a version of the agent is tried');
const MINUTE = 60_000;
const failed = (tries: number) => ({ version: '2.0.0', reason: 'it did not connect', tries, at: 1_000 });

test('at once, if it never failed', () => {
  assert.is(pauseBefore('2.0.0', undefined, 0), 0);
  assert.is(pauseBefore('2.0.1', failed(3), 2_000), 0, 'another version');
});

test('again after ten minutes and after twenty, then never', () => {
  assert.is(pauseBefore('2.0.0', failed(1), 1_000), 10 * MINUTE);
  assert.is(pauseBefore('2.0.0', failed(1), 1_000 + 11 * MINUTE), 0);
  assert.is(pauseBefore('2.0.0', failed(2), 1_000), 20 * MINUTE);
  assert.is(pauseBefore('2.0.0', failed(3), 1_000 + 1e9), Infinity);
});

test.run();
