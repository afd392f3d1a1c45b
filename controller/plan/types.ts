/**
 * The three values that a plan is made of, and the plan (SPEC §4). Frozen data: no clock, no I/O, no randomness in
 * here or in any file of this folder, so that the controller, `tagboat plan` and reviews run the same code.
 */
import type { VersionImage } from '../model/config-merge.ts';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { Problem } from '../model/problem.ts';
import type { Status, StatusChange, VersionKind, VersionParents } from '../model/status.ts';

/** `node/prefix`: the identity of a target inside a team. */
export type TargetKey = `${string}/${string}`;

export function targetKey(node: string, prefix: string): TargetKey {
  return `${node}/${prefix}`;
}

export type Strategy = 'start-first' | 'recreate';

/** How one image is replaced and why; a gap is what people fear, so it is said beforehand. */
export interface StrategyChoice {
  readonly image: string;
  readonly strategy: Strategy;
  readonly reason: string;
}

/** What a followed tag means now, as the node's agent found it. */
export interface FollowedDigest {
  readonly name: string;
  readonly image: string;
  readonly digest: string;
}

export interface DesiredVersion {
  readonly kind: VersionKind;
  /** `1.2.0` or the branch. */
  readonly name: string;
  /** The commit at which the version manifest was read; for a frozen version the one it was frozen at. */
  readonly commit: string;
  readonly frozen: boolean;
  /** What a first success will freeze (R8). */
  readonly content: VersionContent;
}

/** A version's own part of a deployment: everything below the deployment's layers (SPEC §2, merge order). */
export interface VersionContent {
  readonly commit: string;
  /** The annotated tag object, or the commit for a lightweight tag; null for a branch. */
  readonly tagObject: string | null;
  readonly images: readonly VersionImage[];
  /** Blob ids of the manifests that it was made of, by path. */
  readonly files: Readonly<Record<string, string>>;
}

/** One Deployment manifest, resolved: everything merged, nothing left to look up. */
export interface DesiredDeployment {
  readonly name: string;
  readonly product: string;
  readonly version: DesiredVersion;
  readonly node: string;
  readonly prefix: string;
  readonly spec: TargetSpec;
  /** Of what reaches the engine: images and their merged configuration, without digests, timeouts and strategy. */
  readonly specHash: string;
  /** Of the manifest's own layer: its bundles, its config and its per-image overrides (R18). */
  readonly overridesHash: string;
  /** Of the content and the manifest file's blob: a touched file is a fresh go after a quarantine (R23). */
  readonly attemptKey: string;
  readonly dependsOn: readonly string[];
  readonly protected: boolean;
  readonly removeVolumes: boolean;
  readonly selfHeal: boolean;
  /** Additional tries of one content after a failure (R23). */
  readonly retries: number;
  readonly strategies: readonly StrategyChoice[];
  readonly timeoutMs: number;
  /** Ports and addresses are the node's, and one container's alone: a Docker host. */
  readonly oneNetwork: boolean;
}

/** A Deployment manifest that cannot be planned; its target stays as it is. */
export interface BlockedDeployment {
  readonly name: string;
  readonly product: string | null;
  readonly version: string | null;
  readonly node: string | null;
  readonly prefix: string | null;
  readonly problems: readonly Problem[];
}

export interface Desired {
  readonly team: string;
  readonly commit: string;
  readonly deployments: ReadonlyMap<string, DesiredDeployment>;
  readonly blocked: ReadonlyMap<string, BlockedDeployment>;
  /** R20: false when the repository is empty, unreadable or fails validation; then nothing is removed. */
  readonly mayRemove: boolean;
  /** Why not, for people; '' when it may. */
  readonly keepReason: string;
}

export interface RecordedRecord {
  readonly id: number;
  /** A target may go from one product to another; numbers and branches of both may be the same. */
  readonly product: string;
  readonly versionId: number;
  readonly version: string;
  readonly versionKind: VersionKind;
  readonly status: Status;
  readonly restingStatus: 'obsolete' | 'downgraded' | null;
  readonly specHash: string;
  readonly overridesHash: string;
  /** Null until it succeeded once. */
  readonly goodSpecHash: string | null;
  readonly attemptKey: string;
  readonly failures: number;
}

