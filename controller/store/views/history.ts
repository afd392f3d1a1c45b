/** The history of one deployment: its records, the attempts at them, and what a failure left behind (R19). */
import { sql } from 'slonik';
import { z } from 'zod';
import type { Queryable } from '../pool.ts';
import { attemptKindRow, id, outcomeRow, statusRow, versionKindRow } from '../rows.ts';

/** The most that one answer holds; older ones are in the audit log. */
const MAX_RECORDS = 200;
const MAX_ATTEMPTS_OF_A_RECORD = 25;
/** Steps are shown for the newest attempts only. */
const MAX_ATTEMPTS_WITH_EVENTS = 25;
const MAX_EVENTS_OF_AN_ATTEMPT = 200;

const recordRow = z.object({
  id, version: z.string(), versionKind: versionKindRow, status: statusRow, commit: z.string(), actor: z.string(),
  startedAt: z.date().nullable(), finishedAt: z.date().nullable(), reason: z.string(), product: z.string(), node: z.string(), prefix: z.string(),
  live: z.boolean(), createdAt: z.date(), updatedAt: z.date(),
});

const evidenceRow = z.object({ container: z.string(), logLines: z.array(z.string()).default([]), healthOutput: z.array(z.string()).default([]) });
export type EvidenceView = z.infer<typeof evidenceRow>;

/** The plan's action, as far as pages show it (plan/types.ts); lenient, for older rows. */
const actionRow = z.object({
  kind: z.string(), reason: z.string().default(''), from: z.string().nullable().default(null), to: z.string().nullable().default(null),
  changes: z.array(z.object({ image: z.string(), path: z.string(), from: z.string().nullable(), to: z.string().nullable() })).default([]),
  strategies: z.array(z.object({ image: z.string(), strategy: z.string(), reason: z.string() })).default([]),
  statusChanges: z.array(z.object({ version: z.string(), from: z.string().nullable().default(null), to: z.string(), reason: z.string().default('') })).default([]),
  waitsFor: z.array(z.string()).default([]), waitsBecause: z.string().default(''), removesVolumes: z.boolean().default(false), adoptsFrom: z.string().nullable().default(null), tries: z.number().default(0),
});
export type ActionView = z.infer<typeof actionRow>;

const attemptRow = z.object({
  id, recordId: id.nullable(), kind: attemptKindRow, state: z.enum(['queued', 'running', 'done']), outcome: outcomeRow.nullable(), code: z.string().nullable(),
  reason: z.string().nullable(), restored: z.boolean().nullable(), commit: z.string(), actor: z.string(), planHash: z.string(),
  createdAt: z.date(), startedAt: z.date().nullable(), finishedAt: z.date().nullable(),
  digests: z.array(z.object({ name: z.string(), image: z.string().default(''), digest: z.string().default('') })),
  evidence: z.array(evidenceRow), action: actionRow.nullable().catch(null),
  review: z.object({ ref: z.string(), planHash: z.string(), outcome: z.enum(['reviewed', 'replanned']) }).nullable().catch(null),
});

const eventRow = z.object({ sequence: z.number(), at: z.date(), step: z.string(), text: z.string() });
export type EventView = z.infer<typeof eventRow>;
export type AttemptView = Omit<z.infer<typeof attemptRow>, 'recordId'> & { readonly events: readonly EventView[] };
/** One deployment record (R12: a rolling version has one) with its attempts, the newest first. */
export type HistoryItem = z.infer<typeof recordRow> & { readonly attempts: readonly AttemptView[] };

export interface History {
  /** The latest activity first. */
  readonly records: readonly HistoryItem[];
  /** Attempts to remove it; they belong to no record. */
  readonly removals: readonly AttemptView[];
}

