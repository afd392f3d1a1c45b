/**
 * Turns hints of changes (NOTIFY, one channel for all teams) into events for those who watch a team: hints of a moment are
 * gathered, the rows they name are read once, whatever the number of watchers, and the result is numbered and kept for a
 * while, so that a line that was cut can be taken up again. Nothing is read for a team that nobody watches.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { DatabasePool } from 'slonik';
import type { Change } from '../store/notify.ts';
import { listAttemptChanges, listNodeChanges } from '../store/views/changes.ts';
import { listDeployments } from '../store/views/deployments.ts';
import { findTeam } from '../store/views/teams.ts';

/** How long hints are gathered before rows are read. */
const GATHER_MS = 100;
/** Of one moment; more names than this are told as `refresh`. */
const MAX_NAMES = 200;
/** What can be taken up again. */
const MAX_KEPT = 500;
/** A team that nobody watches any more is forgotten after this. */
const FORGET_MS = 60_000;
const RETRY_MS = 2_000;

export interface FeedEvent {
  /** Unique and growing within one controller process; another process has other ones. */
  readonly id: string;
  readonly event: 'deployment' | 'attempt' | 'node' | 'product' | 'review' | 'poll' | 'refresh';
  readonly data: unknown;
}

export interface Subscription {
  /** What was missed since the id that was named; a `refresh` when that cannot be known. */
  readonly missed: readonly FeedEvent[];
  end(): void;
}

interface Watched {
  readonly epoch: string;
  count: number;
  readonly kept: FeedEvent[];
  readonly sinks: Set<(event: FeedEvent) => void>;
  readonly hints: Map<Change['kind'], Set<string>>;
  readonly attempts: Set<number>;
  /** Of attempts that are not over, the last event that was told. */
  readonly told: Map<number, number>;
  missedHints: boolean;
  timer: NodeJS.Timeout | undefined;
  reading: boolean;
  forget: NodeJS.Timeout | undefined;
}

export class ChangeFeed {
  readonly #pool: DatabasePool;
  readonly #log: Logger;
  readonly #teams = new Map<string, Watched>();

  constructor(options: { readonly pool: DatabasePool; readonly log: Logger }) {
    this.#pool = options.pool;
    this.#log = options.log;
  }

  /** A payload of the channel `tagboat_changes`. */
  notice(payload: string): void {
    const change = JSON.parse(payload) as Change;
    const watched = this.#teams.get(change.team);
    if (watched === undefined) return;
    if (change.kind === 'attempt' && change.id !== null) watched.attempts.add(change.id);
    const names = watched.hints.get(change.kind) ?? new Set();
    watched.hints.set(change.kind, names.add(change.name ?? ''));
    this.#soon(change.team, watched, GATHER_MS);
  }

  /** Hints were lost: everybody is told to look at everything. */
  missed(): void {
    for (const [team, watched] of this.#teams) {
      watched.missedHints = true;
      this.#soon(team, watched, GATHER_MS);
    }
  }

  /** `sink` must not block. `lastId`: the last event that the watcher has seen, '' at first. */
  watch(team: string, lastId: string, sink: (event: FeedEvent) => void): Subscription {
    const watched = this.#teams.get(team) ?? newWatched();
    this.#teams.set(team, watched);
    clearTimeout(watched.forget);
    watched.sinks.add(sink);
    return {
      missed: lastId === '' ? [] : since(watched, lastId),
      end: () => {
        watched.sinks.delete(sink);
        if (watched.sinks.size > 0) return;
        clearTimeout(watched.forget);
        watched.forget = setTimeout(() => {
          clearTimeout(watched.timer);
          if (this.#teams.get(team) === watched) this.#teams.delete(team);
        }, FORGET_MS).unref();
      },
    };
  }

  #soon(team: string, watched: Watched, ms: number): void {
    if (watched.timer !== undefined || watched.reading) return;
    watched.timer = setTimeout(() => {
      watched.timer = undefined;
      void this.#tell(team, watched);
    }, ms).unref();
  }

