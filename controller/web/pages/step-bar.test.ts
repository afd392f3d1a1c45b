import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { segmentsOf, stepBar } from './step-bar.ts';

const test = suite('steps of an attempt as a bar');
const at = (seconds: number): Date => new Date(Date.UTC(2026, 0, 2, 10) + seconds * 1_000);
const event = (sequence: number, seconds: number, step: string): { sequence: number; at: Date; step: string; text: string } => ({ sequence, at: at(seconds), step, text: '' });

test('each step lasts until the next one, the last until the end; the same step twice is one', () => {
  const segments = segmentsOf({ startedAt: at(0), finishedAt: at(10), events: [event(1, 1, 'pull'), event(2, 2, 'pull'), event(3, 4, 'start')] }, at(99));
  assert.equal(segments, [{ step: 'begin', fromMs: 0, toMs: 1_000 }, { step: 'pull', fromMs: 1_000, toMs: 4_000 }, { step: 'start', fromMs: 4_000, toMs: 10_000 }]);
  assert.equal(segmentsOf({ startedAt: at(0), finishedAt: null, events: [event(1, 0, 'pull')] }, at(3)), [{ step: 'pull', fromMs: 0, toMs: 3_000 }]);
  assert.equal(segmentsOf({ startedAt: null, finishedAt: null, events: [] }, at(3)), []);
});

test('an agent whose clock is early or late draws nothing outside of the bar', () => {
  for (const skew of [-3_600, -4, 4, 3_600]) {
    const segments = segmentsOf({ startedAt: at(0), finishedAt: at(10), events: [event(1, 1 + skew, 'pull'), event(2, 5 + skew, 'start')] }, at(99));
    assert.ok(segments.every(({ fromMs, toMs }) => fromMs >= 0 && toMs <= 10_000 && fromMs < toMs), JSON.stringify(segments));
    assert.equal(segments.filter(({ step }) => step === 'pull').map(({ fromMs, toMs }) => toMs - fromMs), [4_000], String(skew));
  }
});

test('the bar says in words what it draws, and what an agent says is inert', () => {
  const { markup } = stepBar(segmentsOf({ startedAt: at(0), finishedAt: at(10), events: [event(1, 0, '"><script>'), event(2, 4, 'start')] }, at(99)), 10_000);
  assert.match(markup, 'aria-label="Steps: &#34;&#62;&#60;script&#62; 4.0 s, start 6.0 s"');
  assert.not.match(markup, /<script|style=/);
});

test.run();
