/**
 * The controller's one error table (STYLE: a stable code, a retry class, a hint). Code that fails throws
 * `TagboatError`; code that finds fault with a manifest returns a `Problem` instead (model/problem.ts).
 */

/** `never`: a person must act. `backoff`: try again later. `wait`: an event (a node, a lease) will resolve it. */
export type RetryClass = 'never' | 'backoff' | 'wait';

const ERROR_CODES = {
  UsageError: { retry: 'never', hint: 'See --help.' },
  ConfigInvalid: { retry: 'never', hint: 'Correct the controller configuration.' },
  DatabaseUnreachable: { retry: 'backoff', hint: 'Check that PostgreSQL runs and that the database URL is right.' },
  MigrationChanged: { retry: 'never', hint: 'A migration that was applied has another content now; restore the released file.' },
  MigrationFromTheFuture: { retry: 'never', hint: 'The database was migrated by a newer release; run that release or restore a backup.' },
  EmbeddedDatabaseFailed: { retry: 'never', hint: 'See the log file of the embedded PostgreSQL, or set database.url to a server of your own.' },
  RemoteUnreachable: { retry: 'backoff', hint: 'Check the URL and the network.' },
  RemoteUnauthorized: { retry: 'backoff', hint: 'Check the credentials of this repository.' },
  RemoteHostKey: { retry: 'backoff', hint: 'Compare the host key with what the host publishes, then correct knownHosts.' },
  RemoteNotFound: { retry: 'backoff', hint: 'Check the repository URL.' },
  RemoteProtocol: { retry: 'backoff', hint: 'The server does not answer as a Git server; check the URL.' },
  RemoteTooLarge: { retry: 'backoff', hint: 'The answer is larger than the limit; the mirror is made anew.' },
  MirrorCorrupt: { retry: 'backoff', hint: 'The local mirror is made anew by itself.' },
  RefMissing: { retry: 'backoff', hint: 'Push the branch or tag, or correct its name.' },
  CommitRefused: { retry: 'wait', hint: 'Push a commit that the policy of the team accepts.' },
  LeaseLost: { retry: 'wait', hint: 'Another controller replica has taken over.' },
  TransitionRefused: { retry: 'never', hint: 'The status table (SPEC R11) does not know this transition.' },
  EnrolmentRefused: { retry: 'never', hint: 'Mint a new enrolment with `tagboat node enroll`.' },
  NodeUnknown: { retry: 'wait', hint: 'Add a Node manifest of this name.' },
  NodeRevoked: { retry: 'wait', hint: 'Enrol the node again.' },
  AgentUnreachable: { retry: 'wait', hint: 'The deployment waits until the node is back.' },
  ControllerUnreachable: { retry: 'backoff', hint: 'Check TAGBOAT_URL and that the controller runs.' },
  Unauthorized: { retry: 'never', hint: 'Set TAGBOAT_TOKEN or pass --token.' },
  Forbidden: { retry: 'never', hint: 'Ask an admin or owner of the team.' },
  SignInRefused: { retry: 'never', hint: 'Start again from the sign-in page.' },
  ProviderUnreachable: { retry: 'backoff', hint: 'Check `oidc.issuer` and the network; tokens work meanwhile.' },
  Conflict: { retry: 'never', hint: 'Look at what is there already.' },
  TooManyAttempts: { retry: 'wait', hint: 'Wait some minutes, then try again.' },
  Busy: { retry: 'backoff', hint: 'Close some streams, or try again later.' },
  WebhookRefused: { retry: 'never', hint: 'See the delivery log of the team.' },
  NotFound: { retry: 'never', hint: 'Check the name.' },
  MethodNotAllowed: { retry: 'never', hint: 'Nothing is changed over HTTP but by webhooks and sign-in; Git is the way in.' },
  MediaTypeUnsupported: { retry: 'never', hint: 'Send JSON, with Content-Type: application/json.' },
  ForgeRefused: { retry: 'backoff', hint: 'Check the address and the token in `reviews`; the token needs to write comments and commit statuses.' },
  Timeout: { retry: 'backoff', hint: 'The other side did not answer in time.' },
  Internal: { retry: 'never', hint: 'This is a defect of Tagboat; please report it with the log line.' },
} as const satisfies Record<string, { retry: RetryClass; hint: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An error with a stable code. Its text says what happened, where and what to do next; `cause` is kept. */
export class TagboatError extends Error {
  readonly code: ErrorCode;
  readonly retry: RetryClass;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TagboatError';
    this.code = code;
    this.retry = ERROR_CODES[code].retry;
    this.hint = options.hint ?? ERROR_CODES[code].hint;
  }
}

/** The text for people: message and hint, without a stack. */
export function explainError(error: unknown): string {
  if (error instanceof TagboatError) return `${error.code}: ${error.message}. ${error.hint}`;
  return error instanceof Error ? error.message : String(error);
}