/** Null when the team has no deployment of that name. Four queries whatever the length. */
export async function loadHistory(connection: Queryable, team: string, deployment: string): Promise<History | null> {
  const known = await connection.exists(sql.unsafe`select 1 from deployment where team = ${team} and name = ${deployment}`);
  if (!known) return null;
  const records = await connection.any(sql.type(recordRow)`
    select r.id, r.version, r.version_kind as "versionKind", r.status, r.commit_id as commit, r.actor, r.started_at as "startedAt", r.finished_at as "finishedAt",
      r.reason, r.product, r.node, r.prefix, r.created_at as "createdAt", r.updated_at as "updatedAt",
      exists (select 1 from target t where t.team = r.team and t.live_record_id = r.id) as live
    from record r left join lateral (select max(created_at) as at from attempt a where a.record_id = r.id) tried on true
    where r.team = ${team} and r.deployment = ${deployment}
    order by r.status in ('preparing', 'in-progress') desc, greatest(r.started_at, r.created_at, tried.at) desc, r.id desc limit ${MAX_RECORDS}`);
  const attempts = await connection.any(sql.type(attemptRow)`
    select ${attemptColumns}
    from (select a.*, row_number() over (partition by record_id order by id desc) as place from attempt a where team = ${team} and deployment = ${deployment}) numbered
    where place <= ${MAX_ATTEMPTS_OF_A_RECORD} order by id desc`);
  const events = await loadEvents(connection, attempts.slice(0, MAX_ATTEMPTS_WITH_EVENTS).map((attempt) => attempt.id));
  const byRecord = new Map<number | null, AttemptView[]>();
  for (const { recordId, ...attempt } of attempts) {
    const list = byRecord.get(recordId) ?? [];
    list.push({ ...attempt, events: events.get(attempt.id) ?? [] });
    byRecord.set(recordId, list);
  }
  return { records: records.map((record) => ({ ...record, attempts: byRecord.get(record.id) ?? [] })), removals: byRecord.get(null) ?? [] };
}

const attemptColumns = sql.fragment`id, record_id as "recordId", kind, state, outcome, code, reason, restored, commit_id as commit, actor, plan_hash as "planHash",
  created_at as "createdAt", started_at as "startedAt", finished_at as "finishedAt", digests, evidence, action, review`;

/** What else the plan of an attempt did: the other deployments that it names. */
const companionRow = z.object({ deployment: z.string(), kind: z.string(), from: z.string().nullable().default(null), to: z.string().nullable().default(null), reason: z.string().default('') });

export interface AttemptPlan {
  readonly attempt: AttemptView;
  readonly companions: readonly z.infer<typeof companionRow>[];
}

/** One attempt of any age; null when this deployment has none of that number. */
export async function loadAttempt(connection: Queryable, team: string, deployment: string, attemptId: number): Promise<AttemptPlan | null> {
  const row = await connection.maybeOne(sql.type(attemptRow)`select ${attemptColumns} from attempt where team = ${team} and deployment = ${deployment} and id = ${attemptId}`);
  if (row === null) return null;
  const { recordId: _recordId, ...attempt } = row;
  const events = await loadEvents(connection, [attemptId]);
  const companions = await connection.any(sql.type(companionRow)`
    select a ->> 'deployment' as deployment, a ->> 'kind' as kind, a ->> 'from' as "from", a ->> 'to' as "to", coalesce(a ->> 'reason', '') as reason
    from plan p, jsonb_array_elements(case jsonb_typeof(p.plan -> 'actions') when 'array' then p.plan -> 'actions' else '[]' end) a
    where p.team = ${team} and p.hash = ${attempt.planHash} and p.commit_id = ${attempt.commit} and a ->> 'deployment' <> ${deployment} limit 100`);
  return { attempt: { ...attempt, events: events.get(attemptId) ?? [] }, companions };
}

async function loadEvents(connection: Queryable, attempts: readonly number[]): Promise<ReadonlyMap<number, readonly EventView[]>> {
  if (attempts.length === 0) return new Map();
  const rows = await connection.any(sql.type(eventRow.extend({ attempt: id }))`
    select attempt, sequence, at, step, text from (
      select attempt_id as attempt, sequence, at, step, text, row_number() over (partition by attempt_id order by sequence desc) as place
      from attempt_event where attempt_id = any(${sql.array([...attempts], 'int8')})) numbered
    where place <= ${MAX_EVENTS_OF_AN_ATTEMPT} order by attempt, sequence`);
  const byAttempt = new Map<number, EventView[]>();
  for (const { attempt, ...event } of rows) byAttempt.set(attempt, [...(byAttempt.get(attempt) ?? []), event]);
  return byAttempt;
}
