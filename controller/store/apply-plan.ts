/**
 * Carries a plan into the database: records, attempts, sync states and audit rows in the caller's one transaction. Nothing
 * here decides; every decision is the plan's. Nothing changed ⇒ nothing written.
 */
import { sql } from 'slonik';
import type { DatabaseTransactionConnection, FragmentSqlToken } from 'slonik';
import { z } from 'zod';
import type { Action, Desired, DesiredDeployment, Plan, Recorded, RecordedTarget } from '../plan/types.ts';
import { targetKey } from '../plan/types.ts';
import { waitText } from '../plan/explain.ts';
import { specToDeploy } from '../plan/plan.ts';
import { appendAudit } from './audit.ts';
import { requestCancel, withdrawPrepared, withdrawQueued } from './attempts.ts';
import { adoptTarget, setSync } from './deployments.ts';
import { id, nothing } from './rows.ts';

export interface ApplyContext {
  /** Who made the commit, as audit rows name people (R26). */
  readonly actor: string;
  /** Back-off before the nth try of one content, in milliseconds (R23); n counts from 1 and the first does not wait. */
  backoffMs(tries: number): number;
}

export interface Applied {
  /** Nodes that have work waiting, so that their sessions can be woken. */
  readonly nodes: ReadonlySet<string>;
}

/** Applies every action and records the sync state of every deployment that the plan looked at. */
export async function applyPlan(tx: DatabaseTransactionConnection, plan: Plan, desired: Desired, recorded: Recorded, context: ApplyContext, only?: ReadonlySet<string>): Promise<Applied> {
  const nodes = new Set<string>();
  const named = new Set<string>();
  for (const action of plan.actions) {
    named.add(action.deployment);
    await applyAction(tx, plan, action, desired, recorded, context);
    if (action.node !== null) nodes.add(action.node);
  }
  const looked = only === undefined ? desired.deployments.values() : [...only].flatMap((name) => desired.deployments.get(name) ?? []);
  for (const wanted of looked) {
    if (named.has(wanted.name)) continue;
    const open = recorded.targets.get(targetKey(wanted.node, wanted.prefix))?.openAttempt ?? null;
    if (open === null || open.kind === 'heal') await setSync(tx, plan.team, wanted.name, 'synced', '');
    else if (open.cancelRequested) await setSync(tx, plan.team, wanted.name, 'out-of-sync', 'an attempt under way is being stopped first');
  }
  return { nodes };
}

async function applyAction(tx: DatabaseTransactionConnection, plan: Plan, action: Action, desired: Desired, recorded: Recorded, context: ApplyContext): Promise<void> {
  const { team } = plan;
  const wanted = desired.deployments.get(action.deployment);
  const target = action.node !== null && action.prefix !== null ? recorded.targets.get(targetKey(action.node, action.prefix)) : undefined;
  if (action.adoptsFrom !== null && wanted) {
    await adoptTarget(tx, team, action.adoptsFrom, wanted);
    await audit(tx, plan, action, context, 'deployment.adopted', 'accepted');
  }
  switch (action.kind) {
    case 'blocked':
      return setSync(tx, team, action.deployment, 'blocked', action.reason);
    case 'hold':
      return setSync(tx, team, action.deployment, desired.mayRemove || action.tries > 0 ? 'out-of-sync' : 'blocked', action.reason);
    case 'adopt':
      return setSync(tx, team, action.deployment, 'synced', '');
    case 'withdraw':
      if (action.supersedes !== null && target) await endOpen(tx, plan, action, target, context);
      await withdrawPrepared(tx, team, action.node!, action.prefix!, action.reason, null);
      return setSync(tx, team, action.deployment, 'out-of-sync', action.reason);
    case 'heal':
      await insertAttempt(tx, plan, action, { kind: 'heal', recordId: action.recordId, spec: target?.liveSpec ? { ...target.liveSpec, ...(wanted?.spec.registries && { registries: wanted.spec.registries }) } : null, timeoutMs: wanted!.timeoutMs, notBeforeMs: 0, actor: 'controller' });
      await countHeal(tx, team, action);
      return audit(tx, plan, action, { ...context, actor: 'controller' }, 'deployment.heal', 'planned');
    case 'remove':
      return applyRemove(tx, plan, action, target, context);
    case 'deploy':
    case 'rollback':
    case 'retry':
      return applyDeploy(tx, plan, action, wanted!, target, recorded, context);
  }
}

