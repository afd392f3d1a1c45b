/**
 * One connected agent: the lease on its node, the attempts that it is given, the results it brings back (SPEC §4). All
 * state that matters is rows; what is kept here can be lost at any moment and is made again at the next connection.
 */
import type { Logger } from 'pino';
import type { DatabasePool } from 'slonik';
import type { AgentSession, SessionHandler } from '../link/session.ts';
import { AttemptKind, AttemptOutcome } from '../../proto/gen/agent/v1/agent.ts';
import type { AgentUpdateState, AttemptEvent, AttemptRefused, AttemptResult as WireResult, Hello, ImageDigests, Observation } from '../../proto/gen/agent/v1/agent.ts';
import type { AttemptCommand } from '../store/attempts.ts';
import { cancelled, nextDueMs, nodeLease, saveEvent, startDue, takeOverRunning } from '../store/attempts.ts';
import type { AttemptResult } from '../store/finish-attempt.ts';
import { finishAttempt } from '../store/finish-attempt.ts';
import { saveFollowed } from '../store/followed.ts';
import { LeaseKeeper } from '../store/lease.ts';
import { loadWantedAgentVersion, saveAgentUpdate, saveConnected, saveDisconnected, saveRecipients, saveSeen } from '../store/nodes.ts';
import { notifyPlan } from '../store/notify.ts';
import { saveObservation } from '../store/observed.ts';
import { retryTransaction } from '../store/pool.ts';
import { Bell } from './bell.ts';

const LEASE_TTL_MS = 10_000;
/** The most attempts that one agent is given at a time; the rest wait their turn (every queue has a bound). */
const MAX_IN_HAND = 16;
/** However quiet it is, look at the queue again after this long: notifications are hints and may be lost. */
const IDLE_LOOK_MS = 15_000;
/** Of what an agent says went wrong. */
const MAX_REASON = 2_000;

interface Connected {
  readonly session: AgentSession;
  readonly keeper: LeaseKeeper;
  readonly bell: Bell;
  readonly stop: AbortController;
  readonly inHand: Set<number>;
  readonly cancelSent: Set<number>;
  /** The version of the agent that it was told to become. */
  toldVersion: string | null;
}

export interface NodeSessionsOptions {
  readonly pool: DatabasePool;
  readonly log: Logger;
  /** This replica, as leases name it. */
  readonly holder: string;
  /** Where a version of the agent is. */
  agentImage(version: string): string;
  onAttemptEnd?(kind: string, outcome: string, durationMs: number): void;
}

export class NodeSessions implements SessionHandler {
  readonly #options: NodeSessionsOptions;
  readonly #connected = new Map<string, Connected>();

  constructor(options: NodeSessionsOptions) {
    this.#options = options;
  }

  /** Called for every notification of work, whichever replica wrote it. */
  wake(teamAndNode: string): void {
    this.#connected.get(teamAndNode)?.bell.ring();
  }

