/** Why an attempt stops on its way; every engine turns it into an AttemptEnd in one place. */
import type { AttemptContext, FailureCode, FailureEvidence } from './engine.ts';

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
