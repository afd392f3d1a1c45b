/**
 * What was right after the success against what is now (R24). Compared are the fields that Tagboat applied, with the values that the API
 * server gave them then, and what people and their tools have added since; what the server fills in by itself is neither. Pure.
 */
import type { Drift } from '../core/engine.ts';
import { ownedValues, type FieldSet } from './fields.ts';
import { fieldsOfOthers, ownFields, type ManagedEntry } from './managed-fields.ts';
import { LABEL } from './objects/labels.ts';

/** The picture that the core keeps for us. JSON. */
export interface Baseline {
  readonly version: 1;
  /** What was applied for each image reference. */
  readonly pins: Readonly<Record<string, string>>;
  /** By `Deployment web`. */
  readonly objects: Readonly<Record<string, BaselineObject>>;
}

export interface BaselineObject {
  readonly uid: string;
  readonly fields: FieldSet;
  readonly values: Readonly<Record<string, string>>;
  /** Paths of what others had set by then. */
  readonly others: readonly string[];
}

/** An object as it is kept for comparing. */
export interface Content {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly uid: string; readonly managedFields?: readonly ManagedEntry[] };
  readonly [field: string]: unknown;
}

export function isBaseline(value: unknown): value is Baseline {
  return typeof value === 'object' && value !== null && (value as { version?: unknown }).version === 1;
}

/** Applied anew by every attempt, or a person's way to restart pods. */
const IGNORED = new Set([`metadata.labels.${LABEL.attempt}`, 'spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt']);

export function baselineOf(content: Content): BaselineObject {
  const fields = ownFields(content.metadata.managedFields ?? []) ?? {};
  return { uid: content.metadata.uid, fields, values: Object.fromEntries(valuesOf(content, fields)), others: [...additionsTo(content, new Set()).keys()] };
}

/** Values of a Secret are never kept or shown (R27); that one is another object than it was, is. */
function valuesOf(content: Content, fields: FieldSet): Map<string, string> {
  const values = ownedValues(content, fields);
  for (const path of values.keys()) {
    if (IGNORED.has(path)) values.delete(path);
    else if (content.kind === 'Secret' && path.startsWith('data.')) values.set(path, '(secret)');
  }
  return values;
}

function additionsTo(content: Content, known: ReadonlySet<string>): Map<string, string> {
  const found = new Map<string, string>();
  for (const { manager, fields } of fieldsOfOthers(content.metadata.managedFields ?? [])) {
    for (const [path, value] of ownedValues(content, fields)) {
      if (IGNORED.has(path) || known.has(path)) continue;
      found.set(path, `${content.kind === 'Secret' ? '(secret)' : value} (set by ${manager})`);
    }
  }
  return found;
}

export function driftOfObject(name: string, before: BaselineObject, now: Content): Drift[] {
  const drift: Drift[] = before.uid === now.metadata.uid ? [] : [{ container: name, field: 'object', expected: before.uid, actual: `replaced by ${now.metadata.uid}` }];
  const values = valuesOf(now, before.fields);
  for (const path of new Set([...Object.keys(before.values), ...values.keys()])) {
    const was = before.values[path] ?? '';
    const is = values.get(path) ?? '';
    if (was !== is) drift.push({ container: name, field: path, expected: clip(was), actual: clip(is) });
  }
  const known = new Set([...before.others, ...Object.keys(before.values)]);
  for (const [path, value] of additionsTo(now, known)) drift.push({ container: name, field: path, expected: '', actual: clip(value) });
  return drift;
}

function clip(text: string): string {
  return text.length <= 500 ? text : `${text.slice(0, 499)}…`;
}
