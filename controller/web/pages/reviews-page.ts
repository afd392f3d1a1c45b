/** `/teams/:team/reviews`: the open requests with what each would do, and the last merges with what came of them. */
import type { MergedReview, ReviewView } from '../../store/views/reviews.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { cell, commit, pill, table, time } from '../parts.ts';

export interface Reviews {
  readonly open: readonly ReviewView[];
  readonly merged: readonly MergedReview[];
  /** Open requests beyond the limit. */
  readonly cut: number;
}

export function reviewsPage(team: string, branch: string, { open, merged, cut }: Reviews, now: Date): Html {
  return html`<div class="head"><div><h1>Reviews</h1><p class="quiet">What each open request would do if it were merged into ${branch} now, planned against what is live.</p></div></div>
${cut > 0 && html`<p class="notice" role="note">${pill('warning')} ${cut} older ${cut === 1 ? 'request is' : 'requests are'} not looked at; <code>reviews.limit</code> of the team sets how many are.</p>`}
<section aria-labelledby="open"><h2 id="open">Open <span class="count">${open.length}</span></h2><div class="card">${openTable(team, open, now)}</div></section>
${merged.length > 0 && html`<section aria-labelledby="merged"><h2 id="merged">Merged lately</h2><div class="card">${mergedTable(team, merged, now)}</div></section>`}`;
}

function openTable(team: string, reviews: readonly ReviewView[], now: Date): Html {
  if (reviews.length === 0) return html`<p class="empty">No open requests. They are found by their refs in the repository, without any setting up.</p>`;
  return table('Open requests', ['Request', 'Would do', 'Problems', 'Plan', 'Changed'], reviews.map((review) => html`<tr role="row">
<th role="rowheader" scope="row"><a href="${href('teams', team, 'reviews', review.ref)}">${review.ref}</a><p class="quiet wrap">${review.title}${review.author !== '' && html` · ${review.author}`}</p></th>
${cell('Would do', counted(review))}
${cell('Problems', verdict(review))}
${cell('Plan', html`<code>${review.planHash.slice(0, 12)}</code>`)}
${cell('Changed', time(review.updatedAt, now))}</tr>`));
}

function mergedTable(team: string, reviews: readonly MergedReview[], now: Date): Html {
  return table('Merged requests', ['Request', 'Came in with', 'What ran'], reviews.map((review) => html`<tr role="row">
<th role="rowheader" scope="row"><a href="${href('teams', team, 'reviews', review.ref)}">${review.ref}</a><p class="quiet wrap">${review.title}</p></th>
${cell('Came in with', html`${commit(review.mergedCommit)} ${time(review.mergedAt, now)}`)}
${cell('What ran', outcome(review.outcome))}</tr>`));
}

export function outcome(word: 'reviewed' | 'replanned'): Html {
  return word === 'reviewed' ? html`<span class="pill good"><span aria-hidden="true">✓</span> as reviewed</span>` : html`<span class="pill busy"><span aria-hidden="true">⇅</span> planned anew</span>`;
}

export function verdict({ problems }: ReviewView): Html {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const warnings = problems.length - errors;
  if (problems.length === 0) return html`<span class="quiet">none</span>`;
  return html`${errors > 0 && html`${pill('error')} ${errors} `}${warnings > 0 && html`${pill('warning')} ${warnings}`}`;
}

/** `2 deploy, 1 remove` */
function counted({ actions }: ReviewView): string {
  if (actions.length === 0) return 'nothing';
  const counts = new Map<string, number>();
  for (const { kind } of actions) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${String(count)} ${kind}`).join(', ');
}
