/** `/teams/:team/reviews/:ref`: what a request would do, action by action, or what came of it. */
import type { DeliveryView, ReviewAction, ReviewView } from '../../store/views/reviews.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, commit, deploymentLink, nodeLink, pill, time } from '../parts.ts';
import { actionDetails } from './action-details.ts';
import { outcome, verdict } from './reviews-page.ts';

const METHODS: Readonly<Record<string, string>> = {
  host: 'as the Git host merges it',
  contains: 'it holds the branch already',
  files: 'merged file by file',
};

export function reviewPage(team: string, branch: string, review: ReviewView, deliveries: readonly DeliveryView[], now: Date): Html {
  return html`<div class="head"><div>
<h1>${review.ref} ${badge(review.state)}</h1>
<p class="wrap">${review.title}${review.author !== '' && html` <span class="quiet">by ${review.author}</span>`}</p>
</div><p class="quiet side">${commit(review.head)} into ${branch} at ${commit(review.base)}<br>${METHODS[review.method] ?? review.method} · planned ${time(review.updatedAt, now)}</p></div>
${mergedNotice(review)}
<dl class="states card">
<div><dt>Would do</dt><dd><b class="big">${review.actions.length}</b> ${review.actions.length === 1 ? 'action' : 'actions'}</dd></div>
<div><dt>Problems</dt><dd>${verdict(review)}</dd></div>
<div><dt>Plan</dt><dd><code title="${review.planHash}">${review.planHash.slice(0, 12)}</code></dd></div>
${deliveries.length > 0 && html`<div><dt>Git host</dt><dd>${deliveries.map((delivery) => told(delivery, now))}</dd></div>`}
</dl>
${problems(review)}
${review.notes.length > 0 && html`<section aria-labelledby="moment"><h2 id="moment">As things are now <span class="count">${review.notes.length}</span></h2><div class="card"><ul class="plain">${review.notes.map((note) => html`<li class="wrap">${note}</li>`)}</ul></div></section>`}
<section aria-labelledby="actions"><h2 id="actions">Actions <span class="count">${review.actions.length}</span></h2>
${review.actions.length === 0 ? html`<p class="card empty">Nothing: the merge changes no deployment.</p>` : html`<ol class="timeline">${review.actions.map((action) => actionItem(team, action))}</ol>`}</section>`;
}

function told({ kind, state, tries, lastError, sentAt, nextAt }: DeliveryView, now: Date): Html {
  if (state === 'sent') return html`<p>${kind} told ${time(sentAt, now)}</p>`;
  if (state === 'failed') return html`<p class="fault wrap">${kind} given up after ${tries} ${tries === 1 ? 'try' : 'tries'}: ${lastError}</p>`;
  return html`<p>${kind} waits${nextAt !== null && nextAt > now ? html`, ${time(nextAt, now)}` : ' for its turn'}</p>${lastError !== null && html`<p class="why">${lastError}</p>`}`;
}

function mergedNotice(review: ReviewView): Html | false {
  if (review.outcome === null) return false;
  const { difference } = review;
  return html`<section class="notice" aria-label="What came of it"><p>${outcome(review.outcome)} Merged with ${commit(review.mergedCommit)}. ${
    review.outcome === 'reviewed' ? 'What was reviewed is what was carried out.' : html`The world had moved since the review, so it was planned anew, as <code>${(review.executedHash ?? '').slice(0, 12)}</code>:`
  }</p>
${difference !== null && html`<ul class="plain">${difference.added.map((item) => html`<li>added: <code>${item}</code></li>`)}${difference.gone.map((item) => html`<li>not needed any more: <code>${item}</code></li>`)}${difference.changed.map((item) => html`<li>done otherwise: <code>${item}</code></li>`)}</ul>`}</section>`;
}

function problems({ problems: list }: ReviewView): Html | false {
  if (list.length === 0) return false;
  return html`<section aria-labelledby="problems"><h2 id="problems">Problems that it brings <span class="count">${list.length}</span></h2>
<ul class="problems">${list.map((item) => html`<li class="card ${item.severity === 'error' ? 'bad' : 'busy'}">
<p>${pill(item.severity)} <b>${item.code}</b> ${item.file !== '' && html`<code class="wrap">${item.file}${item.line > 0 && `:${String(item.line)}:${String(item.column)}`}</code>`}</p>
<p class="wrap">${item.message}</p><p class="quiet wrap">${item.hint}</p></li>`)}</ul></section>`;
}

function actionItem(team: string, action: ReviewAction): Html {
  return html`<li class="card"><h3>${deploymentLink(team, action.deployment)} <span class="quiet">on</span> ${nodeLink(team, action.node)} / ${action.prefix ?? '?'}</h3>
<div>${actionDetails(action)}</div></li>`;
}
