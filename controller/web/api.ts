/** JSON under /api/v1 (SPEC §5). Shapes are the views' own; fields are only ever added. */
import type { AuditRow } from '../store/audit.ts';
import { listAudit } from '../store/audit.ts';
import { verifyAudit } from '../store/audit-verify.ts';
import { listDeployments } from '../store/views/deployments.ts';
import { loadHistory } from '../store/views/history.ts';
import { listNodes } from '../store/views/nodes.ts';
import { listProducts } from '../store/views/products.ts';
import { listTeams } from '../store/views/teams.ts';
import { actorOf, callerOf } from './access.ts';
import type { AccessOptions } from './access.ts';
import { auditQuery, noDeployment, parameter, teamOf } from './context.ts';
import type { WebContext } from './context.ts';
import { sendLogs } from './logs.ts';
import { addNotificationRoutes } from './notification-api.ts';
import { openApiDocument } from './openapi/document.ts';
import { addReviewApi } from './reviews.ts';
import { Routes } from './routes.ts';
import { sendTeamEvents } from './team-events.ts';
import { addTokenRoutes } from './token-api.ts';
import { addDeliveryApi } from './webhooks/deliveries.ts';

export function apiRoutes(context: WebContext, access: AccessOptions): Routes {
  const { pool, nodes } = context;
  const api = new Routes(access, '/api/v1');

  const document = openApiDocument(context.version);
  api.get('/openapi.json', 'reader', (_request, response) => {
    response.json(document);
  });

  api.get('/teams', 'reader', async (_request, response) => {
    response.json(await listTeams(pool, callerOf(response).teams));
  });

  api.get('/teams/:team', 'user', async (request, response) => {
    response.json(await teamOf(context, request, response));
  });

  api.get('/teams/:team/nodes', 'user', async (request, response) => {
    response.json(await listNodes(pool, (await teamOf(context, request, response)).name));
  });

  api.get('/teams/:team/products', 'user', async (request, response) => {
    response.json(await listProducts(pool, (await teamOf(context, request, response)).name));
  });

  api.get('/teams/:team/deployments', 'user', async (request, response) => {
    response.json(await listDeployments(pool, (await teamOf(context, request, response)).name));
  });

  api.get('/teams/:team/deployments/:name', 'user', async (request, response) => {
    const team = await teamOf(context, request, response);
    const name = parameter(request, 'name');
    const [deployment] = await listDeployments(pool, team.name, { name });
    if (deployment === undefined) throw noDeployment(team.name, name);
    response.json(deployment);
  });

  api.get('/teams/:team/deployments/:name/history', 'user', async (request, response) => {
    const team = await teamOf(context, request, response);
    const name = parameter(request, 'name');
    const history = await loadHistory(pool, team.name, name);
    if (history === null) throw noDeployment(team.name, name);
    response.json(history.records);
  });

  api.get('/teams/:team/deployments/:name/logs', 'user', (request, response) => sendLogs(context, request, response));

  api.get('/teams/:team/events', 'user', (request, response) => sendTeamEvents(context, request, response));

  api.get('/teams/:team/audit', 'user', async (request, response) => {
    const filter = auditQuery(request);
    const team = await teamOf(context, request, response);
    response.json(await auditAnswer(team.name, filter));
  });

  // The controller's own chain: its starts, and sign-ins and refusals that belong to no team.
  api.get('/audit', 'operator', async (request, response) => {
    response.json(await auditAnswer('', auditQuery(request)));
  });

  const auditAnswer = async (team: string, filter: ReturnType<typeof auditQuery>): Promise<{ readonly rows: readonly AuditRow[]; readonly next: number | null }> => {
    const { limit } = filter;
    const rows = await listAudit(pool, team, { ...filter, limit: limit === 1_000 ? limit : limit + 1 });
    return { rows: rows.slice(0, limit), next: rows.length > limit || (limit === 1_000 && rows.length === limit) ? (rows[limit - 1]?.id ?? null) : null };
  };

  api.get('/teams/:team/audit/verification', 'user', async (request, response) => {
    const team = await teamOf(context, request, response);
    const { checked, firstBroken, heads } = await verifyAudit(pool, team.name);
    response.json({ checked, ok: firstBroken === undefined, firstBroken: firstBroken ?? null, head: heads[0] ?? null });
  });

  api.post('/teams/:team/nodes/:node/enrolments', 'admin', async (request, response) => {
    const team = await teamOf(context, request, response);
    response.status(201).json(await nodes.mintEnrolment(team.name, parameter(request, 'node'), actorOf(request, response)));
  });

  api.post('/teams/:team/nodes/:node/revocation', 'admin', async (request, response) => {
    const team = await teamOf(context, request, response);
    await nodes.revoke(team.name, parameter(request, 'node'), actorOf(request, response));
    response.status(204).end();
  });

  addNotificationRoutes(api, context);
  addReviewApi(api, context);
  addDeliveryApi(api, context);
  addTokenRoutes(api, context, access.refusals);
  return api;
}
