import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { movedByHost, numberedRequests, selectRequests } from './requests.ts';

const test = suite('requests');
const oid = (n: number): string => String(n).padStart(40, '0');
const refs = (all: Readonly<Record<string, number>>) => new Map(Object.entries(all).map(([name, n]) => [name, { oid: oid(n) }]));
const SETTINGS = { branch: 'main', branches: [], limit: 200, staleAfterMs: 0 };

test('refs of every host are found, the newest first; odd names are nobody\'s', () => {
  const { requests, cut } = selectRequests(
    refs({ 'refs/heads/main': 1, 'refs/pull/9/head': 2, 'refs/pull/10/head': 3, 'refs/pull/10/merge': 4, 'refs/merge-requests/7/head': 5, 'refs/pull/x/head': 6, 'refs/pull/1/2/head': 7, 'refs/pull/01/head': 8, 'refs/pull/11/merge': 9, 'refs/heads/feature/a': 10 }),
    SETTINGS,
  );
  assert.equal(requests.map(({ ref, merge }) => [ref, merge]), [['pull/10', oid(4)], ['pull/9', null], ['merge-requests/7', null]]);
  assert.is(cut, 0);
});

test('plain branches count by pattern; the team\'s own branch, its head and heads that are requests already do not', () => {
  const { requests } = selectRequests(
    refs({ 'refs/heads/main': 1, 'refs/heads/feature/a': 2, 'refs/heads/feature/b/c': 3, 'refs/heads/fix': 4, 'refs/heads/feature/same': 1, 'refs/heads/feature/twin': 5, 'refs/pull/1/head': 5 }),
    { ...SETTINGS, branches: ['feature/**', 'main'] },
  );
  assert.equal(requests.map(({ ref, gitRef, number }) => [ref, gitRef, number]), [['pull/1', 'refs/pull/1/head', 1], ['heads/feature/a', 'refs/heads/feature/a', null], ['heads/feature/b/c', 'refs/heads/feature/b/c', null]]);
});

test('ten thousand requests are cut, and how many is told', () => {
  const many = refs(Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`refs/pull/${String(n + 1)}/head`, n + 2])));
  const { requests, cut } = selectRequests(many, SETTINGS);
  assert.equal([requests.length, requests[0]!.ref, cut], [200, 'pull/10000', 9_800]);
  assert.equal(selectRequests(many, { ...SETTINGS, limit: 0 }).requests, []);
});

test('requests of Bitbucket Data Center: their refs, and what the host says where these are behind', () => {
  const listing = refs({ 'refs/heads/main': 1, 'refs/heads/topic': 4, 'refs/heads/new': 5, 'refs/heads/other': 6, 'refs/pull-requests/7/from': 2, 'refs/pull-requests/7/merge': 3, 'refs/pull-requests/8/from': 8, 'refs/pull-requests/8/head': 9, 'refs/pull/9/from': 9 });
  const { requests } = numberedRequests(listing, SETTINGS);
  assert.equal(requests.map(({ ref, number, head, merge }) => [ref, number, head, merge]), [['pull-requests/8', 8, oid(8), null], ['pull-requests/7', 7, oid(2), oid(3)]]);
  const open = [{ number: 7, branch: 'topic', head: oid(4) }, { number: 8, branch: 'elsewhere', head: oid(7) }, { number: 9, branch: 'new', head: oid(5) }, { number: 10, branch: 'other', head: oid(99) }];
  assert.equal(movedByHost(requests, open, listing).map(({ ref, gitRef, head, merge }) => [ref, gitRef, head, merge]), [
    ['pull-requests/9', 'refs/heads/new', oid(5), null],
    ['pull-requests/8', 'refs/pull-requests/8/from', oid(8), null],
    ['pull-requests/7', 'refs/heads/topic', oid(4), null],
  ]);
});

test.run();
