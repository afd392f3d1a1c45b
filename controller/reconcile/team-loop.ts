/**
 * The loop of one team: poll, read, plan — by the one replica that holds the team's lease. Everything that happens elsewhere
 * (a node came back, an attempt ended, something drifted) arrives as a request to plan some deployments again.
 */
import { schedule as cron } from 'node-cron';
import type { Logger } from 'pino';
import type { DatabasePool } from 'slonik';
import { TagboatError, explainError } from '../errors.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import type { Plan } from '../plan/types.ts';
import { summarize } from '../plan/explain.ts';
import { nextDelay } from '../git/backoff.ts';
import { LeaseKeeper } from '../store/lease.ts';
import { savePoll, saveProblems, saveRefusal } from '../store/teams.ts';
import { HeadRefused } from './accepted-head.ts';
import { Bell } from './bell.ts';
import { planTeam, teamLease } from './plan-team.ts';
import type { Reading, RepositoryReader } from './read-repository.ts';
import type { ReviewLoop } from './reviews/review-loop.ts';
import { saveReading } from './save-reading.ts';

const LEASE_TTL_MS = 10_000;
/** How often a replica that does not hold the lease asks for it. */
const ASK_AGAIN_MS = 2_000;
/** A full pass repairs whatever a lost notification left undone. */
const FULL_PASS_MS = 60_000;
/** Between the polls that webhooks ask for. */
const HASTEN_GAP_MS = 1_000;
const RETRY_BASE_MS = 5_000;

export interface TeamLoopOptions {
  readonly team: string;
  /** Cron expression with seconds. */
  readonly poll: string;
  readonly pool: DatabasePool;
  readonly holder: string;
  readonly log: Logger;
  readonly reader: RepositoryReader;
  /** Looks at the open requests to merge; absent where nobody wants that. */
  readonly reviews?: ReviewLoop;
  onPoll?(result: 'unchanged' | 'changed' | 'failed'): void;
  onPlan?(plan: Plan, ms: number): void;
}

export class TeamLoop {
  readonly #options: TeamLoopOptions;
  readonly #bell = new Bell();
  #pollNow = true;
  #all = true;
  readonly #dirty = new Set<string>();
  #reading: Reading | undefined;
  /** Reviews that came in with a commit that is not planned yet. */
  readonly #merged = new Set<string>();
  #planProblems: readonly Problem[] = [];
  /** Whom deployments wait for, as they were planned last. */
  readonly #waiting = new Map<string, readonly string[]>();
  #failures = 0;
  #notBefore = 0;
  #lastPoll = 0;
  #hastened: number | undefined;
  #lastFullPass = 0;
  /** The outcome of the last poll, for /readyz: undefined before the first. */
  state: { readonly ok: boolean; readonly reason: string } | undefined;

  constructor(options: TeamLoopOptions) {
    this.#options = options;
  }

  /** The next poll comes now; back-off still holds (argo-cd#9017). */
  pollSoon(): void {
    this.#pollNow = true;
    this.#bell.ring();
  }

  /** A webhook came: the next poll comes now, or a second after the last one. A hundred of them are one poll more. */
  hasten(): void {
    this.#hastened ??= Math.max(Date.now(), this.#lastPoll + HASTEN_GAP_MS);
    this.#bell.ring();
  }

