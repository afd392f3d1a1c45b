/** Badges follow the rules of everything else of a team: for everybody where reading is public, else for who may see the team. */
import type { Response } from 'express';
import { listDeployments } from '../store/views/deployments.ts';
import { callerOf } from './access.ts';
import type { AccessOptions } from './access.ts';
import { deploymentBadge, teamBadge } from './badge.ts';
import { noDeployment, parameter, teamOf } from './context.ts';
import type { WebContext } from './context.ts';
import type { Html } from './html.ts';
import { Routes } from './routes.ts';

/** How old a badge may be; picture proxies ask no more often than this. */
const MAX_AGE_S = 30;

export function badgeRoutes(context: WebContext, access: AccessOptions): Routes {
  const badges = new Routes(access, '/badges');

  badges.get('/:team.svg', 'user', async (request, response) => {
    const team = await teamOf(context, request, response);
    send(response, teamBadge(team.name, await listDeployments(context.pool, team.name, { containers: false })));
  });

  badges.get('/:team/:deployment.svg', 'user', async (request, response) => {
    const team = await teamOf(context, request, response);
    const name = parameter(request, 'deployment');
    const [deployment] = await listDeployments(context.pool, team.name, { name, containers: false });
    if (deployment === undefined) throw noDeployment(team.name, name);
    send(response, deploymentBadge(deployment));
  });

  return badges;
}

/** A shared cache may keep only what everybody may see. */
function send(response: Response, badge: Html): void {
  const shared = callerOf(response).kind === 'public' ? 'public' : 'private';
  // A name may hold what XML cannot: control characters are left out.
  const text = badge.markup.replaceAll(/[^\P{Cc}\n\t]|[\ufffe\uffff]/gu, '');
  response.set('Cache-Control', `${shared}, max-age=${String(MAX_AGE_S)}`).vary('Authorization').vary('Cookie').type('image/svg+xml').send(text);
}
