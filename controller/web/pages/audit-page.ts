/** `/teams/:team/audit`: who did what, newest first (R26). */
import type { AuditRow } from '../../store/audit.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { cell, commit, table, time } from '../parts.ts';

export interface AuditPage {
  readonly rows: readonly AuditRow[];
  /** For `before` of the next page; null at the end. */
  readonly next: number | null;
  /** True on the newest page. */
  readonly newest: boolean;
  readonly limit: number;
}

export function auditPageBody(team: string, page: AuditPage, now: Date): Html {
  const here = href('teams', team, 'audit');
  return html`<h1>Audit log</h1>
<p class="quiet">Append-only, chained by hash. <code>tagboat audit verify --team ${team}</code> proves that nothing was changed or removed.</p>
<section class="card" aria-label="Rows">${
    page.rows.length === 0
      ? html`<p class="empty">Nothing happened yet.</p>`
      : table('Audit rows', ['#', 'When', 'Who', 'What', 'Object', 'Result', 'Commit', 'Hash'], page.rows.map((row) => html`<tr role="row">
<th role="rowheader" scope="row">${row.id}</th>${cell('When', time(row.at, now))}${cell('Who', row.actor)}${cell('What', row.action)}
${cell('Object', html`<span class="wrap">${row.object}</span>`)}${cell('Result', html`<span class="wrap">${row.result}</span>${detail(row)}`)}${cell('Commit', row.commit === null ? '–' : commit(row.commit))}${cell('Hash', commit(row.hash))}</tr>`))
  }</section>
<nav class="pager" aria-label="Pages">${!page.newest && html`<a href="${here}">Newest</a>`}${page.next !== null && html`<a href="${here}?before=${page.next}&amp;limit=${page.limit}" rel="next">Older</a>`}</nav>`;
}

function detail(row: AuditRow): Html | false {
  const reason = row.detail['reason'];
  return typeof reason === 'string' && reason !== '' && html`<p class="why">${reason}</p>`;
}
