/**
 * The loop that reviews the open requests of one team, beside the team's own loop and under the same lease: whatever a
 * request holds, deployments go on. One pass: which requests are there, which of them are new, what would each do now.
 */
import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import { sql } from 'slonik';
import type { DatabasePool, DatabaseTransactionConnection } from 'slonik';
import { TagboatError, explainError } from '../../errors.ts';
import type { OpenRequest } from '../../forges/forge.ts';
import type { Line } from '../../git/ancestry.ts';
import type { RemoteRef } from '../../git/refs.ts';
import { hashOf } from '../../model/canonical.ts';
import { fencedBy } from '../../store/lease.ts';
import { loadNodeStates } from '../../store/nodes.ts';
import { loadDrift } from '../../store/observed.ts';
import { loadRecorded } from '../../store/recorded.ts';
import { enqueue } from '../../store/outbox.ts';
import { closeReviews, loadReviewStates, saveReview, saveReviewsCut } from '../../store/reviews.ts';
import { loadRequests, saveRequests } from '../../store/requests.ts';
import type { RememberedRequest } from '../../store/requests.ts';
import { nothing } from '../../store/rows.ts';
import { Bell } from '../bell.ts';
import type { ManifestFiles } from '../manifest-files.ts';
import { scopeOf, teamLease } from '../plan-team.ts';
import type { Reading } from '../read-repository.ts';
import type { DeliveryLoop } from './delivery-loop.ts';
import type { ExamineOptions, Examined } from './examine.ts';
import { desiredWith, examine, MAX_FETCH_BYTES, unreadable } from './examine.ts';
import { mergedBy } from './merged.ts';
import { planReview } from './plan-review.ts';
import type { OpenAsker } from './open-asker.ts';
import { idleMs, isOver, remember } from './remember.ts';
import type { MergeRequest, RequestSettings } from './requests.ts';
import { movedByHost, numberedRequests, selectRequests } from './requests.ts';
import { verdictOf } from './verdict.ts';

/** Repairs what a lost notification left undone, and tries unreadable requests again. */
const FULL_PASS_MS = 60_000;
const AFTER_FAULT_MS = 5_000;
/** The longest list of open requests that a host is asked for; a longer one does not say who is closed. */
const MOST_OPEN = 1_000;
const MERGE_IS_MADE_WITHIN_MS = 86_400_000;

export interface ReviewLoopOptions extends ExamineOptions {
  readonly team: string;
  readonly pool: DatabasePool;
  readonly log: Logger;
  readonly settings: RequestSettings;
  /** Tells a Git host; absent where nobody gave a token. `publicUrl` is where people find the page. */
  readonly deliveries?: DeliveryLoop | undefined;
  readonly publicUrl: string;
  /** Asks which requests are open where there is no token. */
  readonly asker?: OpenAsker | undefined;
  /**
   * The host keeps the refs of closed requests, and a merge of each open one that merges cleanly: an old head without one is closed.
   * Only where the host itself cannot be asked.
   */
  readonly mergesTellOpen: boolean;
  /** The host makes and moves the refs of requests only when somebody looks at them. */
  readonly lazyRefs: boolean;
  /** Of a pass that did something, in milliseconds. */
  onPass?(examined: number, ms: number): void;
}

/** One look at the repository: what it says, its refs, and the files of the branch's head. */
export interface Seen {
  readonly reading: Reading;
  readonly refs: ReadonlyMap<string, RemoteRef>;
  readonly head: ManifestFiles;
}

export class ReviewLoop {
  readonly #options: ReviewLoopOptions;
  readonly #bell = new Bell();
  readonly #examined = new Map<string, Examined>();
  /** Requests that could not be read, by head; tried again in the next full pass. */
  readonly #failed = new Set<string>();
  #seen: Seen | undefined;
  #line: Line | undefined;
  readonly #dirty = new Set<string>();
  #all = true;
  #lastFullPass = 0;

  constructor(options: ReviewLoopOptions) {
    this.#options = options;
  }

  /**
   * After each poll, once what came in with it has been planned: the refs may have moved even where the reading has not.
   * Until then passes go by what was seen before, so that a review is there to be compared with what its merge did.
   */
  see(seen: Seen): void {
    this.#seen = seen;
    this.#bell.ring();
  }

  /** Something happened to these deployments; undefined: to any. */
  planSoon(deployments?: Iterable<string>): void {
    if (deployments === undefined) this.#all = true;
    else for (const name of deployments) this.#dirty.add(name);
    this.#bell.ring();
  }

