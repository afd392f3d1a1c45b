/**
 * How replicas tell each other that there is something to do. A hint, never a fact: the tables hold the facts, and
 * every loop also looks by itself from time to time.
 */
import { sql } from 'slonik';
import type { CommonQueryMethods } from 'slonik';
import { nothing } from './rows.ts';

export const CHANNELS = {
  /** Payload `team/node`: attempts were queued or are to be stopped. */
  work: 'tagboat_work',
  /** Payload: JSON {team, deployments}; they have to be planned again. Without deployments: all of the team's. */
  plan: 'tagboat_plan',
  /** Payload: a team whose repository has to be looked at now. */
  poll: 'tagboat_poll',
  /** Payload: JSON {team, kind, name, id}; written by triggers (migrations/0009, 0010) for whoever shows the rows. */
  changes: 'tagboat_changes',
  /** Payload: the team; written by triggers (migrations/0013) when the outbox has something new. */
  notifications: 'tagboat_notifications',
} as const;

export interface PlanRequest {
  readonly team: string;
  readonly deployments?: readonly string[];
}

export interface Change {
  readonly team: string;
  readonly kind: 'deployment' | 'attempt' | 'node' | 'product' | 'review' | 'poll';
  /** Of the deployment, node or product, the short ref of the review; null for a poll. */
  readonly name: string | null;
  /** Of the attempt. */
  readonly id: number | null;
}

/** Sent when the transaction commits, if `connection` is one. */
export async function notifyWork(connection: CommonQueryMethods, team: string, node: string): Promise<void> {
  await connection.query(sql.type(nothing)`select from (select pg_notify(${CHANNELS.work}, ${`${team}/${node}`})) sent`);
}

/** PostgreSQL's payload limit is 8,000 bytes; a longer list becomes "all of the team's". */
export async function notifyPlan(connection: CommonQueryMethods, request: PlanRequest): Promise<void> {
  const named = JSON.stringify(request);
  const payload = Buffer.byteLength(named) < 7_900 ? named : JSON.stringify({ team: request.team });
  await connection.query(sql.type(nothing)`select from (select pg_notify(${CHANNELS.plan}, ${payload})) sent`);
}
