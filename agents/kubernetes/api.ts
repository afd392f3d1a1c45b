/** Requests to the API server as JSON, nothing added and nothing lost. Every call has a deadline; waiting and trying again is `patiently`. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AttemptFailure } from '../core/attempt-failure.ts';
import { pause } from '../core/pool.ts';
import { ApiFailure, asAttemptFailure, type ApiStatus } from './api-failure.ts';
import type { Connection } from './connect.ts';

const CALL_MS = 30_000;
/** A server that has just started, and a token that is just being renewed, refuse for a moment whom they know. */
const REFUSED_MS = 15_000;
const ASK_AGAIN_MS = 500;
/** No list of ours is as long; what is longer is no answer of an API server. */
const LARGEST_ANSWER = 128 * 1024 * 1024;

export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
}

export class KubeApi {
  readonly #connection: Connection;
  /** It has been let in before. */
  #known = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Throws ApiFailure. Credentials that were refused are read again: once, or for a while where they were good before. */
  async call<T>(call: Call, signal?: AbortSignal): Promise<T> {
    const deadline = AbortSignal.timeout(CALL_MS);
    const text = await this.#retryingRefused(call, signal === undefined ? deadline : AbortSignal.any([signal, deadline]), (response) => textOf(response));
    return (text === '' ? {} : JSON.parse(text)) as T;
  }

  /** The body as it comes, until the signal aborts; only the beginning has a deadline. The caller watches for silence. */
  async stream(call: Call, signal: AbortSignal): Promise<IncomingMessage> {
    const begin = new AbortController();
    const late = setTimeout(() => begin.abort(), CALL_MS);
    try {
      return await this.#retryingRefused(call, AbortSignal.any([signal, begin.signal]), (response) => Promise.resolve(response));
    } finally {
      clearTimeout(late);
    }
  }

  async #retryingRefused<T>(call: Call, signal: AbortSignal, read: (response: IncomingMessage) => Promise<T>): Promise<T> {
    const end = Date.now() + (this.#known ? REFUSED_MS : 0);
    for (let tries = 1; ; tries++) {
      try {
        const result = await this.#once(call, signal, read);
        this.#known = true;
        return result;
      } catch (error) {
        if (!(error instanceof ApiFailure) || error.status !== 401) throw error;
        if (tries > 1 && (Date.now() > end || signal.aborted)) {
          this.#known = false;
          throw error;
        }
        await this.#connection.reload();
        if (tries > 1) await pause(ASK_AGAIN_MS, signal);
      }
    }
  }

  async #once<T>(call: Call, signal: AbortSignal, read: (response: IncomingMessage) => Promise<T>): Promise<T> {
    const { server, headers, agent } = await this.#connection.access().catch((error: unknown) => {
      throw new ApiFailure(401, {}, `the credentials cannot be had: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    });
    const url = new URL(`${server.pathname.replace(/\/$/, '')}${call.path}`, server);
    for (const [key, value] of Object.entries(call.query ?? {})) if (value !== undefined) url.searchParams.set(key, String(value));
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const send = url.protocol === 'http:' ? httpRequest : httpsRequest;
        const outgoing = send(url, {
          method: call.method,
          agent,
          signal,
          headers: {
            ...headers,
            Accept: call.accept ?? 'application/json',
            ...(body !== undefined && { 'Content-Type': call.contentType ?? 'application/json', 'Content-Length': Buffer.byteLength(body) }),
          },
        });
        outgoing.once('response', resolve);
        outgoing.on('error', reject);
        outgoing.end(body);
      });
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return await read(response);
      throw refusal(status, await textOf(response));
    } catch (error) {
      if (error instanceof ApiFailure) throw error;
      const why = signal.aborted ? 'it did not answer in time' : error instanceof Error ? error.message || String((error as { code?: unknown }).code ?? error.name) : String(error);
      throw new ApiFailure(0, {}, `the API server at ${server.host} cannot be reached: ${why}`, { cause: error });
    }
  }
}

function refusal(status: number, text: string): ApiFailure {
  let answer: ApiStatus = {};
  try {
    answer = JSON.parse(text) as ApiStatus;
  } catch {
    // A proxy's page, or nothing.
  }
  return new ApiFailure(status, answer, (answer.message ?? (text.trim() || `HTTP ${status}`)).slice(0, 1000));
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response) {
    length += (part as Buffer).length;
    if (length > LARGEST_ANSWER) {
      response.destroy();
      throw new ApiFailure(0, {}, 'the answer is too long');
    }
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

/**
 * Repeats a call that may be repeated while the API server is away or overloaded, until the signal aborts; then, and for whatever
 * waiting does not mend, throws AttemptFailure. `onWait` is told once that it waits.
 */
export async function patiently<T>(doing: string, until: AbortSignal, work: () => Promise<T>, onWait: (failure: AttemptFailure) => void = () => undefined): Promise<T> {
  for (let wait = 200, told = false; ; wait = Math.min(wait * 2, 5000)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      const failure = asAttemptFailure(error, doing);
      if (!error.passing || failure.code === 'QuotaExceeded' || until.aborted) throw failure;
      if (!told && wait > 200) {
        told = true;
        onWait(failure);
      }
      await pause(Math.max(wait * (0.75 + Math.random() / 2), (error.answer.details?.retryAfterSeconds ?? 0) * 1000), until);
      if (until.aborted) throw failure;
    }
  }
}
