import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { levelsOf } from './levels.ts';

/** Graphs without circles: each item depends on earlier ones only. */
const graph = fc.array(fc.array(fc.nat(), { maxLength: 4 }), { maxLength: 20 }).map((rows) =>
  rows.map((edges, index) => ({ name: `i${index}`, dependsOn: index === 0 ? [] : [...new Set(edges.map((edge) => `i${edge % index}`))] })),
);

test('every item comes once, after all that it depends on, and no later than it must', () => {
  fc.assert(
    fc.property(graph, (items) => {
      const levels = levelsOf(items);
      const place = new Map(levels.flatMap((level, index) => level.map((item) => [item.name, index] as const)));
      assert.is(levels.flat().length, items.length);
      for (const item of items) {
        const latest = Math.max(-1, ...item.dependsOn.map((name) => place.get(name) ?? Infinity));
        assert.is(place.get(item.name), latest + 1);
      }
    }),
  );
});

test('a circle and an unknown name are refused', () => {
  assert.throws(() => levelsOf([{ name: 'a', dependsOn: ['b'] }, { name: 'b', dependsOn: ['a'] }]), /circle: a, b/);
  assert.throws(() => levelsOf([{ name: 'a', dependsOn: ['x'] }]), /x, which is no image/);
});

test.run();
