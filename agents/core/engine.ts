/**
 * What the agent core asks of an engine. `agents/docker`, `agents/simulated` and `agents/kubernetes` each implement it;
 * the core knows nothing of containers or clusters beyond this file.
 *
 * The calls are attempt-sized on purpose: how to get from the old set to the new one without losing the old is the
 * engine's own knowledge (a cluster has rollouts of its own, a Docker host has none).
 */
import type { Sealed, TargetSpec } from '../../schemas/gen/types.ts';

/** The life of one container as the engine tells it (proto ContainerState). */
export interface ContainerState {
  /** Name on the node, `<prefix>-<image name>` on Docker. */
  readonly name: string;
  /** The image's name in the version manifest. */
  readonly imageName: string;
  readonly image: string;
  /** `sha256:…`, or '' where the engine has no repository digest. */
  readonly digest: string;
  readonly state: 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'dead' | 'missing';
  readonly health: 'healthy' | 'unhealthy' | 'starting' | 'none';
  readonly exitCode: number;
  readonly restarts: number;
  readonly id: string;
  /** One sentence for people where something is not fine, else ''. */
  readonly detail: string;
}

export interface ImageDigest {
  readonly name: string;
  readonly image: string;
  readonly digest: string;
}

/** What a person needs to understand a failure (R19). Bounded: at most 50 lines of 2,000 characters each. */
export interface FailureEvidence {
  readonly container: string;
  readonly logLines: readonly string[];
  readonly healthOutput: readonly string[];
}

export interface Drift {
  readonly container: string;
  /** `container` (missing, extra, replaced), `state`, or a path such as `config.env.REGION`. */
  readonly field: string;
  readonly expected: string;
  readonly actual: string;
}

export type TargetHealth = 'healthy' | 'progressing' | 'degraded' | 'missing' | 'unknown';

export interface ObservedTarget {
  readonly team: string;
  readonly deployment: string;
  readonly prefix: string;
  readonly containers: readonly ContainerState[];
  readonly drift: readonly Drift[];
  readonly attemptId: bigint;
  readonly health: TargetHealth;
  readonly healthReason: string;
}

/** Stable failure codes of an attempt; shown to people with the reason. */
export type FailureCode =
  | 'ImagePullFailed'
  | 'ImageUnknown'
  | 'RegistryUnauthorized'
  | 'RegistryUnreachable'
  | 'RegistryRateLimited'
  | 'SecretUnopenable'
  | 'EnvironmentIncomplete'
  | 'ContainerCreateFailed'
  | 'ContainerStartFailed'
  | 'ContainerExited'
  | 'HealthCheckFailed'
  | 'ExpectedStateNotReached'
  | 'PortInUse'
  | 'RouteTaken'
  | 'NameTaken'
  | 'Unsupported'
  | 'SpecRefused'
  | 'DeadlineExceeded'
  | 'EngineUnreachable'
  | 'EngineError'
  | 'EngineUnauthorized'
  | 'EngineForbidden'
  | 'ObjectConflict'
  | 'KindMissing'
  | 'NamespaceTerminating'
  | 'QuotaExceeded'
  | 'Unschedulable'
  | 'RestoreFailed'
  | 'Internal';

/**
 * How an attempt ended. `failed` and `cancelled` say whether what ran before runs again (`restored`): engines restore
 * before they answer (R19, R21).
 */
export type AttemptEnd =
  | { readonly outcome: 'succeeded'; readonly digests: readonly ImageDigest[]; readonly containers: readonly ContainerState[] }
  | {
      readonly outcome: 'failed';
      readonly code: FailureCode;
      readonly reason: string;
      readonly restored: boolean;
      readonly evidence: readonly FailureEvidence[];
      readonly containers: readonly ContainerState[];
    }
  | { readonly outcome: 'cancelled'; readonly reason: string; readonly restored: boolean; readonly containers: readonly ContainerState[] };

/** Opens what was sealed for this node (`secrets` of the configuration, credentials of registries). */
export interface SecretOpener {
  /**
   * The clear bytes of the block, which must go to nobody but the container or object that they are for. Throws AgentError
   * `SecretUnopenable` with a text for people. From then on the value is masked in whatever the agent says (R27).
   */
  open(block: Sealed): Promise<Buffer>;
}

/** The identity and the time of one attempt, and the two ways to talk while it runs. */
export interface AttemptContext {
  readonly attemptId: bigint;
  /** Aborts when the attempt's deadline has passed. The engine then restores within its own small deadline. */
  readonly deadline: AbortSignal;
  /** Aborts when the controller asked to stop; the engine stops at the next safe point and restores (R21). */
  readonly cancel: AbortSignal;
  /** True when the agent was restarted during this attempt: look at what is there before doing anything. */
  readonly resumed: boolean;
  readonly secrets: SecretOpener;
  /** Tells people what happens; never a secret (R27). */
  progress(step: string, text: string): void;
}

export interface RemoveTarget {
  readonly team: string;
  readonly deployment: string;
  readonly prefix: string;
  readonly removeVolumes: boolean;
}

/** What the agent remembers of the last success on a target; written by the core, read by the engine for drift. */
export interface TargetMemory {
  readonly spec: TargetSpec;
  readonly attemptId: bigint;
  readonly digests: readonly ImageDigest[];
  /** The engine's own normalised picture taken right after the success, opaque to the core, JSON. */
  readonly baseline: unknown;
}

export interface LogRequest {
  readonly prefix: string;
  readonly container: string;
  /** Number of last lines to start with. */
  readonly tail: number;
  readonly follow: boolean;
}

export interface LogLine {
  readonly at: Date;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

/**
 * An engine. Every call takes a signal or a context with one, and every call may be repeated: after a crash the core
 * calls `deploy` again with the same attempt id, and the engine finishes or restores.
 */
export interface Engine {
  readonly type: 'docker' | 'kubernetes';
  readonly simulated: boolean;
  /** For Hello, for example `Docker 20.10.24`. Throws AgentError when the engine does not answer. */
  version(signal: AbortSignal): Promise<string>;
  /** Carries the spec out. Never throws for what can go wrong on a node: that is an `AttemptEnd`. */
  deploy(spec: TargetSpec, previous: TargetMemory | undefined, context: AttemptContext): Promise<AttemptEnd>;
  /** Removes the target's containers (or objects), and its volumes only if told (R20). */
  remove(target: RemoveTarget, context: AttemptContext): Promise<AttemptEnd>;
  /** The picture that `TargetMemory.baseline` keeps, taken right after a success. */
  baseline(spec: TargetSpec, signal: AbortSignal): Promise<unknown>;
  /** Everything on the node that carries Tagboat's labels for this team, compared with what is remembered. */
  observe(team: string, memories: ReadonlyMap<string, TargetMemory>, signal: AbortSignal): Promise<readonly ObservedTarget[]>;
  /** Calls back with the prefix that may have changed (undefined: look at everything) until the signal aborts. */
  watch(team: string, onChange: (prefix: string | undefined) => void, signal: AbortSignal): Promise<void>;
  logs(request: LogRequest, signal: AbortSignal): AsyncIterable<LogLine>;
}