  /** The line was down or notifications were missed: everybody looks. */
  wakeAll(): void {
    for (const connected of this.#connected.values()) connected.bell.ring();
  }

  session(team: string, node: string): AgentSession | undefined {
    return this.#connected.get(key(team, node))?.session;
  }

  async onConnected(session: AgentSession, hello: Hello): Promise<{ fencingToken: bigint } | { refuse: string }> {
    const { pool, log, holder } = this.#options;
    const name = nodeLease(session.team, session.node);
    await this.#end(key(session.team, session.node));
    const keeper = await LeaseKeeper.acquire({ pool, name, holder, ttlMs: LEASE_TTL_MS, log });
    if (keeper === null) return { refuse: 'another controller replica still holds this node; try again' };
    const connected: Connected = { session, keeper, bell: new Bell(), stop: new AbortController(), inHand: new Set(), cancelSent: new Set(), toldVersion: null };
    this.#connected.set(key(session.team, session.node), connected);
    keeper.signal.addEventListener('abort', () => session.close('the lease on this node was lost'), { once: true });
    await saveConnected(pool, session.team, session.node, holder, keeper.token, {
      simulated: hello.simulated,
      agentVersion: hello.agentVersion,
      engineVersion: hello.engineVersion,
    });
    await saveRecipients(pool, session.team, session.node, hello.secretRecipients);
    await notifyPlan(pool, { team: session.team });
    log.info({ team: session.team, node: session.node, agent: hello.agentVersion, engine: hello.engineVersion, simulated: hello.simulated }, 'agent connected');
    return { fencingToken: BigInt(keeper.token) };
  }

  /** After Welcome went out: commands may follow. */
  onReady(session: AgentSession): void {
    const connected = this.#connected.get(key(session.team, session.node));
    if (connected?.session === session) void this.#dispatch(connected);
  }

  async onDisconnected(session: AgentSession, reason: string): Promise<void> {
    const name = key(session.team, session.node);
    if (this.#connected.get(name)?.session !== session) return;
    await this.#end(name);
    await saveDisconnected(this.#options.pool, session.team, session.node, this.#options.holder);
    await notifyPlan(this.#options.pool, { team: session.team });
    this.#options.log.info({ team: session.team, node: session.node, reason }, 'agent disconnected');
  }

  async onHeartbeat(session: AgentSession): Promise<void> {
    if (!(await saveSeen(this.#options.pool, session.team, session.node))) session.close('the node was revoked');
  }

  async onAttemptEvent(session: AgentSession, event: AttemptEvent): Promise<void> {
    await saveEvent(this.#options.pool, session.team, session.node, {
      attemptId: Number(event.attemptId),
      sequence: event.sequence,
      at: new Date(Number(event.atMs)),
      step: event.step,
      text: event.text,
    });
  }

  /** Resolves when the result is stored for good; only then may the agent forget it. */
  async onAttemptResult(session: AgentSession, result: WireResult): Promise<void> {
    await this.#finish(session, {
      attemptId: Number(result.attemptId),
      outcome: outcomeOf(result.outcome),
      code: result.code,
      reason: result.reason,
      restored: result.outcome === AttemptOutcome.ATTEMPT_OUTCOME_SUCCEEDED || result.restored,
      digests: result.digests,
      evidence: result.evidence,
    });
  }

  async onAttemptRefused(session: AgentSession, refused: AttemptRefused): Promise<void> {
    // A stale token means that another replica commands this node by now: the attempt is that one's to end.
    if (refused.code === 'StaleFencingToken') {
      session.close('the agent obeys a newer session');
      return;
    }
    await this.#finish(session, {
      attemptId: Number(refused.attemptId),
      outcome: 'failed',
      code: refused.code,
      reason: refused.reason,
      restored: true,
      digests: [],
      evidence: [],
    });
  }

  async onObservation(session: AgentSession, observation: Observation): Promise<void> {
    const mine = observation.targets.filter((target) => target.team === session.team); // R1
    const changed = await saveObservation(
      this.#options.pool,
      session.team,
      session.node,
      mine.map((target) => ({
        prefix: target.prefix,
        deployment: target.deployment,
        health: healthOf(target.health),
        healthReason: target.healthReason,
        containers: target.containers,
        drift: target.drift,
        attemptId: Number(target.attemptId),
      })),
      observation.complete,
    );
    if (changed.length > 0) await notifyPlan(this.#options.pool, { team: session.team, deployments: [...new Set(changed)] });
  }

  async onRecipients(session: AgentSession, recipients: readonly string[]): Promise<void> {
    await saveRecipients(this.#options.pool, session.team, session.node, recipients);
  }

  async onAgentUpdate(session: AgentSession, { version, code, reason }: AgentUpdateState): Promise<void> {
    const trouble = /^[A-Z][A-Za-z]{0,60}$/.test(code) ? { code, reason: reason.slice(0, MAX_REASON) } : null;
    if (trouble !== null) this.#options.log.warn({ team: session.team, node: session.node, version, ...trouble }, 'the agent has not become the version that is wanted');
    await saveAgentUpdate(this.#options.pool, session.team, session.node, version, trouble);
  }

  /** The next poll reads it as a part of what is desired. */
  async onImageDigests(session: AgentSession, { prefix, digests }: ImageDigests): Promise<void> {
    await saveFollowed(this.#options.pool, session.team, session.node, prefix, digests);
  }

  async stop(): Promise<void> {
    for (const [name, connected] of [...this.#connected]) {
      await this.#end(name);
      await saveDisconnected(this.#options.pool, connected.session.team, connected.session.node, this.#options.holder).catch(() => undefined);
    }
  }

  async #finish(session: AgentSession, result: AttemptResult): Promise<void> {
    const finished = await retryTransaction(this.#options.pool, async (tx) => {
      const end = await finishAttempt(tx, session, result);
      if (end?.first) await notifyPlan(tx, { team: end.team, deployments: [end.deployment] });
      return end;
    });
    if (finished?.first) {
      this.#options.log.info({ team: session.team, node: session.node, attempt: result.attemptId, outcome: result.outcome, code: result.code }, `attempt ended: ${result.outcome}`);
      this.#options.onAttemptEnd?.(finished.kind, result.outcome, finished.durationMs);
    }
    const connected = this.#connected.get(key(session.team, session.node));
    connected?.inHand.delete(result.attemptId);
    connected?.bell.ring();
  }

  /** The loop of one session: hand out what is due, tell what is to be stopped, wait. */
  async #dispatch(connected: Connected): Promise<void> {
    const { pool, log } = this.#options;
    const { session, keeper, bell, inHand } = connected;
    const signal = AbortSignal.any([connected.stop.signal, keeper.signal]);
    let takenOver = false;
    while (!signal.aborted) {
      try {
        if (!takenOver) {
          for (const command of await takeOverRunning(pool, session.team, session.node, keeper.token)) this.#send(connected, command);
          takenOver = true;
        }
        const room = MAX_IN_HAND - inHand.size;
        if (room > 0) {
          const due = await pool.transaction((tx) => startDue(tx, session.team, session.node, keeper.token, room));
          for (const command of due) this.#send(connected, command);
          if (due.length > 0) await notifyPlan(pool, { team: session.team, deployments: due.map((command) => command.deployment) });
        }
        for (const item of await cancelled(pool, session.team, session.node)) {
          if (connected.cancelSent.has(item.id)) continue;
          connected.cancelSent.add(item.id);
          session.cancelAttempt(BigInt(item.id), item.reason);
        }
        const wanted = await loadWantedAgentVersion(pool, session.team, session.node);
        if (wanted !== connected.toldVersion) session.wantAgent(wanted ?? '', wanted === null ? '' : this.#options.agentImage(wanted));
        connected.toldVersion = wanted;
        const dueMs = await nextDueMs(pool, session.team, session.node);
        await bell.wait(inHand.size >= MAX_IN_HAND || dueMs === null ? IDLE_LOOK_MS : Math.min(Math.max(dueMs, 10), IDLE_LOOK_MS), signal);
      } catch (error) {
        log.warn({ err: error, team: session.team, node: session.node }, 'handing out attempts failed; it is tried again');
        await new Bell().wait(500, signal);
      }
    }
  }

  #send({ session, inHand }: Connected, command: AttemptCommand): void {
    inHand.add(command.id);
    session.startAttempt({
      attemptId: BigInt(command.id),
      kind: command.kind === 'remove' ? AttemptKind.ATTEMPT_KIND_REMOVE : AttemptKind.ATTEMPT_KIND_DEPLOY,
      specJson: command.spec === null ? '' : JSON.stringify(command.spec),
      remove:
        command.kind === 'remove'
          ? { team: session.team, deployment: command.deployment, prefix: command.prefix, removeVolumes: command.removeVolumes }
          : undefined,
      remainingMs: command.remainingMs,
    });
  }

  async #end(name: string): Promise<void> {
    const connected = this.#connected.get(name);
    if (connected === undefined) return;
    this.#connected.delete(name);
    connected.stop.abort();
    await connected.keeper.release().catch((error: unknown) => this.#options.log.warn({ err: error }, 'a lease was not given back; it runs out'));
  }
}

function key(team: string, node: string): string {
  return `${team}/${node}`;
}

function outcomeOf(outcome: AttemptOutcome): 'succeeded' | 'failed' | 'cancelled' {
  if (outcome === AttemptOutcome.ATTEMPT_OUTCOME_SUCCEEDED) return 'succeeded';
  return outcome === AttemptOutcome.ATTEMPT_OUTCOME_CANCELLED ? 'cancelled' : 'failed';
}

const HEALTHS = ['healthy', 'progressing', 'degraded', 'missing', 'unknown'] as const;

function healthOf(text: string): (typeof HEALTHS)[number] {
  return HEALTHS.find((health) => health === text) ?? 'unknown';
}
