/** Reviews as people see them. */
import { sql } from 'slonik';
import { z } from 'zod';
import type { Queryable } from '../pool.ts';

const changeRow = z.object({ image: z.string(), path: z.string(), from: z.string().nullable(), to: z.string().nullable() });
const actionRow = z.object({
  kind: z.string(), deployment: z.string(), node: z.string().nullable(), prefix: z.string().nullable(), product: z.string().nullable(), from: z.string().nullable(), to: z.string().nullable(),
  reason: z.string(), changes: z.array(changeRow), strategies: z.array(z.object({ image: z.string(), strategy: z.string(), reason: z.string() })),
  statusChanges: z.array(z.object({ version: z.string(), from: z.string().nullable(), to: z.string(), reason: z.string() }).passthrough()), waitsFor: z.array(z.string()), waitsBecause: z.string().default(''), removesVolumes: z.boolean(), adoptsFrom: z.string().nullable(), tries: z.number(),
}).passthrough();
export type ReviewAction = z.infer<typeof actionRow>;

const problemRow = z.object({ code: z.string(), severity: z.enum(['error', 'warning']), file: z.string(), line: z.number(), column: z.number(), message: z.string(), hint: z.string(), object: z.string().optional() });

const reviewRow = z.object({
  ref: z.string(), head: z.string(), base: z.string(), planHash: z.string(), actions: z.array(actionRow), problems: z.array(problemRow), notes: z.array(z.string()),
  gitRef: z.string(), number: z.number().nullable(), state: z.enum(['open', 'merged']), title: z.string(), author: z.string(), method: z.string(), createdAt: z.date(), updatedAt: z.date(),
  mergedAt: z.date().nullable(), mergedCommit: z.string().nullable(), outcome: z.enum(['reviewed', 'replanned']).nullable(), executedHash: z.string().nullable(),
  difference: z.object({ added: z.array(z.string()), gone: z.array(z.string()), changed: z.array(z.string()) }).nullable(),
});
export type ReviewView = z.infer<typeof reviewRow>;

const columns = sql.fragment`ref, head, base, plan_hash as "planHash", plan -> 'actions' as actions, plan -> 'problems' as problems, plan -> 'notes' as notes, git_ref as "gitRef", number, state,
  title, author, method, created_at as "createdAt", updated_at as "updatedAt", merged_at as "mergedAt", merged_commit as "mergedCommit", outcome, executed_hash as "executedHash", difference`;

const deliveryRow = z.object({ kind: z.enum(['comment', 'status']), state: z.enum(['waiting', 'sent', 'failed']), tries: z.number(), lastError: z.string().nullable(), sentAt: z.date().nullable(), nextAt: z.date().nullable() });
/** What the Git host is told about a review, and why it was not. */
export type DeliveryView = z.infer<typeof deliveryRow>;

export async function listDeliveries(connection: Queryable, team: string, ref: string): Promise<readonly DeliveryView[]> {
  return connection.any(sql.type(deliveryRow)`
    select kind, state, tries, last_error as "lastError", sent_at as "sentAt", case when state = 'waiting' then not_before end as "nextAt" from outbox where team = ${team} and ref = ${ref} order by kind`);
}

/** The open ones, the highest number first, then branches by name. */
export async function listReviews(connection: Queryable, team: string): Promise<readonly ReviewView[]> {
  return connection.any(sql.type(reviewRow)`select ${columns} from review where team = ${team} and state = 'open' order by number desc nulls last, ref`);
}

/** Merged ones, the latest first, without their plans. */
export async function listMergedReviews(connection: Queryable, team: string, limit: number): Promise<readonly MergedReview[]> {
  return connection.any(sql.type(mergedRow)`
    select ref, title, author, merged_at as "mergedAt", merged_commit as "mergedCommit", outcome from review where team = ${team} and state = 'merged' order by merged_at desc, ref limit ${limit}`);
}

const mergedRow = z.object({ ref: z.string(), title: z.string(), author: z.string(), mergedAt: z.date(), mergedCommit: z.string(), outcome: z.enum(['reviewed', 'replanned']) });
export type MergedReview = z.infer<typeof mergedRow>;

/** By its short name (`pull/17`), the full name of its ref, or its number alone. Merged ones, too. Null: there is none. */
export async function findReview(connection: Queryable, team: string, ref: string): Promise<ReviewView | null> {
  const number = /^[1-9]\d{0,14}$/.test(ref) ? Number(ref) : null;
  return connection.maybeOne(sql.type(reviewRow)`
    select ${columns} from review where team = ${team} and (ref = ${ref} or git_ref = ${ref} or number = ${number}) order by ref = ${ref} desc, state = 'open' desc, ref limit 1`);
}

/** How many requests are not looked at because there are too many. */
export async function countCutReviews(connection: Queryable, team: string): Promise<number> {
  return (await connection.maybeOneFirst(sql.type(z.object({ cut: z.number() }))`select reviews_cut as cut from team where name = ${team}`)) ?? 0;
}
