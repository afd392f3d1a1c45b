/** Every request to a host: to the configured address and nowhere else (R1), with a deadline, bounded, its refusals understood. */
import { TagboatError } from '../errors.ts';
import { scrub } from '../scrub.ts';
import type { Secret } from '../secret.ts';

const DEADLINE_MS = 20_000;
const MAX_BYTES = 16 * 1024 * 1024;
/** What a host that says no more than "too many" is left alone for. */
const RATE_PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 3_600_000;

/** What a host refused, or that it did not answer. */
export class ForgeError extends TagboatError {
  /** 0: no answer. */
  readonly status: number;
  /** How long the host wants to be left alone, for any request; null: it did not say. */
  readonly pauseMs: number | null;

  constructor(status: number, message: string, options: { readonly pauseMs?: number | null; readonly cause?: unknown } = {}) {
    super('ForgeRefused', message, options.cause === undefined ? {} : { cause: options.cause });
    this.status = status;
    this.pauseMs = options.pauseMs ?? null;
  }
}

/** The `ForgeError` in an error or behind it: client libraries wrap what their transport throws. */
export function forgeErrorOf(error: unknown): ForgeError {
  for (let one: unknown = error, depth = 0; one instanceof Error && depth < 5; one = one.cause, depth++) if (one instanceof ForgeError) return one;
  return new ForgeError(0, `the Git host could not be asked: ${error instanceof Error ? error.message : 'unknown fault'}`, { cause: error });
}

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** A fetch for one API. Redirects are not followed: a token must not travel on. Throws `ForgeError` for all that is not 2xx. */
export function forgeFetch(api: string, token: Secret | null): Fetch {
  const base = new URL(api);
  const within = base.pathname.replace(/\/+$/, '');
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.origin !== base.origin || !(url.pathname === within || url.pathname.startsWith(`${within}/`))) throw new ForgeError(0, `${url.origin} is not the configured API ${base.origin}`);
    const what = `${init?.method ?? 'GET'} ${url.origin}${url.pathname}`;
    let response: Response;
    try {
      response = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.any([AbortSignal.timeout(DEADLINE_MS), ...(init?.signal ? [init.signal] : [])]) });
    } catch (cause) {
      throw new ForgeError(0, `${what}: no answer (${reasonOf(cause)})`, { cause });
    }
    const text = await boundedText(response, what);
    if (response.ok) return new Response(text === '' || response.status === 204 ? null : text, { status: response.status, headers: plainHeaders(response) });
    throw new ForgeError(response.status, scrub(`${what}: status ${response.status}${said(text)}`, token === null ? [] : [token.reveal()]), { pauseMs: pauseOf(response) });
  };
}

/** `Retry-After` in seconds or as a date; else the moment at which a used-up budget is filled again. */
function pauseOf({ status, headers }: Response): number | null {
  const bounded = (ms: number): number => Math.min(Math.max(ms, 1_000), LONGEST_PAUSE_MS);
  const after = headers.get('retry-after');
  if (after !== null) {
    const seconds = Number(after);
    const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(after) - Date.now();
    if (Number.isFinite(ms)) return bounded(ms);
  }
  const remaining = headers.get('x-ratelimit-remaining') ?? headers.get('ratelimit-remaining');
  const reset = Number(headers.get('x-ratelimit-reset') ?? headers.get('ratelimit-reset') ?? Number.NaN);
  if ((status === 403 || status === 429) && remaining === '0' && Number.isFinite(reset)) return bounded(reset * 1_000 - Date.now());
  return status === 429 ? RATE_PAUSE_MS : null;
}

async function boundedText(response: Response, what: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of response.body ?? []) {
      const bytes = part as Uint8Array;
      size += bytes.byteLength;
      if (size > MAX_BYTES) throw new ForgeError(0, `${what}: the answer is too large`);
      parts.push(bytes);
    }
  } catch (cause) {
    throw cause instanceof ForgeError ? cause : new ForgeError(0, `${what}: the answer was cut (${reasonOf(cause)})`, { cause });
  }
  return Buffer.concat(parts).toString('utf8');
}

/** The body is decoded already. */
function plainHeaders(response: Response): Headers {
  const headers = new Headers(response.headers);
  headers.delete('content-encoding');
  headers.delete('content-length');
  return headers;
}

/** The host's own words, as far as they are short. */
function said(text: string): string {
  let word: unknown = text;
  try {
    const body = JSON.parse(text) as { readonly message?: unknown; readonly error?: unknown; readonly errors?: readonly { readonly message?: unknown }[] };
    const one = body.error ?? (Array.isArray(body.errors) ? body.errors[0] : undefined);
    word = body.message ?? (typeof one === 'object' && one !== null && 'message' in one ? one.message : one) ?? '';
  } catch {
    return '';
  }
  const line = (typeof word === 'string' ? word : JSON.stringify(word)).replaceAll(/\s+/g, ' ').slice(0, 200);
  return line === '' ? '' : `: ${line}`;
}

function reasonOf(error: unknown): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') return `within ${DEADLINE_MS / 1_000} s`;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? ('code' in cause && typeof cause.code === 'string' ? cause.code : cause.message) : 'unknown fault';
}
