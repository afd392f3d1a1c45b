/** `/teams/:team/products/:name`: its versions as a tree with their parents (R7) and in words, and where they are deployed. */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import type { Uses } from './version-tree.ts';
import type { ProductView, VersionUse, VersionView } from '../../store/views/products.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, commit, deploymentLink, pill, table, time } from '../parts.ts';
import { deploymentTable } from './deployment-table.ts';
import { groupUses, usesOf, versionTree } from './version-tree.ts';

export interface ProductPage {
  readonly product: ProductView;
  readonly deployments: readonly DeploymentView[];
  readonly uses: readonly VersionUse[];
}

export function productPage(team: string, page: ProductPage, now: Date): Html {
  const { product, deployments } = page;
  const uses = groupUses(page.uses);
  return html`<h1>${product.name} ${badge(product.type)}${!product.declared && html` ${badge('manifest gone')}`}</h1>
${product.description !== '' && html`<p class="quiet wrap">${product.description}</p>`}
${product.versions.length > 0 && html`<section aria-labelledby="tree"><h2 id="tree">Version tree</h2><div class="card">${versionTree(product.name, product.versions, uses)}</div></section>`}
<section aria-labelledby="deployments"><h2 id="deployments">Deployments <span class="count">${deployments.length}</span></h2><div class="card">${deployments.length === 0 ? html`<p class="empty">None.</p>` : deploymentTable(team, deployments, now)}</div></section>
<section aria-labelledby="versions"><h2 id="versions">Versions <span class="count">${product.versions.length}</span></h2><div class="card">${
    product.versions.length === 0
      ? html`<p class="empty">No version yet. Push a branch with its <code>version.yaml</code>${product.type === 'complex' && html`, or a tag <code>${product.name}/1.0.0</code>`}.</p>`
      : table('Versions', ['Version', 'Parent', 'Commit', 'Frozen', 'Where', 'Change log'], product.versions.map((version) => row(team, version, uses, now)))
  }</div></section>`;
}

/** The first line of the tag's message; what follows is folded away. */
function changeLog({ kind, name, message }: VersionView): Html | false {
  if (message === null) return false;
  const [first = '', ...rest] = message.trim().split('\n');
  const more = rest.join('\n').trim();
  return more === '' ? html`<span class="wrap">${first}</span>` : html`<details id="log-${kind}-${name}"><summary class="wrap">${first}</summary><span class="message">${more}</span></details>`;
}

function row(team: string, version: VersionView, uses: Uses, now: Date): Html {
  const places = [...usesOf(version, uses)];
  return html`<tr role="row" id="version-${version.kind}-${version.name}">
<th role="rowheader" scope="row">${version.name} ${badge(version.kind)}${version.refGone && html` ${badge(version.kind === 'rolling' ? 'branch gone' : 'tag gone')}`}</th>
${cell('Parent', version.parent === null ? html`<span class="quiet">${version.kind === 'rolling' ? '–' : 'root'}</span>` : html`<a href="#version-incremental-${version.parent}">${version.parent}</a>`)}
${cell('Commit', commit(version.commit))}
${cell('Frozen', version.frozen ? html`since ${time(version.frozenAt, now)}` : html`<span class="quiet">no</span>`)}
${cell('Where', places.length === 0 ? html`<span class="quiet">–</span>` : html`<ul class="plain">${places.map(([use, names]) => html`<li>${use === 'serves' ? pill('serves', 'good') : pill(use)} ${names.map((name, index) => html`${index > 0 && ', '}${deploymentLink(team, name)}`)}</li>`)}</ul>`)}
${cell('Change log', html`${changeLog(version)}${version.tagger !== null && html`<p class="quiet wrap">${version.tagger}</p>`}`)}
</tr>`;
}
