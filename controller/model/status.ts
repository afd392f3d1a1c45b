/**
 * The status machine of a deployment record (R11–R17), as data. PostgreSQL enforces the same table
 * (migrations/0001: `status_transition`, compared by a test); this copy lets the plan foresee what will happen.
 */

export const STATUSES = ['preparing', 'in-progress', 'successful', 'failed', 'obsolete', 'downgraded'] as const;
export type Status = (typeof STATUSES)[number];
export type VersionKind = 'rolling' | 'incremental';

/** Every allowed move and why it exists; all others are impossible (R11). */
export const TRANSITIONS = [
  { from: 'preparing', to: 'in-progress', why: 'the agent has begun' },
  { from: 'preparing', to: 'failed', why: 'superseded or withdrawn before it began' },
  { from: 'preparing', to: 'obsolete', why: 'withdrawn: it was obsolete before it was planned again' },
  { from: 'preparing', to: 'downgraded', why: 'withdrawn: it was downgraded before it was planned again' },
  { from: 'in-progress', to: 'successful', why: 'the agent reported success' },
  { from: 'in-progress', to: 'failed', why: 'the agent reported failure, was told to stop, or missed the deadline' },
  { from: 'successful', to: 'preparing', why: 'a rolling version is deployed again (R12)' },
  { from: 'successful', to: 'obsolete', why: 'another version took its place, or its manifest is gone (R16)' },
  { from: 'successful', to: 'downgraded', why: 'an older version was rolled back to (R17)' },
  { from: 'failed', to: 'preparing', why: 'tried again, or changed' },
  { from: 'failed', to: 'obsolete', why: 'it had been live, and a newer version took its place (R16)' },
  { from: 'failed', to: 'downgraded', why: 'an older version was rolled back to (R17)' },
  { from: 'obsolete', to: 'preparing', why: 'deployed again (R15)' },
  { from: 'obsolete', to: 'downgraded', why: 'an older version was rolled back to (R17)' },
  { from: 'downgraded', to: 'preparing', why: 'deployed again (R15)' },
] as const satisfies readonly { from: Status; to: Status; why: string }[];

const ALLOWED: ReadonlySet<string> = new Set(TRANSITIONS.map((move) => `${move.from}>${move.to}`));

/** True if a record may go from one status to the other; a status is no move to itself. */
export function mayBecome(from: Status, to: Status, kind: VersionKind): boolean {
  if (from === 'successful' && to === 'preparing' && kind === 'incremental') return false; // R15
  return ALLOWED.has(`${from}>${to}`);
}

/** What R16 and R17 need to know of a record on the target that a deployment succeeded on. */
export interface SiblingRecord {
  readonly id: number;
  readonly versionId: number;
  readonly status: Status;
}

export interface StatusChange {
  readonly recordId: number;
  readonly from: Status;
  readonly to: Status;
  readonly reason: string;
}

/** The version graph of one product, as parent links by version id (R7). */
export type VersionParents = ReadonlyMap<number, number | null>;

/** True if `ancestor` is met when walking from `version` to its root; a version is not its own ancestor. Cycles end the walk. */
export function isAncestorVersion(ancestor: number, version: number, parents: VersionParents): boolean {
  const seen = new Set<number>();
  let current = parents.get(version) ?? null;
  while (current !== null && !seen.has(current)) {
    if (current === ancestor) return true;
    seen.add(current);
    current = parents.get(current) ?? null;
  }
  return false;
}

/**
 * What the success of `succeeded` does to the other records of its target (R16, R17). Pure; the deploy loop carries
 * it out and the plan shows it beforehand.
 *
 * - successful records of ancestor versions, and in any case the one that was live: `obsolete`
 * - every record of a later version (descendant), whatever it was: `downgraded`; this wins over `obsolete`
 */
export function consequencesOfSuccess(
  succeeded: { readonly id: number | null; readonly versionId: number },
  siblings: readonly SiblingRecord[],
  parents: VersionParents,
): readonly StatusChange[] {
  const changes: StatusChange[] = [];
  for (const record of siblings) {
    if (record.id === succeeded.id || record.status === 'preparing' || record.status === 'in-progress') continue;
    if (isAncestorVersion(succeeded.versionId, record.versionId, parents)) {
      if (record.status !== 'downgraded') {
        changes.push({ recordId: record.id, from: record.status, to: 'downgraded', reason: 'an older version was deployed over it (R17)' });
      }
    } else if (record.status === 'successful') {
      const older = isAncestorVersion(record.versionId, succeeded.versionId, parents);
      changes.push({
        recordId: record.id,
        from: 'successful',
        to: 'obsolete',
        reason: older ? 'a newer version was deployed (R16)' : 'another deployment took its place (R16)',
      });
    }
  }
  return changes;
}
