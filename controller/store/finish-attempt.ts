/**
 * The end of an attempt, in one transaction: the attempt, its record, the statuses that follow (R16, R17), the freezing
 * of the version (R8), what is live, and the audit row. Telling an end twice changes nothing.
 */
import { sql } from 'slonik';
import type { DatabaseTransactionConnection } from 'slonik';
import { z } from 'zod';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { consequencesOfSuccess } from '../model/status.ts';
import { appendAudit } from './audit.ts';
import { withdrawRecord } from './attempts.ts';
import { attemptKindRow, id, nothing, statusRow } from './rows.ts';

export interface AttemptResult {
  readonly attemptId: number;
  /** `lost`: nobody reported by the deadline. */
  readonly outcome: 'succeeded' | 'failed' | 'cancelled' | 'lost';
  readonly code: string;
  readonly reason: string;
  readonly restored: boolean;
  readonly digests: readonly { readonly name: string; readonly image: string; readonly digest: string }[];
  readonly evidence: readonly { readonly container: string; readonly logLines: readonly string[]; readonly healthOutput: readonly string[] }[];
}

export interface Finished {
  readonly team: string;
  readonly deployment: string;
  readonly kind: 'deploy' | 'remove' | 'heal';
  /** False: it was ended before; the answer to the agent is the same. */
  readonly first: boolean;
  readonly durationMs: number;
}

const attemptRow = z.object({
  team: z.string(),
  deployment: z.string(),
  node: z.string(),
  prefix: z.string(),
  kind: attemptKindRow,
  state: z.enum(['queued', 'running', 'done']),
  recordId: id.nullable(),
  spec: z.unknown(),
  commit: z.string(),
  actor: z.string(),
  cancelReason: z.string().nullable(),
  startedAt: z.date().nullable(),
});
type Row = z.infer<typeof attemptRow>;

/** Null when there is no such attempt on that node: an agent speaks only of its own (R1). */
export async function finishAttempt(tx: DatabaseTransactionConnection, of: { team: string; node: string }, result: AttemptResult): Promise<Finished | null> {
  const attempt = await tx.maybeOne(sql.type(attemptRow)`
    select team, deployment, node, prefix, kind, state, record_id as "recordId", spec, commit_id as commit, actor,
           cancel_reason as "cancelReason", started_at as "startedAt"
    from attempt where id = ${result.attemptId} and team = ${of.team} and node = ${of.node} for update`);
  if (attempt === null) return null;
  const durationMs = attempt.startedAt === null ? 0 : Date.now() - attempt.startedAt.getTime();
  const finished = { team: attempt.team, deployment: attempt.deployment, kind: attempt.kind, durationMs };
  if (attempt.state === 'done') return { ...finished, first: false };

  const reason = result.outcome === 'cancelled' && attempt.cancelReason !== null ? attempt.cancelReason : result.reason;
  await tx.query(sql.type(nothing)`
    update attempt set state = 'done', outcome = ${result.outcome}, code = ${result.code}, reason = ${reason}, restored = ${result.restored},
      digests = ${JSON.stringify(result.digests)}::jsonb, evidence = ${JSON.stringify(result.evidence)}::jsonb, finished_at = now(),
      started_at = coalesce(started_at, now())
    where id = ${result.attemptId}`);

  if (attempt.kind === 'deploy') {
    if (result.outcome === 'succeeded') await recordSuccess(tx, attempt, result);
    else await recordFailure(tx, attempt, result, reason);
  }
  if (attempt.kind === 'remove' && result.outcome === 'succeeded') await forgetTarget(tx, attempt);
  await appendAudit(tx, {
    team: attempt.team,
    actor: `agent:${attempt.node}`,
    action: `attempt.${attempt.kind}`,
    object: `deployment/${attempt.deployment}`,
    commit: attempt.commit,
    result: result.outcome,
    detail: { attempt: result.attemptId, code: result.code, reason, restored: String(result.restored), requestedBy: attempt.actor },
  });
  return { ...finished, first: true };
}

