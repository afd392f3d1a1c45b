/** Reviews, for programs and for people. A ref may hold slashes, encoded or not. */
import type { Request } from 'express';
import { TagboatError } from '../errors.ts';
import { loadLiveState } from '../store/views/live-state.ts';
import { countCutReviews, findReview, listDeliveries, listMergedReviews, listReviews } from '../store/views/reviews.ts';
import type { ReviewView } from '../store/views/reviews.ts';
import { teamOf } from './context.ts';
import type { WebContext } from './context.ts';
import { href } from './html.ts';
import { reviewPage } from './pages/review-page.ts';
import { reviewsPage } from './pages/reviews-page.ts';
import type { Routes } from './routes.ts';
import { sendTeamPage } from './send-page.ts';

const MERGED_SHOWN = 20;

export function addReviewApi(api: Routes, context: WebContext): void {
  api.get('/teams/:team/reviews', 'user', async (request, response) => {
    response.json(await listReviews(context.pool, (await teamOf(context, request, response)).name));
  });

  api.get('/teams/:team/live-state', 'user', async (request, response) => {
    const { name, commit, branch, directory } = await teamOf(context, request, response);
    response.json({ team: name, commit, branch, directory, ...(await loadLiveState(context.pool, name)) });
  });

  api.get('/teams/:team/reviews/*ref', 'user', async (request, response) => {
    const { name: team } = await teamOf(context, request, response);
    const review = await reviewOf(context, team, request);
    response.json({ ...review, deliveries: await listDeliveries(context.pool, team, review.ref) });
  });
}

export function addReviewPages(pages: Routes, context: WebContext): void {
  const { pool } = context;
  pages.get('/teams/:team/reviews', 'user', async (request, response) => {
    const { name: team, branch } = await teamOf(context, request, response);
    const [open, merged, cut] = await Promise.all([listReviews(pool, team), listMergedReviews(pool, team, MERGED_SHOWN), countCutReviews(pool, team)]);
    return sendTeamPage(context, request, response, team, { section: 'reviews', crumbs: [{ text: 'Reviews', href: href('teams', team, 'reviews') }], body: reviewsPage(team, branch, { open, merged, cut }, new Date()) });
  });

  pages.get('/teams/:team/reviews/*ref', 'user', async (request, response) => {
    const { name: team, branch } = await teamOf(context, request, response);
    const review = await reviewOf(context, team, request);
    const crumbs = [{ text: 'Reviews', href: href('teams', team, 'reviews') }, { text: review.ref, href: href('teams', team, 'reviews', review.ref) }];
    return sendTeamPage(context, request, response, team, { section: 'reviews', crumbs, body: reviewPage(team, branch, review, await listDeliveries(pool, team, review.ref), new Date()) });
  });
}

async function reviewOf({ pool }: WebContext, team: string, request: Request): Promise<ReviewView> {
  const steps: unknown = request.params['ref'];
  const ref = Array.isArray(steps) ? steps.join('/') : String(steps);
  const review = await findReview(pool, team, ref);
  if (review === null) throw new TagboatError('NotFound', `team ${team} has no review ${ref.slice(0, 200)}`, { hint: 'Closed requests disappear; the list of reviews shows what is open.' });
  return review;
}
