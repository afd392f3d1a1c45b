/**
 * The plan: what has to happen so that the record matches Git (SPEC §4). A pure function of desired × recorded ×
 * observed; the order of its inputs does not matter, and planning what has just been carried out gives no action.
 */
import { hashOf } from '../model/canonical.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { consequencesOfSuccess } from '../model/status.ts';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { diffSpecs } from './diff.ts';
import { chooseRecord, isLive } from './choose-record.ts';
import { barredMove, targetsByOwner } from './move.ts';
import { takeoversIn, type Takeovers } from './takeover.ts';
import type { Action, Desired, DesiredDeployment, Observed, Plan, PlannedStatusChange, Recorded, RecordedTarget, TargetKey } from './types.ts';
import { targetKey } from './types.ts';

/** R24: after this many healing attempts within the window, a fight is reported instead of fought. */
export const MAX_HEALS = 3;

/**
 * Plans every deployment and every recorded target, or with `only` those deployments: cost follows the change. For them
 * `recorded` must hold their targets, the targets that they claim, those of the deployments that they depend on and, where they take ports or
 * addresses, those of the same node that have any; the actions are then the same as in a plan of everything.
 */
export function plan(desired: Desired, recorded: Recorded, observed: Observed, only?: ReadonlySet<string>): Plan {
  const actions: Action[] = [];
  const problems: Problem[] = [];
  const notes: string[] = [];
  const ownedBy = targetsByOwner(recorded);
  const isRead = (name: string): boolean => only === undefined || only.has(name) || (ownedBy(name).length > 0 && desired.deployments.has(name));
  const takeovers = takeoversIn(desired, recorded, (wanted) => unsatisfied(wanted, desired, recorded).filter(isRead));
  const names = (all: ReadonlyMap<string, unknown>): string[] => (only === undefined ? [...all.keys()] : [...only].filter((name) => all.has(name))).sort();

  for (const name of names(desired.blocked)) {
    const blocked = desired.blocked.get(name)!;
    const first = blocked.problems[0];
    actions.push({
      ...nothing(name),
      kind: 'blocked',
      product: blocked.product,
      node: blocked.node,
      prefix: blocked.prefix,
      reason: first ? `${first.message}; what runs stays as it is` : 'its manifest has a problem; what runs stays as it is',
    });
  }

  for (const name of names(desired.deployments)) {
    const wanted = desired.deployments.get(name)!;
    const key = targetKey(wanted.node, wanted.prefix);
    const target = recorded.targets.get(key);
    const action = planDeployment(wanted, target, desired, recorded, observed, problems, ownedBy, takeovers);
    if (action) actions.push(action);
    noteNode(wanted.node, key, action, observed, notes);
  }

  const claims = (target: RecordedTarget, key: TargetKey): boolean => {
    const wanted = desired.deployments.get(target.deployment);
    return wanted !== undefined && targetKey(wanted.node, wanted.prefix) === key;
  };
  // Most targets are claimed by the deployment that they are recorded for.
  const left = [...recorded.targets].filter(([key, target]) => (only === undefined || only.has(target.deployment)) && !desired.blocked.has(target.deployment) && !claims(target, key));
  const claimed = new Set(left.length === 0 ? [] : [...desired.deployments.values()].map(({ node, prefix }) => targetKey(node, prefix)));
  for (const [key, target] of left.sort(([one], [other]) => (one < other ? -1 : 1))) {
    if (claimed.has(key)) continue;
    const action = planOrphan(target, desired, recorded, observed);
    if (action) actions.push(action);
  }

  return Object.freeze({
    team: desired.team,
    commit: desired.commit,
    hash: planHash(actions),
    actions,
    problems,
    notes,
  });
}

