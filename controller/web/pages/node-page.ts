/** `/teams/:team/nodes/:name`: is it there, what is it, what is on it. */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import type { AuditRow } from '../../store/audit.ts';
import type { NodeAttempt } from '../../store/views/node-past.ts';
import type { NodeView } from '../../store/views/nodes.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, deploymentLink, duration, pill, table, time } from '../parts.ts';
import { auditTable } from './audit-page.ts';
import { deploymentTable } from './deployment-table.ts';

export interface NodePage {
  readonly node: NodeView;
  readonly deployments: readonly DeploymentView[];
  readonly attempts: readonly NodeAttempt[];
  readonly events: readonly AuditRow[];
}

export function nodePage(team: string, { node, deployments, attempts, events }: NodePage, now: Date): Html {
  const labels = Object.entries(node.labels);
  return html`<h1>${node.name} ${badge(node.type)}${node.simulated && html` ${badge('simulated')}`}${!node.declared && html` ${badge('manifest gone')}`}</h1>
<dl class="states card">
<div><dt>Status</dt><dd>${pill(node.status)}${advice(team, node)}</dd></div>
<div><dt>Last seen</dt><dd>${time(node.lastSeenAt, now)}${node.status === 'connected' && node.connectedAt !== null && html`<p class="why">connected ${time(node.connectedAt, now)}</p>`}</dd></div>
<div><dt>Agent</dt><dd>${node.agentVersion ?? '–'}${updateOf(node)}</dd></div>
<div><dt>Engine</dt><dd>${node.engineVersion ?? '–'}</dd></div>
<div><dt>Enrolled</dt><dd>${time(node.enrolledAt, now)}</dd></div>
${node.recipients.length > 0 && html`<div><dt>Secrets are sealed to</dt><dd>${node.recipients.map((recipient, index) => html`<p><code class="wrap">${recipient}</code>${index > 0 && html` ${badge('older, still opens')}`}</p>`)}</dd></div>`}
${node.revokedAt !== null && html`<div><dt>Revoked</dt><dd>${time(node.revokedAt, now)}</dd></div>`}
${labels.length > 0 && html`<div><dt>Labels</dt><dd>${labels.map(([key, value]) => html`<code class="label">${key}=${String(value)}</code> `)}</dd></div>`}
</dl>
<section aria-labelledby="deployments"><h2 id="deployments">Deployments on this node <span class="count">${deployments.length}</span></h2><div class="card">${deployments.length === 0 ? html`<p class="empty">None.</p>` : deploymentTable(team, deployments, now)}</div></section>
${attempts.length > 0 && html`<section aria-labelledby="attempts"><h2 id="attempts">Latest attempts</h2><div class="card">${attemptTable(team, attempts, now)}</div></section>`}
${events.length > 0 && html`<section aria-labelledby="past"><h2 id="past">What happened to it</h2><div class="card">${auditTable(team, events, now)}</div></section>`}`;
}

function updateOf({ agentVersion, wantedAgentVersion, agentUpdate }: NodeView): Html | false {
  if (agentUpdate !== null) return html` ${badge(agentUpdate.code)}<p class="why">${agentUpdate.version} is wanted: ${agentUpdate.reason}</p>`;
  return wantedAgentVersion !== null && wantedAgentVersion !== agentVersion && html`<p class="why">${wantedAgentVersion} is wanted, and comes when the attempts in hand are done</p>`;
}

function attemptTable(team: string, attempts: readonly NodeAttempt[], now: Date): Html {
  return table('Latest attempts on this node', ['Attempt', 'Deployment', 'What', 'Result', 'Started', 'Took', 'Why'], attempts.map((attempt) => html`<tr role="row">
<th role="rowheader" scope="row"><a href="${href('teams', team, 'deployments', attempt.deployment, 'attempts', String(attempt.id))}">Attempt ${attempt.id}</a></th>
${cell('Deployment', deploymentLink(team, attempt.deployment))}${cell('What', html`${attempt.kind}${attempt.to !== null && html` <b>${attempt.to}</b>`}`)}${cell('Result', pill(attempt.outcome ?? attempt.state))}
${cell('Started', time(attempt.startedAt ?? attempt.createdAt, now))}${cell('Took', duration(attempt.startedAt, attempt.finishedAt, now) || '–')}
${cell('Why', attempt.outcome === 'succeeded' || attempt.reason === null || attempt.reason === '' ? html`<span class="quiet" aria-hidden="true">–</span>` : html`<span class="why">${attempt.reason}</span>`)}</tr>`));
}

function advice(team: string, node: NodeView): Html | false {
  if (node.status === 'connected') return false;
  if (node.status === 'unreachable') return html`<p class="why">The agent does not dial in. Look at its log on the node; its deployments wait and go on by themselves.</p>`;
  return html`<p class="why">To ${node.status === 'revoked' ? 'let it in again' : 'connect it'}: <code class="wrap">tagboat node enroll ${node.name} --team ${team}</code></p>`;
}
