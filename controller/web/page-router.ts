/** Pages for people: reads what a page needs at once, then renders. */
import { TagboatError } from '../errors.ts';
import { listAudit } from '../store/audit.ts';
import { countDeployments, listDeployments } from '../store/views/deployments.ts';
import { loadFormer } from '../store/views/former.ts';
import { loadAttempt, loadHistory } from '../store/views/history.ts';
import { listNodeAttempts, listNodeAudit } from '../store/views/node-past.ts';
import { listNodes } from '../store/views/nodes.ts';
import { countProductUses, listProducts, listVersionUses } from '../store/views/products.ts';
import { listTeams } from '../store/views/teams.ts';
import { callerOf } from './access.ts';
import type { AccessOptions } from './access.ts';
import { auditQuery, noDeployment, parameter, positive, teamOf, word } from './context.ts';
import type { WebContext } from './context.ts';
import { href } from './html.ts';
import type { Crumb } from './layout.ts';
import { attemptPage } from './pages/attempt-page.ts';
import { auditPageBody } from './pages/audit-page.ts';
import { readFilter } from './pages/deployment-filter.ts';
import { deploymentPage, isGone } from './pages/deployment-page.ts';
import { formerPage } from './pages/former-page.ts';
import { logPage } from './pages/log-page.ts';
import { nodePage } from './pages/node-page.ts';
import { nodesPage } from './pages/nodes-page.ts';
import { productPage } from './pages/product-page.ts';
import { productsPage } from './pages/products-page.ts';
import { teamPage } from './pages/team-page.ts';
import { teamsPage } from './pages/teams-page.ts';
import { readLog } from './read-log.ts';
import { addReviewPages } from './reviews.ts';
import { Routes } from './routes.ts';
import { sendPage, sendTeamPage } from './send-page.ts';
import { addDeliveryPages } from './webhooks/deliveries.ts';

