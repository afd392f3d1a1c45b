import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { columns, fittedColumns, painter, printableLog, wrap } from './table.ts';

const ROWS = [
  ['NAME', 'TARGET', 'STATUS', 'REASON'],
  ['shop-production', 'harbor/shop-production', 'successful', ''],
  ['shop-staging', 'lighthouse/shop', 'failed', 'HealthCheckFailed: web did not become healthy within 30s'],
];

test('what fits is a table', () => {
  assert.is(fittedColumns(ROWS, 200), columns(ROWS));
  assert.is(columns(ROWS).split('\n')[2], 'shop-staging     lighthouse/shop         failed      HealthCheckFailed: web did not become healthy within 30s');
});

test('what does not fit gives the last column a line of its own', () => {
  const text = fittedColumns(ROWS, 60);
  assert.is(text, `NAME             TARGET                  STATUS
shop-production  harbor/shop-production  successful
shop-staging     lighthouse/shop         failed
    HealthCheckFailed: web did not become healthy within 30s
`);
});

test('on a narrow terminal each row is a card, and no line is longer than the terminal', () => {
  const text = fittedColumns(ROWS, 38);
  assert.is(text, `shop-production
  target  harbor/shop-production
  status  successful
shop-staging
  target  lighthouse/shop
  status  failed
  reason  HealthCheckFailed: web did
          not become healthy within
          30s
`);
  for (const width of [30, 38, 50, 60, 80]) for (const line of fittedColumns(ROWS, width).split('\n')) assert.ok(line.length <= width, `${String(width)}: ${line}`);
  assert.is(wrap('x'.repeat(40), 20, '  ').split('\n').length, 4);
});

test('words are painted by what they mean, and only where colours are wanted', () => {
  assert.match(columns(ROWS, painter(true)), '\u001b[31mfailed    \u001b[0m');
  assert.match(columns(ROWS, painter(true)), '\u001b[32msuccessful\u001b[0m');
  assert.not.match(columns(ROWS, painter(false)), '\u001b');
});

test('nothing that comes from elsewhere steers the terminal', () => {
  assert.is(columns([['a\u001b[2Jb\u202e']]), 'a [2Jb\n');
  assert.is(printableLog('\u001b[31mred\u001b[0m\ttab\u001b]0;title\u0007\u0008'), 'red\ttab ');
});

test.run();
