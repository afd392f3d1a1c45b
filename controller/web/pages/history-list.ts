/** Records and attempts as a timeline; what a failure left behind is open where it is the latest word (R19). */
import type { ActionView, AttemptView, EvidenceView, HistoryItem } from '../../store/views/history.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, commit, duration, image, pill, time, why } from '../parts.ts';

export function recordItem(record: HistoryItem, latest: boolean, now: Date): Html {
  return html`<li class="card">
<h3>${record.version} ${badge(record.versionKind)} ${pill(record.status)}${record.live && html` ${pill('serves', 'good')}`}</h3>
<p class="quiet">${commit(record.commit)} by ${record.actor} · record ${record.id} · ${record.startedAt === null ? html`made ${time(record.createdAt, now)}` : html`started ${time(record.startedAt, now)}${record.finishedAt !== null && html`, took ${duration(record.startedAt, record.finishedAt, now)}`}`}</p>
${why(record.reason)}
${record.attempts.length > 0 && html`<ol class="attempts">${record.attempts.map((attempt, index) => attemptItem(attempt, latest && index === 0, now))}</ol>`}
</li>`;
}

export function attemptItem(attempt: AttemptView, open: boolean, now: Date): Html {
  const took = duration(attempt.startedAt, attempt.finishedAt, now);
  return html`<li><details id="attempt-${attempt.id}"${open && attempt.outcome !== 'succeeded' && html` open`}>
<summary><span class="summary">${pill(attempt.outcome ?? attempt.state)} <b>${attempt.kind}</b> attempt ${attempt.id} <span class="quiet">${time(attempt.startedAt ?? attempt.createdAt, now)}${took !== '' && ` · ${took}`}</span></span></summary>
${attempt.outcome !== 'succeeded' && attempt.reason !== null && attempt.reason !== '' && html`<p class="fault">${attempt.code !== null && attempt.code !== '' && html`<b>${attempt.code}</b> `}${attempt.reason.replace(/\.$/, '')}.${attempt.restored === true && ' What ran before runs again.'}${attempt.restored === false && ' What ran before could not be put back.'}</p>`}
${attempt.evidence.map(evidence)}
${attempt.events.length > 0 && html`<h4>Steps</h4><ol class="steps">${attempt.events.map((event) => html`<li><time datetime="${event.at.toISOString()}">${event.at.toISOString().slice(11, 23)}</time> <b>${event.step}</b> <span class="wrap">${event.text}</span></li>`)}</ol>`}
${attempt.action !== null && plan(attempt.action)}
${attempt.digests.length > 0 && html`<h4>Images</h4><ul class="plain">${attempt.digests.map((item) => html`<li>${item.name}: ${image(item.image, item.digest)}</li>`)}</ul>`}
<p class="quiet">${commit(attempt.commit)} by ${attempt.actor} · plan <code>${attempt.planHash.slice(0, 12)}</code></p>
</details></li>`;
}

function plan(action: ActionView): Html {
  return html`<h4>Plan</h4><p>${action.kind}${action.from !== action.to && html` <b>${action.from ?? 'nothing'} → ${action.to ?? 'nothing'}</b>`}: ${action.reason}</p>
${action.changes.length > 0 && html`<ul class="plain diff">${action.changes.map((change) => html`<li><code class="wrap">${change.image} ${change.path}: ${change.from !== null && html`<del>${change.from}</del>`}${change.from !== null && change.to !== null && ' → '}${change.to !== null && html`<ins>${change.to}</ins>`}</code></li>`)}</ul>`}
${action.strategies.length > 0 && html`<ul class="plain">${action.strategies.map((choice) => html`<li class="quiet">${choice.image}: ${choice.strategy}, ${choice.reason}</li>`)}</ul>`}`;
}

function evidence(item: EvidenceView): Html {
  return html`${item.logLines.length > 0 && html`<h4>Last lines of ${item.container}</h4><pre tabindex="0" aria-label="Log of ${item.container}">${item.logLines.join('\n')}</pre>`}
${item.healthOutput.length > 0 && html`<h4>Health check of ${item.container}</h4><pre tabindex="0" aria-label="Health check of ${item.container}">${item.healthOutput.join('\n')}</pre>`}`;
}
