/** The overview's filter: a plain form whose answer is an address, so it works without scripts and can be kept as a bookmark. */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { filterHref, GROUPS, NO_FILTER } from './deployment-filter.ts';
import type { DeploymentFilter } from './deployment-filter.ts';

export function filterForm(team: string, deployments: readonly DeploymentView[], filter: DeploymentFilter, filtered: boolean): Html {
  const names = (pick: (deployment: DeploymentView) => string | null): string[] => [...new Set(deployments.flatMap((deployment) => pick(deployment) ?? []))].sort();
  return html`<form class="filters" method="get" action="${href('teams', team)}" role="search" aria-label="Filter deployments">
${filter.view !== '' && html`<input type="hidden" name="view" value="${filter.view}">`}
<label for="f-q">Name <input id="f-q" type="search" name="q" value="${filter.q}" maxlength="200" autocomplete="off"></label>
${select('State', 'show', filter.show, GROUPS.map(({ word, text }) => ({ value: word, text })))}
${select('Node', 'node', filter.node, names(({ node }) => node).map((value) => ({ value, text: value })))}
${select('Product', 'product', filter.product, names(({ product }) => product).map((value) => ({ value, text: value })))}
<button type="submit">Filter</button>${filtered && html` <a href="${filterHref(team, NO_FILTER, { view: filter.view })}">Show all</a>`}
</form>`;
}

function select(label: string, name: string, chosen: string, options: readonly { readonly value: string; readonly text: string }[]): Html {
  return html`<label for="f-${name}">${label} <select id="f-${name}" name="${name}"><option value="">any</option>${options.map(({ value, text }) => html`<option value="${value}"${value === chosen && html` selected`}>${text}</option>`)}${
    chosen !== '' && options.every(({ value }) => value !== chosen) && html`<option selected>${chosen}</option>`
  }</select></label>`;
}
