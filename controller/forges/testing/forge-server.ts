/**
 * A Git host on loopback for tests: it keeps comments and statuses, and checks every request against the host's published
 * description of its API — path, method, parameters, body, the way to sign in. What does not conform is a violation.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Ajv } from 'ajv';

export type Schema = Readonly<Record<string, unknown>>;

export interface Operation {
  readonly method: string;
  /** With parameters in braces, below the API's base. */
  readonly path: string;
  readonly query?: Readonly<Record<string, Schema>>;
  readonly parameters?: Readonly<Record<string, Schema>>;
  readonly body?: Schema;
  answer(state: ForgeState, given: Given): Answer;
}

export interface Given {
  readonly path: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Api {
  /** Path of the API's base. */
  readonly base: string;
  /** What is wrong with the headers; undefined: nothing. */
  signIn(headers: IncomingMessage['headers']): string | undefined;
  readonly operations: readonly Operation[];
}

/** `lost`: carried out, but the connection breaks before the answer. */
export interface Fault {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly lost?: boolean;
  /** What it says with the status. */
  readonly message?: string;
  readonly method?: string;
  times: number;
}

export class ForgeState {
  comments: { id: number; request: number; body: string; author: number }[] = [];
  statuses: { commit: string; state: string; context: string; description: string; url: string }[] = [];
  open: { number: number; branch: string; head: string }[] = [];
  readonly me = 7;
  #next = 100;

  say(request: number, body: string, author = this.me): number {
    const id = this.#next++;
    this.comments.push({ id, request, body, author });
    return id;
  }
}

export class ForgeServer {
  readonly state = new ForgeState();
  readonly violations: string[] = [];
  readonly requests: { readonly method: string; readonly path: string }[] = [];
  fault: Fault | undefined;
  readonly #api: Api;
  readonly #server: Server;
  readonly #ajv = new Ajv({ strict: false, coerceTypes: true, validateFormats: false });

  private constructor(api: Api) {
    this.#api = api;
    this.#server = createServer((request, response) => void this.#serve(request, response).catch((error: unknown) => this.violations.push(String(error))));
  }

  static async start(api: Api): Promise<ForgeServer> {
    const server = new ForgeServer(api);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  /** The API's base address. */
  get api(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.#api.base}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? '/', 'http://localhost');
    const method = request.method ?? 'GET';
    this.requests.push({ method, path: url.pathname });
    const fault = this.fault !== undefined && this.fault.times > 0 && (this.fault.method === undefined || this.fault.method === method) ? this.fault : undefined;
    if (fault !== undefined) fault.times--;
    if (fault?.status !== undefined) return send(response, { status: fault.status, body: { message: fault.message ?? 'no' } }, fault.headers);
    const answer = this.#answer(method, url, request.headers, Buffer.concat(chunks).toString('utf8'));
    if (fault?.lost === true) response.destroy();
    else send(response, answer, answer.headers);
  }

  #answer(method: string, url: URL, headers: IncomingMessage['headers'], text: string): Answer {
    const path = url.pathname.startsWith(this.#api.base) ? url.pathname.slice(this.#api.base.length) : url.pathname;
    const operation = this.#api.operations.find((one) => one.method === method && match(one.path, path) !== null);
    if (operation === undefined) return this.#violation(`${method} ${path} is not documented`);
    const given = match(operation.path, path)!;
    const signIn = this.#api.signIn(headers);
    if (signIn !== undefined) return this.#violation(`${method} ${path}: ${signIn}`);
    for (const [name, value] of url.searchParams) {
      const schema = operation.query?.[name];
      if (schema === undefined || !this.#ajv.validate({ type: 'object', properties: { it: schema } }, { it: value })) return this.#violation(`${method} ${path}: the parameter ${name}=${value} is not documented`);
    }
    for (const [name, schema] of Object.entries(operation.parameters ?? {})) {
      if (!this.#ajv.validate({ type: 'object', properties: { it: schema } }, { it: given[name] })) return this.#violation(`${method} ${path}: ${name} is not as documented`);
    }
    if (operation.body === undefined && text !== '') return this.#violation(`${method} ${path} takes no body`);
    let body: Readonly<Record<string, unknown>> = {};
    if (operation.body !== undefined) {
      if (!/^application\/json\b/.test(headers['content-type'] ?? '')) return this.#violation(`${method} ${path}: the body is ${headers['content-type'] ?? 'of no type'}`);
      body = JSON.parse(text) as Readonly<Record<string, unknown>>;
      const validate = new Ajv({ strict: false, validateFormats: false }).compile({ additionalProperties: false, ...operation.body });
      if (!validate(body)) return this.#violation(`${method} ${path}: ${JSON.stringify(validate.errors)}`);
    }
    return operation.answer(this.state, { path: given, query: url.searchParams, body });
  }

  #violation(text: string): Answer {
    this.violations.push(text);
    return { status: 400, body: { message: text } };
  }
}

function match(pattern: string, path: string): Record<string, string> | null {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  if (wanted.length !== given.length) return null;
  const found: Record<string, string> = {};
  for (const [index, step] of wanted.entries()) {
    const name = /^\{(\w+)\}$/.exec(step)?.[1];
    if (name !== undefined) found[name] = decodeURIComponent(given[index]!);
    else if (step !== given[index]) return null;
  }
  return found;
}

function send(response: ServerResponse, { status, body }: Answer, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}
