/**
 * Is the new container good? One sample "running" is not health: a probe has to answer, or the container has to run for its
 * settle time without a restart, or it has to end as a job should.
 */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { AttemptContext, FailureCode } from '../core/engine.ts';
import { look } from './calls.ts';
import type { HelperPlan, WantedContainer } from './container-spec.ts';
import { milliseconds } from '../core/duration.ts';
import { evidenceOf } from './evidence.ts';
import { AttemptFailure, safePoint } from '../core/attempt-failure.ts';
import { pause } from '../core/pool.ts';
import { probeOnce, type Check, checkOf } from './probe.ts';
import type { ContainerDetails, ContainerRuntime } from './runtime.ts';

/** Looks often at first, because most containers are up at once, and never more rarely than this. */
const FIRST_LOOK_MS = 40;
const SLOWEST_LOOK_MS = 1000;

export interface Gate {
  readonly runtime: ContainerRuntime;
  readonly spec: TargetSpec;
  readonly context: AttemptContext;
  /** Aborts when another container of the level has failed. */
  readonly stop: AbortSignal;
}

/**
 * Waits until the container is as it should be; throws AttemptFailure with evidence, AttemptCancelled, or returns early when
 * `stop` aborts.
 *
 * @param fresh started by this attempt; one that was kept has settled long ago.
 */
export async function waitUntilGood(gate: Gate, wanted: WantedContainer, id: string, fresh: boolean): Promise<void> {
  const { config } = wanted.image;
  if (wanted.expected === 'waiting') return;
  if (wanted.expected === 'exited') return waitForExit(gate, wanted, id);
  const check = checkOf(config.healthCheck);
  const settle = milliseconds(config.healthCheck?.settle, '3s');
  if (check === undefined && (settle === 0 || !fresh)) return;
  if (check === undefined) return waitForSettle(gate, wanted, id, settle);
  return waitForProbe(gate, wanted, id, check, fresh ? 0 : ((await gate.runtime.inspect(id, look()))?.restarts ?? 0));
}

/**
 * Throws unless it runs and was not restarted meanwhile.
 *
 * @param restarts how often it had been restarted before; 0 for one that this attempt started.
 */
async function runningOrThrow(gate: Gate, wanted: WantedContainer, id: string, restarts = 0): Promise<ContainerDetails> {
  const details = await gate.runtime.inspect(id, look());
  if (details === undefined) throw new AttemptFailure('ContainerExited', `${wanted.name} vanished while it was watched; somebody else removed it`);
  if (details.state !== 'running' || details.restarts > restarts) {
    throw await failure(gate, wanted, details, 'ContainerExited', exitText(wanted.name, details), []);
  }
  return details;
}

export function exitText(name: string, details: Pick<ContainerDetails, 'state' | 'exitCode' | 'restarts' | 'error'>): string {
  const times = details.restarts > 0 ? ` and was restarted ${details.restarts} ${details.restarts === 1 ? 'time' : 'times'}` : '';
  // While it runs again the engine has forgotten what it ended with.
  const code = details.state === 'running' ? '' : ` with exit code ${details.exitCode}`;
  return `${name} ended by itself${code}${times}${errorOf(details)}; see its last log lines`;
}

function errorOf({ error }: Pick<ContainerDetails, 'error'>): string {
  return error === '' ? '' : `: ${error}`;
}

async function waitForSettle(gate: Gate, wanted: WantedContainer, id: string, settle: number): Promise<void> {
  const until = Date.now() + settle;
  for (let wait = FIRST_LOOK_MS; !gate.stop.aborted; wait = Math.min(wait * 2, SLOWEST_LOOK_MS)) {
    await runningOrThrow(gate, wanted, id);
    safePoint(gate.context);
    const left = until - Date.now();
    if (left <= 0) return;
    await breathe(gate, Math.min(wait, left));
  }
}