  async #tell(team: string, watched: Watched): Promise<void> {
    const hints = new Map(watched.hints);
    const attempts = [...watched.attempts];
    const lost = watched.missedHints;
    watched.hints.clear();
    watched.attempts.clear();
    watched.missedHints = false;
    watched.reading = true;
    let wait = GATHER_MS;
    try {
      const many = [...hints.values()].some((names) => names.size > MAX_NAMES) || attempts.length > MAX_NAMES;
      const events = lost || many ? [{ event: 'refresh' as const, data: { reason: lost ? 'changes were missed' : 'many changes at once' } }] : await this.#read(team, watched, hints, attempts);
      for (const { event, data } of events) emit(watched, event, data);
    } catch (error) {
      this.#log.warn({ err: error, team }, 'changes could not be read; watchers will be told to look again');
      watched.missedHints = true;
      wait = RETRY_MS;
    } finally {
      watched.reading = false;
    }
    if (watched.hints.size > 0 || watched.missedHints) this.#soon(team, watched, wait);
  }

  async #read(team: string, watched: Watched, hints: ReadonlyMap<Change['kind'], ReadonlySet<string>>, attempts: readonly number[]): Promise<readonly { event: FeedEvent['event']; data: unknown }[]> {
    const events: { event: FeedEvent['event']; data: unknown }[] = [];
    if (attempts.length > 0) {
      for (const attempt of await listAttemptChanges(this.#pool, team, new Map(attempts.map((id) => [id, watched.told.get(id) ?? 0])))) {
        if (attempt.state === 'done') watched.told.delete(attempt.id);
        else watched.told.set(attempt.id, attempt.events.at(-1)?.sequence ?? watched.told.get(attempt.id) ?? 0);
        events.push({ event: 'attempt', data: attempt });
      }
    }
    const names = [...(hints.get('deployment') ?? []), ...(hints.get('attempt') ?? [])];
    if (names.length > 0) events.push(...(await this.#deployments(team, [...new Set(names)])));
    const nodes = [...(hints.get('node') ?? [])];
    if (nodes.length > 0) events.push(...(await listNodeChanges(this.#pool, team, nodes)).map((data) => ({ event: 'node' as const, data })));
    for (const name of hints.get('product') ?? []) events.push({ event: 'product', data: { name } });
    for (const ref of hints.get('review') ?? []) events.push({ event: 'review', data: { ref } });
    if (hints.has('poll')) {
      const row = await findTeam(this.#pool, team);
      if (row !== null) events.push({ event: 'poll', data: { commit: row.commit, polledAt: row.polledAt, syncedAt: row.syncedAt, pollFailures: row.pollFailures, problems: row.problems.length } });
    }
    return events;
  }

  async #deployments(team: string, names: readonly string[]): Promise<readonly { event: FeedEvent['event']; data: unknown }[]> {
    const rows = await listDeployments(this.#pool, team, { names, containers: false });
    const gone = names.filter((name) => rows.every((row) => row.name !== name)).map((name) => ({ name, gone: true }));
    const changed = rows.map(({ name, product, version, versionKind, node, prefix, status, sync, health, drifted, reason, updatedAt }) => ({ name, product, version, versionKind, node, prefix, status, sync, health, drifted, reason, updatedAt }));
    return [...changed, ...gone].map((data) => ({ event: 'deployment', data }));
  }
}

function newWatched(): Watched {
  return { epoch: randomBytes(4).toString('hex'), count: 0, kept: [], sinks: new Set(), hints: new Map(), attempts: new Set(), told: new Map(), missedHints: false, timer: undefined, reading: false, forget: undefined };
}

function emit(watched: Watched, event: FeedEvent['event'], data: unknown): void {
  watched.count++;
  const one: FeedEvent = { id: `${watched.epoch}-${String(watched.count)}`, event, data };
  watched.kept.push(one);
  if (watched.kept.length > MAX_KEPT) watched.kept.shift();
  for (const sink of watched.sinks) sink(one);
}

/** Empty when nothing was missed. */
function since(watched: Watched, lastId: string): readonly FeedEvent[] {
  const [epoch, number] = lastId.split('-');
  const last = Number(number);
  const first = watched.count - watched.kept.length;
  if (epoch === watched.epoch && Number.isInteger(last) && last >= first && last <= watched.count) return watched.kept.slice(last - first);
  return [{ id: `${watched.epoch}-${String(watched.count)}`, event: 'refresh', data: { reason: 'what was missed is not known here' } }];
}
