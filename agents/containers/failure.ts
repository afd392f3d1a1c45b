/** What a runtime threw, as the reason why an attempt stops. */
import { AttemptFailure } from '../core/attempt-failure.ts';
import { RuntimeError } from './runtime.ts';

export function asFailure(error: unknown): AttemptFailure {
  if (error instanceof AttemptFailure) return error;
  if (error instanceof RuntimeError) return new AttemptFailure(error.code, error.message, { cause: error });
  if (error instanceof RangeError) return new AttemptFailure('SpecRefused', error.message, { cause: error });
  return new AttemptFailure('Internal', error instanceof Error ? error.message : String(error), { cause: error });
}
