import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { unmetRules } from './image-rules.ts';

const ROWS: readonly (readonly [rules: string, clear: Record<string, string>, sealed: Record<string, string>, own: string[], found: RegExp | undefined])[] = [
  ['required,string', {}, {}, [], /X is required and not set/],
  ['string,required', { X: '' }, {}, [], undefined],
  ['required', {}, { X: 'a' }, [], undefined],
  ['required', {}, {}, ['X'], undefined],
  ['required,default:1,int', {}, {}, [], undefined],
  ['mandatory', {}, {}, [], /required/],
  ['string', {}, {}, [], undefined],
  ['int', { X: 'twelve-c4n4ry' }, {}, [], /has to be a whole number/],
  ['int', { X: '-12' }, {}, [], undefined],
  ['boolean', { X: 'yes' }, {}, [], /true or false/],
  ['boolean', { X: 'TRUE' }, {}, [], undefined],
  ['required,url', { X: 'nowhere' }, {}, [], /a URL/],
  ['string,secret', { X: 'c4n4ry' }, {}, [], /stands in clear/],
  ['int,secret', {}, { X: 'c4n4ry' }, [], /whole number/],
  ['string,secret', {}, { X: 'a' }, [], undefined],
  ['some-day,other:rule', { X: 'a' }, {}, [], undefined],
];

for (const [rules, clear, sealed, own, found] of ROWS) {
  test(`${rules} with ${JSON.stringify({ clear, sealed, own })}`, () => {
    const unmet = unmetRules({ labels: { 'org.dyrectorio.env.X': rules, 'org.dyrectorio.proxy.port': '80' }, variables: own }, { environment: clear }, sealed);
    assert.is(unmet.length, found === undefined ? 0 : 1);
    if (found !== undefined) assert.match(unmet[0] ?? '', found);
    assert.not.match(unmet.join(), /c4n4ry/);
  });
}

test('a label cannot name what every object has', () => {
  assert.equal(unmetRules({ labels: { 'org.dyrectorio.env.constructor': 'required', 'org.dyrectorio.env.__proto__': 'int' }, variables: [] }, {}, {}), ['constructor is required and not set']);
});

test.run();
