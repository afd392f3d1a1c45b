import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { nextDelay } from './backoff.ts';

const failures = fc.integer({ min: 1, max: 10_000 });
const jitter = fc.double({ min: 0, max: 0.999999, noNaN: true });

test('a delay lies between three quarters of the first and the greatest, for any history', () => {
  fc.assert(
    fc.property(failures, jitter, (count, spread) => {
      const delay = nextDelay(count, undefined, { jitter: spread });
      assert.ok(delay >= 3_750 && delay <= 900_000, String(delay));
    }),
  );
});

test('with equal jitter, more failures never wait less', () => {
  fc.assert(
    fc.property(failures, jitter, (count, spread) => {
      assert.ok(nextDelay(count + 1, undefined, { jitter: spread }) >= nextDelay(count, undefined, { jitter: spread }));
    }),
  );
});

test('Retry-After is never undercut, not even beyond the greatest delay', () => {
  fc.assert(
    fc.property(fc.nat({ max: 20 }), fc.nat({ max: 86_400_000 }), jitter, (count, asked, spread) => {
      assert.ok(nextDelay(count, asked, { jitter: spread }) >= asked);
    }),
  );
  assert.is(nextDelay(0), 0);
});

test.run();
