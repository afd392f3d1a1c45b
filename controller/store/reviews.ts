/** Rows about requests to merge. Written under the team's lease only; a review changes no other table. */
import { sql } from 'slonik';
import type { CommonQueryMethods, DatabaseTransactionConnection } from 'slonik';
import { z } from 'zod';
import { hashOf } from '../model/canonical.ts';
import { comparePlans } from '../plan/compare.ts';
import type { PlanDifference } from '../plan/compare.ts';
import { actionDigests, planHash } from '../plan/plan.ts';
import type { Plan } from '../plan/types.ts';
import { appendAudit } from './audit.ts';
import { amendComment, forgetOutbox } from './outbox.ts';
import { nothing } from './rows.ts';

/** Merged reviews that are kept for a team, the newest. */
const KEPT_MERGED = 100;

export interface ReviewRow {
  readonly ref: string;
  readonly gitRef: string;
  readonly number: number | null;
  readonly head: string;
  readonly base: string;
  readonly method: string;
  readonly title: string;
  readonly author: string;
  readonly plan: Plan;
  readonly scope: readonly string[];
  readonly digests: Readonly<Record<string, string>>;
}

/** True if something of it is new. A request that comes again after its merge is open again. */
export async function saveReview(tx: CommonQueryMethods, team: string, row: ReviewRow): Promise<boolean> {
  const result = await tx.query(sql.type(nothing)`
    insert into review (team, ref, git_ref, number, head, base, method, title, author, plan_hash, plan, scope, digests, content_hash)
    values (${team}, ${row.ref}, ${row.gitRef}, ${row.number}, ${row.head}, ${row.base}, ${row.method}, ${row.title}, ${row.author}, ${row.plan.hash},
      ${JSON.stringify(row.plan)}::jsonb, ${JSON.stringify(row.scope)}::jsonb, ${JSON.stringify(row.digests)}::jsonb, ${hashOf(row)})
    on conflict (team, ref) do update set state = 'open', git_ref = excluded.git_ref, number = excluded.number, head = excluded.head, base = excluded.base,
      method = excluded.method, title = excluded.title, author = excluded.author, plan_hash = excluded.plan_hash, plan = excluded.plan, scope = excluded.scope,
      digests = excluded.digests, content_hash = excluded.content_hash, updated_at = now(),
      merged_at = null, merged_commit = null, outcome = null, executed_hash = null, difference = null
    where review.content_hash <> excluded.content_hash or review.state <> 'open'`);
  return result.rowCount > 0;
}

/** Removes open reviews whose request is not among these; gives their refs. */
export async function closeReviews(tx: CommonQueryMethods, team: string, open: readonly string[]): Promise<readonly string[]> {
  const refs = await tx.anyFirst(sql.type(z.object({ ref: z.string() }))`
    delete from review where team = ${team} and state = 'open' and not (ref = any(${sql.array([...open], 'text')})) returning ref`);
  await forgetOutbox(tx, team, refs);
  return refs;
}

export async function saveReviewsCut(tx: CommonQueryMethods, team: string, cut: number): Promise<void> {
  await tx.query(sql.type(nothing)`update team set reviews_cut = ${cut} where name = ${team} and reviews_cut <> ${cut}`);
}

const stateRow = z.object({ ref: z.string(), state: z.enum(['open', 'merged']), head: z.string(), base: z.string() });
export type ReviewState = z.infer<typeof stateRow>;

export async function loadReviewStates(connection: CommonQueryMethods, team: string): Promise<readonly ReviewState[]> {
  return connection.any(sql.type(stateRow)`select ref, state, head, base from review where team = ${team} order by number desc nulls last, ref`);
}

/** Names of deployments, nodes and prefixes are DNS labels: nothing in them is markup. */
function outcomeLine(commit: string, hash: string, difference: PlanDifference | null): string {
  const merged = `**Merged** with \`${commit.slice(0, 12)}\`.`;
  if (difference === null) return `${merged} What was reviewed is what is carried out.`;
  const parts = ([['added', difference.added], ['not needed any more', difference.gone], ['done otherwise', difference.changed]] as const)
    .filter(([, list]) => list.length > 0)
    .map(([word, list]) => `${word}: ${list.slice(0, 20).map((item) => `\`${item}\``).join(', ')}${list.length > 20 ? ` and ${list.length - 20} more` : ''}`);
  return `${merged} The world had moved since this review, so it was planned anew, as \`${hash.slice(0, 12)}\`: ${parts.join('; ')}.`;
}

const openRow = z.object({ ref: z.string(), planHash: z.string(), scope: z.array(z.string()), digests: z.record(z.string()) });

/**
 * The merge of reviewed requests, in the transaction that carries their plan out: what was reviewed is compared with what
 * is done within the scope of each, and the outcome is kept on the review, on its attempts and in the audit log.
 */
export async function recordMerges(tx: DatabaseTransactionConnection, team: string, refs: readonly string[], executed: Plan, actor: string): Promise<void> {
  const rows = await tx.any(sql.type(openRow)`
    select ref, plan_hash as "planHash", scope, digests from review where team = ${team} and state = 'open' and ref = any(${sql.array([...refs], 'text')}) order by ref for update`);
  for (const { ref, planHash: reviewed, scope, digests } of rows) {
    const within = new Set(scope);
    const actions = executed.actions.filter((action) => within.has(action.deployment));
    const hash = planHash(actions);
    const outcome = hash === reviewed ? 'reviewed' : 'replanned';
    const difference = outcome === 'reviewed' ? null : comparePlans(digests, actionDigests(actions));
    await tx.query(sql.type(nothing)`
      update review set state = 'merged', merged_at = now(), merged_commit = ${executed.commit}, outcome = ${outcome}, executed_hash = ${hash},
        difference = ${difference === null ? null : JSON.stringify(difference)}::jsonb, updated_at = now()
      where team = ${team} and ref = ${ref}`);
    await tx.query(sql.type(nothing)`
      update attempt set review = ${JSON.stringify({ ref, planHash: reviewed, outcome })}::jsonb
      where team = ${team} and commit_id = ${executed.commit} and plan_hash = ${executed.hash} and state = 'queued' and deployment = any(${sql.array([...within], 'text')})`);
    await amendComment(tx, team, ref, outcomeLine(executed.commit, hash, difference));
    await appendAudit(tx, { team, actor, action: 'review.merged', object: `review/${ref}`, commit: executed.commit, result: outcome, detail: { reviewed, executed: hash, ...difference } });
  }
  if (rows.length > 0) {
    const old = await tx.anyFirst(sql.type(z.object({ ref: z.string() }))`
      delete from review where team = ${team} and state = 'merged' and ref not in (select ref from review where team = ${team} and state = 'merged' order by merged_at desc limit ${KEPT_MERGED}) returning ref`);
    await forgetOutbox(tx, team, old);
  }
}
