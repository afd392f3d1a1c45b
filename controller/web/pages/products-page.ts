/** `/teams/:team/products`: every product, its newest version and what serves. */
import type { ProductView } from '../../store/views/products.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, productLink, table } from '../parts.ts';

type ProductUses = ReadonlyMap<string, { readonly deployments: number; readonly serves: readonly string[] }>;

export function productsPage(team: string, products: readonly ProductView[], uses: ProductUses): Html {
  return html`<h1>Products <span class="count">${products.length}</span></h1>
<section class="card" aria-label="Products">${products.length === 0 ? html`<p class="empty">No products. Add a manifest of <code>kind: Product</code>.</p>` : productTable(team, products, uses)}</section>`;
}

function productTable(team: string, products: readonly ProductView[], uses: ProductUses): Html {
  return table('Products', ['Product', 'Newest', 'Versions', 'Serves', 'Deployments'], products.map((product) => {
    const newest = product.versions.find((version) => version.kind === 'incremental') ?? product.versions[0];
    const { deployments, serves } = uses.get(product.name) ?? { deployments: 0, serves: [] };
    return html`<tr role="row"><th role="rowheader" scope="row">${productLink(team, product.name)} ${badge(product.type)}${!product.declared && html` ${badge('manifest gone')}`}${product.description !== '' && html`<p class="quiet">${product.description}</p>`}</th>
${cell('Newest', newest === undefined ? '–' : newest.name)}${cell('Versions', product.versions.length)}${cell('Serves', serves.length === 0 ? '–' : serves.join(', '))}${cell('Deployments', deployments)}</tr>`;
  }));
}
