/**
 * Carries attempts out: one at a time on a target, several targets side by side. Every step that must not be forgotten is in
 * the journal before anybody is told; a result is stored, then sent, and kept until the controller has it.
 */
import { AttemptKind, AttemptOutcome } from '../../proto/gen/agent/v1/agent.ts';
import type { AgentMessage, AttemptResult, CancelAttempt, StartAttempt } from '../../proto/gen/agent/v1/agent.ts';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { validateTargetSpec } from '../../schemas/gen/validators.ts';
import type { AttemptContext, AttemptEnd, Engine } from './engine.ts';
import type { Journal, JournalEntry } from './journal.ts';
import type { Secrets } from './secrets.ts';
import { decideCancel, decideStart } from './state.ts';

/** Targets that are worked on at the same time. */
const PARALLEL = 4;
/** Restoring may take this much longer than the attempt's own deadline before the worker gives up on the engine. */
const RESTORE_GRACE_MS = 120_000;

export interface WorkerOptions {
  readonly team: string;
  readonly node: string;
  readonly engine: Engine;
  readonly journal: Journal;
  readonly secrets: Secrets;
  readonly version: string;
  /** Where messages go; what is lost with the line is sent again after the next Welcome. */
  send(body: NonNullable<AgentMessage['body']>): void;
  /** The engine's picture of this target has changed. */
  changed(prefix: string): void;
  log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
}

interface Running {
  readonly cancel: AbortController;
  cancelReason: string;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #queue: bigint[] = [];
  readonly #running = new Map<bigint, Running>();
  readonly #busyTargets = new Set<string>();
  readonly #cancelled = new Map<bigint, string>();
  #stopped = false;
  #paused = false;
  #onIdle: (() => void)[] = [];

  constructor(options: WorkerOptions) {
    this.#options = options;
    for (const [id, entry] of [...options.journal.entries].sort(([a], [b]) => (a < b ? -1 : 1))) if (entry.result === undefined) this.#queue.push(id);
  }

  /** Takes up what was in hand when the process ended. */
  resume(): void {
    this.#next();
  }

  /** No new work; what runs is left to the journal. */
  stop(): void {
    this.#stopped = true;
  }

