import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dependencyOrder } from './dependency-order.ts';
import type { Dependent } from './dependency-order.ts';

const names = ['a', 'b', 'c', 'd', 'e', 'f'];
const graph: fc.Arbitrary<Dependent[]> = fc.tuple(...names.map((name) => fc.record({ name: fc.constant(name), dependsOn: fc.subarray([...names, 'ghost']) })));
const place = (items: readonly Dependent[]): Map<string, number> => new Map(items.map((item, index) => [item.name, index]));

test('everything is there once; without circles everything follows what it waits for', () => {
  fc.assert(
    fc.property(graph, (items) => {
      const { ordered, cycles } = dependencyOrder(items);
      assert.equal(ordered.map(({ name }) => name).sort(), names);
      if (cycles.length > 0) return;
      const at = place(ordered);
      for (const { name, dependsOn } of ordered) for (const other of dependsOn) if (at.has(other)) assert.ok((at.get(other) as number) < (at.get(name) as number));
    }),
  );
});

test('a circle is found if and only if there is one, and each one told is one', () => {
  const reaches = (items: readonly Dependent[], from: string, to: string, seen = new Set<string>()): boolean =>
    (items.find(({ name }) => name === from)?.dependsOn ?? []).some((next) => next === to || (!seen.has(next) && reaches(items, next, to, seen.add(next))));
  fc.assert(
    fc.property(graph, (items) => {
      const { cycles } = dependencyOrder(items);
      assert.is(cycles.length > 0, names.some((name) => reaches(items, name, name)));
      for (const cycle of cycles) {
        assert.is(cycle[0], cycle.at(-1));
        for (const [index, name] of cycle.slice(0, -1).entries()) assert.ok(items.find((item) => item.name === name)?.dependsOn.includes(cycle[index + 1] as string));
      }
    }),
  );
});

test('what waits for nobody keeps its order, and a chain of a hundred thousand is no stack of calls', () => {
  assert.equal(dependencyOrder(names.map((name) => ({ name, dependsOn: [] }))).ordered.map(({ name }) => name), names);
  const chain = Array.from({ length: 100_000 }, (_, index) => ({ name: String(index), dependsOn: [String(index + 1)] }));
  assert.is(dependencyOrder(chain).ordered[0]?.name, '99999');
});

test.run();
