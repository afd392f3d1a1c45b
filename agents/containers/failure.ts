/** Why an attempt stops on its way; turned into an AttemptEnd in one place (rollout.ts). */
import type { AttemptContext, FailureCode, FailureEvidence } from '../core/engine.ts';
import { RuntimeError } from './runtime.ts';

export class AttemptFailure extends Error {
  readonly code: FailureCode;
  readonly evidence: readonly FailureEvidence[];

  constructor(code: FailureCode, message: string, options: { evidence?: readonly FailureEvidence[]; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AttemptFailure';
    this.code = code;
    this.evidence = options.evidence ?? [];
  }
}

/** The controller asked to stop (R21). */
export class AttemptCancelled extends Error {
  constructor() {
    super('stopped at a safe point because the controller asked (R21)');
    this.name = 'AttemptCancelled';
  }
}

/** Throws if the attempt has to stop; called where stopping leaves nothing half done. */
export function safePoint(context: Pick<AttemptContext, 'cancel' | 'deadline'>): void {
  if (context.cancel.aborted) throw new AttemptCancelled();
  if (context.deadline.aborted) throw new AttemptFailure('DeadlineExceeded', 'the attempt took longer than its deadline allows; raise timeouts.attempt or look at the step before this line');
}

export function asFailure(error: unknown): AttemptFailure {
  if (error instanceof AttemptFailure) return error;
  if (error instanceof RuntimeError) return new AttemptFailure(error.code, error.message, { cause: error });
  if (error instanceof RangeError) return new AttemptFailure('SpecRefused', error.message, { cause: error });
  return new AttemptFailure('Internal', error instanceof Error ? error.message : String(error), { cause: error });
}
