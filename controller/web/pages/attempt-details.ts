/** One attempt in full: its steps, what a failure left behind (R19), what the plan was. */
import type { AttemptView, EvidenceView } from '../../store/views/history.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { commit, image, seconds } from '../parts.ts';
import { actionDetails } from './action-details.ts';
import { segmentsOf, stepBar } from './step-bar.ts';

export function attemptDetails(attempt: AttemptView, now: Date): Html {
  const segments = segmentsOf(attempt, now);
  return html`${fault(attempt)}
${stepBar(segments, segments.at(-1)?.toMs ?? 0)}
${attempt.evidence.map(evidence)}
${attempt.events.length > 0 && html`<details id="steps-${attempt.id}"${attempt.outcome !== 'succeeded' && html` open`}><summary>Steps <span class="count">${attempt.events.length}</span></summary>${steps(attempt, now)}</details>`}
${attempt.action !== null && html`<details id="plan-${attempt.id}" open><summary>Plan</summary>${actionDetails(attempt.action)}</details>`}
${attempt.digests.length > 0 && html`<h3 class="minor">Images</h3><ul class="plain">${attempt.digests.map((item) => html`<li>${item.name}: ${image(item.image, item.digest)}</li>`)}</ul>`}
<p class="quiet">${commit(attempt.commit)} by <span class="wrap">${attempt.actor}</span> · plan <code title="${attempt.planHash}">${attempt.planHash.slice(0, 12)}</code>${attempt.review !== null && ` · ${attempt.review.outcome === 'reviewed' ? 'as reviewed in' : 'planned anew after the review of'} ${attempt.review.ref}`}</p>`;
}

function fault(attempt: AttemptView): Html | false {
  if (attempt.outcome === null || attempt.outcome === 'succeeded' || attempt.reason === null || attempt.reason === '') return false;
  return html`<p class="fault">${attempt.code !== null && attempt.code !== '' && html`<b>${attempt.code}</b> `}${attempt.reason.replace(/\.$/, '')}.${attempt.restored === true && ' What ran before runs again.'}${attempt.restored === false && ' What ran before could not be put back.'}</p>`;
}

/** Each step with how long it took, up to the next one. */
function steps(attempt: AttemptView, now: Date): Html {
  const end = (attempt.finishedAt ?? now).getTime();
  return html`<ol class="steps">${attempt.events.map((event, index) => {
    const ms = (attempt.events[index + 1]?.at.getTime() ?? end) - event.at.getTime();
    return html`<li><time datetime="${event.at.toISOString()}" data-fixed="yes">${event.at.toISOString().slice(11, 23)}</time> <b>${event.step}</b> <span class="wrap">${event.text}</span> <span class="quiet">${ms > 0 && seconds(ms)}</span></li>`;
  })}</ol>`;
}

function evidence(item: EvidenceView): Html {
  return html`${item.logLines.length > 0 && html`<h3 class="minor">Last lines of ${item.container}</h3><pre tabindex="0" role="region" aria-label="Log of ${item.container}">${item.logLines.join('\n')}</pre>`}
${item.healthOutput.length > 0 && html`<h3 class="minor">Health check of ${item.container}</h3><pre tabindex="0" role="region" aria-label="Health check of ${item.container}">${item.healthOutput.join('\n')}</pre>`}`;
}
