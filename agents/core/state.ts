/** What to do with a command, as a pure decision: idempotent by attempt id, fenced by token (SPEC §4). */
import type { AttemptResult } from '../../proto/gen/agent/v1/agent.ts';

/** What the agent knows of an attempt id when a command for it arrives. */
export interface Known {
  /** Accepted before and not yet reported. */
  readonly inHand: boolean;
  /** Its end, not yet acknowledged. */
  readonly result: AttemptResult | undefined;
  /** Reported and acknowledged before. */
  readonly acknowledged: boolean;
}

export type Decision =
  | { readonly do: 'begin' }
  | { readonly do: 'ignore'; readonly why: string }
  | { readonly do: 'report-again'; readonly result: AttemptResult }
  | { readonly do: 'refuse'; readonly code: string; readonly reason: string };

export function decideStart(command: { readonly attemptId: bigint; readonly fencingToken: bigint }, highestFence: bigint, known: Known): Decision {
  if (command.fencingToken < highestFence) {
    return { do: 'refuse', code: 'StaleFencingToken', reason: `the command carries fencing token ${command.fencingToken}, and this agent obeys ${highestFence} already` };
  }
  if (known.result !== undefined) return { do: 'report-again', result: known.result };
  if (known.inHand) return { do: 'ignore', why: 'it is under way' };
  if (known.acknowledged) return { do: 'refuse', code: 'AlreadyReported', reason: 'this attempt ended and its result was acknowledged' };
  return { do: 'begin' };
}

export type CancelDecision = 'abort' | 'drop' | 'nothing';

/** `drop`: it has not begun, so there is nothing to restore. */
export function decideCancel(attempt: { readonly started: boolean; readonly ended: boolean } | undefined): CancelDecision {
  if (attempt === undefined || attempt.ended) return 'nothing';
  return attempt.started ? 'abort' : 'drop';
}
