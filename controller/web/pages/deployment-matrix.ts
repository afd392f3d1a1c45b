/** What is live where: products down, nodes across, and in each field the version that serves. */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import type { NodeView } from '../../store/views/nodes.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { mark, nodeLink, pill, productLink } from '../parts.ts';
import { filterHref, GROUPS } from './deployment-filter.ts';
import type { DeploymentFilter } from './deployment-filter.ts';

/** More in one field is a list, and that has its own view. */
const MAX_IN_A_FIELD = 8;

export function deploymentMatrix(team: string, deployments: readonly DeploymentView[], nodes: readonly NodeView[], filter: DeploymentFilter): Html {
  const products = [...new Set(deployments.map(({ product }) => product ?? ''))].sort();
  const used = new Set(deployments.map(({ node }) => node ?? ''));
  const columns = [...nodes.map(({ name }) => name).filter((name) => used.has(name)), ...[...used].filter((name) => nodes.every((node) => node.name !== name)).sort()];
  const fields = new Map<string, DeploymentView[]>();
  for (const deployment of deployments) {
    const key = `${deployment.product ?? ''}\n${deployment.node ?? ''}`;
    fields.set(key, [...(fields.get(key) ?? []), deployment]);
  }
  const head = columns.map((name) => {
    const node = nodes.find((one) => one.name === name);
    return html`<th scope="col">${nodeLink(team, name === '' ? null : name)}${node !== undefined && html`<br>${pill(node.status)}`}</th>`;
  });
  return html`<div class="scroll" tabindex="0" role="region" aria-label="What is live where"><table class="matrix"><caption class="hidden">Products by node, with the version that serves</caption>
<thead><tr><th scope="col">Product</th>${head}</tr></thead>
<tbody>${products.map((product) => html`<tr><th scope="row">${productLink(team, product === '' ? null : product)}</th>${columns.map((node) => html`<td>${field(team, fields.get(`${product}\n${node}`) ?? [], { ...filter, product, node, view: '' })}</td>`)}</tr>`)}</tbody></table></div>`;
}

function field(team: string, deployments: readonly DeploymentView[], filter: DeploymentFilter): Html {
  if (deployments.length === 0) return html`<span class="quiet" aria-label="nothing">·</span>`;
  const shown = deployments.slice(0, MAX_IN_A_FIELD);
  return html`<ul class="plain">${shown.map((deployment) => html`<li>${entry(team, deployment)}</li>`)}${deployments.length > shown.length && html`<li><a href="${filterHref(team, filter)}">${deployments.length - shown.length} more</a></li>`}</ul>`;
}

/** The version that serves; what is not in order about it follows as a word. */
function entry(team: string, deployment: DeploymentView): Html {
  const trouble = GROUPS.find((group) => group.test(deployment));
  const word = trouble === undefined || trouble.word === 'fine' ? null : trouble;
  return html`${mark(word === null ? 'good' : word.tone)} <a href="${href('teams', team, 'deployments', deployment.name)}" title="${deployment.name}: ${deployment.reason === '' ? 'in order' : deployment.reason}">${deployment.prefix ?? deployment.name}</a> ${deployment.liveVersion === null ? html`<span class="quiet">nothing yet</span>` : html`<b>${deployment.liveVersion}</b>`}${word !== null && html`<span class="quiet">, ${word.text}</span>`}`;
}
