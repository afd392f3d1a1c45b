/** A manifest as it was read: its kind, name and spec, and where each of its values stands. Types and small helpers only. */
import type {
  ConfigBundleSpec,
  DeploymentSpec,
  NodeSpec,
  NotificationSpec,
  ProductSpec,
  RegistrySpec,
  TeamSpec,
  VersionSpec,
} from '../../schemas/gen/types.ts';
import type { Position, Problem } from './problem.ts';

/** The spec's type by kind. */
export interface SpecOf {
  Team: TeamSpec;
  Node: NodeSpec;
  Registry: RegistrySpec;
  Product: ProductSpec;
  Version: VersionSpec;
  ConfigBundle: ConfigBundleSpec;
  Deployment: DeploymentSpec;
  Notification: NotificationSpec;
}

export type Kind = keyof SpecOf;

export const KINDS = ['Team', 'Node', 'Registry', 'Product', 'Version', 'ConfigBundle', 'Deployment', 'Notification'] as const satisfies readonly Kind[];

/** Finds a place by JSON pointer; a pointer that leads nowhere gives the nearest place around it. */
export type Locate = (pointer: string) => Position;

/** One valid manifest. Text values (environment, labels, arguments, quantities) are strings, as they were written. */
export interface Manifest<K extends Kind = Kind> {
  readonly kind: K;
  readonly name: string;
  readonly spec: SpecOf[K];
  readonly file: string;
  /** Of the document's first key, 1-based. */
  readonly line: number;
  readonly column: number;
  /** Of a value by JSON pointer from the document's root, for example `/spec/node`. */
  readonly position: Locate;
  /** Of the key of that value, for what should not be there at all. */
  readonly keyPosition: Locate;
}

/** A manifest of any kind, told apart by `kind`. */
export type AnyManifest = { [K in Kind]: Manifest<K> }[Kind];

/** What one file holds. */
export interface ParsedFile {
  readonly manifests: readonly AnyManifest[];
  readonly problems: readonly Problem[];
}

/** All manifests of one commit. Of two with one name the first in (file, line) order is here, the other is a problem. */
export interface ManifestSet {
  readonly byKind: { readonly [K in Kind]: ReadonlyMap<string, Manifest<K>> };
  readonly problems: readonly Problem[];
  /** Manifest files that were read, those with problems included. */
  readonly files: number;
}

/** `Kind/name`, as `Problem.object` wants it. */
export function objectName(manifest: { readonly kind: Kind; readonly name: string }): string {
  return `${manifest.kind}/${manifest.name}`;
}

/** One step of a JSON pointer, escaped. */
export function pointerStep(key: string | number): string {
  return `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** The steps of a JSON pointer, unescaped. */
export function pointerSteps(pointer: string): string[] {
  return pointer === '' ? [] : pointer.slice(1).split('/').map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Order for people and for `first wins`: by file, then by place. Pure, total on different places. */
export function comparePlaces(a: Position, b: Position): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}
