/** `/teams/:team/audit`: who did what, newest first (R26), with filters that are part of the address. */
import type { AuditRow } from '../../store/audit.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { cell, commit, table, time } from '../parts.ts';

export interface AuditQuery {
  readonly actor?: string;
  readonly action?: string;
  readonly object?: string;
  readonly result?: string;
  /** As they were written. */
  readonly from: string;
  readonly to: string;
  readonly before: number | undefined;
  readonly limit: number;
}

export interface AuditPage {
  readonly rows: readonly AuditRow[];
  /** For `before` of the next page; null at the end. */
  readonly next: number | null;
  readonly query: AuditQuery;
}

export function auditPageBody(team: string, { rows, next, query }: AuditPage, now: Date): Html {
  const filtered = [query.actor, query.action, query.object, query.result, query.from, query.to].some((word) => word !== undefined && word !== '');
  return html`<h1>Audit log</h1>
<p class="quiet">Append-only, chained by hash. <code class="wrap">tagboat audit verify --team ${team}</code> proves that nothing was changed or removed.</p>
${filterForm(team, query, filtered)}
<section class="card" aria-label="Rows">${rows.length === 0 ? html`<p class="empty">${filtered ? 'No row is like that.' : 'Nothing happened yet.'}</p>` : auditTable(team, rows, now)}</section>
<nav class="pager" aria-label="Pages">${query.before !== undefined && html`<a href="${auditHref(team, query, {})}">Newest</a>`}${next !== null && html`<a href="${auditHref(team, query, { before: String(next) })}" rel="next">Older</a>`}</nav>`;
}

export function auditTable(team: string, rows: readonly AuditRow[], now: Date): Html {
  return table('Audit rows', ['#', 'When', 'Who', 'What', 'Object', 'Result', 'Commit', 'Hash'], rows.map((row) => html`<tr role="row" id="row-${row.id}">
<th role="rowheader" scope="row">${row.id}</th>${cell('When', time(row.at, now))}${cell('Who', html`<span class="wrap">${row.actor}</span>`)}${cell('What', html`<span class="wrap">${row.action}</span>`)}
${cell('Object', objectLink(team, row.object))}${cell('Result', html`<span class="wrap">${row.result}</span>${detail(row)}`)}${cell('Commit', row.commit === null ? '–' : commit(row.commit))}${cell('Hash', commit(row.hash))}</tr>`));
}

/** `deployment/shop`, `node/harbor` and `product/shop` have pages. */
function objectLink(team: string, object: string): Html {
  const [, kind = '', name = ''] = /^(deployment|node|product)\/(.+)$/.exec(object) ?? [];
  return name === '' ? html`<span class="wrap">${object}</span>` : html`<span class="wrap">${kind}/<a href="${href('teams', team, `${kind}s`, name)}">${name}</a></span>`;
}

function detail(row: AuditRow): Html | false {
  const reason = row.detail['reason'];
  return typeof reason === 'string' && reason !== '' && html`<p class="why">${reason}</p>`;
}

function filterForm(team: string, query: AuditQuery, filtered: boolean): Html {
  const field = (label: string, name: 'actor' | 'action' | 'object' | 'result'): Html => html`<label for="f-${name}">${label} <input id="f-${name}" type="search" name="${name}" value="${query[name] ?? ''}" maxlength="200" autocomplete="off"></label>`;
  const day = (label: string, name: 'from' | 'to'): Html => html`<label for="f-${name}">${label} <input id="f-${name}" type="date" name="${name}" value="${query[name].slice(0, 10)}"></label>`;
  return html`<form class="filters" method="get" action="${href('teams', team, 'audit')}" role="search" aria-label="Filter the audit log">
${field('Who', 'actor')}${field('What', 'action')}${field('Object', 'object')}${field('Result', 'result')}${day('From', 'from')}${day('To', 'to')}
<button type="submit">Filter</button>${filtered && html` <a href="${href('teams', team, 'audit')}">Show all</a>`}</form>`;
}

function auditHref(team: string, query: AuditQuery, more: Readonly<Record<string, string>>): string {
  const { actor = '', action = '', object = '', result = '', from, to, limit } = query;
  const words = Object.entries({ actor, action, object, result, from, to, limit: limit === 100 ? '' : String(limit), ...more }).filter(([, value]) => value !== '');
  return href('teams', team, 'audit') + (words.length === 0 ? '' : `?${new URLSearchParams(words).toString()}`);
}
