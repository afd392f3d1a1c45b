/** The agent's errors: a stable code, a retry class, the cause. What can go wrong in an attempt is an `AttemptEnd`, not an error. */
export type AgentErrorCode =
  | 'EngineUnreachable'
  | 'ControllerUnreachable'
  | 'EnrolmentRefused'
  | 'IdentityMissing'
  | 'IdentityUnknown'
  | 'FingerprintMismatch'
  | 'JournalUnreadable'
  | 'JournalLocked'
  | 'ConfigInvalid'
  | 'SecretUnopenable'
  | 'SecretsUnreadable'
  | 'UpdateFailed'
  | 'UpdateUnsupported'
  | 'UpdateLost'
  | 'Timeout'
  | 'Internal';

const RETRY = {
  EngineUnreachable: 'backoff',
  ControllerUnreachable: 'backoff',
  EnrolmentRefused: 'never',
  IdentityMissing: 'never',
  IdentityUnknown: 'backoff',
  FingerprintMismatch: 'never',
  JournalUnreadable: 'never',
  JournalLocked: 'never',
  ConfigInvalid: 'never',
  SecretUnopenable: 'never',
  SecretsUnreadable: 'never',
  UpdateFailed: 'backoff',
  UpdateUnsupported: 'never',
  UpdateLost: 'never',
  Timeout: 'backoff',
  Internal: 'never',
} as const satisfies Record<AgentErrorCode, 'never' | 'backoff'>;

export class AgentError extends Error {
  readonly code: AgentErrorCode;
  readonly retry: 'never' | 'backoff';

  constructor(code: AgentErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AgentError';
    this.code = code;
    this.retry = RETRY[code];
  }
}
