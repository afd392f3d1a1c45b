/** What machines ask: alive, ready, metrics, schemas, the install script of agents. */
import { sql } from 'slonik';
import { countPending } from '../store/notifications.ts';
import { countDeployments } from '../store/views/deployments.ts';
import { countAuditRows } from '../store/views/teams.ts';
import { authenticate, callerOf, maySee } from './access.ts';
import type { AccessOptions, Caller } from './access.ts';
import type { WebContext } from './context.ts';
import { Routes } from './routes.ts';
import { addSchemaRoutes } from './schema-routes.ts';

const DATABASE_PATIENCE_MS = 2_000;

/** Names of teams and reasons are told only to those who may read them (R1). */
export function operationRoutes(context: WebContext, access: AccessOptions): Routes {
  const { pool, metrics } = context;
  const routes = new Routes(access, '');

  routes.get('/healthz', 'anybody', (_request, response) => {
    response.json({ alive: true, version: context.version });
  });

  routes.get('/readyz', 'anybody', async (request, response) => {
    const database = await answers(context);
    const reader = database ? await authenticate(request, access).catch(() => null) : null;
    const teams = context.readiness.teams();
    const waiting = teams.filter((team) => team.state === 'pending').length;
    const ready = database && waiting === 0;
    response.status(ready ? 200 : 503).json({
      ready,
      database: database ? 'ok' : 'does not answer',
      pending: waiting,
      failed: teams.filter((team) => team.state === 'failed').length,
      ...(reader === null ? {} : { teams: teams.filter((team) => maySee(reader, team.name)) }),
    });
  });

  addSchemaRoutes(routes);

  routes.get('/install.sh', 'anybody', (_request, response) => {
    response.set('Cache-Control', 'no-cache').type('text/x-shellscript; charset=utf-8').send(context.nodes.installScript);
  });

  routes.get('/metrics', 'reader', async (_request, response) => {
    const [deployments, audits, waiting] = await Promise.all([countDeployments(pool), countAuditRows(pool), countPending(pool)]);
    metrics.deployments.reset();
    for (const { team, sync, health, count } of deployments) metrics.deployments.set({ team, sync, health }, count);
    metrics.notificationsPending.reset();
    for (const { team, count } of waiting) metrics.notificationsPending.set({ team }, count);
    for (const { team, rows } of audits) metrics.auditRows.set({ team }, rows);
    response.type(metrics.registry.contentType).send(visible(await metrics.registry.metrics(), callerOf(response)));
  });

  return routes;
}

async function answers({ pool }: WebContext): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), DATABASE_PATIENCE_MS);
  });
  const asked = pool.query(sql.unsafe`select 1`).then(() => true, () => false);
  return Promise.race([asked, patience]).finally(() => clearTimeout(timer));
}

/** Without the series of teams that the caller may not see. */
function visible(text: string, caller: Caller): string {
  if (caller.teams === 'all') return text;
  return text
    .split('\n')
    .filter((line) => {
      const team = /[{,]team="((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
      return line.startsWith('#') || team === undefined || maySee(caller, team);
    })
    .join('\n');
}
