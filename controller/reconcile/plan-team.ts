/**
 * Desired × recorded × observed → plan → database, for a whole team or for the deployments that something happened to. The
 * one place where the three values meet outside of tests.
 */
import { sql } from 'slonik';
import type { DatabasePool } from 'slonik';
import { TagboatError } from '../errors.ts';
import { holdingsOf, holdsNothing } from '../plan/holdings.ts';
import type { Desired, DesiredDeployment, Plan } from '../plan/types.ts';
import { targetKey } from '../plan/types.ts';
import { plan } from '../plan/plan.ts';
import type { ApplyContext } from '../store/apply-plan.ts';
import { applyPlan } from '../store/apply-plan.ts';
import { fencedBy } from '../store/lease.ts';
import { loadNodeStates } from '../store/nodes.ts';
import { notifyWork } from '../store/notify.ts';
import { loadDrift } from '../store/observed.ts';
import type { RecordedScope } from '../store/recorded.ts';
import { loadRecorded } from '../store/recorded.ts';
import { recordMerges } from '../store/reviews.ts';
import { nothing } from '../store/rows.ts';
import { savePlan } from '../store/teams.ts';

/** The lease of the replica that polls and plans a team. */
export function teamLease(team: string): string {
  return `team:${team}`;
}

/**
 * Plans and applies in one transaction that holds the team's lease: a replica that lost it writes nothing (`LeaseLost`).
 * `only`: names to look at; undefined looks at everything, orphans included. `merged`: reviews that came in with this commit.
 */
export async function planTeam(pool: DatabasePool, desired: Desired, context: ApplyContext, token: number, only?: ReadonlySet<string>, merged: readonly string[] = []): Promise<Plan> {
  return pool.transaction(async (tx) => {
    const holds = await tx.exists(sql.type(nothing)`select 1 where ${fencedBy(teamLease(desired.team), token)}`);
    if (!holds) throw new TagboatError('LeaseLost', `The lease on team ${desired.team} was lost`);
    const recorded = await loadRecorded(tx, desired.team, only === undefined ? undefined : scopeOf(desired, only));
    const observed = { nodes: await loadNodeStates(tx, desired.team), drift: await loadDrift(tx, desired.team) };
    const result = plan(desired, recorded, observed, only);
    const { nodes } = await applyPlan(tx, result, desired, recorded, context, only);
    if (result.actions.some((action) => action.kind !== 'hold' && action.kind !== 'blocked')) await savePlan(tx, desired.team, result);
    if (merged.length > 0) await recordMerges(tx, desired.team, merged, result, context.actor);
    for (const node of nodes) await notifyWork(tx, desired.team, node);
    return result;
  });
}

/** What has to be read to plan these: their own targets, those that they claim, those they depend on, and whoever may have what they take. */
export function scopeOf(desired: Desired, only: ReadonlySet<string>): RecordedScope {
  const names = new Set(only);
  for (const name of only) for (const other of desired.deployments.get(name)?.dependsOn ?? []) names.add(other);
  const wanted = [...names].flatMap((name) => desired.deployments.get(name) ?? []);
  return {
    deployments: [...names],
    claims: wanted.map((item) => targetKey(item.node, item.prefix)),
    nodes: [...new Set([...only].flatMap((name) => nodeToTakeFrom(desired.deployments.get(name)) ?? []))],
    products: [...new Set(wanted.map((item) => item.product))],
  };
}

function nodeToTakeFrom(wanted: DesiredDeployment | undefined): string | undefined {
  return wanted === undefined || !wanted.oneNetwork || holdsNothing(holdingsOf(wanted.spec)) ? undefined : wanted.node;
}
