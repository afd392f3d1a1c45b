/** A real Git server for tests: Node's HTTP or HTTPS server in front of `git http-backend`, with a log, basic auth and faults. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gitEnvironment } from './git-repository.ts';

export interface ServedRequest {
  readonly method: string;
  /** Path and query as they came. */
  readonly url: string;
  /** What was asked for; `advertise` is the classic listing or the word about the protocol, `ls-refs` the listing of v2. */
  readonly kind: 'advertise' | 'ls-refs' | 'fetch' | 'other';
  readonly headers: IncomingMessage['headers'];
  status: number;
  /** Bytes of the body sent. */
  bytes: number;
}

/** What goes wrong with a request. Every field on its own or together. */
export interface Fault {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Milliseconds before anything is answered. */
  readonly delayMs?: number;
  /** The connection is destroyed after so many bytes of the body. */
  readonly cutAfterBytes?: number;
  /** With `cutAfterBytes`: the answer ends in good order instead, as a proxy with a limit may do. */
  readonly politely?: boolean;
  /** Only requests of this kind. */
  readonly kind?: ServedRequest['kind'];
  /** How many requests are hit; all unless told. */
  times?: number;
}

export interface GitServerOptions {
  /** Directory that holds the repositories; `URL/<name>.git`. */
  readonly root: string;
  readonly auth?: { readonly username: string; readonly password: string };
  /** Speaks HTTPS with this certificate; both are PEM. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Speaks only the classic protocol. */
  readonly classicOnly?: boolean;
}

export class GitServer {
  /** Newest last. */
  readonly log: ServedRequest[] = [];
  fault: Fault | undefined;
  auth: GitServerOptions['auth'];
  readonly #options: GitServerOptions;
  readonly #server: Server;
  readonly #children = new Set<ChildProcess>();
  readonly #backend: string;

  private constructor(options: GitServerOptions) {
    this.#options = options;
    this.auth = options.auth;
    this.#backend = path.join(execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).trim(), 'git-http-backend');
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      this.#handle(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
    };
    this.#server = options.tls === undefined ? createServer(handle) : createTlsServer(options.tls, handle);
  }

  static async start(options: GitServerOptions): Promise<GitServer> {
    const server = new GitServer(options);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  /** `http://127.0.0.1:<port>` (or https), without a slash at its end. */
  get url(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  /** How many requests of a kind (default: any) came since the log was last emptied. */
  count(kind?: ServedRequest['kind']): number {
    return this.log.filter((one) => kind === undefined || one.kind === kind).length;
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const chunk of request) parts.push(chunk as Buffer);
    const body = Buffer.concat(parts);
    const url = request.url ?? '/';
    const entry: ServedRequest = { method: request.method ?? 'GET', url, kind: kindOf(url, body), headers: request.headers, status: 200, bytes: 0 };
    this.log.push(entry);
    const fault = this.#takeFault(entry.kind);
    if (fault?.delayMs !== undefined) await sleep(fault.delayMs, undefined, { ref: false });
    const answer = (status: number, headers: Readonly<Record<string, string>>, text: string): void => {
      entry.status = status;
      response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(text);
    };
    if (fault?.status !== undefined) return answer(fault.status, fault.headers ?? {}, fault.body ?? '');
    if (this.auth !== undefined) {
      const expected = `Basic ${Buffer.from(`${this.auth.username}:${this.auth.password}`).toString('base64')}`;
      if (request.headers.authorization !== expected) return answer(401, { 'www-authenticate': 'Basic realm="git"' }, 'authentication required');
    }
    await this.#backendAnswer(request, body, entry, response, fault);
  }

  #takeFault(kind: ServedRequest['kind']): Fault | undefined {
    const { fault } = this;
    if (fault === undefined || (fault.kind !== undefined && fault.kind !== kind)) return undefined;
    if (fault.times !== undefined) {
      fault.times -= 1;
      if (fault.times <= 0) this.fault = undefined;
    }
    return fault;
  }

  async #backendAnswer(request: IncomingMessage, body: Buffer, entry: ServedRequest, response: ServerResponse, fault?: Fault): Promise<void> {
    const [pathname = '/', query = ''] = entry.url.split('?');
    const protocol = this.#options.classicOnly === true ? undefined : request.headers['git-protocol'];
    const child = spawn(this.#backend, {
      env: {
        ...gitEnvironment(this.#options.root),
        GIT_PROJECT_ROOT: this.#options.root,
        GIT_HTTP_EXPORT_ALL: '1',
        REQUEST_METHOD: entry.method,
        PATH_INFO: decodeURIComponent(pathname),
        QUERY_STRING: query,
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        CONTENT_LENGTH: String(body.length),
        REMOTE_ADDR: '127.0.0.1',
        ...(typeof protocol === 'string' ? { GIT_PROTOCOL: protocol } : {}),
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#children.add(child);
    child.once('close', () => this.#children.delete(child));
    response.once('close', () => child.kill('SIGKILL'));
    child.stdin.on('error', () => undefined);
    child.stdin.end(body);
    let head: Buffer | undefined = Buffer.alloc(0);
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      let piece = chunk;
      if (head !== undefined) {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) continue;
        entry.status = writeHead(response, head.toString('latin1', 0, end));
        piece = head.subarray(end + 4);
        head = undefined;
      }
      const room = Math.max((fault?.cutAfterBytes ?? Infinity) - entry.bytes, 0);
      if (piece.length > room) {
        entry.bytes += room;
        if (fault?.politely === true) return void response.end(piece.subarray(0, room));
        return void response.write(piece.subarray(0, room), () => response.destroy());
      }
      entry.bytes += piece.length;
      if (!response.write(piece)) await drained(response);
    }
    response.end();
  }
}

async function drained(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

function writeHead(response: ServerResponse, head: string): number {
  let status = 200;
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10);
    else response.setHeader(name, value);
  }
  response.writeHead(status);
  return status;
}

function kindOf(url: string, body: Buffer): ServedRequest['kind'] {
  if (url.includes('/info/refs')) return 'advertise';
  if (!url.endsWith('/git-upload-pack')) return 'other';
  return body.includes('command=ls-refs') ? 'ls-refs' : 'fetch';
}
