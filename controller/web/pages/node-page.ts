/** `/teams/:team/nodes/:name`: is it there, what is it, what is on it. */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import type { NodeView } from '../../store/views/nodes.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, pill, time } from '../parts.ts';
import { deploymentTable } from './deployment-table.ts';

export function nodePage(team: string, node: NodeView, deployments: readonly DeploymentView[], now: Date): Html {
  const labels = Object.entries(node.labels);
  return html`<h1>${node.name} ${badge(node.type)}${node.simulated && html` ${badge('simulated')}`}${!node.declared && html` ${badge('manifest gone')}`}</h1>
<dl class="states card">
<div><dt>Status</dt><dd>${pill(node.status)}${advice(team, node)}</dd></div>
<div><dt>Last seen</dt><dd>${time(node.lastSeenAt, now)}${node.status === 'connected' && node.connectedAt !== null && html`<p class="why">connected ${time(node.connectedAt, now)}</p>`}</dd></div>
<div><dt>Agent</dt><dd>${node.agentVersion ?? '–'}</dd></div>
<div><dt>Engine</dt><dd>${node.engineVersion ?? '–'}</dd></div>
<div><dt>Enrolled</dt><dd>${time(node.enrolledAt, now)}</dd></div>
${node.recipients.length > 0 && html`<div><dt>Secrets are sealed to</dt><dd>${node.recipients.map((recipient, index) => html`<p><code class="wrap">${recipient}</code>${index > 0 && html` ${badge('older, still opens')}`}</p>`)}</dd></div>`}
${node.revokedAt !== null && html`<div><dt>Revoked</dt><dd>${time(node.revokedAt, now)}</dd></div>`}
${labels.length > 0 && html`<div><dt>Labels</dt><dd>${labels.map(([key, value]) => html`<code class="label">${key}=${String(value)}</code> `)}</dd></div>`}
</dl>
<section aria-labelledby="deployments"><h2 id="deployments">Deployments on this node <span class="count">${deployments.length}</span></h2><div class="card">${deployments.length === 0 ? html`<p class="empty">None.</p>` : deploymentTable(team, deployments, now)}</div></section>`;
}

function advice(team: string, node: NodeView): Html | false {
  if (node.status === 'connected') return false;
  if (node.status === 'unreachable') return html`<p class="why">The agent does not dial in. Look at its log on the node; its deployments wait and go on by themselves.</p>`;
  return html`<p class="why">To ${node.status === 'revoked' ? 'let it in again' : 'connect it'}: <code class="wrap">tagboat node enroll ${node.name} --team ${team}</code></p>`;
}
