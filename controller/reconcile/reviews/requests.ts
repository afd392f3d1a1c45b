/**
 * Reviews: what open requests to merge would do. They are seen in the listing of refs that is made anyway, and planned by
 * the plan's own code. What comes in here is anybody's: nothing of it is executed, and nothing in this room can write
 * anything but rows about reviews.
 *
 * Who lives here: requests (which refs), remember (which of them are over), merge (what a merge gives), examine (what it means), plan-review (what it does),
 * merged (which request a new commit is), review-loop (in which order).
 */
import type { RemoteRef } from '../../git/refs.ts';
import { matchesGlob } from '../../model/branch-glob.ts';

/** A request to merge, as the listing of refs shows it. */
export interface MergeRequest {
  /** Stable and short: `pull/17`, `merge-requests/17`, `heads/feature/x`. */
  readonly ref: string;
  /** Full name of the ref that holds its head. */
  readonly gitRef: string;
  /** Null for a plain branch. */
  readonly number: number | null;
  readonly head: string;
  /** The host's own merge with the branch, where it makes one. It may be older than either side. */
  readonly merge: string | null;
}

export interface RequestSettings {
  /** The team's branch; never a request. */
  readonly branch: string;
  /** Globs of plain branches that count as requests. */
  readonly branches: readonly string[];
  /** The most that are looked at; 0: none. */
  readonly limit: number;
  /** A numbered request without a sign of life for so long is taken for closed where its host cannot be asked; 0: never. */
  readonly staleAfterMs: number;
}

/** What to list besides branches and tags. */
export const REQUEST_PREFIXES = ['refs/pull/', 'refs/merge-requests/', 'refs/pull-requests/'] as const;

const NUMBERED = /^refs\/((?:pull|merge-requests)\/([1-9]\d{0,14})(?=\/head$)|pull-requests\/([1-9]\d{0,14})(?=\/from$))/;

/** Refs of closed requests are listed, too, so more are sifted than are looked at. */
const SIFTED = 1_000;

export interface Requests {
  /** The highest numbers first, then branches by name. */
  readonly requests: readonly MergeRequest[];
  /** How many more there are. */
  readonly cut: number;
}

/** Requests that are refs of their own, the highest numbers first. Heads that are the branch's own head are no requests. Pure. */
export function numberedRequests(refs: ReadonlyMap<string, RemoteRef>, settings: RequestSettings): Requests {
  const base = refs.get(`refs/heads/${settings.branch}`)?.oid;
  const found: MergeRequest[] = [];
  for (const [name, { oid }] of refs) {
    const [, ref, number, other] = NUMBERED.exec(name) ?? [];
    if (ref !== undefined && oid !== base) found.push({ ref, gitRef: name, number: Number(number ?? other), head: oid, merge: refs.get(`refs/${ref}/merge`)?.oid ?? null });
  }
  found.sort((a, b) => b.number! - a.number! || (a.ref < b.ref ? -1 : 1));
  const requests = found.slice(0, settings.limit === 0 ? 0 : Math.max(SIFTED, settings.limit));
  return { requests, cut: found.length - requests.length };
}

/**
 * For a host (Bitbucket Data Center) that makes and moves the refs of requests only when somebody looks at them: its word on the heads
 * counts, where a branch of the repository has them. Pure.
 */
export function movedByHost(numbered: readonly MergeRequest[], open: readonly { readonly number: number; readonly branch: string; readonly head: string }[], refs: ReadonlyMap<string, RemoteRef>): readonly MergeRequest[] {
  const all = new Map(numbered.map((request) => [request.number, request]));
  for (const { number, branch, head } of open) {
    const gitRef = `refs/heads/${branch}`;
    if (all.get(number)?.head !== head && refs.get(gitRef)?.oid === head) all.set(number, { ref: `pull-requests/${String(number)}`, gitRef, number, head, merge: null });
  }
  return [...all.values()].sort((a, b) => b.number! - a.number!);
}

/** What is looked at: these numbered ones, and plain branches. Pure. */
export function selectRequests(refs: ReadonlyMap<string, RemoteRef>, settings: RequestSettings, numbered = numberedRequests(refs, settings)): Requests {
  const base = refs.get(`refs/heads/${settings.branch}`)?.oid;
  const found = [...numbered.requests];
  const known = new Set(found.map(({ head }) => head));
  for (const [name, { oid }] of refs) {
    const branch = name.startsWith('refs/heads/') ? name.slice('refs/heads/'.length) : settings.branch;
    if (branch === settings.branch || oid === base || known.has(oid) || !settings.branches.some((glob) => matchesGlob(glob, branch))) continue;
    found.push({ ref: `heads/${branch}`, gitRef: name, number: null, head: oid, merge: null });
  }
  const requests = found.slice(0, settings.limit);
  return { requests, cut: found.length - requests.length + numbered.cut };
}
