/** Who owns which field of an object (`metadata.managedFields`), and how ours becomes what others added. Pure. */
import type { FieldSet } from './fields.ts';

export const FIELD_MANAGER = 'tagboat';

export interface ManagedEntry {
  readonly manager?: string;
  readonly operation?: string;
  readonly apiVersion?: string;
  readonly fieldsType?: string;
  readonly subresource?: string;
  readonly fieldsV1?: FieldSet;
  readonly time?: string;
}

/** Controllers of the cluster write what is theirs to write; taking it from them would be a fight without end. */
const CONTROLLERS = new Set(['kube-controller-manager', 'kube-scheduler', 'kubelet', 'cloud-controller-manager']);
/** What an object says; its status and what marks it are left to whoever wrote them. */
const CONTENT = ['f:spec', 'f:data', 'f:binaryData'];

export function isManaged(entries: readonly ManagedEntry[]): boolean {
  return entries.some(isOurs);
}

/** The fields that we applied. */
export function ownFields(entries: readonly ManagedEntry[]): FieldSet | undefined {
  return entries.find(isOurs)?.fieldsV1;
}

/** Content that people and their tools own. */
export function fieldsOfOthers(entries: readonly ManagedEntry[]): readonly { readonly manager: string; readonly fields: FieldSet }[] {
  return entries.flatMap((entry) => {
    if (isOurs(entry) || isController(entry)) return [];
    const content = contentOf(entry);
    return Object.keys(content).length === 0 ? [] : [{ manager: entry.manager ?? '', fields: content }];
  });
}

function isController(entry: ManagedEntry): boolean {
  return CONTROLLERS.has(entry.manager ?? '') || (entry.subresource ?? '') !== '';
}

function contentOf(entry: ManagedEntry): FieldSet {
  return Object.fromEntries(Object.entries(entry.fieldsV1 ?? {}).filter(([key]) => CONTENT.includes(key)));
}

function isOurs(entry: ManagedEntry): boolean {
  return entry.manager === FIELD_MANAGER && entry.operation === 'Apply';
}

/**
 * The list in which our own entry also has the content that people and their tools own, so that the next apply takes away what we do
 * not say; undefined where nobody else owns any.
 */
export function takenOver(entries: readonly ManagedEntry[]): readonly ManagedEntry[] | undefined {
  const own = entries.find(isOurs);
  if (own === undefined) return undefined;
  let fields: FieldSet = own.fieldsV1 ?? {};
  let changed = false;
  const rest = entries.flatMap((entry) => {
    if (entry === own) return [];
    const content = isController(entry) ? {} : contentOf(entry);
    if (Object.keys(content).length === 0) return [entry];
    changed = true;
    fields = union(fields, content);
    const left = Object.fromEntries(Object.entries(entry.fieldsV1 ?? {}).filter(([key]) => !CONTENT.includes(key)));
    return Object.keys(left).length === 0 ? [] : [{ ...entry, fieldsV1: left }];
  });
  return changed ? [...rest, { ...own, fieldsV1: fields }] : undefined;
}

function union(a: FieldSet, b: FieldSet): FieldSet {
  const merged: Record<string, FieldSet> = { ...a };
  for (const [key, value] of Object.entries(b)) merged[key] = merged[key] === undefined ? value : union(merged[key], value);
  return merged;
}
