/** `/teams/:team/nodes`: every node at a glance. */
import type { NodeView } from '../../store/views/nodes.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, nodeLink, pill, table, time } from '../parts.ts';

export function nodesPage(team: string, nodes: readonly NodeView[], now: Date): Html {
  return html`<h1>Nodes <span class="count">${nodes.length}</span></h1>
<section class="card" aria-label="Nodes">${nodes.length === 0 ? html`<p class="empty">No nodes. Add a manifest of <code>kind: Node</code>, then run <code>tagboat node enroll</code>.</p>` : nodeTable(team, nodes, now)}</section>`;
}

function nodeTable(team: string, nodes: readonly NodeView[], now: Date): Html {
  return table('Nodes', ['Node', 'Status', 'Deployments', 'Engine', 'Agent', 'Seen'], nodes.map((node) => html`<tr role="row">
<th role="rowheader" scope="row">${nodeLink(team, node.name)} ${badge(node.type)}${node.simulated && html` ${badge('simulated')}`}${!node.declared && html` ${badge('manifest gone')}`}</th>
${cell('Status', pill(node.status))}${cell('Deployments', node.targets)}${cell('Engine', node.engineVersion ?? '–')}${cell('Agent', node.agentVersion ?? '–')}${cell('Seen', time(node.lastSeenAt, now))}</tr>`));
}
