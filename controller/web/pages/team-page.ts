/** `/teams/:team`: problems first, then what is deployed, then where. */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import type { NodeView } from '../../store/views/nodes.ts';
import type { ProductView } from '../../store/views/products.ts';
import type { ProblemView, TeamView } from '../../store/views/teams.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, commit, nodeLink, pill, productLink, table, time } from '../parts.ts';
import { deploymentTable } from './deployment-table.ts';

export interface TeamPage {
  readonly team: TeamView;
  readonly deployments: readonly DeploymentView[];
  readonly nodes: readonly NodeView[];
  readonly products: readonly ProductView[];
}

export function teamPage({ team, deployments, nodes, products }: TeamPage, now: Date): Html {
  return html`<div class="head"><div>
<h1>${team.name}</h1>
<p class="quiet wrap">${team.repository} · ${team.branch}${team.directory !== '' && html` · ${team.directory}`}</p>
</div><p class="quiet side">at ${commit(team.commit)}<br>polled ${time(team.polledAt, now)} · changed ${time(team.syncedAt, now)}<br><a href="${href('teams', team.name, 'audit')}">Audit log</a></p></div>
${team.pollFailures > 0 && html`<p class="notice" role="alert">${pill('warning')} The repository could not be read ${team.pollFailures} times in a row; what is deployed stays as it is.</p>`}
${problemList(team.problems)}
<section aria-labelledby="deployments"><h2 id="deployments">Deployments <span class="count">${deployments.length}</span></h2><div class="card">${deploymentTable(team.name, deployments)}</div></section>
<div class="pair">
<section aria-labelledby="nodes"><h2 id="nodes">Nodes <span class="count">${nodes.length}</span></h2><div class="card">${nodeTable(team.name, nodes, now)}</div></section>
<section aria-labelledby="products"><h2 id="products">Products <span class="count">${products.length}</span></h2><div class="card">${productTable(team.name, products)}</div></section>
</div>`;
}

function problemList(problems: readonly ProblemView[]): Html | false {
  if (problems.length === 0) return false;
  return html`<section aria-labelledby="problems"><h2 id="problems">Problems in the repository <span class="count">${problems.length}</span></h2>
<ul class="problems">${problems.map(
    (problem) => html`<li class="card ${problem.severity === 'error' ? 'bad' : 'busy'}">
<p>${pill(problem.severity)} <b>${problem.code}</b> ${problem.file !== '' && html`<code class="wrap">${problem.file}${problem.line > 0 && `:${String(problem.line)}:${String(problem.column)}`}</code>`}</p>
<p class="wrap">${problem.message}</p><p class="quiet wrap">${problem.hint}</p></li>`,
  )}</ul></section>`;
}

function nodeTable(team: string, nodes: readonly NodeView[], now: Date): Html {
  if (nodes.length === 0) return html`<p class="empty">No nodes. Add a manifest of <code>kind: Node</code>, then run <code>tagboat node enroll</code>.</p>`;
  return table('Nodes', ['Node', 'Status', 'Agent', 'Seen'], nodes.map((node) => html`<tr role="row">
<th role="rowheader" scope="row">${nodeLink(team, node.name)} ${badge(node.type)}${node.simulated && html` ${badge('simulated')}`}${!node.declared && html` ${badge('manifest gone')}`}</th>
${cell('Status', pill(node.status))}${cell('Agent', node.agentVersion ?? '–')}${cell('Seen', time(node.lastSeenAt, now))}</tr>`));
}

function productTable(team: string, products: readonly ProductView[]): Html {
  if (products.length === 0) return html`<p class="empty">No products. Add a manifest of <code>kind: Product</code>.</p>`;
  return table('Products', ['Product', 'Versions', 'Newest'], products.map((product) => {
    const newest = product.versions.find((version) => version.kind === 'incremental') ?? product.versions[0];
    return html`<tr role="row"><th role="rowheader" scope="row">${productLink(team, product.name)} ${badge(product.type)}</th>
${cell('Versions', product.versions.length)}${cell('Newest', newest === undefined ? '–' : newest.name)}</tr>`;
  }));
}
