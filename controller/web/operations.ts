/** What machines ask: alive, ready, metrics, schemas. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Router } from 'express';
import { sql } from 'slonik';
import { TagboatError } from '../errors.ts';
import { packageRoot } from '../package-root.ts';
import { countDeployments } from '../store/views/deployments.ts';
import { countAuditRows } from '../store/views/teams.ts';
import { authenticate } from './access.ts';
import type { AccessOptions } from './access.ts';
import { parameter } from './context.ts';
import type { WebContext } from './context.ts';

const DATABASE_PATIENCE_MS = 2_000;

/** For everybody. Names of teams and reasons are told only to those who may read (R1). */
export function openRouter(context: WebContext, access: AccessOptions): Router {
  const router = Router();

  router.get('/healthz', (_request, response) => {
    response.json({ alive: true, version: context.version });
  });

  router.get('/readyz', async (request, response) => {
    const database = await answers(context);
    const teams = context.readiness.teams();
    const waiting = teams.filter((team) => team.state === 'pending').length;
    const ready = database && waiting === 0;
    response.status(ready ? 200 : 503).json({
      ready,
      database: database ? 'ok' : 'does not answer',
      pending: waiting,
      failed: teams.filter((team) => team.state === 'failed').length,
      ...(authenticate(request, access) === null ? {} : { teams }),
    });
  });

  router.get('/schemas/:kind.json', async (request, response) => {
    const kind = parameter(request, 'kind').replaceAll(/(?<=[a-z])([A-Z])/g, '-$1').toLowerCase();
    const text = /^[a-z][a-z-]{0,60}$/.test(kind) ? await readFile(join(packageRoot(), 'schemas', `${kind}.schema.json`), 'utf8').catch(() => undefined) : undefined;
    if (text === undefined) throw new TagboatError('NotFound', 'there is no schema of this kind', { hint: 'Kinds are written like deployment or config-bundle.' });
    response.set('Cache-Control', 'public, max-age=300').type('application/schema+json').send(text);
  });

  return router;
}

export function metricsRouter({ pool, metrics }: WebContext): Router {
  const router = Router();
  router.get('/metrics', async (_request, response) => {
    const [deployments, audits] = await Promise.all([countDeployments(pool), countAuditRows(pool)]);
    metrics.deployments.reset();
    for (const { team, sync, health, count } of deployments) metrics.deployments.set({ team, sync, health }, count);
    for (const { team, rows } of audits) metrics.auditRows.set({ team }, rows);
    response.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  return router;
}

async function answers({ pool }: WebContext): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), DATABASE_PATIENCE_MS);
  });
  const asked = pool.query(sql.unsafe`select 1`).then(() => true, () => false);
  return Promise.race([asked, patience]).finally(() => clearTimeout(timer));
}