export function pageRoutes(context: WebContext, access: AccessOptions): Routes {
  const { pool } = context;
  const pages = new Routes(access, '');

  pages.get('/', 'reader', async (request, response) => {
    const { teams: visible } = callerOf(response);
    const [teams, counts] = await Promise.all([listTeams(pool, visible), countDeployments(pool)]);
    await sendPage(context, request, response, 'Teams', teamsPage(teams, counts, new Date()));
  });

  pages.get('/teams/:team', 'user', async (request, response) => {
    const team = await teamOf(context, request, response);
    const filter = readFilter(request);
    const [deployments, nodes] = await Promise.all([listDeployments(pool, team.name, { containers: false }), listNodes(pool, team.name)]);
    await sendTeamPage(context, request, response, team.name, { section: '', crumbs: [], body: teamPage({ team, deployments, nodes, filter }, new Date()) });
  });

  pages.get('/teams/:team/deployments/:name', 'user', async (request, response) => {
    const { name: team } = await teamOf(context, request, response);
    const name = parameter(request, 'name');
    const [[deployment], history] = await Promise.all([listDeployments(pool, team, { name }), loadHistory(pool, team, name)]);
    if (deployment === undefined || history === null) {
      const former = await loadFormer(pool, team, name);
      if (former === null) throw noDeployment(team, name);
      return sendTeamPage(context, request, response, team, { section: 'deployments', crumbs: [crumb(team, 'deployments', name)], body: formerPage(team, name, former, new Date()) });
    }
    await sendTeamPage(context, request, response, team, { section: 'deployments', watch: { kind: 'deployment', name }, crumbs: [crumb(team, 'deployments', name)], body: deploymentPage(team, deployment, history, new Date(), isGone(deployment) ? (await loadFormer(pool, team, name))?.heir : null) });
  });

  pages.get('/teams/:team/deployments/:name/attempts/:attempt', 'user', async (request, response) => {
    const { name: team } = await teamOf(context, request, response);
    const [name, number] = [parameter(request, 'name'), parameter(request, 'attempt')];
    const plan = /^[1-9]\d{0,14}$/.test(number) ? await loadAttempt(pool, team, name, Number(number)) : null;
    if (plan === null) throw new TagboatError('NotFound', `deployment ${name} of team ${team} has no attempt ${number}`);
    const crumbs = [crumb(team, 'deployments', name), { text: `Attempt ${number}`, href: href('teams', team, 'deployments', name, 'attempts', number) }];
    await sendTeamPage(context, request, response, team, { section: 'deployments', watch: { kind: 'deployment', name }, crumbs, body: attemptPage(team, name, plan, new Date()) });
  });

  pages.get('/teams/:team/deployments/:name/logs', 'user', async (request, response) => {
    const tail = positive(request, 'tail', 10_000) ?? 500;
    const { name: team } = await teamOf(context, request, response);
    const name = parameter(request, 'name');
    const [deployment] = await listDeployments(pool, team, { name });
    if (deployment === undefined) throw noDeployment(team, name);
    const page = await readLog(context, team, deployment, word(request, 'container') || deployment.containers[0]?.name, tail);
    const crumbs = [crumb(team, 'deployments', name), { text: 'Log', href: href('teams', team, 'deployments', name, 'logs') }];
    await sendTeamPage(context, request, response, team, { section: 'deployments', watch: { kind: 'deployment', name }, crumbs, body: logPage(team, deployment, page) });
  });

  pages.get('/teams/:team/products', 'user', async (request, response) => {
    const { name: team } = await teamOf(context, request, response);
    const [products, uses] = await Promise.all([listProducts(pool, team), countProductUses(pool, team)]);
    await sendTeamPage(context, request, response, team, { section: 'products', crumbs: [{ text: 'Products', href: href('teams', team, 'products') }], body: productsPage(team, products, uses) });
  });

  pages.get('/teams/:team/products/:name', 'user', async (request, response) => {
    const { name: team } = await teamOf(context, request, response);
    const name = parameter(request, 'name');
    const [[product], deployments, uses] = await Promise.all([listProducts(pool, team, name), listDeployments(pool, team, { product: name, containers: false }), listVersionUses(pool, team, name)]);
    if (product === undefined) throw new TagboatError('NotFound', `team ${team} has no product ${name}`);
    await sendTeamPage(context, request, response, team, { section: 'products', crumbs: [crumb(team, 'products', name)], body: productPage(team, { product, deployments, uses }, new Date()) });
  });

  pages.get('/teams/:team/nodes', 'user', async (request, response) => {
    const { name: team } = await teamOf(context, request, response);
    const nodes = await listNodes(pool, team);
    await sendTeamPage(context, request, response, team, { section: 'nodes', crumbs: [{ text: 'Nodes', href: href('teams', team, 'nodes') }], body: nodesPage(team, nodes, new Date()) });
  });

  pages.get('/teams/:team/nodes/:name', 'user', async (request, response) => {
    const { name: team } = await teamOf(context, request, response);
    const name = parameter(request, 'name');
    const [[node], deployments, attempts, events] = await Promise.all([listNodes(pool, team, name), listDeployments(pool, team, { node: name, containers: false }), listNodeAttempts(pool, team, name), listNodeAudit(pool, team, name)]);
    if (node === undefined) throw new TagboatError('NotFound', `team ${team} has no node ${name}`);
    await sendTeamPage(context, request, response, team, { section: 'nodes', crumbs: [crumb(team, 'nodes', name)], body: nodePage(team, { node, deployments, attempts, events }, new Date()) });
  });

  pages.get('/teams/:team/audit', 'user', async (request, response) => {
    const query = auditQuery(request);
    const { limit } = query;
    const { name: team } = await teamOf(context, request, response);
    const rows = await listAudit(pool, team, { ...query, limit: limit + 1 });
    const next = rows.length > limit ? (rows[limit - 1]?.id ?? null) : null;
    const body = auditPageBody(team, { rows: rows.slice(0, limit), next, query: { ...query, from: word(request, 'from'), to: word(request, 'to') } }, new Date());
    await sendTeamPage(context, request, response, team, { section: 'audit', crumbs: [{ text: 'Audit', href: href('teams', team, 'audit') }], body });
  });

  addReviewPages(pages, context);
  addDeliveryPages(pages, context);
  return pages;
}

function crumb(team: string, section: string, name: string): Crumb {
  return { text: name, href: href('teams', team, section, name) };
}