function planDeployment(
  wanted: DesiredDeployment,
  target: RecordedTarget | undefined,
  desired: Desired,
  recorded: Recorded,
  observed: Observed,
  problems: Problem[],
  ownedBy: (deployment: string) => readonly RecordedTarget[],
  takeovers: Takeovers,
): Action | null {
  const base = { ...nothing(wanted.name), node: wanted.node, prefix: wanted.prefix, product: wanted.product, specHash: wanted.specHash };
  const adoptsFrom = target !== undefined && target.deployment !== wanted.name ? target.deployment : null;
  if (adoptsFrom !== null && (desired.deployments.has(adoptsFrom) || desired.blocked.has(adoptsFrom))) {
    const owner = desired.deployments.get(adoptsFrom);
    const moved = owner !== undefined && targetKey(owner.node, owner.prefix) !== targetKey(wanted.node, wanted.prefix);
    if (!moved) {
      return { ...base, kind: 'blocked', reason: `the target ${wanted.node}/${wanted.prefix} belongs to deployment ${adoptsFrom} (R10)` };
    }
  }
  const from = liveVersion(target);
  const open = target?.openAttempt ?? null;

  if (target && isLive(wanted, target)) {
    const leftover = (open !== null && open.kind !== 'heal') || target.records.some((record) => record.status === 'preparing');
    if (leftover) {
      if (open?.cancelRequested) return null;
      return { ...base, kind: 'withdraw', from, to: from, supersedes: open?.id ?? null, adoptsFrom, reason: 'the manifest names what already serves; what was prepared instead is withdrawn' };
    }
    if (open) return adoptsFrom === null ? null : { ...base, kind: 'adopt', from, to: from, adoptsFrom, reason: `${adoptsFrom} was renamed; its target is adopted (R10)` };
    const drift = observed.drift.get(targetKey(wanted.node, wanted.prefix)) ?? [];
    const why = !target.restored
      ? 'the last attempt could not put everything back'
      : drift.length > 0 && wanted.selfHeal
        ? `it drifted (${describeDrift(drift)}) and selfHeal is on`
        : null;
    if (why !== null && target.recentHeals < MAX_HEALS) {
      return { ...base, kind: 'heal', from, to: from, adoptsFrom, recordId: target.liveRecordId, tries: target.recentHeals + 1, strategies: wanted.strategies, reason: why };
    }
    if (why !== null) {
      const message = `${wanted.name} was healed ${MAX_HEALS} times within the hour and needs it again: ${why}`;
      problems.push(problem('HealingFight', { file: '', line: 0, column: 0 }, message, { object: `Deployment/${wanted.name}` }));
    }
    if (adoptsFrom !== null) return { ...base, kind: 'adopt', from, to: from, adoptsFrom, reason: `${adoptsFrom} was renamed; its target is adopted (R10)` };
    return null;
  }
  // Only what does not serve yet can be on its way.
  const barred = from === null && open === null ? ownedBy(wanted.name).map((old) => barredMove(wanted, old, observed.nodes.get(wanted.node))).find((why) => why !== null) : undefined;
  if (barred !== undefined) return { ...base, kind: 'blocked', reason: barred };
  return deployAction(wanted, target, base, recorded, desired, takeovers, { from, adoptsFrom });
}

function deployAction(
  wanted: DesiredDeployment,
  target: RecordedTarget | undefined,
  base: Action,
  recorded: Recorded,
  desired: Desired,
  takeovers: Takeovers,
  given: { from: string | null; adoptsFrom: string | null },
): Action | null {
  const choice = chooseRecord(wanted, target, recorded);
  const open = target?.openAttempt ?? null;
  if (open && open.attemptKey === wanted.attemptKey && open.kind === 'deploy' && (choice.record === null || open.recordId === choice.record.id) && !open.cancelRequested) {
    return null; // it is under way
  }
  if (open?.cancelRequested) return null; // R21: it ends first, then this is planned again
  const failed = choice.record?.status === 'failed' && choice.record.attemptKey === wanted.attemptKey ? choice.record.failures : 0;
  const common = {
    ...base,
    from: given.from,
    to: wanted.version.name,
    adoptsFrom: given.adoptsFrom,
    recordId: choice.record?.id ?? null,
    supersedes: open?.id ?? null,
  };
  if (failed > wanted.retries) {
    return { ...common, kind: 'hold', tries: failed, reason: `${failed} ${failed === 1 ? 'try' : 'tries'} of this content failed; it waits for a new commit that touches it (R23)` };
  }
  const spec = choice.spec;
  const takes = takeovers.of(wanted, spec);
  const circle = takeovers.circle(wanted, takes);
  if (circle !== null) {
    const [from, ...others] = circle as [string, ...string[]];
    const { what } = takes.find((one) => one.from === from)!;
    return { ...base, kind: 'blocked', waitsFor: [from], reason: `it would take ${what} from ${from}, which itself waits for ${[...others, wanted.name].join(', which waits for ')}: neither can go first. Let one of them let go in one commit, and take it in the next` };
  }
  const waits = unsatisfied(wanted, desired, recorded);
  return {
    ...common,
    kind: failed > 0 ? 'retry' : choice.kind,
    reason: failed > 0 ? `try ${failed + 1} of ${wanted.retries + 1} after a failure` : choice.reason,
    tries: failed + 1,
    changes: diffSpecs(target?.liveSpec ?? null, spec),
    strategies: wanted.strategies,
    waitsFor: [...new Set([...waits, ...takes.map((one) => one.from)])],
    waitsBecause: takes.map(({ from, what, until }) => `${from} has ${what} ${until}`).join('; '),
    statusChanges: foresee(wanted, choice.record?.id ?? null, choice.versionId, target, recorded),
  };
}

/** The statuses that this deployment's success will cause, its own included (R16, R17). */
function foresee(wanted: DesiredDeployment, recordId: number | null, versionId: number | null, target: RecordedTarget | undefined, recorded: Recorded): PlannedStatusChange[] {
  const own = target?.records.find((record) => record.id === recordId);
  const changes: PlannedStatusChange[] = [
    { recordId, version: wanted.version.name, from: own?.status ?? null, to: 'successful', reason: 'when every container is healthy' },
  ];
  if (target === undefined || versionId === null) return changes;
  const versions = new Map(target.records.map((record) => [record.id, record.version]));
  for (const change of consequencesOfSuccess({ id: recordId, versionId }, target.records, recorded.parents)) {
    changes.push({ ...change, version: versions.get(change.recordId) ?? '?' });
  }
  return changes;
}