async function recordSuccess(tx: DatabaseTransactionConnection, attempt: Row, result: AttemptResult): Promise<void> {
  const digests = new Map(result.digests.map((digest) => [digest.name, digest.digest]));
  const spec = attempt.spec as TargetSpec;
  const good: TargetSpec = {
    ...spec,
    images: spec.images.map((image) => {
      const digest = digests.get(image.name) || image.digest;
      return digest ? { ...image, digest } : image;
    }),
  };
  const record = await tx.one(sql.type(z.object({ id, versionId: id, kind: z.string(), product: z.string(), version: z.string() }))`
    select id, version_id as "versionId", version_kind as kind, product, version from record where id = ${attempt.recordId}`);
  await supersedeSiblings(tx, attempt, record);
  await tx.query(sql.type(nothing)`
    update record set status = 'successful', reason = '', good_spec = ${JSON.stringify(good)}::jsonb, good_spec_hash = spec_hash,
      failures = 0, finished_at = now(), updated_at = now() where id = ${record.id}`);
  await tx.query(sql.type(nothing)`
    update target set live_record_id = ${record.id}, record_id = ${record.id}
    where team = ${attempt.team} and node = ${attempt.node} and prefix = ${attempt.prefix}`);
  if (record.kind === 'incremental') await freeze(tx, record, good);
}

/** R16 and R17, before the new success, so that at no moment two records of a target are successful. */
async function supersedeSiblings(tx: DatabaseTransactionConnection, attempt: Row, record: { id: number; versionId: number; product: string }): Promise<void> {
  const siblings = await tx.any(sql.type(z.object({ id, versionId: id, status: statusRow }))`
    select id, version_id as "versionId", status from record
    where team = ${attempt.team} and node = ${attempt.node} and prefix = ${attempt.prefix} order by id for update`);
  const versions = await tx.any(sql.type(z.object({ id, parentId: id.nullable() }))`
    select id, parent_id as "parentId" from version where team = ${attempt.team} and product = ${record.product}`);
  const parents = new Map(versions.map((version) => [version.id, version.parentId]));
  for (const change of consequencesOfSuccess(record, siblings, parents)) {
    await tx.query(sql.type(nothing)`update record set status = ${change.to}, reason = ${change.reason}, updated_at = now() where id = ${change.recordId}`);
  }
}

/**
 * R8: the first success freezes what was deployed — not what the tag says by now, which may have moved meanwhile: the
 * version's images by digest, their merged configuration, the files they came from.
 */
async function freeze(tx: DatabaseTransactionConnection, record: { id: number; versionId: number }, good: TargetSpec): Promise<void> {
  const digests = Object.fromEntries(good.images.map((image) => [image.name, image.digest ?? '']));
  await tx.query(sql.type(nothing)`
    update version v set frozen_at = now(), commit_id = r.version_content ->> 'commit', tag_object = r.version_content ->> 'tagObject',
      frozen = jsonb_set(r.version_content, '{images}', (
        select coalesce(jsonb_agg(image || jsonb_build_object('digest', coalesce(${JSON.stringify(digests)}::jsonb ->> (image ->> 'name'), '')) order by place), '[]'::jsonb)
        from jsonb_array_elements(r.version_content -> 'images') with ordinality as images(image, place)))
    from record r where r.id = ${record.id} and v.id = ${record.versionId} and v.frozen is null`);
}

async function recordFailure(tx: DatabaseTransactionConnection, attempt: Row, result: AttemptResult, reason: string): Promise<void> {
  const superseded = result.outcome === 'cancelled';
  const text = superseded ? `superseded: ${reason}` : result.code === '' ? reason : `${result.code}: ${reason}`;
  const counted = superseded ? 0 : 1;
  await tx.query(sql.type(nothing)`
    update record set status = 'failed', reason = ${text}, failures = failures + ${counted}, finished_at = now(), updated_at = now()
    where id = ${attempt.recordId} and status = 'in-progress'`);
  // Only an attempt that was refused before it began leaves its record prepared.
  if (attempt.recordId !== null) await withdrawRecord(tx, attempt.recordId, text);
}

/** R20: the containers are gone; the records stay for history, the last one as obsolete. */
async function forgetTarget(tx: DatabaseTransactionConnection, attempt: Row): Promise<void> {
  const at = sql.fragment`team = ${attempt.team} and node = ${attempt.node} and prefix = ${attempt.prefix}`;
  await tx.query(sql.type(nothing)`
    update record set status = 'obsolete', reason = 'removed with its manifest', updated_at = now() where ${at} and status = 'successful'`);
  await tx.query(sql.type(nothing)`
    update record set status = coalesce(resting_status, 'failed'), resting_status = null, reason = 'removed with its manifest', updated_at = now() where ${at} and status = 'preparing'`);
  await tx.query(sql.type(nothing)`delete from target where ${at}`);
  await tx.query(sql.type(nothing)`delete from observed where ${at}`);
}
