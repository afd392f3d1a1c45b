/** `/teams/:team/deliveries`: what Git hosts told by webhook, and what came of it, newest first. */
import type { DeliveryRow } from '../../store/deliveries.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { cell, table, time } from '../parts.ts';

export interface DeliveriesPage {
  readonly rows: readonly DeliveryRow[];
  /** For `before` of the next page; null at the end. */
  readonly next: number | null;
  readonly newest: boolean;
  readonly limit: number;
}

const MEANING = { polled: 'the repository was looked at', ignored: 'nothing to look at', duplicate: 'taken before', refused: 'refused' } as const satisfies Record<DeliveryRow['outcome'], string>;

export function deliveriesPage(team: string, page: DeliveriesPage, now: Date): Html {
  const here = href('teams', team, 'deliveries');
  return html`<h1>Deliveries</h1>
<p class="quiet">Webhooks only hasten the next look at the repository. The address for the Git host is <code>/webhooks/${team}</code>; the secret is the team's <code>webhookSecret</code>.</p>
<section class="card" aria-label="Deliveries">${
    page.rows.length === 0
      ? html`<p class="empty">No webhook has come yet.</p>`
      : table('Deliveries of webhooks', ['#', 'When', 'From', 'Event', 'Ref', 'Outcome', 'Status', 'Id'], page.rows.map((row) => html`<tr role="row">
<th role="rowheader" scope="row">${row.id}</th>${cell('When', time(row.at, now))}${cell('From', row.provider === '' ? 'unknown' : row.provider)}${cell('Event', html`<span class="wrap">${row.event}</span>`)}
${cell('Ref', row.ref === null ? '–' : html`<span class="wrap">${row.ref}</span>`)}${cell('Outcome', html`${MEANING[row.outcome]}${row.reason !== '' && html`<p class="why">${row.reason}</p>`}`)}${cell('Status', String(row.status))}${cell('Id', html`<span class="wrap">${row.deliveryId ?? '–'}</span>`)}</tr>`))
  }</section>
<nav class="pager" aria-label="Pages">${!page.newest && html`<a href="${here}">Newest</a>`}${page.next !== null && html`<a href="${here}?before=${page.next}&amp;limit=${page.limit}" rel="next">Older</a>`}</nav>`;
}