  /** Begins nothing more, and resolves when what has begun is done; what comes meanwhile waits in the journal. */
  async drain(): Promise<void> {
    this.#paused = true;
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** After `drain`: goes on. */
  undrain(): void {
    this.#paused = false;
    this.#next();
  }

  get inHand(): bigint[] {
    return [...this.#options.journal.entries].filter(([, entry]) => entry.result === undefined).map(([id]) => id);
  }

  /** Results that the controller has not acknowledged; sent once after each Welcome. */
  get unacknowledged(): AttemptResult[] {
    return [...this.#options.journal.entries.values()].flatMap((entry) => entry.result ?? []);
  }

  start(command: StartAttempt): void {
    const { journal, send } = this.#options;
    const entry = journal.entries.get(command.attemptId);
    const decision = decideStart(command, journal.highestFence, { inHand: entry !== undefined, result: entry?.result, acknowledged: journal.wasAcknowledged(command.attemptId) });
    if (decision.do === 'refuse') return send({ $case: 'attemptRefused', value: { attemptId: command.attemptId, code: decision.code, reason: decision.reason } });
    journal.obey(command.fencingToken);
    if (decision.do === 'report-again') return send({ $case: 'attemptResult', value: decision.result });
    if (decision.do === 'ignore') return;
    const refusal = command.kind === AttemptKind.ATTEMPT_KIND_DEPLOY ? this.#refusal(command.specJson) : undefined;
    if (refusal !== undefined) return send({ $case: 'attemptRefused', value: { attemptId: command.attemptId, code: 'SpecRefused', reason: refusal } });
    journal.put({ command, started: false, lastSequence: 0, deadlineMs: Date.now() + command.remainingMs, result: undefined });
    this.#queue.push(command.attemptId);
    this.#next();
  }

  cancel(command: CancelAttempt): void {
    const { journal } = this.#options;
    if (command.fencingToken < journal.highestFence) return;
    const entry = journal.entries.get(command.attemptId);
    const running = this.#running.get(command.attemptId);
    const decision = decideCancel(entry === undefined ? undefined : { started: running !== undefined || entry.started, ended: entry.result !== undefined });
    if (decision === 'nothing') return;
    this.#cancelled.set(command.attemptId, command.reason);
    if (running !== undefined) running.cancel.abort();
    else if (decision === 'drop' && entry !== undefined) {
      this.#queue.splice(this.#queue.indexOf(command.attemptId), 1);
      this.#end(entry, { outcome: 'cancelled', reason: command.reason, restored: true, containers: [] }, Date.now());
    }
  }

  acknowledged(attemptId: bigint): void {
    this.#options.journal.acknowledge(attemptId);
  }

  /** An older agent must not drop a field silently: what it does not know, it refuses. */
  #refusal(specJson: string): string | undefined {
    let spec: unknown;
    try {
      spec = JSON.parse(specJson);
    } catch {
      return 'the specification is not JSON';
    }
    if (!validateTargetSpec(spec)) {
      const error = validateTargetSpec.errors?.[0];
      const extra = typeof error?.params['additionalProperty'] === 'string' ? ` (${error.params['additionalProperty']})` : '';
      return `agent ${this.#options.version} does not understand the specification at ${error?.instancePath ?? '/'}: ${error?.message ?? 'unknown'}${extra}; update the agent`;
    }
    if (spec.team !== this.#options.team || spec.node !== this.#options.node) return `the specification is for ${spec.team}/${spec.node}, and this is ${this.#options.team}/${this.#options.node}`;
    return undefined;
  }

  #next(): void {
    for (const id of [...this.#queue]) {
      if (this.#stopped || this.#paused || this.#running.size >= PARALLEL) return;
      const entry = this.#options.journal.entries.get(id);
      const prefix = entry === undefined ? '' : prefixOf(entry.command);
      if (entry !== undefined && this.#busyTargets.has(prefix)) continue;
      this.#queue.splice(this.#queue.indexOf(id), 1);
      if (entry === undefined) continue;
      this.#busyTargets.add(prefix);
      const running: Running = { cancel: new AbortController(), cancelReason: '' };
      this.#running.set(id, running);
      if (this.#cancelled.has(id)) running.cancel.abort();
      void this.#carryOut(entry, running).finally(() => {
        this.#running.delete(id);
        this.#cancelled.delete(id);
        this.#busyTargets.delete(prefix);
        if (this.#running.size === 0) for (const done of this.#onIdle.splice(0)) done();
        this.#next();
      });
    }
  }

  async #carryOut(entry: JournalEntry, running: Running): Promise<void> {
    const { journal, log } = this.#options;
    const begun = Date.now();
    const { command } = entry;
    let current: JournalEntry = { ...entry, started: true };
    journal.put(current);
    const left = Math.max(1, entry.deadlineMs - Date.now());
    const context: AttemptContext = {
      attemptId: command.attemptId,
      deadline: AbortSignal.timeout(left),
      cancel: running.cancel.signal,
      resumed: entry.started,
      secrets: this.#options.secrets,
      progress: (step, text) => {
        current = { ...current, lastSequence: current.lastSequence + 1 };
        this.#options.send({ $case: 'attemptEvent', value: { attemptId: command.attemptId, sequence: current.lastSequence, step, text, atMs: BigInt(Date.now()) } });
      },
    };
    // A number of events may be lost with a crash; their numbers must not be used again.
    if (entry.started) current = { ...current, lastSequence: current.lastSequence + 1_000 };
    const end = await withGrace(this.#run(command, context), left + RESTORE_GRACE_MS).catch((error: unknown): AttemptEnd => {
      log.warn({ err: error, attempt: String(command.attemptId) }, 'the engine failed in an unforeseen way');
      return { outcome: 'failed', code: 'Internal', reason: error instanceof Error ? error.message : String(error), restored: false, evidence: [], containers: [] };
    });
    if (end.outcome === 'succeeded') await this.#settle(command, end.digests);
    this.#end(current, end, begun);
    this.#options.changed(prefixOf(command));
  }

  async #run(command: StartAttempt, context: AttemptContext): Promise<AttemptEnd> {
    const { engine, journal } = this.#options;
    if (command.kind === AttemptKind.ATTEMPT_KIND_REMOVE) return engine.remove(command.remove!, context);
    const spec = JSON.parse(command.specJson) as TargetSpec;
    return engine.deploy(spec, journal.memories.get(spec.prefix), context);
  }

  /** What serves now is remembered with the engine's own picture of it: whatever differs later is drift (R24). */
  async #settle(command: StartAttempt, digests: Extract<AttemptEnd, { outcome: 'succeeded' }>['digests']): Promise<void> {
    const { engine, journal, log } = this.#options;
    if (command.kind === AttemptKind.ATTEMPT_KIND_REMOVE) return journal.forget(prefixOf(command));
    const spec = JSON.parse(command.specJson) as TargetSpec;
    try {
      const baseline = await engine.baseline(spec, AbortSignal.timeout(30_000));
      journal.remember(spec.prefix, { spec, attemptId: command.attemptId, digests, baseline });
    } catch (error) {
      log.warn({ err: error, prefix: spec.prefix }, 'no picture of the target could be taken; its drift is not seen until the next attempt');
      journal.remember(spec.prefix, { spec, attemptId: command.attemptId, digests, baseline: null });
    }
  }

  #end(entry: JournalEntry, end: AttemptEnd, begun: number): void {
    // Masked before it is kept: logs of a container that prints its own secret are part of it (R27).
    const result: AttemptResult = this.#options.secrets.scrub({
      attemptId: entry.command.attemptId,
      outcome: { succeeded: AttemptOutcome.ATTEMPT_OUTCOME_SUCCEEDED, failed: AttemptOutcome.ATTEMPT_OUTCOME_FAILED, cancelled: AttemptOutcome.ATTEMPT_OUTCOME_CANCELLED }[end.outcome],
      code: end.outcome === 'failed' ? end.code : '',
      reason: end.outcome === 'succeeded' ? '' : end.reason,
      restored: end.outcome === 'succeeded' || end.restored,
      digests: end.outcome === 'succeeded' ? [...end.digests] : [],
      containers: [...end.containers],
      evidence: end.outcome === 'failed' ? end.evidence.map((item) => ({ container: item.container, logLines: [...item.logLines], healthOutput: [...item.healthOutput] })) : [],
      startedAtMs: BigInt(begun),
      finishedAtMs: BigInt(Date.now()),
    });
    this.#options.journal.put({ ...entry, result });
    this.#options.log.info({ attempt: String(result.attemptId), outcome: end.outcome, code: result.code, reason: result.reason }, `attempt ${end.outcome}`);
    this.#options.send({ $case: 'attemptResult', value: result });
  }
}

function prefixOf(command: StartAttempt): string {
  if (command.remove !== undefined) return command.remove.prefix;
  return (JSON.parse(command.specJson) as TargetSpec).prefix;
}

async function withGrace<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('the engine did not come back after the deadline')), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
