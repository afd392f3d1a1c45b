/** The attempts of a deployment as a timeline: newest first, one bar each, all on one scale. */
import type { AttemptView, History } from '../../store/views/history.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { pill, seconds, time } from '../parts.ts';
import { segmentsOf, stepBar } from './step-bar.ts';

const SHOWN = 30;

export function attemptsOf(history: History): readonly AttemptView[] {
  return [...history.records.flatMap((record) => record.attempts), ...history.removals].sort((a, b) => b.id - a.id);
}

export function attemptTimeline(team: string, deployment: string, attempts: readonly AttemptView[], now: Date): Html {
  const shown = attempts.slice(0, SHOWN).map((attempt) => ({ attempt, segments: segmentsOf(attempt, now) }));
  const scale = Math.max(0, ...shown.map(({ segments }) => segments.at(-1)?.toMs ?? 0));
  return html`<ol class="attempts card">${shown.map(({ attempt, segments }) => {
    const took = segments.at(-1)?.toMs;
    return html`<li id="attempt-${attempt.id}"><div class="attempt"><span class="attempt-name"><a href="${href('teams', team, 'deployments', deployment, 'attempts', String(attempt.id))}">Attempt ${attempt.id}</a> ${pill(attempt.outcome ?? attempt.state)}</span>
<span class="attempt-what">${attempt.kind}${attempt.action?.to != null && html` <b>${attempt.action.to}</b>`} <span class="quiet">${time(attempt.startedAt ?? attempt.createdAt, now)}</span></span>
<span class="attempt-bar">${stepBar(segments, scale)}</span><span class="attempt-took">${took === undefined ? '' : seconds(took)}</span></div>
${attempt.outcome !== 'succeeded' && attempt.reason !== null && attempt.reason !== '' && html`<p class="why">${attempt.code !== null && attempt.code !== '' && html`<b>${attempt.code}</b> `}${attempt.reason}</p>`}</li>`;
  })}</ol>${attempts.length > SHOWN && html`<p class="quiet">${attempts.length - SHOWN} older ones are not drawn; the audit log names them.</p>`}`;
}