  /** Something happened to these deployments; undefined: to any. */
  planSoon(deployments?: readonly string[]): void {
    if (deployments === undefined) this.#all = true;
    else for (const name of deployments) this.#dirty.add(name);
    this.#options.reviews?.planSoon(deployments);
    this.#bell.ring();
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { pool, team, holder, log, poll } = this.#options;
    const schedule = cron(poll, () => this.pollSoon(), { noOverlap: true, logger: cronLog(log) });
    signal.addEventListener('abort', () => void schedule.destroy(), { once: true });
    while (!signal.aborted) {
      try {
        const keeper = await LeaseKeeper.acquire({ pool, name: teamLease(team), holder, ttlMs: LEASE_TTL_MS, log });
        if (keeper === null) {
          this.state = { ok: true, reason: 'another replica polls this team' };
          await this.#bell.wait(ASK_AGAIN_MS, signal);
          continue;
        }
        try {
          this.#all = true;
          this.#options.reader.takeOver();
          await this.#hold(keeper, AbortSignal.any([signal, keeper.signal]));
        } finally {
          await keeper.release();
        }
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error, team }, 'the team loop starts over');
        await new Bell().wait(1_000, signal);
      }
    }
  }

  /** Reviews go on beside it and end with it. */
  async #hold(keeper: LeaseKeeper, signal: AbortSignal): Promise<void> {
    const ending = new AbortController();
    const reviewing = this.#options.reviews?.run(keeper.token, AbortSignal.any([signal, ending.signal]));
    try {
      await this.#turns(keeper, signal);
    } finally {
      ending.abort();
      await reviewing;
    }
  }

  /** One entry, ordered steps: poll if it is time, plan what is dirty, wait. */
  async #turns(keeper: LeaseKeeper, signal: AbortSignal): Promise<void> {
    this.#pollNow = true;
    while (!signal.aborted) {
      if (this.#hastened !== undefined && Date.now() >= this.#hastened) this.#pollNow = true;
      if (this.#pollNow && Date.now() >= this.#notBefore) {
        this.#pollNow = false;
        this.#hastened = undefined;
        this.#lastPoll = Date.now();
        await this.#poll(signal);
      }
      if (Date.now() - this.#lastFullPass >= FULL_PASS_MS) this.#all = true;
      await this.#plan(keeper.token);
      this.#showReviews();
      const backOff = this.#pollNow ? this.#notBefore - Date.now() : FULL_PASS_MS;
      const hastened = this.#pollNow || this.#hastened === undefined ? FULL_PASS_MS : this.#hastened - Date.now();
      await this.#bell.wait(Math.min(backOff, hastened, FULL_PASS_MS), signal);
    }
  }

  #showReviews(): void {
    const { reader, reviews } = this.#options;
    if (reviews !== undefined && this.#reading !== undefined && reader.head?.commit === this.#reading.commit) reviews.see({ reading: this.#reading, refs: reader.refs, head: reader.head });
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { pool, team, log, reader } = this.#options;
    try {
      const reading = await reader.read(this.#reading, signal);
      const recovered = this.#failures > 0;
      this.#failures = 0;
      this.#notBefore = 0;
      if (reading === this.#reading) {
        // What made earlier polls fail is no problem any more.
        if (recovered) await this.#saveProblems();
        await savePoll(pool, team, 0);
        this.state = { ok: true, reason: '' };
        this.#options.onPoll?.('unchanged');
        return;
      }
      if (reading.commit !== this.#reading?.commit) for (const ref of (await this.#options.reviews?.mergedBy(reading)) ?? []) this.#merged.add(ref);
      const changed = await saveReading(pool, reading, this.#reading);
      this.#reading = reading;
      if (changed === 'all') this.#all = true;
      else for (const name of changed) this.#dirty.add(name);
      await this.#saveProblems();
      await savePoll(pool, team, 0);
      this.state = { ok: true, reason: '' };
      this.#options.onPoll?.('changed');
      log.info({ team, commit: reading.commit, problems: reading.problems.length }, 'read a new state of the repository');
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof HeadRefused) await this.#headRefused(error);
      else await this.#pollFailed(error);
    }
  }

  /** Nothing is wrong with the repository itself: the next head is looked at as soon as it is there. */
  async #headRefused(refused: HeadRefused): Promise<void> {
    const { pool, team } = this.#options;
    // One that is kept from an earlier term is of another head than the accepted one: nothing is planned by it.
    this.#reading = undefined;
    this.#failures = 0;
    this.#notBefore = 0;
    this.state = { ok: true, reason: refused.problem.message };
    this.#options.onPoll?.('unchanged');
    await savePoll(pool, team, 0);
    await pool.transaction(async (tx) => saveRefusal(tx, team, refused));
    await saveProblems(pool, team, [refused.problem]);
  }

  /** What runs stays as it is; the failure is visible on the page and polling goes on with back-off. */
  async #pollFailed(error: unknown): Promise<void> {
    const { pool, team, log } = this.#options;
    this.#failures++;
    const retryAfter = error instanceof TagboatError && 'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : undefined;
    const delay = nextDelay(this.#failures, retryAfter);
    this.#notBefore = Date.now() + delay;
    const text = explainError(error);
    this.state = { ok: false, reason: text };
    log.warn({ team, failures: this.#failures, retryInMs: delay, reason: text }, 'polling failed');
    this.#options.onPoll?.('failed');
    await savePoll(pool, team, this.#failures);
    const code = error instanceof TagboatError && error.code === 'RefMissing' ? 'BranchMissing' : 'RepositoryUnreachable';
    await saveProblems(pool, team, [problem(code, NOWHERE, text), ...(this.#reading?.problems ?? [])]);
  }

  async #plan(token: number): Promise<void> {
    if (this.#reading === undefined || (!this.#all && this.#dirty.size === 0 && this.#merged.size === 0)) return;
    const only = this.#all ? undefined : withDependents(this.#dirty, this.#reading, this.#waiting);
    this.#all = false;
    this.#dirty.clear();
    const before = performance.now();
    try {
      const { actor } = this.#reading;
      const result = await planTeam(this.#options.pool, this.#reading.desired, { actor, backoffMs: tryBackoffMs }, token, only, [...this.#merged]);
      this.#merged.clear();
      for (const name of only ?? [...this.#waiting.keys()]) this.#waiting.delete(name);
      for (const { deployment, waitsFor } of result.actions) if (waitsFor.length > 0) this.#waiting.set(deployment, waitsFor);
      if (result.actions.length > 0) this.#options.reviews?.planSoon(only);
      if (only === undefined) this.#lastFullPass = Date.now();
      this.#options.onPlan?.(result, performance.now() - before);
      const begun = result.actions.filter((action) => action.kind !== 'hold' && action.kind !== 'blocked' && action.waitsFor.length === 0);
      for (const action of begun) this.#options.log.info({ team: this.#options.team }, summarize(action));
      await this.#keepPlanProblems(result, only);
    } catch (error) {
      // What was to be planned is not forgotten: the next turn looks at everything.
      this.#all = true;
      throw error;
    }
  }

  async #keepPlanProblems(result: Plan, only: ReadonlySet<string> | undefined): Promise<void> {
    const others = only === undefined ? [] : this.#planProblems.filter((item) => !only.has((item.object ?? '').replace('Deployment/', '')));
    const next = [...others, ...result.problems];
    if (next.length === 0 && this.#planProblems.length === 0) return;
    this.#planProblems = next;
    await this.#saveProblems();
  }

  async #saveProblems(): Promise<void> {
    await saveProblems(this.#options.pool, this.#options.team, [...(this.#reading?.problems ?? []), ...this.#planProblems]);
  }
}

const NOWHERE = { file: '', line: 0, column: 0 } as const;

/** R23: 5 s, 10 s, 20 s … at most 10 min before the second, third, fourth … try of one content. */
function tryBackoffMs(tries: number): number {
  return tries <= 1 ? 0 : Math.min(RETRY_BASE_MS * 2 ** (tries - 2), 600_000);
}

/** Whatever waits for one of these may go on now, or has to wait again. */
function withDependents(names: ReadonlySet<string>, reading: Reading, waiting: ReadonlyMap<string, readonly string[]>): Set<string> {
  const all = new Set(names);
  for (const name of names) for (const dependent of reading.dependents.get(name) ?? []) all.add(dependent);
  for (const [name, waitsFor] of waiting) if (waitsFor.some((other) => names.has(other))) all.add(name);
  return all;
}

/** node-cron would write to the console; a tick that came late is no more than a note, since the next one is due. */
function cronLog(log: Logger): { info(text: string): void; warn(text: string): void; error(text: string | Error): void; debug(text: string | Error): void } {
  const note = (text: string | Error): void => log.debug({ schedule: String(text) }, 'the poll schedule');
  return { info: note, warn: note, error: (text) => log.warn({ schedule: String(text) }, 'the poll schedule'), debug: note };
}
