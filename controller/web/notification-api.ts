/** `/api/v1/teams/:team/notifications`: the channels of a team and what became of what they were told; a test of one. */
import { listNotifications, queueTest } from '../store/notifications.ts';
import { actorOf } from './access.ts';
import { parameter, teamOf } from './context.ts';
import type { WebContext } from './context.ts';
import type { Routes } from './routes.ts';

export function addNotificationRoutes(api: Routes, context: WebContext): void {
  const { pool, hasNotificationUrl } = context;

  api.get('/teams/:team/notifications', 'user', async (request, response) => {
    const { name: team } = await teamOf(context, request, response);
    const notifications = await listNotifications(pool, team);
    response.json(notifications.map((one) => ({ ...one, configured: hasNotificationUrl(team, one.urlFrom) })));
  });

  api.post('/teams/:team/notifications/:name/tests', 'admin', async (request, response) => {
    const { name: team } = await teamOf(context, request, response);
    const id = await pool.transaction((tx) => queueTest(tx, team, parameter(request, 'name'), actorOf(request, response)));
    response.status(202).json({ id });
  });
}
