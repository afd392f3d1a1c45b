/**
 * A way to the cluster that writes down what is asked for, in the words of RBAC: requests go on to the real API server with the token of one
 * ServiceAccount, so what it may not do is refused there.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestCluster } from './cluster.ts';

interface Cluster {
  readonly server: string;
  readonly 'certificate-authority-data': string;
}

export class ApiRecorder {
  /** `<group>/<resource> <verb>` of everything that was allowed, for example `apps/deployments patch`. */
  readonly used = new Set<string>();
  /** The same of everything that was refused, with what the server said. */
  readonly refused = new Set<string>();
  /** Of a file that leads here. */
  readonly kubeconfig: string;
  readonly #server: Server;
  readonly #directory: string;
  readonly #upstream: URL;
  readonly #authority: string;
  readonly #token: string;

  private constructor(cluster: Cluster, token: string, server: Server) {
    this.#upstream = new URL(cluster.server);
    this.#authority = Buffer.from(cluster['certificate-authority-data'], 'base64').toString('utf8');
    this.#token = token;
    this.#server = server;
    this.#directory = mkdtempSync(join(tmpdir(), 'tagboat-recorder-'));
    this.kubeconfig = join(this.#directory, 'kubeconfig');
    server.on('request', (incoming: IncomingMessage, answer: ServerResponse) => this.#pass(incoming, answer));
  }

  static async start(cluster: TestCluster, account: { readonly namespace: string; readonly name: string }): Promise<ApiRecorder> {
    const config = JSON.parse(await cluster.kubectl(['config', 'view', '--raw', '--minify', '--output', 'json'])) as { clusters: { cluster: Cluster }[] };
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const recorder = new ApiRecorder(config.clusters[0]!.cluster, await cluster.tokenOf(account), server);
    const { port } = server.address() as AddressInfo;
    writeFileSync(
      recorder.kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'recorded',
        clusters: [{ name: 'recorded', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
        contexts: [{ name: 'recorded', context: { cluster: 'recorded', user: 'recorded' } }],
        users: [{ name: 'recorded', user: {} }],
      }),
    );
    return recorder;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const words = rightsFor(incoming.method ?? 'GET', new URL(incoming.url ?? '/', this.#upstream));
    const outgoing = request(new URL(incoming.url ?? '/', this.#upstream), {
      method: incoming.method,
      headers: { ...incoming.headers, host: this.#upstream.host, authorization: `Bearer ${this.#token}` },
      ca: this.#authority,
    });
    outgoing.on('response', (response) => {
      const status = response.statusCode ?? 0;
      this.#note(words, status);
      answer.writeHead(status, response.headers);
      response.pipe(answer);
    });
    outgoing.on('error', () => answer.destroy());
    answer.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  }

  #note(words: string | undefined, status: number): void {
    if (words === undefined) return;
    if (status === 403) this.refused.add(words);
    else this.used.add(words);
    // To apply what is not there yet asks for the right to create it, too.
    if (status === 201 && words.endsWith(' patch')) this.used.add(words.replace(/patch$/, 'create'));
  }
}

/** As the API server reads a request; undefined for paths that are no resources (versions, discovery), which everybody may read. */
function rightsFor(method: string, url: URL): string | undefined {
  const match = /^\/(?:api\/v1|apis\/([^/]+)\/[^/]+)\/(.+)$/.exec(url.pathname);
  if (match === null) return undefined;
  const [, group = '', rest = ''] = match;
  const parts = rest.split('/');
  const within = parts[0] === 'namespaces' && parts.length > 2 ? parts.slice(2) : parts;
  const [resource = '', name, ...below] = within;
  const verb = verbOf(method, name !== undefined, url.searchParams);
  return `${group}/${[resource, ...below].join('/')} ${verb}`;
}

function verbOf(method: string, named: boolean, query: URLSearchParams): string {
  switch (method) {
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return named ? 'delete' : 'deletecollection';
    default:
      if (['true', '1'].includes(query.get('watch') ?? '')) return 'watch';
      return named ? 'get' : 'list';
  }
}
