/**
 * How requests from outside reach a container: what the configuration asks for, as the label on the container keeps it, and the
 * small interface of whoever leads them there. The rollout says when; only a router knows how.
 */
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import type { AttemptContext } from '../core/engine.ts';
import { quantity } from '../../proto/quantity.ts';

export interface Route {
  /** Lower case; `*.example.org` for every name below it; '' for every name. */
  readonly domain: string;
  /** Begins with `/`; a prefix at a segment's border. */
  readonly path: string;
  readonly stripPath: boolean;
  /** Bytes of a request body; null: no limit. */
  readonly uploadLimit: number | null;
  /** Of the container. */
  readonly port: number;
  /** Served over TLS; requests without it are sent there. */
  readonly tls: boolean;
}

/** Undefined where nothing is exposed. */
export function routeOf(config: ContainerConfig): Route | undefined {
  if ((config.expose ?? 'none') === 'none') return undefined;
  const { domain = '', path = '/', stripPath = false, uploadLimit, port = config.ports?.find(({ protocol }) => protocol !== 'udp')?.internal } = config.routing ?? {};
  if (port === undefined) return undefined;
  const limit = uploadLimit === undefined ? null : Math.round(quantity(uploadLimit));
  return { domain: domain.toLowerCase(), path: path.replace(/(.)\/+$/, '$1'), stripPath, uploadLimit: limit, port, tls: config.expose === 'https' };
}

/** From the label; undefined where there is none, or one of a release that says it otherwise. */
export function parseRoute(label: string | undefined): Route | undefined {
  if (label === undefined) return undefined;
  try {
    const { domain, path, stripPath, uploadLimit, port, tls } = JSON.parse(label) as Partial<Route>;
    if (typeof domain !== 'string' || typeof path !== 'string' || typeof port !== 'number') return undefined;
    return { domain, path, stripPath: stripPath === true, uploadLimit: typeof uploadLimit === 'number' ? uploadLimit : null, port, tls: tls === true };
  } catch {
    return undefined;
  }
}

/** Which containers of a target requests go to: `new` under their final names, `old` set aside by an attempt, or none of them. */
export type Choice = 'new' | 'old' | 'none';

export interface RouteTarget {
  readonly team: string;
  readonly prefix: string;
}

/** All calls may be repeated, and are, after a crash and from time to time. */
export interface Router {
  /** Makes ready what leading the way to these routes needs, before anything of the target is touched. Throws AttemptFailure or RuntimeError. */
  prepare(target: RouteTarget, routes: readonly Route[], context: AttemptContext): Promise<void>;
  /**
   * Leads requests to the chosen containers; returns when those that they went to before have answered what they had begun, or
   * their own stop grace is over. Throws AttemptFailure or RuntimeError; requests then go where they went before.
   */
  lead(target: RouteTarget, choice: Choice, signal: AbortSignal): Promise<void>;
  /** Follows what happened on the node: addresses that changed, a proxy that is gone. */
  tend(team: string): Promise<void>;
  /** Gets what routes need from outside of the node (certificates) until the signal aborts; calls back when a trouble came or went. Never throws. */
  keep(changed: () => void, signal: AbortSignal): Promise<void>;
  /** What keeps a route that is led from serving as it was asked to. */
  trouble(route: Route): RouteTrouble | undefined;
}

export interface RouteTrouble {
  readonly health: 'progressing' | 'degraded';
  /** For people. */
  readonly reason: string;
}

/** For people: `http://shop.example.org/api`. */
export function addressOf({ domain, path, tls }: Route): string {
  return `${tls ? 'https' : 'http'}://${domain === '' ? '*' : domain}${path}`;
}
