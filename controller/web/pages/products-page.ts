/** `/teams/:team/products`: every product, its newest version and what serves. */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import type { ProductView } from '../../store/views/products.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, productLink, table } from '../parts.ts';

export function productsPage(team: string, products: readonly ProductView[], deployments: readonly DeploymentView[]): Html {
  return html`<h1>Products <span class="count">${products.length}</span></h1>
<section class="card" aria-label="Products">${products.length === 0 ? html`<p class="empty">No products. Add a manifest of <code>kind: Product</code>.</p>` : productTable(team, products, deployments)}</section>`;
}

function productTable(team: string, products: readonly ProductView[], deployments: readonly DeploymentView[]): Html {
  return table('Products', ['Product', 'Newest', 'Versions', 'Serves', 'Deployments'], products.map((product) => {
    const newest = product.versions.find((version) => version.kind === 'incremental') ?? product.versions[0];
    const own = deployments.filter((deployment) => deployment.product === product.name);
    const serves = [...new Set(own.flatMap((deployment) => deployment.liveVersion ?? []))];
    return html`<tr role="row"><th role="rowheader" scope="row">${productLink(team, product.name)} ${badge(product.type)}${!product.declared && html` ${badge('manifest gone')}`}${product.description !== '' && html`<p class="quiet">${product.description}</p>`}</th>
${cell('Newest', newest === undefined ? '–' : newest.name)}${cell('Versions', product.versions.length)}${cell('Serves', serves.length === 0 ? '–' : serves.join(', '))}${cell('Deployments', own.length)}</tr>`;
  }));
}
