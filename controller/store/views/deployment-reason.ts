/** Turns the facts about a deployment into the sentences that people read (R25: what is not fine says why). Pure. */
import type { DeploymentRow, DeploymentView } from './deployment-rows.ts';

const WAITS = 'waits for ';

export function explainDeployment(row: DeploymentRow): DeploymentView {
  const { observedReason: _observedReason, recordReason, ...facts } = row;
  const waitingFor = waits(row);
  const healthReason = explainHealth(row);
  return {
    ...facts,
    drifted: row.drift.length > 0,
    waitingFor,
    healthReason,
    reason: firstOf(row.status === 'failed' ? recordReason : '', explainSync(row), healthReason),
  };
}

function waits(row: DeploymentRow): readonly string[] {
  const names = row.status === 'preparing' && row.recordReason.startsWith(WAITS) ? row.recordReason.slice(WAITS.length).split(', ') : [];
  return row.attempt?.state === 'queued' && row.nodeStatus !== 'connected' && row.node !== null ? [...names, `node ${row.node}`] : names;
}

/** A plan's own reason is not enough while the node is away: it says what is to be done, not why nothing happens. */
function explainSync(row: DeploymentRow): string {
  if (row.sync === 'synced') return '';
  if (row.attempt?.state === 'queued' && row.node !== null && row.nodeStatus !== 'connected') return `waits for node ${row.node}, ${absence(row)}`;
  // The record knows more than the plan: what the try before failed with.
  if (row.syncReason !== '' && row.recordReason.startsWith(row.syncReason)) return row.recordReason;
  return firstOf(row.syncReason, row.recordReason, 'what is recorded does not match Git yet');
}

function explainHealth(row: DeploymentRow): string {
  switch (row.health) {
    case 'healthy':
      return '';
    case 'progressing':
      if (row.attempt?.state === 'running') return row.attempt.text === null ? 'an attempt is under way' : `${row.attempt.step ?? 'an attempt'}: ${row.attempt.text}`;
      return firstOf(row.observedReason, 'checks are not green yet');
    case 'unknown':
      if (row.node === null) return 'its node is not known yet';
      if (row.nodeStatus === null) return `there is no node ${row.node}`;
      if (row.nodeStatus !== 'connected') return `node ${row.node} ${absence(row).replace('which ', '')}, so nothing is known of what runs there`;
      return firstOf(row.observedReason, row.liveVersion === null ? 'nothing was deployed yet' : 'the agent has not reported it yet');
    case 'missing':
      return firstOf(row.observedReason, row.liveVersion === null ? 'nothing serves: no attempt has succeeded yet' : 'nothing of it is on the node');
    case 'degraded':
      return firstOf(row.observedReason, 'a container is not fine');
  }
}

function absence(row: DeploymentRow): string {
  if (row.nodeStatus === 'enrolling') return 'which is not enrolled yet';
  if (row.nodeStatus === 'revoked') return 'which is revoked';
  return row.nodeStatus === null ? 'which is not known' : 'which is unreachable';
}

function firstOf(...texts: readonly string[]): string {
  return texts.find((text) => text !== '') ?? '';
}
