/**
 * Which requests are over, told from refs alone. GitLab, Gitea and Forgejo keep the ref of a request that was closed; but while it
 * is open the ref follows its branch, so a branch that is gone, or went on alone, tells. Pure: time is passed in.
 */
import type { RemoteRef } from '../../git/refs.ts';
import type { RememberedRequest } from '../../store/requests.ts';
import type { MergeRequest } from './requests.ts';

/** Hosts let the ref of a request follow its branch, and a merge reach the branch, well within this. */
const GRACE_MS = 600_000;
/** What a webhook told of a request whose ref nobody has seen is forgotten after this. */
const UNSEEN_MS = 86_400_000;

export interface Memory {
  /** Every numbered request of the listing, by ref, and those that were only told of. */
  readonly requests: ReadonlyMap<string, RememberedRequest>;
  /** Rows to write and refs to forget; nothing changed ⇒ both are empty. */
  readonly changed: readonly RememberedRequest[];
  readonly gone: readonly string[];
}

/** `watched`: the team was looked at before. `branch`: the team's own, which is nobody's source. */
export function remember(known: ReadonlyMap<string, RememberedRequest>, listed: readonly MergeRequest[], refs: ReadonlyMap<string, RemoteRef>, { branch, watched, now }: { readonly branch: string; readonly watched: boolean; readonly now: Date }): Memory {
  const tips = tipsOf(refs, branch);
  const requests = new Map<string, RememberedRequest>();
  const changed: RememberedRequest[] = [];
  for (const { ref, number, head } of listed) {
    if (number === null) continue;
    const before = known.get(ref);
    const after = look(before, ref, head, refs, tips, watched ? now : null, now);
    requests.set(ref, after);
    if (after !== before) changed.push(after);
  }
  const gone: string[] = [];
  for (const [ref, row] of known) {
    if (requests.has(ref)) continue;
    if (row.head === '' && row.toldAt !== null && now.getTime() - row.toldAt.getTime() < UNSEEN_MS) requests.set(ref, row);
    else gone.push(ref);
  }
  return { requests, changed, gone };
}

function look(before: RememberedRequest | undefined, ref: string, head: string, refs: ReadonlyMap<string, RemoteRef>, tips: ReadonlyMap<string, string | null>, since: Date | null, now: Date): RememberedRequest {
  const told = { told: before?.told ?? null, toldHead: before?.toldHead ?? null, toldAt: before?.toldAt ?? null };
  if (before === undefined || before.head !== head) return { ref, head, since, branch: tips.get(head) ?? null, strayedAt: null, ...told };
  const branch = before.branch ?? tips.get(head) ?? null;
  const strayed = branch !== null && refs.get(`refs/heads/${branch}`)?.oid !== head;
  if (branch === before.branch && strayed === (before.strayedAt !== null)) return before;
  return { ...before, branch, strayedAt: strayed ? now : null };
}

/** Branches by their tip; null where several have it, so that none of them can be told to be the request's. */
function tipsOf(refs: ReadonlyMap<string, RemoteRef>, own: string): ReadonlyMap<string, string | null> {
  const tips = new Map<string, string | null>();
  for (const [name, { oid }] of refs) {
    if (!name.startsWith('refs/heads/') || name === `refs/heads/${own}`) continue;
    tips.set(oid, tips.has(oid) ? null : name.slice('refs/heads/'.length));
  }
  return tips;
}

/** Whether the request is over, as far as its host told by webhook or its branch shows. */
export function isOver(row: RememberedRequest | undefined, refs: ReadonlyMap<string, RemoteRef>, now: Date): boolean {
  if (row === undefined) return false;
  const ago = (at: Date | null): number => (at === null ? 0 : now.getTime() - at.getTime());
  // A request that got another head since then was opened again.
  const current = row.told !== null && (row.toldHead === null || row.toldHead === row.head);
  if (current && row.told === 'closed') return true;
  // The merge itself comes with the branch, and is compared with the review first.
  if (current && row.told === 'merged' && ago(row.toldAt) > GRACE_MS) return true;
  if (row.branch === null || row.strayedAt === null) return false;
  if (!refs.has(`refs/heads/${row.branch}`)) return true;
  // Data Center moves the ref when somebody looks at the request, so it may well be behind.
  return !row.ref.startsWith('pull-requests/') && ago(row.strayedAt) > GRACE_MS;
}

/**
 * How long a request has shown no sign of life (its newest commit, its ref, a word of its host), in milliseconds. One that was there
 * before anybody watched is only as old as the branch went on without it: in a repository that rests, nothing grows old.
 */
export function idleMs(row: RememberedRequest | undefined, committedAt: Date, branchAt: Date | null, now: Date): number {
  const told = row?.told === 'open' ? row.toldAt : null;
  const watched = row?.since ?? told;
  if (watched != null) return now.getTime() - Math.max(committedAt.getTime(), row?.since?.getTime() ?? 0, told?.getTime() ?? 0);
  return Math.min(now.getTime(), branchAt?.getTime() ?? 0) - committedAt.getTime();
}
