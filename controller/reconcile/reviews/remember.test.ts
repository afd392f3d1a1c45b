import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RememberedRequest } from '../../store/requests.ts';
import { idleMs, isOver, remember } from './remember.ts';
import type { Memory } from './remember.ts';
import { numberedRequests } from './requests.ts';

const test = suite('remember requests');
const oid = (n: number): string => String(n).padStart(40, '0');
const START = Date.UTC(2026, 5, 1);
const at = (minutes: number): Date => new Date(START + minutes * 60_000);

/** One look after another at listings; `open` says after each which requests are not over. */
function watcher(watched = true): (listing: Readonly<Record<string, number>>, minutes: number, told?: Partial<RememberedRequest> & { readonly ref: string }) => { readonly open: string[]; readonly memory: Memory } {
  let known: ReadonlyMap<string, RememberedRequest> = new Map();
  let first = !watched;
  return (listing, minutes, told) => {
    const refs = new Map(Object.entries(listing).map(([name, n]) => [name, { oid: oid(n) }]));
    const { requests } = numberedRequests(refs, { branch: 'main', branches: [], limit: 200, staleAfterMs: 0 });
    if (told !== undefined) known = new Map([...known, [told.ref, { ...(known.get(told.ref) ?? { head: '', since: null, branch: null, strayedAt: null, told: null, toldHead: null, toldAt: null }), ...told }]]);
    const memory = remember(known, requests, refs, { branch: 'main', watched: !first, now: at(minutes) });
    first = false;
    known = memory.requests;
    return { memory, open: requests.filter(({ ref }) => !isOver(known.get(ref), refs, at(minutes))).map(({ ref }) => ref) };
  };
}

const MAIN = { 'refs/heads/main': 1 };

test('a request whose branch is deleted is over at once, and open again when the branch is back', () => {
  const look = watcher();
  assert.equal(look({ ...MAIN, 'refs/heads/topic': 2, 'refs/pull/7/head': 2 }, 0).open, ['pull/7']);
  assert.equal(look({ ...MAIN, 'refs/pull/7/head': 2 }, 1).open, []);
  assert.equal(look({ ...MAIN, 'refs/heads/topic': 2, 'refs/pull/7/head': 2 }, 2).open, ['pull/7']);
});

test('a branch that goes on alone shows after a while that its request is over; a ref that follows does not', () => {
  const look = watcher();
  look({ ...MAIN, 'refs/heads/topic': 2, 'refs/merge-requests/7/head': 2 }, 0);
  assert.equal(look({ ...MAIN, 'refs/heads/topic': 3, 'refs/merge-requests/7/head': 2 }, 1).open, ['merge-requests/7']);
  assert.equal(look({ ...MAIN, 'refs/heads/topic': 4, 'refs/merge-requests/7/head': 2 }, 20).open, []);
  assert.equal(look({ ...MAIN, 'refs/heads/topic': 4, 'refs/merge-requests/7/head': 4 }, 21).open, ['merge-requests/7']);
});

test('a ref that its host moves only when somebody looks may be behind its branch; a deleted branch still tells', () => {
  const look = watcher();
  look({ ...MAIN, 'refs/heads/topic': 2, 'refs/pull-requests/7/from': 2 }, 0);
  look({ ...MAIN, 'refs/heads/topic': 3, 'refs/pull-requests/7/from': 2 }, 1);
  assert.equal(look({ ...MAIN, 'refs/heads/topic': 3, 'refs/pull-requests/7/from': 2 }, 60).open, ['pull-requests/7']);
  assert.equal(look({ ...MAIN, 'refs/pull-requests/7/from': 2 }, 61).open, []);
});

test('of a fork\'s request, and where several branches have its head, no branch says anything', () => {
  const look = watcher();
  look({ ...MAIN, 'refs/heads/a': 2, 'refs/heads/b': 2, 'refs/pull/7/head': 2, 'refs/pull/8/head': 5 }, 0);
  assert.equal(look({ ...MAIN, 'refs/pull/7/head': 2, 'refs/pull/8/head': 5 }, 60).open, ['pull/8', 'pull/7']);
});

test('what the host told counts for the head that it told of; a merge only once it had time to arrive', () => {
  const look = watcher();
  const listing = { ...MAIN, 'refs/pull/7/head': 2, 'refs/pull/8/head': 3 };
  look(listing, 0);
  assert.equal(look(listing, 1, { ref: 'pull/7', told: 'closed', toldHead: oid(2), toldAt: at(1) }).open, ['pull/8']);
  assert.equal(look({ ...listing, 'refs/pull/7/head': 4 }, 2).open, ['pull/8', 'pull/7'], 'opened again with another head');
  assert.equal(look(listing, 3, { ref: 'pull/8', told: 'merged', toldHead: oid(3), toldAt: at(3) }).open, ['pull/8']);
  assert.equal(look(listing, 30).open, []);
});

test('what did not change is not written; what is not listed any more is forgotten, what was only told after a day', () => {
  const look = watcher();
  const listing = { ...MAIN, 'refs/pull/7/head': 2 };
  assert.is(look(listing, 0).memory.changed.length, 1);
  assert.equal([look(listing, 1).memory.changed, look(listing, 2).memory.gone], [[], []]);
  assert.equal(look(MAIN, 3, { ref: 'pull/9', told: 'open', toldAt: at(3) }).memory.gone, ['pull/7']);
  assert.equal(look(MAIN, 2_000).memory.gone, ['pull/9']);
});

test('idle: since commit, ref, or a word of the host; what was there before anybody watched, as far as the branch went on without it', () => {
  const listing = { ...MAIN, 'refs/pull/7/head': 2 };
  const first = watcher(false)(listing, 60).memory.requests.get('pull/7')!;
  const later = watcher()(listing, 60).memory.requests.get('pull/7')!;
  const minutes = (row: RememberedRequest, branch: number | null): number => idleMs(row, at(5), branch === null ? null : at(branch), at(100)) / 60_000;
  assert.equal([minutes(first, 50), minutes(first, 200), minutes(first, 3)], [45, 95, -2]);
  assert.ok(minutes(first, null) < 0);
  assert.is(minutes(later, 50), 40);
  assert.is(minutes({ ...first, told: 'open', toldAt: at(90) }, 50), 10);
  assert.is(minutes({ ...first, told: 'closed', toldAt: at(90) }, 50), 45);
});

test.run();
