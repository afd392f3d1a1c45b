/** JSON over HTTP for hosts without a client library of their own that is kept up. */
import type { z } from 'zod';
import type { Secret } from '../secret.ts';
import { ForgeError, forgeFetch } from './forge-fetch.ts';

export interface Rest {
  get<T>(path: string, shape: z.ZodType<T, z.ZodTypeDef, unknown>): Promise<T>;
  send<T>(method: 'POST' | 'PUT' | 'PATCH', path: string, body: unknown, shape: z.ZodType<T, z.ZodTypeDef, unknown>): Promise<T>;
}

/** `authorization`: the whole header; null, with no token: nobody signs in. `onHeaders` sees those of every good answer. Answers that do not have the shape are `ForgeError`. */
export function rest(api: string, token: Secret | null, authorization: string | null, onHeaders?: (headers: Headers) => void): Rest {
  const fetch = forgeFetch(api, token);
  const ask = async <T>(method: string, path: string, body: unknown, shape: z.ZodType<T, z.ZodTypeDef, unknown>): Promise<T> => {
    const response = await fetch(`${api}${path}`, {
      method,
      headers: { accept: 'application/json', ...(authorization !== null && { authorization }), 'user-agent': 'tagboat', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    onHeaders?.(response.headers);
    const parsed = shape.safeParse(await response.json().catch(() => undefined));
    if (!parsed.success) throw new ForgeError(response.status, `${method} ${api}${path.split('?')[0]}: the answer is not as documented`);
    return parsed.data;
  };
  return { get: (path, shape) => ask('GET', path, undefined, shape), send: ask };
}

/** Segments of a path, each encoded. */
export function segments(...steps: readonly (string | number)[]): string {
  return steps.map((step) => `/${encodeURIComponent(String(step))}`).join('');
}
