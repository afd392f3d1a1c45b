/** The HTTP listener: bounded in time at every stage, and it stops without cutting answers short. */
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TagboatError } from '../errors.ts';

export interface WebServer {
  /** `http://127.0.0.1:8080`, with the port that was really taken. */
  readonly url: string;
  readonly port: number;
  /** Takes no more connections, lets answers under way end for a while, then closes what is left. */
  stop(): Promise<void>;
}

export interface StartWebOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** How long answers may still take at the end. Milliseconds; 5,000 unless told. */
  readonly graceMs?: number;
}

/** Throws `ConfigInvalid` when the address cannot be taken. */
export async function startWeb(app: RequestListener, options: StartWebOptions): Promise<WebServer> {
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 5_000, maxHeaderSize: 16_384 }, app);
  server.maxConnections = 1_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(new TagboatError('ConfigInvalid', `cannot listen on ${options.host}:${String(options.port)} (${cause.code ?? cause.message})`, { cause, hint: 'Choose another port (listeners.http), or stop what uses it.' })),
    );
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host === '0.0.0.0' || options.host === '::' ? '127.0.0.1' : options.host.includes(':') ? `[${options.host}]` : options.host;
  let stopping: Promise<void> | undefined;
  return {
    url: `http://${host}:${String(port)}`,
    port,
    stop: () =>
      (stopping ??= new Promise<void>((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), options.graceMs ?? 5_000);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      })),
  };
}
