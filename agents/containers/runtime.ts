/**
 * The rollout room. Here lives the way from the old set of containers to the new one, the same for every engine that has
 * containers but no rollouts of its own (`agents/docker`, `agents/simulated`). Nothing here knows dockerode, gRPC or files; what
 * comes in is a TargetSpec, what goes out are calls of this interface.
 *
 * A runtime is dumb on purpose: one verb, one effect, safe to repeat. All knowledge of order, names and labels is above it.
 */
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import type { ContainerState, FailureCode, LogLine } from '../core/engine.ts';

/** What went wrong in one verb, told apart so far that people get the right advice. */
export class RuntimeError extends Error {
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RuntimeError';
    this.code = code;
  }
}

/** One row of the engine's list, without an inspect. */
export interface ContainerSummary {
  readonly id: string;
  readonly name: string;
  /** The reference that it was created from. */
  readonly image: string;
  readonly imageId: string;
  readonly state: ContainerState['state'];
  /** 0 while it runs. */
  readonly exitCode: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Ports of the node that it holds, `tcp/80`. */
  readonly hostPorts: readonly string[];
  readonly networks: readonly string[];
  /** Seconds since 1970. */
  readonly createdAt: number;
}

/** The whole picture of one container. */
export interface ContainerDetails {
  readonly id: string;
  readonly name: string;
  readonly imageId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: ContainerState['state'];
  readonly exitCode: number;
  readonly restarts: number;
  /** Milliseconds since 1970, 0 when it never started. */
  readonly startedAt: number;
  /** Where the agent may reach a port of it, best first; empty while it has no address. */
  addressesOf(port: number): readonly { readonly host: string; readonly port: number }[];
  /** Why it did not start or was killed, as far as the engine knows; else ''. */
  readonly error: string;
  /** Normalised settings as nested plain data, for drift: nothing volatile, no defaults, lists sorted where order means nothing. */
  readonly settings: unknown;
}

export interface LocalImage {
  /** `sha256:…` of the image's configuration. */
  readonly id: string;
  /** `repository@sha256:…` */
  readonly repoDigests: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Names of the variables that it sets by itself. */
  readonly variables: readonly string[];
}

/** For the registry at `host`, and for no other (R1). */
export interface RegistryCredentials {
  readonly host: string;
  readonly username: string;
  readonly password: string;
}

export interface NetworkAttachment {
  readonly name: string;
  readonly aliases: readonly string[];
}

export interface SecretFile {
  readonly path: string;
  readonly mode: number;
  readonly content: Buffer;
}

/** Opened secrets of one container: never logged, labelled, hashed or kept. */
export interface ClearSecrets {
  readonly environment: Readonly<Record<string, string>>;
  readonly files: readonly SecretFile[];
}

/** All that a container is created from. */
export interface ContainerPlan {
  readonly name: string;
  /** `repository@sha256:…`, or the id of an image that was built on the node. */
  readonly image: string;
  readonly config: ContainerConfig;
  readonly labels: Readonly<Record<string, string>>;
  /** Empty with a `networkMode` of its own. */
  readonly networks: readonly NetworkAttachment[];
  /** Named volumes by the name that they have on the node, by the name in the config. */
  readonly volumeNames: Readonly<Record<string, string>>;
  readonly secrets: ClearSecrets;
}

export interface ProbeResult {
  readonly ok: boolean;
  /** One line for people, bounded. */
  readonly output: string;
}

/** A change that the engine reported. */
export interface RuntimeEvent {
  readonly prefix: string | undefined;
}

export interface ContainerRuntime {
  readonly type: 'docker';
  readonly simulated: boolean;
  version(signal: AbortSignal): Promise<string>;
  /** Where containers may send their output; undefined where any name will do. */
  logDrivers(signal: AbortSignal): Promise<readonly string[] | undefined>;
  /** The digest that the registry has for the reference now. */
  resolve(reference: string, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<string>;
  localImage(reference: string, signal: AbortSignal): Promise<LocalImage | undefined>;
  /** Pulls `repository@digest` and gives it the tag, as a pull by tag would; without a digest it is one. */
  pull(repository: string, digest: string | undefined, tag: string | undefined, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<void>;
  /** Every container of the node, whoever owns it; the agent's own is left out. */
  list(signal: AbortSignal): Promise<readonly ContainerSummary[]>;
  inspect(id: string, signal: AbortSignal): Promise<ContainerDetails | undefined>;
  /** Creates it with all its networks; answers the id. */
  create(plan: ContainerPlan, signal: AbortSignal): Promise<string>;
  start(id: string, signal: AbortSignal): Promise<void>;
  /** Gone or stopped already is fine. */
  stop(id: string, graceSeconds: number, signal: AbortSignal): Promise<void>;
  rename(id: string, name: string, signal: AbortSignal): Promise<void>;
  /** Kills and removes; never a named volume. Gone already is fine. */
  remove(id: string, signal: AbortSignal): Promise<void>;
  /** Creates the network unless one of that name exists; answers the labels of the one that is there. */
  ensureNetwork(name: string, labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** Names of networks that carry all the labels. */
  networks(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly string[]>;
  /** Gone already is fine; one with containers on it is left alone. */
  removeNetwork(name: string, signal: AbortSignal): Promise<void>;
  ensureVolume(name: string, labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void>;
  volumes(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly string[]>;
  removeVolume(name: string, signal: AbortSignal): Promise<void>;
  /** Runs a command inside; `ok` is exit code 0. */
  exec(id: string, command: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<ProbeResult>;
  /** Asks over the network; a simulated one decides for itself. */
  probe(container: ContainerDetails, probe: NetworkProbe, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult>;
  logs(id: string, options: { readonly tail: number; readonly follow: boolean }, signal: AbortSignal): AsyncIterable<LogLine>;
  /** Calls back for each change of the team's containers until the signal aborts or the line breaks (then it throws). */
  events(team: string, onReady: () => void, onEvent: (event: RuntimeEvent) => void, signal: AbortSignal): Promise<void>;
}

export type NetworkProbe =
  | { readonly kind: 'http'; readonly path: string; readonly port: number }
  | { readonly kind: 'tcp'; readonly port: number };