async function applyDeploy(tx: DatabaseTransactionConnection, plan: Plan, action: Action, wanted: DesiredDeployment, target: RecordedTarget | undefined, recorded: Recorded, context: ApplyContext): Promise<void> {
  const { team } = plan;
  if (action.supersedes !== null && target?.openAttempt) {
    await endOpen(tx, plan, action, target, context);
    if (target.openAttempt.state === 'running') {
      return setSync(tx, team, wanted.name, 'out-of-sync', 'a newer commit supersedes the attempt under way, which is being stopped (R21)');
    }
  }
  await withdrawPrepared(tx, team, wanted.node, wanted.prefix, `superseded by commit ${plan.commit.slice(0, 12)}`, action.recordId);
  const reason = action.waitsFor.length > 0 ? `waits for ${action.waitsFor.join(', ')}` : '';
  const existing = target?.records.find((record) => record.id === action.recordId);
  const planned = existing?.status === 'preparing' && existing.attemptKey === wanted.attemptKey;
  const spec = specToDeploy(wanted, target, recorded);
  const says = reason === '' && action.kind === 'retry' ? sql.fragment`${`${action.reason}: `} || reason` : sql.fragment`${reason}`;
  const again = existing?.id ?? (await rollingRecord(tx, team, wanted));
  const recordId = planned ? existing.id : again === null ? await insertRecord(tx, team, wanted, spec, plan.commit, context.actor, reason) : await prepareAgain(tx, again, wanted, spec, plan.commit, context.actor, says);
  await tx.query(sql.type(nothing)`
    insert into target (team, node, prefix, deployment, record_id) values (${team}, ${wanted.node}, ${wanted.prefix}, ${wanted.name}, ${recordId})
    on conflict (team, node, prefix) do update set record_id = excluded.record_id, deployment = excluded.deployment
    where (target.record_id, target.deployment) is distinct from (excluded.record_id, excluded.deployment)`);
  await setSync(tx, team, wanted.name, 'out-of-sync', reason === '' ? action.reason : waitText(action));
  if (action.waitsFor.length === 0) {
    const delay = context.backoffMs(action.tries);
    await insertAttempt(tx, plan, action, { kind: 'deploy', recordId, spec, timeoutMs: wanted.timeoutMs, notBeforeMs: delay, actor: context.actor });
  }
  if (!planned) await audit(tx, plan, action, context, `deployment.${action.kind}`, 'planned');
}

async function applyRemove(tx: DatabaseTransactionConnection, plan: Plan, action: Action, target: RecordedTarget | undefined, context: ApplyContext): Promise<void> {
  if (action.supersedes !== null && target?.openAttempt) {
    await endOpen(tx, plan, action, target, context);
    if (target.openAttempt.state === 'running') return setSync(tx, plan.team, action.deployment, 'out-of-sync', 'its manifest is gone; the attempt under way is being stopped first');
  }
  await withdrawPrepared(tx, plan.team, action.node!, action.prefix!, action.reason, null);
  await insertAttempt(tx, plan, action, { kind: 'remove', recordId: null, spec: null, timeoutMs: REMOVE_TIMEOUT_MS, notBeforeMs: 0, actor: context.actor });
  await setSync(tx, plan.team, action.deployment, 'out-of-sync', `${action.reason}; it is being removed`);
  await audit(tx, plan, action, context, 'deployment.remove', 'planned');
}

const REMOVE_TIMEOUT_MS = 300_000;

/** Ends or stops the attempt that is in the way (R21). */
async function endOpen(tx: DatabaseTransactionConnection, plan: Plan, action: Action, target: RecordedTarget, context: ApplyContext): Promise<void> {
  const open = target.openAttempt!;
  const why = `superseded by commit ${plan.commit.slice(0, 12)}`;
  if (open.state === 'queued') await withdrawQueued(tx, open.id, why, action.recordId);
  else await requestCancel(tx, open.id, why);
  await audit(tx, plan, action, context, 'attempt.superseded', open.state === 'queued' ? 'withdrawn' : 'stopping', { attempt: open.id });
}

/** A target that was taken out is forgotten, its records are not; a rolling version has one (R12), which comes back with it. */
async function rollingRecord(tx: DatabaseTransactionConnection, team: string, { product, version, node, prefix }: DesiredDeployment): Promise<number | null> {
  if (version.kind !== 'rolling') return null;
  return tx.maybeOneFirst(sql.type(z.object({ id }))`
    select r.id from record r join version v on v.id = r.version_id
    where v.team = ${team} and v.product = ${product} and v.kind = 'rolling' and v.name = ${version.name} and r.node = ${node} and r.prefix = ${prefix}`);
}

