/** Which record a deployment belongs to: the one that is live, one to use again, or a new one (R12, R13, R15, R18). */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { isAncestorVersion } from '../model/status.ts';
import { specHashOf } from './spec-hash.ts';
import type { DesiredDeployment, Recorded, RecordedRecord, RecordedTarget } from './types.ts';

/**
 * Does what serves on the target match the manifest, with nothing left to say about it? Rolling versions compare content
 * (R6), incremental ones version and overrides. A rolling record whose last try failed is not settled even when the
 * manifest went back to the content that still serves: one more attempt, which changes no container, settles it.
 */
export function isLive(wanted: DesiredDeployment, target: RecordedTarget): boolean {
  const live = target.records.find((record) => record.id === target.liveRecordId);
  return live !== undefined && isSameVersion(wanted, live) && matchesGood(wanted, live);
}

function isSameVersion(wanted: DesiredDeployment, record: RecordedRecord): boolean {
  return record.product === wanted.product && record.versionKind === wanted.version.kind && record.version === wanted.version.name;
}

function nameBeside(record: RecordedRecord, { product }: DesiredDeployment): string {
  return record.product === product ? record.version : `${record.version} of ${record.product}`;
}

function matchesGood(wanted: DesiredDeployment, record: RecordedRecord): boolean {
  if (record.goodSpecHash === null || record.status !== 'successful') return false;
  return wanted.version.kind === 'rolling' ? record.goodSpecHash === wanted.specHash : record.overridesHash === wanted.overridesHash;
}

function onlyDigests({ spec }: DesiredDeployment, target: RecordedTarget | undefined): boolean {
  return spec.follow !== undefined && target?.liveSpec?.follow !== undefined && specHashOf(target.liveSpec) === specHashOf(spec);
}

export interface RecordChoice {
  /** Null: a new record. */
  readonly record: RecordedRecord | null;
  readonly spec: TargetSpec;
  /** Null while the version is not known to the database. */
  readonly versionId: number | null;
  readonly kind: 'deploy' | 'rollback';
  readonly reason: string;
}

export function chooseRecord(wanted: DesiredDeployment, target: RecordedTarget | undefined, recorded: Recorded): RecordChoice {
  const versionId = recorded.versions.find((version) => version.product === wanted.product && version.kind === wanted.version.kind && version.name === wanted.version.name)?.id ?? null;
  const same = (target?.records ?? []).filter((record) => isSameVersion(wanted, record)).sort((a, b) => b.id - a.id);
  const live = target?.records.find((record) => record.id === target.liveRecordId);
  const back = live !== undefined && versionId !== null && isAncestorVersion(versionId, live.versionId, recorded.parents);
  const kind = back ? 'rollback' : 'deploy';

  if (wanted.version.kind === 'rolling') {
    const record = same[0] ?? null;
    const reason = live === undefined ? 'nothing serves on this target yet' : live.id === record?.id ? (onlyDigests(wanted, target) ? 'an image was pushed under the same tag (follow: digest)' : 'its content changed') : `branch ${wanted.version.name} takes the place of ${nameBeside(live, wanted)}`;
    return { record, spec: wanted.spec, versionId, kind, reason };
  }

  // R18: the recorded deployment itself comes back when the overrides are those recorded.
  const recordedOnce = same.find((record) => record.overridesHash === wanted.overridesHash && record.goodSpecHash !== null && record.status !== 'successful');
  const spec = recordedOnce ? recorded.goodSpec(recordedOnce.id) : null;
  if (recordedOnce && spec) {
    // Credentials are the present ones: those of then may be gone.
    const { registries: _then, ...kept } = spec;
    const now = wanted.spec.registries;
    return { record: recordedOnce, spec: { ...kept, ...(now && { registries: now }) }, versionId, kind, reason: `${wanted.version.name} was deployed here before; its record comes back with its digests and configuration (R18)` };
  }
  const usable = same.find((record) => record.goodSpecHash === null && (record.status === 'failed' || record.status === 'preparing'));
  const reason = back
    ? `back to ${wanted.version.name} with other overrides: a new record of the frozen version (R18)`
    : live === undefined
      ? 'nothing serves on this target yet'
      : isSameVersion(wanted, live)
        ? 'its overrides changed'
        : `${wanted.version.name} takes the place of ${nameBeside(live, wanted)}`;
  return { record: usable ?? null, spec: wanted.spec, versionId, kind, reason };
}
