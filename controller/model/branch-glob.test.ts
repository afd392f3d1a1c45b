import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { matchesGlob } from './branch-glob.ts';

test('stars, double stars and question marks', () => {
  const cases: [string, string, boolean][] = [
    ['main', 'main', true],
    ['main', 'main2', false],
    ['preview/*', 'preview/a', true],
    ['preview/*', 'preview/a/b', false],
    ['preview/*', 'preview', false],
    ['preview/**', 'preview/a/b', true],
    ['**', 'a/b', true],
    ['*', 'a', true],
    ['*', 'a/b', false],
    ['v?', 'v1', true],
    ['v?', 'v', false],
    ['*-rc*', '1.0-rc-rc2', true],
    ['**/fix', 'a/b/fix', true],
    ['[ab]', 'a', false],
    ['{a,b}', 'a', false],
  ];
  for (const [glob, name, wanted] of cases) assert.is(matchesGlob(glob, name), wanted, `${glob} ${name}`);
});

test('a glob made to take for ever does not', () => {
  const before = process.cpuUsage();
  assert.not(matchesGlob(`${'*a'.repeat(120)}b`, 'a'.repeat(255)));
  assert.not(matchesGlob(`${'**/a/'.repeat(50)}b`, 'a/'.repeat(120)));
  assert.ok(process.cpuUsage(before).user < 5_000_000);
});

test.run();
