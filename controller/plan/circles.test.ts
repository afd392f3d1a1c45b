import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { circlesIn } from './circles.ts';

test('two names are on one circle exactly if each leads to the other, and the way back is one', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(7), fc.nat(7)), { maxLength: 20 }), (pairs) => {
      const edges = (name: string): string[] => pairs.filter(([from]) => String(from) === name).map(([, to]) => String(to));
      const leads = (from: string, to: string): boolean => {
        const seen = new Set(edges(from));
        for (const name of seen) for (const next of edges(name)) seen.add(next);
        return seen.has(to);
      };
      const wayBack = circlesIn(edges);
      for (const [from, to] of pairs.map(([one, other]) => [String(one), String(other)] as const)) {
        // `from` waits for `to`: is there a way from there back to it?
        const way = wayBack(to, from);
        assert.is(way !== null, leads(to, from) || from === to);
        if (way === null) continue;
        assert.is(way[0], to);
        for (const [at, name] of way.entries()) assert.ok(edges(name).includes(way[at + 1] ?? from), `${name} leads on`);
      }
    }),
  );
});

test('a long chain and a long circle are looked at once, and a circle that nobody would read is not told whole', () => {
  let asked = 0;
  const ring = (length: number, closed: boolean): ReturnType<typeof circlesIn> =>
    circlesIn((name) => (asked++, Number(name) + 1 < length ? [String(Number(name) + 1)] : closed ? ['0'] : []));
  const chain = ring(20_000, false);
  for (let name = 0; name + 1 < 20_000; name++) assert.is(chain(String(name + 1), String(name)), null);
  assert.is(asked, 20_000);
  assert.equal(ring(20_000, true)('1', '0'), ['1', 'many others']);
  assert.equal(ring(3, true)('1', '0'), ['1', '2']);
});

test.run();
