/** What the builders of objects are given and what they make. Pure. */
import type { TargetImage, TargetSpec } from '../../../schemas/gen/types.ts';
import type { Login } from './pull-secret.ts';

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** As the API takes it and gives it back. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

export interface BuildInput {
  readonly spec: TargetSpec;
  readonly attemptId: bigint;
  /** What to write for an image reference: pinned by digest where the registry gave one. */
  reference(image: string, digest: string | undefined): string;
  /** Opened values, base64, by ciphertext; undefined where only the shape of the set is asked for. */
  readonly opened: ReadonlyMap<string, string> | undefined;
  /** Credentials of the registries that the images name. */
  readonly logins: readonly Login[];
  /** Does the cluster know ServiceMonitor? */
  readonly monitors: boolean;
}

export interface ImageInput extends BuildInput {
  readonly image: TargetImage;
}