  /** Refs of the reviews that came in with this reading's commit; a fault here never holds up a deployment. */
  async mergedBy(reading: Reading): Promise<readonly string[]> {
    const { pool, team, mirror, log } = this.#options;
    try {
      const reviews = await loadReviewStates(pool, team);
      if (!reviews.some(({ state }) => state === 'open')) return [];
      return await mergedBy(mirror, reviews, reading.commit, async (commit) => this.#lineAt(commit));
    } catch (error) {
      log.warn({ team, reason: explainError(error) }, 'could not tell which review was merged');
      return [];
    }
  }

  /** Runs until the signal aborts; `token` is that of the team's lease. */
  async run(token: number, signal: AbortSignal): Promise<void> {
    await Promise.all([this.#passes(token, signal), this.#options.deliveries?.run(token, signal)]);
  }

  async #passes(token: number, signal: AbortSignal): Promise<void> {
    this.#all = true;
    while (!signal.aborted) {
      await this.#bell.wait(FULL_PASS_MS, signal);
      try {
        if (this.#seen !== undefined && !signal.aborted) await this.#pass(this.#seen, token, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#all = true;
        this.#options.log.warn({ team: this.#options.team, reason: explainError(error) }, 'reviews start over');
        await new Bell().wait(AFTER_FAULT_MS, signal);
        this.#bell.ring();
      }
    }
  }

  async #pass({ reading, refs, head }: Seen, token: number, signal: AbortSignal): Promise<void> {
    const { settings, pool, team } = this.#options;
    if (Date.now() - this.#lastFullPass >= FULL_PASS_MS) this.#startFullPass();
    const before = performance.now();
    const everything = this.#all;
    const dirty = new Set(this.#dirty);
    this.#all = false;
    this.#dirty.clear();
    const listed = numberedRequests(refs, settings);
    const memory = await this.#remember(listed.requests, refs, token);
    const openAtHost = await this.#openAtHost(listed.requests, refs);
    const now = new Date();
    const numbers = openAtHost === null ? null : new Set<number | null>(openAtHost.map(({ number }) => number));
    const known = this.#options.lazyRefs && openAtHost !== null ? movedByHost(listed.requests, openAtHost, refs) : listed.requests;
    const mayBeOpen = known.filter(({ ref, number }) => numbers?.has(number) ?? !isOver(memory.get(ref), refs, now));
    const { requests, cut } = selectRequests(refs, settings, { requests: mayBeOpen, cut: listed.cut });
    const hasMerges = listed.requests.some(({ merge }) => merge !== null);
    const states = new Map((await loadReviewStates(pool, team)).map((row) => [row.ref, row]));
    if (requests.length === 0 && states.size === 0 && !everything) return;
    const line = requests.length === 0 ? { tip: reading.commit, commits: new Set<string>() } : await this.#lineAt(reading.commit);
    const open = requests.filter(({ ref, head: oid }) => !line.commits.has(oid) && !(states.get(ref)?.state === 'merged' && states.get(ref)?.head === oid));
    await this.#fetch(open, signal);
    const branchAt = open.length === 0 ? null : (await this.#options.mirror.commit(reading.commit)).committer.at;
    let count = 0;
    const kept: string[] = [];
    for (const request of open) {
      if (this.#seen?.reading !== reading) return this.planSoon();
      const known = this.#examined.get(request.ref);
      const current = known !== undefined && known.reading === reading && known.request.head === request.head && known.request.merge === request.merge;
      const examined = current ? known : await this.#examine(request, reading, head, line, signal);
      this.#examined.set(request.ref, examined);
      if (examined.merged || (hasMerges && this.#looksClosed(examined)) || (openAtHost === null && this.#isStale(examined, memory.get(request.ref), branchAt, now))) continue;
      kept.push(request.ref);
      if (!current) count++;
      const concerned = everything || !current || [...examined.scope].some((name) => dirty.has(name));
      if (concerned) await this.#underLease(token, async (tx) => this.#planAndSave(tx, examined));
      await setImmediate(); // pages and streams are served in between
    }
    for (const ref of [...this.#examined.keys()]) if (!open.some((request) => request.ref === ref)) this.#examined.delete(ref);
    const gone = [...states.values()].some(({ ref, state }) => state === 'open' && !kept.includes(ref));
    if (gone || everything) {
      await this.#underLease(token, async (tx) => {
        await closeReviews(tx, team, kept);
        await saveReviewsCut(tx, team, cut);
      });
    }
    this.#options.deliveries?.ring();
    if (count > 0) this.#options.onPass?.(count, performance.now() - before);
  }

  /** The requests that the host calls open; null: it cannot be asked, or said too much to be sure. */
  async #openAtHost(numbered: readonly MergeRequest[], refs: ReadonlyMap<string, RemoteRef>): Promise<readonly OpenRequest[] | null> {
    const host = this.#options.deliveries ?? this.#options.asker;
    if (host === undefined || (numbered.length === 0 && !this.#options.lazyRefs)) return null;
    // Where refs lag behind, a branch that moved is the reason to ask again.
    const branches = this.#options.lazyRefs ? [...refs].filter(([name]) => name.startsWith('refs/heads/')).map(([name, { oid }]) => [name, oid]) : [];
    const open = await host.openRequests(hashOf([...numbered.map(({ ref, head, merge }) => [ref, head, merge]), ...branches]));
    return open === null || open.length >= MOST_OPEN ? null : open;
  }

  /** What is known of the requests beyond their refs, brought up to this listing. */
  async #remember(numbered: readonly MergeRequest[], refs: ReadonlyMap<string, RemoteRef>, token: number): Promise<ReadonlyMap<string, RememberedRequest>> {
    const { pool, team, branch } = this.#options;
    const { watched, requests } = await loadRequests(pool, team);
    const memory = remember(requests, numbered, refs, { branch, watched, now: new Date() });
    if (!watched || memory.changed.length + memory.gone.length > 0) await this.#underLease(token, async (tx) => saveRequests(tx, team, memory.changed, memory.gone));
    return memory.requests;
  }

  /** Nothing happened to it for long: closed, most likely. A merge that the host keeps for open ones only says otherwise. */
  #isStale({ request, committedAt }: Examined, remembered: RememberedRequest | undefined, branchAt: Date | null, now: Date): boolean {
    const { settings, mergesTellOpen } = this.#options;
    if (request.number === null || settings.staleAfterMs === 0 || committedAt === null || (mergesTellOpen && request.merge !== null)) return false;
    return idleMs(remembered, committedAt, branchAt, now) > settings.staleAfterMs;
  }

  #looksClosed({ request, method, conflicts, committedAt, problems }: Examined): boolean {
    if (!this.#options.mergesTellOpen || request.number === null || request.merge !== null || method === 'host' || conflicts > 0) return false;
    return committedAt !== null && !problems.some(({ code }) => code === 'MergeConflict') && Date.now() - committedAt.getTime() > MERGE_IS_MADE_WITHIN_MS;
  }

  #startFullPass(): void {
    this.#all = true;
    this.#lastFullPass = Date.now();
    for (const [ref, { request }] of this.#examined) if (this.#failed.has(request.head)) this.#examined.delete(ref);
    this.#failed.clear();
  }

  async #planAndSave(tx: DatabaseTransactionConnection, examined: Examined): Promise<void> {
    const { team } = this.#options;
    const { request, reading } = examined;
    const recorded = await loadRecorded(tx, team, scopeOf(desiredWith(examined), examined.scope));
    const observed = { nodes: await loadNodeStates(tx, team), drift: await loadDrift(tx, team) };
    const { plan, digests } = planReview(examined, recorded, observed);
    await saveReview(tx, team, {
      ref: request.ref,
      gitRef: request.gitRef,
      number: request.number,
      head: request.head,
      base: reading.commit,
      method: examined.method,
      title: examined.title,
      author: examined.author,
      plan,
      scope: [...examined.scope].sort(),
      digests,
    });
    if (this.#options.deliveries !== undefined) for (const content of verdictOf(team, request, plan, this.#options.publicUrl)) await enqueue(tx, team, request.ref, content);
  }

  /** All in one go; if that fails each by itself, so that one monstrous request does not hide the others. */
  async #fetch(requests: readonly MergeRequest[], signal: AbortSignal): Promise<void> {
    const { mirror } = this.#options;
    const missing = requests.filter(({ head, merge }) => !this.#failed.has(head) && (!mirror.has(head) || (merge !== null && !mirror.has(merge))));
    if (missing.length === 0) return;
    try {
      await mirror.fetchBeside(missing.flatMap(wantsOf), { maxBytes: MAX_FETCH_BYTES, signal });
    } catch (first) {
      signal.throwIfAborted();
      if (missing.length === 1) return this.#unfetched(missing[0]!, first);
      for (const request of missing) {
        await mirror.fetchBeside(wantsOf(request), { maxBytes: MAX_FETCH_BYTES, signal }).catch((error: unknown) => {
          signal.throwIfAborted();
          this.#unfetched(request, error);
        });
      }
    }
  }

  #unfetched({ ref, head }: MergeRequest, error: unknown): void {
    this.#failed.add(head);
    this.#options.log.warn({ team: this.#options.team, review: ref, reason: explainError(error) }, 'a request could not be fetched');
  }

  async #examine(request: MergeRequest, reading: Reading, head: ManifestFiles, line: Line, signal: AbortSignal): Promise<Examined> {
    const { mirror } = this.#options;
    try {
      if (!mirror.has(request.head)) throw new TagboatError('RefMissing', 'its commits could not be fetched');
      return await examine(this.#options, request, reading, head, line, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#failed.add(request.head);
      return unreadable(request, reading, error instanceof TagboatError ? error.message : 'an unexpected fault, which is in the log');
    }
  }

  async #lineAt(commit: string): Promise<Line> {
    this.#line = this.#line?.tip === commit ? this.#line : await this.#options.mirror.line(commit, this.#line);
    return this.#line;
  }

  async #underLease(token: number, write: (tx: DatabaseTransactionConnection) => Promise<void>): Promise<void> {
    const { pool, team } = this.#options;
    await pool.transaction(async (tx) => {
      const holds = await tx.exists(sql.type(nothing)`select 1 where ${fencedBy(teamLease(team), token)}`);
      if (!holds) throw new TagboatError('LeaseLost', `The lease on team ${team} was lost`);
      await write(tx);
    });
  }
}

function wantsOf({ gitRef, head, merge }: MergeRequest): { ref: string; oid: string }[] {
  return [{ ref: gitRef, oid: head }, ...(merge === null ? [] : [{ ref: `${gitRef}#merge`, oid: merge }])];
}
