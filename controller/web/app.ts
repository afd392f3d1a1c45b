/**
 * The web room: pages for people, JSON for programs, read-only but for two operations on nodes. Queries come from
 * store/views; operations, readiness and metrics are handed in; no other room is called from here.
 */
import type { Express, NextFunction, Request, Response } from 'express';
import express from 'express';
import type { Secret } from '../secret.ts';
import { TagboatError } from '../errors.ts';
import { admit } from './access.ts';
import { apiRoutes } from './api.ts';
import { badgeRoutes } from './badge-routes.ts';
import { assetRoutes } from './assets.ts';
import type { WebContext } from './context.ts';
import { deadline } from './deadline.ts';
import { operationRoutes } from './operations.ts';
import { pageRoutes } from './page-router.ts';
import { OidcProvider } from './oidc.ts';
import type { OidcOptions } from './oidc.ts';
import { Refusals } from './refusals.ts';
import { methodsAt } from './routes.ts';
import type { Route } from './routes.ts';
import { signInRoutes } from './sign-in.ts';
import { errorHandler } from './web-errors.ts';
import type { HookSettings } from './webhooks/receive.ts';
import { webhookRoutes } from './webhooks/receive.ts';

export interface WebOptions extends WebContext {
  readonly config: {
    readonly public: boolean;
    /** The address that people use; https makes cookies and headers stricter. */
    readonly publicUrl: string;
    readonly oidc: OidcOptions | null;
    /** Whose `X-Forwarded-For` is believed: addresses, networks, `loopback`, `linklocal`, `uniquelocal`. */
    readonly trustedProxies: readonly string[];
  };
  readonly operatorToken: Secret;
  /** Teams of the configuration, by name, as far as webhooks are concerned. */
  readonly hooks: ReadonlyMap<string, HookSettings>;
  /** After this long without an answer the request is told so. Milliseconds; 30,000 unless told. */
  readonly deadlineMs?: number;
}

const CONTENT_SECURITY_POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

export function createWeb(options: WebOptions): Express {
  const { pool, log, operatorToken, config } = options;
  const secure = config.publicUrl.startsWith('https:');
  const access = { pool, operatorToken, public: config.public, secure, refusals: new Refusals(pool, log) };
  const provider = config.oidc === null ? null : new OidcProvider(config.oidc, `${config.publicUrl}/sign-in/oidc/callback`);
  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.set('trust proxy', [...config.trustedProxies]);
  app.use((_request: Request, response: Response, next: NextFunction) => {
    response.set({
      'Content-Security-Policy': CONTENT_SECURITY_POLICY,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'X-Frame-Options': 'DENY',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cache-Control': 'no-store',
      ...(secure && { 'Strict-Transport-Security': 'max-age=31536000' }),
    });
    next();
  });
  app.use(counted(options));
  app.use(deadline(options.version, options.deadlineMs ?? 30_000));
  app.use((request: Request, _response: Response, next: NextFunction) => {
    if (request.url.includes('%00')) throw new TagboatError('UsageError', 'the address holds a NUL character', { hint: 'Check the address.' });
    next();
  });
  const rooms = [operationRoutes(options, access), webhookRoutes(options, access, options.hooks), assetRoutes(access), signInRoutes(options, access, provider), apiRoutes(options, access), badgeRoutes(options, access), pageRoutes(options, access)];
  for (const routes of rooms) app.use(routes.base === '' ? '/' : routes.base, routes.router);
  app.locals['routes'] = rooms.flatMap((routes) => routes.table);
  app.use(async (request: Request, response: Response) => {
    await admit(access, 'reader', request, response); // what is there and what is not is nobody's business
    const methods = methodsAt(routesOf(app), request.path);
    if (methods.length > 0) {
      response.set('Allow', methods.join(', '));
      throw new TagboatError('MethodNotAllowed', `${request.method} is not possible at ${request.path}, only ${methods.join(' and ')}`);
    }
    throw new TagboatError('NotFound', `there is nothing at ${request.method} ${request.path}`, { hint: 'Check the address.' });
  });
  app.use(errorHandler(options.log, options.version));
  return app;
}

/** Every route with what it needs. */
export function routesOf(app: Express): readonly Route[] {
  return app.locals['routes'] as readonly Route[];
}

/** The route's pattern is the label, never the path: names would make endless series. */
function counted({ metrics }: WebContext) {
  return (request: Request, response: Response, next: NextFunction): void => {
    response.on('finish', () => {
      const route = request.route as { readonly path?: unknown } | undefined;
      const label = typeof route?.path === 'string' ? `${request.baseUrl}${route.path}` : 'none';
      metrics.httpRequests.inc({ method: request.method, route: label, status: String(response.statusCode) });
    });
    next();
  };
}
