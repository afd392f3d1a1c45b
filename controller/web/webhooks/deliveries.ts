/** The delivery log, for programs and for people. */
import type { Request, Response } from 'express';
import { listDeliveries } from '../../store/deliveries.ts';
import type { DeliveryRow } from '../../store/deliveries.ts';
import { positive, teamOf } from '../context.ts';
import type { WebContext } from '../context.ts';
import { href } from '../html.ts';
import { deliveriesPage } from '../pages/deliveries-page.ts';
import type { Routes } from '../routes.ts';
import { sendTeamPage } from '../send-page.ts';

export function addDeliveryApi(api: Routes, context: WebContext): void {
  api.get('/teams/:team/deliveries', 'user', async (request, response) => {
    const { rows, next } = await read(context, request, response);
    response.json({ rows, next });
  });
}

export function addDeliveryPages(pages: Routes, context: WebContext): void {
  pages.get('/teams/:team/deliveries', 'user', async (request, response) => {
    const { team, ...page } = await read(context, request, response);
    await sendTeamPage(context, request, response, team, { section: 'deliveries', crumbs: [{ text: 'Deliveries', href: href('teams', team, 'deliveries') }], body: deliveriesPage(team, page, new Date()) });
  });
}

interface Page {
  readonly team: string;
  readonly rows: readonly DeliveryRow[];
  /** For `before` of the next page; null at the end. */
  readonly next: number | null;
  readonly newest: boolean;
  readonly limit: number;
}

async function read(context: WebContext, request: Request, response: Response): Promise<Page> {
  const before = positive(request, 'before', Number.MAX_SAFE_INTEGER);
  const limit = positive(request, 'limit', 1_000) ?? 100;
  const { name: team } = await teamOf(context, request, response);
  const rows = await listDeliveries(context.pool, team, { before, limit: limit + 1 });
  return { team, rows: rows.slice(0, limit), next: rows.length > limit ? (rows[limit - 1]?.id ?? null) : null, newest: before === undefined, limit };
}
