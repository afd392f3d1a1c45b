/** What the API server answered when it did not do what it was asked, told apart so far that people get the right advice. */
import { AttemptFailure } from '../core/attempt-failure.ts';
import type { FailureCode } from '../core/engine.ts';

export interface ApiStatus {
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly name?: string;
    readonly kind?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  };
}

export class ApiFailure extends Error {
  /** The HTTP status; 0 when no answer came. */
  readonly status: number;
  readonly answer: ApiStatus;

  constructor(status: number, answer: ApiStatus, text: string, options: { cause?: unknown } = {}) {
    super(text, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ApiFailure';
    this.status = status;
    this.answer = answer;
  }

  /** Trying again may help: the server is away, overloaded, or starting, others wrote at the same time, or a new quota is not counted yet. */
  get passing(): boolean {
    if (this.status === 0 || this.status === 429 || this.status >= 500) return true;
    if (this.status === 409) return this.answer.reason === 'AlreadyExists' || /Operation cannot be fulfilled.*has been modified/.test(this.message);
    return this.status === 403 && /status unknown for quota/.test(this.message);
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof ApiFailure && error.status === 404;
}

/** The fields that others own and that an apply without force left alone. */
export function conflictsOf(error: ApiFailure): readonly { readonly manager: string; readonly field: string }[] {
  if (error.status !== 409) return [];
  return (error.answer.details?.causes ?? [])
    .filter((cause) => cause.reason === 'FieldManagerConflict')
    .map((cause) => ({ manager: /conflict with "([^"]*)"/.exec(cause.message ?? '')?.[1] ?? 'somebody else', field: cause.field ?? '' }));
}

const WHAT_TO_DO: Readonly<Record<number, readonly [FailureCode, string]>> = {
  0: ['EngineUnreachable', 'look whether the API server runs and can be reached from the agent'],
  401: ['EngineUnauthorized', 'the credentials of the agent are not valid or have expired; renew its kubeconfig or service account token'],
  403: ['EngineForbidden', 'grant the agent this right; the manifest that tagboat node enroll prints holds the role that it needs'],
  422: ['SpecRefused', 'the cluster refuses this configuration; correct it in the manifest'],
  400: ['SpecRefused', 'the cluster does not understand this configuration; correct it in the manifest'],
  404: ['KindMissing', 'the cluster does not have this kind of object, or it vanished'],
};

/** @param doing what was tried, such as `apply Deployment web`. */
export function asAttemptFailure(error: ApiFailure, doing: string): AttemptFailure {
  const conflicts = conflictsOf(error);
  if (conflicts.length > 0) {
    const fields = conflicts.map(({ manager, field }) => `${field} (${manager})`).join(', ');
    return new AttemptFailure('ObjectConflict', `${doing}: somebody else has set ${fields} and it was not overruled; set it back, or say kubernetes.forceConflicts (or selfHeal) in the manifest`, { cause: error });
  }
  if (/exceeded quota/.test(error.message)) return new AttemptFailure('QuotaExceeded', `${doing}: ${error.message}; raise the quota or ask for less`, { cause: error });
  if (error.status === 403 && /being terminated/.test(error.message)) {
    return new AttemptFailure('NamespaceTerminating', `${doing}: ${error.message}; somebody has removed the namespace`, { cause: error });
  }
  // Refused for what it is, by a limit, a policy or a webhook, not for who asks.
  if (error.status === 403 && error.answer.reason === 'Forbidden' && !/User "[^"]*" cannot /.test(error.message)) {
    return new AttemptFailure('SpecRefused', `${doing}: ${error.message}; a rule of the cluster forbids it, so correct it in the manifest or let the rule be changed`, { cause: error });
  }
  const [code, hint] = WHAT_TO_DO[error.status] ?? (error.passing ? (['EngineUnreachable', 'the API server did not do it for the moment'] as const) : (['EngineError', 'look at the cluster'] as const));
  return new AttemptFailure(code, `${doing}: ${error.message}; ${hint}`, { cause: error });
}

/** Whatever was thrown, as the reason why an attempt stops. */
export function asFailure(error: unknown): AttemptFailure {
  if (error instanceof AttemptFailure) return error;
  if (error instanceof ApiFailure) return asAttemptFailure(error, 'the cluster');
  if (error instanceof RangeError) return new AttemptFailure('SpecRefused', error.message, { cause: error });
  return new AttemptFailure('Internal', error instanceof Error ? error.message : String(error), { cause: error });
}
