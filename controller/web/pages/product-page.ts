/** `/teams/:team/products/:name`: its versions with their parents (R7), and where they are deployed. */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import type { ProductView, VersionView } from '../../store/views/products.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, commit, deploymentLink, table, time } from '../parts.ts';
import { deploymentTable } from './deployment-table.ts';

export function productPage(team: string, product: ProductView, deployments: readonly DeploymentView[], now: Date): Html {
  return html`<h1>${product.name} ${badge(product.type)}${!product.declared && html` ${badge('manifest gone')}`}</h1>
${product.description !== '' && html`<p class="quiet wrap">${product.description}</p>`}
<section aria-labelledby="versions"><h2 id="versions">Versions <span class="count">${product.versions.length}</span></h2><div class="card">${
    product.versions.length === 0
      ? html`<p class="empty">No version yet. Push a branch with its <code>version.yaml</code>${product.type === 'complex' && html`, or a tag <code>${product.name}/1.0.0</code>`}.</p>`
      : table('Versions', ['Version', 'Parent', 'Commit', 'Frozen', 'Serves as', 'Change log'], product.versions.map((version) => row(team, version, deployments, now)))
  }</div></section>
<section aria-labelledby="deployments"><h2 id="deployments">Deployments <span class="count">${deployments.length}</span></h2><div class="card">${deployments.length === 0 ? html`<p class="empty">None.</p>` : deploymentTable(team, deployments, now)}</div></section>`;
}

function row(team: string, version: VersionView, deployments: readonly DeploymentView[], now: Date): Html {
  const serving = deployments.filter((deployment) => deployment.liveVersion === version.name);
  return html`<tr role="row" id="version-${version.kind}-${version.name}">
<th role="rowheader" scope="row">${version.name} ${badge(version.kind)}${version.refGone && html` ${badge(version.kind === 'rolling' ? 'branch gone' : 'tag gone')}`}</th>
${cell('Parent', version.parent === null ? html`<span class="quiet">${version.kind === 'rolling' ? '–' : 'root'}</span>` : html`<a href="#version-incremental-${version.parent}">${version.parent}</a>`)}
${cell('Commit', commit(version.commit))}
${cell('Frozen', version.frozen ? html`since ${time(version.frozenAt, now)}` : html`<span class="quiet">no</span>`)}
${cell('Serves as', serving.length === 0 ? html`<span class="quiet">–</span>` : html`${serving.map((deployment, index) => html`${index > 0 && ', '}${deploymentLink(team, deployment.name)}`)}`)}
${cell('Change log', html`${version.message !== null && html`<span class="message">${version.message.trim()}</span>`}${version.tagger !== null && html`<p class="quiet">${version.tagger}</p>`}`)}
</tr>`;
}
