/** A web server on a database of its own, for tests. */
import { createLogger } from '../../log.ts';
import { createMetrics } from '../../metrics.ts';
import { Secret } from '../../secret.ts';
import { testDatabase } from '../../testing/database.ts';
import type { TestDatabase } from '../../testing/database.ts';
import { TagboatError } from '../../errors.ts';
import { createListener } from '../../store/listen.ts';
import { CHANNELS } from '../../store/notify.ts';
import { createWeb, routesOf } from '../app.ts';
import { ChangeFeed } from '../change-feed.ts';
import type { LogLine, NodeAdministration, NodeLogs, TeamReadiness } from '../context.ts';
import type { OidcOptions } from '../oidc.ts';
import type { Route } from '../routes.ts';
import { startWeb } from '../server.ts';

export const OPERATOR_TOKEN = 'tgo_operator-c4n4ry-0123456789';

export interface TestController {
  readonly db: TestDatabase;
  readonly url: string;
  /** Every route there is. */
  readonly routes: readonly Route[];
  /** What the operations were asked for. */
  readonly asked: string[];
  readonly logged: string[];
  /** What the poll loop says. */
  teams: readonly TeamReadiness[];
  /** What the agents send. */
  logs: NodeLogs['read'];
  /** With the operator's token, unless `token` says otherwise; '' sends none. */
  fetch(path: string, options?: { readonly token?: string; readonly method?: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }): Promise<Response>;
  json(path: string, options?: { readonly token?: string }): Promise<unknown>;
  text(path: string): Promise<string>;
  stop(): Promise<void>;
}

export async function testController(options: { readonly public?: boolean; readonly publicUrl?: string; readonly oidc?: OidcOptions; readonly port?: number; readonly webhookSecrets?: Readonly<Record<string, string | null>> } = {}): Promise<TestController> {
  const db = await testDatabase();
  const asked: string[] = [];
  const logged: string[] = [];
  const nodes: NodeAdministration = {
    installScript: '#!/bin/sh\nexit 0',
    mintEnrolment: (team, node, actor) => {
      if (node === 'nowhere') return Promise.reject(new TagboatError('NodeUnknown', `team ${team} has no node ${node} in its repository`));
      asked.push(`enrol ${team}/${node} ${actor}`);
      return Promise.resolve({ token: 'tgb_secret', expiresAt: new Date('2026-01-01T00:15:00Z'), join: 'join-word', command: `npx tagboat agent docker --join join-word`, agentCommand: 'tagboat agent docker --join join-word', manifest: node === 'cluster' ? 'kind: Namespace\n' : null });
    },
    revoke: (team, node, actor) => {
      asked.push(`revoke ${team}/${node} ${actor}`);
      return Promise.resolve();
    },
  };
  const hooks = new Map(Object.entries(options.webhookSecrets ?? {}).map(([team, secret]) => [team, { secret: secret === null ? null : new Secret(secret), reviews: true, reviewBranches: ['feature/*'] }]));
  let teams: readonly TeamReadiness[] = [];
  const closing = new AbortController();
  const controls: { logs: NodeLogs['read'] } = { logs: () => noLogs() };
  const log = createLogger({ write: (line) => void logged.push(line) });
  const changes = new ChangeFeed({ pool: db.pool, log });
  const listener = await createListener(db.url, [CHANNELS.changes], (_channel, payload) => changes.notice(payload), { onReconnect: () => changes.missed() });
  const app = createWeb({
    pool: db.pool,
    log,
    metrics: createMetrics(),
    readiness: { teams: () => teams },
    nodes,
    logs: { read: (of, signal) => controls.logs(of, signal) },
    changes,
    hasNotificationUrl: () => false,
    closing: closing.signal,
    version: '0.1.0',
    config: { public: options.public ?? false, publicUrl: options.publicUrl ?? 'http://127.0.0.1', oidc: options.oidc ?? null, trustedProxies: ['loopback'] },
    operatorToken: new Secret(OPERATOR_TOKEN),
    hooks,
  });
  const web = await startWeb(app, { host: '127.0.0.1', port: options.port ?? 0 });
  const ask: TestController['fetch'] = (path, { token = OPERATOR_TOKEN, method = 'GET', headers = {}, body } = {}) =>
    fetch(`${web.url}${path}`, { method, redirect: 'manual', ...(body !== undefined && { body }), headers: { ...headers, ...(token !== '' && { authorization: `Bearer ${token}` }) }, signal: AbortSignal.timeout(60_000) });
  return {
    db,
    url: web.url,
    routes: routesOf(app),
    asked,
    logged,
    get teams() {
      return teams;
    },
    set teams(value) {
      teams = value;
    },
    get logs() {
      return controls.logs;
    },
    set logs(value) {
      controls.logs = value;
    },
    fetch: ask,
    json: async (path, more) => (await ask(path, more)).json(),
    text: async (path) => (await ask(path, { headers: { accept: 'text/html' } })).text(),
    stop: async () => {
      closing.abort();
      await web.stop();
      await listener.close();
      await db.drop();
    },
  };
}

// eslint-disable-next-line require-yield
async function* noLogs(): AsyncGenerator<LogLine> {
  throw new TagboatError('AgentUnreachable', 'no agent is here');
}
