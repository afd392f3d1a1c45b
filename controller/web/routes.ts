/**
 * The one place where a route says what it needs of its caller. Every route of the web room is declared through `Routes`; the guard
 * runs before its handler, and the table of all of them drives the test that asks each as somebody who must not.
 */
import { json, Router, urlencoded } from 'express';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { TagboatError } from '../errors.ts';
import type { Role } from '../model/role.ts';
import { admit } from './access.ts';
import { isStorable } from '../storable.ts';
import type { AccessOptions } from './access.ts';

/**
 * `anybody`: health, schemas, sign-in. `signature`: a webhook, whose handler checks how it is signed. `reader`: whoever may read
 * something; the handler shows only what the caller may see. A role: at least that one in the team `:team` of the path (R2); who has none there is answered as if there were no such team. `operator`: the
 * operator's token alone.
 */
export type Need = 'anybody' | 'signature' | 'reader' | Role | 'operator';

export interface Route {
  readonly method: 'GET' | 'POST';
  /** As Express knows it, with its base: `/api/v1/teams/:team`. */
  readonly path: string;
  readonly need: Need;
}

const BODIES = {
  form: [urlencoded({ extended: false, limit: '16kb', parameterLimit: 20 }), (request, _response, next) => {
    request.body ??= {};
    next();
  }],
  json: [json({ limit: '64kb', reviver: refuseUnstorable })],
} as const satisfies Record<string, readonly RequestHandler[]>;

/** What no row can hold is no well-formed body. */
function refuseUnstorable(_key: string, value: unknown): unknown {
  if (typeof value === 'string' && !isStorable(value)) throw new SyntaxError('a text holds a NUL character or half of a surrogate pair');
  return value;
}

type Handler = (request: Request, response: Response) => Promise<unknown> | void;

/** The methods of the routes that a path fits, `HEAD` with `GET`; empty where there is nothing. */
export function methodsAt(table: readonly Route[], path: string): readonly string[] {
  const fitting = table.filter((route) => new RegExp(`^${route.path.replace(/[.]/g, '\\.').replace(/\*\w+/g, '.+').replace(/:\w+/g, '[^/]+')}/?$`, 'i').test(path));
  return [...new Set(fitting.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))].sort();
}

export class Routes {
  readonly router = Router();
  readonly table: Route[] = [];
  /** Where the router is mounted; '' at the root. */
  readonly base: string;
  readonly #access: AccessOptions;

  constructor(access: AccessOptions, base: string) {
    this.#access = access;
    this.base = base;
  }

  get(path: string, need: Need, handler: Handler): void {
    this.#add('GET', path, need);
    this.router.get(path, this.#guard(need), handler);
  }

  /** `body`: what the handler finds in `request.body`; without it the body is left as it comes. */
  post(path: string, need: Need, handler: Handler, body?: keyof typeof BODIES): void {
    this.#add('POST', path, need);
    // Read first: a form brings the proof of where it comes from in its body.
    this.router.post(path, ...(body === undefined ? [] : BODIES[body]), this.#guard(need), async (request: Request, response: Response) => {
      // A body of another form would pass for none, and what is left out has defaults.
      if (body === 'json' && request.is('json') === false) throw new TagboatError('MediaTypeUnsupported', 'the body is not JSON');
      await handler(request, response);
    });
  }

  #add(method: Route['method'], path: string, need: Need): void {
    const named = /\/:team\b/.test(path);
    if (named ? need === 'reader' || need === 'operator' : need !== 'anybody' && need !== 'reader' && need !== 'operator') throw new TypeError(`${path} needs ${need}: roles belong to paths with :team, and such paths to roles`);
    this.table.push({ method, path: `${this.base}${path}`, need });
  }

  #guard(need: Need) {
    return async (request: Request, response: Response, next: NextFunction): Promise<void> => {
      await admit(this.#access, need, request, response);
      next();
    };
  }
}
