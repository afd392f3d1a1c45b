/** Pages for people: reads what a page needs at once, then renders. */
import { Router } from 'express';
import type { Request, Response } from 'express';
import { TagboatError } from '../errors.ts';
import { listAudit } from '../store/audit.ts';
import { countDeployments, listDeployments } from '../store/views/deployments.ts';
import { loadHistory } from '../store/views/history.ts';
import { listNodes } from '../store/views/nodes.ts';
import { listProducts } from '../store/views/products.ts';
import { listTeams } from '../store/views/teams.ts';
import { callerOf } from './access.ts';
import { noDeployment } from './api.ts';
import { auditPage, parameter, positive, teamOf } from './context.ts';
import type { WebContext } from './context.ts';
import { href } from './html.ts';
import type { Html } from './html.ts';
import { layout } from './layout.ts';
import type { Crumb } from './layout.ts';
import { auditPageBody } from './pages/audit-page.ts';
import { deploymentPage } from './pages/deployment-page.ts';
import { nodePage } from './pages/node-page.ts';
import { productPage } from './pages/product-page.ts';
import { teamPage } from './pages/team-page.ts';
import { teamsPage } from './pages/teams-page.ts';

export function pageRouter(context: WebContext): Router {
  const { pool } = context;
  const pages = Router();

  const send = (request: Request, response: Response, title: string, crumbs: readonly Crumb[], body: Html): void => {
    const renew = positive(request, 'refresh', 3_600) ?? 'script';
    response.type('html').send(layout({ title, crumbs: [{ text: 'Teams', href: '/' }, ...crumbs], version: context.version, renew, body }).markup);
  };
  const crumb = (team: string, ...rest: readonly string[]): Crumb => ({ text: rest.at(-1) ?? team, href: href('teams', team, ...rest) });

  pages.get('/', async (request, response) => {
    const { teams: visible } = callerOf(response);
    const [teams, counts] = await Promise.all([listTeams(pool, visible), countDeployments(pool)]);
    send(request, response, 'Teams', [], teamsPage(teams, counts, new Date()));
  });

  pages.get('/teams/:team', async (request, response) => {
    const team = await teamOf(context, request, response);
    const [deployments, nodes, products] = await Promise.all([listDeployments(pool, team.name), listNodes(pool, team.name), listProducts(pool, team.name)]);
    send(request, response, team.name, [crumb(team.name)], teamPage({ team, deployments, nodes, products }, new Date()));
  });

  pages.get('/teams/:team/deployments/:name', async (request, response) => {
    const { name: team } = await teamOf(context, request, response);
    const name = parameter(request, 'name');
    const [[deployment], history] = await Promise.all([listDeployments(pool, team, { name }), loadHistory(pool, team, name)]);
    if (deployment === undefined || history === null) throw noDeployment(team, name);
    send(request, response, `${name} · ${team}`, [crumb(team), crumb(team, 'deployments', name)], deploymentPage(team, deployment, history, new Date()));
  });

  pages.get('/teams/:team/products/:name', async (request, response) => {
    const { name: team } = await teamOf(context, request, response);
    const name = parameter(request, 'name');
    const [[product], deployments] = await Promise.all([listProducts(pool, team, name), listDeployments(pool, team, { product: name })]);
    if (product === undefined) throw new TagboatError('NotFound', `team ${team} has no product ${name}`);
    send(request, response, `${name} · ${team}`, [crumb(team), crumb(team, 'products', name)], productPage(team, product, deployments, new Date()));
  });

  pages.get('/teams/:team/nodes/:name', async (request, response) => {
    const { name: team } = await teamOf(context, request, response);
    const name = parameter(request, 'name');
    const [[node], deployments] = await Promise.all([listNodes(pool, team, name), listDeployments(pool, team, { node: name })]);
    if (node === undefined) throw new TagboatError('NotFound', `team ${team} has no node ${name}`);
    send(request, response, `${name} · ${team}`, [crumb(team), crumb(team, 'nodes', name)], nodePage(team, node, deployments, new Date()));
  });

  pages.get('/teams/:team/audit', async (request, response) => {
    const { before, limit } = auditPage(request);
    const { name: team } = await teamOf(context, request, response);
    const rows = await listAudit(pool, team, { before, limit: limit + 1 });
    const next = rows.length > limit ? (rows[limit - 1]?.id ?? null) : null;
    send(request, response, `Audit · ${team}`, [crumb(team), { text: 'Audit', href: href('teams', team, 'audit') }], auditPageBody(team, { rows: rows.slice(0, limit), next, newest: before === undefined, limit }, new Date()));
  });

  return pages;
}