async function insertRecord(tx: DatabaseTransactionConnection, team: string, wanted: DesiredDeployment, spec: unknown, commit: string, actor: string, reason: string): Promise<number> {
  return tx.oneFirst(sql.type(z.object({ id }))`
    insert into record (team, deployment, product, version_id, version, version_kind, node, prefix, reason, commit_id, actor, spec, spec_hash, overrides_hash, version_content, attempt_key)
    select ${team}, ${wanted.name}, ${wanted.product}, v.id, v.name, v.kind, ${wanted.node}, ${wanted.prefix}, ${reason}, ${commit}, ${actor},
           ${JSON.stringify(spec)}::jsonb, ${wanted.specHash}, ${wanted.overridesHash},
           ${JSON.stringify(wanted.version.content)}::jsonb, ${wanted.attemptKey}
    from version v where v.team = ${team} and v.product = ${wanted.product} and v.kind = ${wanted.version.kind} and v.name = ${wanted.version.name}
    returning id`);
}

/** The record is used again (R12, R15, R18). A frozen status is remembered, so that a withdrawn plan falls back to it. `reason` may hold the one that the record has. */
async function prepareAgain(tx: DatabaseTransactionConnection, recordId: number, wanted: DesiredDeployment, spec: unknown, commit: string, actor: string, reason: FragmentSqlToken): Promise<number> {
  await tx.query(sql.type(nothing)`
    update record set
      failures = case when attempt_key = ${wanted.attemptKey} then failures else 0 end,
      attempt_key = ${wanted.attemptKey},
      resting_status = case when version_kind = 'incremental' and status in ('obsolete', 'downgraded') then status else resting_status end,
      spec = case when version_kind = 'incremental' and status in ('obsolete', 'downgraded') then spec else ${JSON.stringify(spec)}::jsonb end,
      spec_hash = case when version_kind = 'incremental' and status in ('obsolete', 'downgraded') then spec_hash else ${wanted.specHash} end,
      overrides_hash = ${wanted.overridesHash},
      version_content = case when version_kind = 'incremental' and status in ('obsolete', 'downgraded') then version_content else ${JSON.stringify(wanted.version.content)}::jsonb end,
      status = 'preparing', deployment = ${wanted.name}, commit_id = ${commit}, actor = ${actor}, reason = ${reason},
      started_at = null, finished_at = null, updated_at = now()
    where id = ${recordId}`);
  return recordId;
}

interface NewAttempt {
  readonly kind: 'deploy' | 'heal' | 'remove';
  readonly recordId: number | null;
  readonly spec: unknown;
  readonly timeoutMs: number;
  readonly notBeforeMs: number;
  readonly actor: string;
}

async function insertAttempt(tx: DatabaseTransactionConnection, plan: Plan, action: Action, attempt: NewAttempt): Promise<void> {
  await tx.query(sql.type(nothing)`
    insert into attempt (team, deployment, node, prefix, record_id, kind, spec, spec_hash, remove_volumes, commit_id, plan_hash, actor, action, not_before, timeout_ms)
    values (${plan.team}, ${action.deployment}, ${action.node}, ${action.prefix}, ${attempt.recordId}, ${attempt.kind},
            ${attempt.spec === null ? null : JSON.stringify(attempt.spec)}::jsonb, ${action.specHash ?? ''}, ${action.removesVolumes}, ${plan.commit}, ${plan.hash},
            ${attempt.actor}, ${JSON.stringify(action)}::jsonb, now() + ${attempt.notBeforeMs} * interval '1 millisecond', ${attempt.timeoutMs})`);
}

async function countHeal(tx: DatabaseTransactionConnection, team: string, action: Action): Promise<void> {
  await tx.query(sql.type(nothing)`
    update target set heals = case when heal_window_at > now() - interval '1 hour' then heals + 1 else 1 end,
                      heal_window_at = case when heal_window_at > now() - interval '1 hour' then heal_window_at else now() end
    where team = ${team} and node = ${action.node} and prefix = ${action.prefix}`);
}

async function audit(tx: DatabaseTransactionConnection, plan: Plan, action: Action, context: ApplyContext, name: string, result: string, detail: Record<string, string | number> = {}): Promise<void> {
  await appendAudit(tx, {
    team: plan.team,
    actor: context.actor,
    action: name,
    object: `deployment/${action.deployment}`,
    commit: plan.commit,
    result,
    detail: { reason: action.reason, from: action.from ?? '', to: action.to ?? '', target: `${action.node ?? ''}/${action.prefix ?? ''}`, plan: plan.hash, ...detail },
  });
}
