/** The records of a deployment, newest first, superseded, obsolete and downgraded ones included. */
import type { HistoryItem } from '../../store/views/history.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, commit, duration, pill, productVersionLink, table, time } from '../parts.ts';

export function historyTable(team: string, deployment: string, records: readonly HistoryItem[], now: Date): Html {
  return table('Records', ['Version', 'Status', 'Started', 'Took', 'Attempts', 'Commit', 'Why'], records.map((record) => html`<tr role="row" id="record-${record.id}">
<th role="rowheader" scope="row">${productVersionLink(team, record.product, record.versionKind, record.version)} ${badge(record.versionKind)}<span class="below quiet">record ${record.id}</span></th>
${cell('Status', html`${pill(record.status)}${record.live && html` ${pill('serves', 'good')}`}`)}
${cell('Started', time(record.startedAt ?? record.createdAt, now))}
${cell('Took', record.startedAt === null || record.finishedAt === null ? '–' : duration(record.startedAt, record.finishedAt, now))}
${cell('Attempts', record.attempts.length === 0 ? '–' : html`${record.attempts.slice(0, 4).map((attempt, index) => html`${index > 0 && ', '}<a href="${href('teams', team, 'deployments', deployment, 'attempts', String(attempt.id))}" aria-label="Attempt ${attempt.id}">${attempt.id}</a>`)}${record.attempts.length > 4 && ' …'}`)}
${cell('Commit', html`${commit(record.commit)}<span class="below wrap">${record.actor}</span>`)}
${cell('Why', record.reason === '' ? html`<span class="quiet" aria-hidden="true">–</span>` : html`<span class="why">${record.reason}</span>`)}</tr>`));
}