export interface OpenAttempt {
  readonly id: number;
  readonly kind: 'deploy' | 'remove' | 'heal';
  readonly state: 'queued' | 'running';
  readonly recordId: number | null;
  readonly attemptKey: string | null;
  readonly cancelRequested: boolean;
}

export interface RecordedTarget {
  readonly node: string;
  readonly prefix: string;
  /** Its owner (R10). */
  readonly deployment: string;
  readonly protected: boolean;
  readonly removeVolumes: boolean;
  /** The record whose content serves; null when nothing does. */
  readonly liveRecordId: number | null;
  /** With digests; null when nothing serves. */
  readonly liveSpec: TargetSpec | null;
  readonly records: readonly RecordedRecord[];
  readonly openAttempt: OpenAttempt | null;
  /** False when the last attempt failed and could not put the old containers back. */
  readonly restored: boolean;
  /** Healing attempts within the bounding window (R24). */
  readonly recentHeals: number;
}

export interface RecordedVersion {
  readonly id: number;
  readonly product: string;
  readonly kind: VersionKind;
  readonly name: string;
}

export interface Recorded {
  readonly targets: ReadonlyMap<TargetKey, RecordedTarget>;
  readonly versions: readonly RecordedVersion[];
  readonly parents: VersionParents;
  /** The recorded content of a record, for a rollback (R18); only records that succeeded have one. */
  goodSpec(recordId: number): TargetSpec | null;
}

export interface ObservedNode {
  readonly status: 'connected' | 'unreachable' | 'enrolling' | 'revoked';
  readonly simulated: boolean;
}

export interface Observed {
  readonly nodes: ReadonlyMap<string, ObservedNode>;
  /** What drifted, by target; empty or absent: nothing known to differ. */
  readonly drift: ReadonlyMap<TargetKey, readonly { container: string; field: string }[]>;
}

/** One difference between what serves and what will; values of secrets never appear (R27). */
export interface FieldChange {
  readonly image: string;
  /** Dotted path, for example `config.environment.REGION`. */
  readonly path: string;
  readonly from: string | null;
  readonly to: string | null;
}

export type PlannedStatusChange = Omit<StatusChange, 'recordId' | 'from'> & {
  readonly recordId: number | null;
  readonly version: string;
  readonly from: Status | null;
};

export type ActionKind = 'deploy' | 'rollback' | 'retry' | 'heal' | 'remove' | 'adopt' | 'withdraw' | 'hold' | 'blocked';

export interface Action {
  readonly kind: ActionKind;
  readonly deployment: string;
  readonly node: string | null;
  readonly prefix: string | null;
  readonly product: string | null;
  /** What serves now, and what will; null: nothing. */
  readonly from: string | null;
  readonly to: string | null;
  /** Why this action and not another: always a sentence. */
  readonly reason: string;
  readonly changes: readonly FieldChange[];
  readonly strategies: readonly StrategyChoice[];
  readonly statusChanges: readonly PlannedStatusChange[];
  /** Other deployments that have to succeed, or to be removed, first. */
  readonly waitsFor: readonly string[];
  /** What those have that this one takes over; '' where it only depends on them. */
  readonly waitsBecause: string;
  /** The record that is used again; null: a new one. */
  readonly recordId: number | null;
  /** A deployment that took another manifest's name over with its target (R10). */
  readonly adoptsFrom: string | null;
  /** An attempt that has to end first (R21). */
  readonly supersedes: number | null;
  readonly removesVolumes: boolean;
  /** For hold: retries that failed; else the try that this is, from 1. */
  readonly tries: number;
  readonly specHash: string | null;
}

export interface Plan {
  readonly team: string;
  readonly commit: string;
  /** SHA-256 over the actions; independent of which nodes are connected just now. */
  readonly hash: string;
  readonly actions: readonly Action[];
  readonly problems: readonly Problem[];
  /** True facts of the moment that change nothing in the plan: nodes that are offline, targets that drifted. */
  readonly notes: readonly string[];
}