function unsatisfied(wanted: DesiredDeployment, desired: Desired, recorded: Recorded): string[] {
  return wanted.dependsOn.filter((name) => {
    const other = desired.deployments.get(name);
    if (other === undefined) return true;
    const target = recorded.targets.get(targetKey(other.node, other.prefix));
    return target === undefined || target.deployment !== name || !isLive(other, target) || target.openAttempt !== null;
  });
}

/** A recorded target that no manifest claims any more: removed, if everything allows it (R20). */
function planOrphan(target: RecordedTarget, desired: Desired, recorded: Recorded, observed: Observed): Action | null {
  const moved = desired.deployments.get(target.deployment);
  const from = liveVersion(target);
  const base: Action = { ...nothing(target.deployment), node: target.node, prefix: target.prefix, from, to: null };
  if (target.openAttempt?.kind === 'remove' && !target.openAttempt.cancelRequested) return null;
  if (!desired.mayRemove && moved === undefined) {
    return { ...base, kind: 'hold', reason: `its manifest is gone or cannot be read, and ${desired.keepReason}; nothing is removed (R20)` };
  }
  if (target.protected) {
    return { ...base, kind: 'hold', reason: moved ? 'it moved to another target, and the old one is protected; it stays' : 'its manifest is gone, and it is protected; it stays' };
  }
  if (moved !== undefined) {
    const there = recorded.targets.get(targetKey(moved.node, moved.prefix));
    if (there === undefined || !isLive(moved, there)) {
      const barred = barredMove(moved, target, observed.nodes.get(target.node));
      if (barred !== null) return { ...base, kind: 'hold', reason: barred };
      return { ...base, kind: 'hold', waitsFor: [target.deployment], reason: `it moves to ${moved.node}/${moved.prefix} and is removed here once it serves there` };
    }
  }
  if (target.openAttempt?.cancelRequested) return null;
  const live = target.records.find((record) => record.id === target.liveRecordId);
  return {
    ...base,
    kind: 'remove',
    reason: moved ? `it has moved to ${moved.node}/${moved.prefix}` : 'its manifest is gone',
    supersedes: target.openAttempt?.id ?? null,
    removesVolumes: target.removeVolumes,
    changes: (target.liveSpec?.images ?? []).map((image) => ({ image: image.name, path: 'image', from: image.image, to: null })),
    statusChanges: live?.status === 'successful' ? [{ recordId: live.id, version: live.version, from: 'successful', to: 'obsolete', reason: 'removed with its manifest' }] : [],
  };
}

function liveVersion(target: RecordedTarget | undefined): string | null {
  if (target === undefined || target.liveRecordId === null) return null;
  return target.records.find((record) => record.id === target.liveRecordId)?.version ?? null;
}

function describeDrift(drift: readonly { container: string; field: string }[]): string {
  const first = drift[0]!;
  return drift.length === 1 ? `${first.container}: ${first.field}` : `${first.container}: ${first.field}, and ${drift.length - 1} more`;
}

function noteNode(node: string, key: TargetKey, action: Action | null, observed: Observed, notes: string[]): void {
  const state = observed.nodes.get(node);
  if (action !== null && action.kind !== 'blocked' && action.kind !== 'hold' && state !== undefined && state.status !== 'connected') {
    notes.push(`${key} waits: node ${node} is ${state.status}`);
  }
  const drift = observed.drift.get(key) ?? [];
  if (drift.length > 0) notes.push(`${key} drifted: ${describeDrift(drift)}`);
}

/** The identity of a list of actions, as in `Plan.hash`: which actions, not the words that explain them. */
export function planHash(actions: readonly Action[]): string {
  return hashOf(actions.map(essence));
}

/** The identity of each action by deployment and target, to tell where two plans differ. */
export function actionDigests(actions: readonly Action[]): Record<string, string> {
  return Object.fromEntries(actions.map((action) => [`${action.deployment} on ${action.node ?? '?'}/${action.prefix ?? '?'}`, hashOf(essence(action)).slice(0, 16)]));
}

/** What the hash is made of: what will be done, not the words that explain it. */
function essence(action: Action): unknown {
  const { reason: _reason, waitsBecause: _waitsBecause, tries: _tries, supersedes: _supersedes, ...rest } = action;
  return { ...rest, strategies: action.strategies.map(({ image, strategy }) => ({ image, strategy })) };
}

function nothing(deployment: string): Action {
  return {
    kind: 'blocked',
    deployment,
    node: null,
    prefix: null,
    product: null,
    from: null,
    to: null,
    reason: '',
    changes: [],
    strategies: [],
    statusChanges: [],
    waitsFor: [],
    waitsBecause: '',
    recordId: null,
    adoptsFrom: null,
    supersedes: null,
    removesVolumes: false,
    tries: 0,
    specHash: null,
  };
}

/** The spec that an action will deploy: the recorded one for a rollback, else the desired one. */
export function specToDeploy(wanted: DesiredDeployment, target: RecordedTarget | undefined, recorded: Recorded): TargetSpec {
  return chooseRecord(wanted, target, recorded).spec;
}
