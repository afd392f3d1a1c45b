/** `/teams/:team/deployments/:name/attempts/:attempt`: one attempt of any age, with its plan. */
import type { AttemptPlan } from '../../store/views/history.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, deploymentLink, duration, pill, table, time } from '../parts.ts';
import { attemptDetails } from './attempt-details.ts';

export function attemptPage(team: string, deployment: string, { attempt, companions }: AttemptPlan, now: Date): Html {
  const took = duration(attempt.startedAt, attempt.finishedAt, now);
  return html`<div class="head"><div><h1>Attempt ${attempt.id} ${pill(attempt.outcome ?? attempt.state)}</h1>
<p class="quiet">${badge(attempt.kind)} of ${deploymentLink(team, deployment)}</p></div>
<p class="quiet side">${attempt.startedAt === null ? html`planned ${time(attempt.createdAt, now)}` : html`started ${time(attempt.startedAt, now)}`}${took !== '' && html`<br>${attempt.finishedAt === null ? 'for' : 'took'} ${took}`}</p></div>
<section class="card details" aria-labelledby="attempt"><h2 id="attempt" class="hidden">What it did</h2>${attemptDetails(attempt, now)}</section>
${companions.length > 0 && html`<section aria-labelledby="companions"><h2 id="companions">In the same plan <span class="count">${companions.length}</span></h2><div class="card">${table('Other actions of the plan', ['Deployment', 'Action', 'Version', 'Why'], companions.map((one) => html`<tr role="row"><th role="rowheader" scope="row">${deploymentLink(team, one.deployment)}</th>
${cell('Action', one.kind)}${cell('Version', one.from === one.to ? (one.to ?? '–') : `${one.from ?? 'nothing'} → ${one.to ?? 'nothing'}`)}${cell('Why', html`<span class="wrap">${one.reason}</span>`)}</tr>`))}</div></section>`}`;
}
