import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { placeVersions } from './version-lanes.ts';

const test = suite('lanes of the version tree');
const lanes = (versions: readonly (readonly [name: string, parent: string | null])[]): Record<string, number> => Object.fromEntries(placeVersions(versions.map(([name, parent]) => ({ name, parent }))).map(({ name, lane }) => [name, lane]));

test('the newest child goes on in its parent\'s lane, fixes of an older version stand beside it', () => {
  assert.equal(lanes([['2.0.0', '1.1.0'], ['1.1.0', '1.0.0'], ['1.0.2', '1.0.1'], ['1.0.1', '1.0.0'], ['1.0.0', null]]), { '2.0.0': 0, '1.1.0': 0, '1.0.2': 1, '1.0.1': 1, '1.0.0': 0 });
});

test('a lane is given away again where its branch ends; two branches of one moment stand apart', () => {
  assert.equal(lanes([['3', '2'], ['2.1', '2'], ['2', '1'], ['1.1', '1'], ['1', null]]), { 3: 0, 2.1: 1, 2: 0, 1.1: 1, 1: 0 });
  const apart = lanes([['3', '2'], ['1.2', '1'], ['1.1', '1'], ['2', '1'], ['1', null]]);
  assert.is.not(apart['1.2'], apart['1.1']);
});

test('unknown parents are none, and a circle is cut', () => {
  assert.equal(lanes([['2', 'gone'], ['1', '1']]), { 2: 0, 1: 0 });
  assert.is(Object.keys(lanes([['b', 'a'], ['a', 'b']])).length, 2);
});

test('whatever the tree: each version has one place, and no line runs through another version', () => {
  const tree = fc.array(fc.nat(), { minLength: 1, maxLength: 60 }).map((picks) => picks.map((pick, index) => ({ name: String(index), parent: index === 0 || pick % 7 === 0 ? null : String(pick % index) })).reverse());
  fc.assert(fc.property(tree, (versions) => {
    const placed = placeVersions(versions);
    assert.equal(placed.map(({ name }) => name), versions.map(({ name }) => name));
    assert.is(new Set(placed.map(({ row, lane }) => `${String(row)}/${String(lane)}`)).size, versions.length);
    const at = new Map(placed.map((one) => [one.name, one]));
    for (const { parent, row, lane } of placed) {
      const above = parent === null ? undefined : at.get(parent);
      if (above === undefined) continue;
      // The line goes in the child's lane from the row next to the parent.
      for (const other of placed) assert.not(other.lane === lane && other.row > row && other.row < above.row, `row ${String(other.row)} lies on the line ${String(row)}–${String(above.row)}`);
    }
  }), { numRuns: 300 });
});

test.run();