async function waitForProbe(gate: Gate, wanted: WantedContainer, id: string, check: Check, restarts: number): Promise<void> {
  const started = Date.now();
  const limit = milliseconds(wanted.image.config.expectedState?.timeout, gate.spec.timeouts.health);
  // So many failures in a row, one interval apart, the first of them at the end of the start period.
  const giveUp = check.startPeriodMs + (check.retries - 1) * check.intervalMs;
  const outputs: string[] = [];
  for (let wait = FIRST_LOOK_MS; !gate.stop.aborted; wait = Math.min(wait * 2, check.intervalMs)) {
    const details = await runningOrThrow(gate, wanted, id, restarts);
    safePoint(gate.context);
    const begun = Date.now() - started;
    const result = await probeOnce(gate.runtime, details, check, AbortSignal.any([gate.context.cancel, gate.context.deadline, gate.stop]));
    if (result.ok) return;
    if (gate.stop.aborted) return;
    safePoint(gate.context);
    outputs.push(result.output);
    if (outputs.length > 10) outputs.shift();
    if (begun >= giveUp || begun >= limit) {
      // A container that has just died of the same fault tells more than a refused connection.
      const last = await runningOrThrow(gate, wanted, id, restarts);
      const spent = begun >= giveUp ? `${check.retries} times` : `for ${Math.round(limit / 1000)} s`;
      throw await failure(gate, wanted, last, 'HealthCheckFailed', `${wanted.name} failed its health check ${spent}: ${result.output}`, outputs);
    }
    // A failing probe at the very end of the patience, not one interval after it.
    const left = Math.min(giveUp, limit) - (Date.now() - started);
    await breathe(gate, Math.max(1, Math.min(wait, left)));
  }
}

async function waitForExit(gate: Gate, wanted: WantedContainer, id: string): Promise<void> {
  const { expectedState } = wanted.image.config;
  const code = expectedState?.exitCode ?? 0;
  const limit = milliseconds(expectedState?.timeout, gate.spec.timeouts.health);
  const until = Date.now() + limit;
  for (let wait = FIRST_LOOK_MS; !gate.stop.aborted; wait = Math.min(wait * 2, SLOWEST_LOOK_MS)) {
    const details = await gate.runtime.inspect(id, look());
    if (details === undefined) throw new AttemptFailure('ContainerExited', `${wanted.name} vanished while it was watched; somebody else removed it`);
    if (details.state === 'exited' || details.state === 'dead') {
      if (details.exitCode === code) return;
      throw await failure(gate, wanted, details, 'ContainerExited', `${wanted.name} ended with exit code ${details.exitCode}, expected ${code}${errorOf(details)}; see its last log lines`, []);
    }
    safePoint(gate.context);
    if (Date.now() > until) {
      const text = `${wanted.name} was expected to end with exit code ${code} within ${Math.round(limit / 1000)} s and is ${details.state}`;
      throw await failure(gate, wanted, details, 'ExpectedStateNotReached', text, []);
    }
    await breathe(gate, wait);
  }
}

/** Runs a helper container to its end. @param of the container that it comes before. */
export async function waitForHelper(gate: Gate, of: string, { name, title, config }: HelperPlan, id: string): Promise<void> {
  const until = Date.now() + milliseconds(gate.spec.timeouts.health, '5m');
  for (let wait = FIRST_LOOK_MS; !gate.stop.aborted; wait = Math.min(wait * 2, SLOWEST_LOOK_MS)) {
    const details = await gate.runtime.inspect(id, look());
    safePoint(gate.context);
    if (details?.state === 'exited' && details.exitCode === 0) return;
    const late = Date.now() > until;
    if (details === undefined || details.state === 'exited' || details.state === 'dead' || late) {
      const how = details === undefined ? 'vanished' : late ? `did not end within ${gate.spec.timeouts.health}` : `ended with exit code ${details.exitCode}${errorOf(details)}`;
      const evidence = details === undefined ? [] : [await evidenceOf(gate.runtime, details.id, name, [])];
      throw new AttemptFailure(late ? 'ExpectedStateNotReached' : 'ContainerExited', `the ${title} of ${of} (${[...(config.command ?? ['its image’s command']), ...(config.args ?? [])].join(' ').slice(0, 200)}) ${how}; see its last log lines`, { evidence });
    }
    await breathe(gate, wait);
  }
}

async function failure(gate: Gate, wanted: WantedContainer, details: ContainerDetails, code: FailureCode, text: string, outputs: readonly string[]): Promise<AttemptFailure> {
  return new AttemptFailure(code, text, { evidence: [await evidenceOf(gate.runtime, details.id, wanted.name, outputs)] });
}

function breathe(gate: Gate, ms: number): Promise<void> {
  return pause(ms, AbortSignal.any([gate.context.cancel, gate.context.deadline, gate.stop]));
}
