/**
 * The way to the API server: a kubeconfig (with whatever its user needs: certificates, tokens, programs, providers) or the service
 * account of the pod. Only the credentials are the library's business here; requests and watches are made in api.ts, because the
 * library's own drop fields that its models do not know, and its watches have no deadline.
 */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Agent as HttpAgent } from 'node:http';
import { Agent, type RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { AgentError } from '../core/errors.ts';

export interface ConnectOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
}

export interface Access {
  readonly server: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly agent: Agent | HttpAgent;
}

/** Loads the credentials anew; used at the start and when they were refused. */
async function load(options: ConnectOptions): Promise<KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  const path = options.kubeconfig ?? process.env['KUBECONFIG'];
  try {
    if (path !== undefined && path !== '') {
      config.loadFromString(readFileSync(path, 'utf8'));
      config.makePathsAbsolute(dirname(path));
    } else if (process.env['KUBERNETES_SERVICE_HOST'] !== undefined) {
      config.loadFromCluster();
    } else {
      throw new Error('neither --kubeconfig nor KUBECONFIG is given, and this is no pod of a cluster');
    }
    if (options.context !== undefined) config.setCurrentContext(options.context);
    if (config.getCurrentCluster() === null) throw new Error(`there is no context ${options.context ?? config.getCurrentContext()} with a cluster`);
  } catch (error) {
    throw new AgentError('ConfigInvalid', `The way to the cluster is not known (${path ?? 'service account'}): ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  return config;
}

export class Connection {
  readonly #options: ConnectOptions;
  #config: KubeConfig;
  #known: { readonly key: string; readonly agent: Agent | HttpAgent } | undefined;

  private constructor(options: ConnectOptions, config: KubeConfig) {
    this.#options = options;
    this.#config = config;
  }

  /** Throws AgentError `ConfigInvalid`. */
  static async open(options: ConnectOptions): Promise<Connection> {
    return new Connection(options, await load(options));
  }

  /** What the next request needs. One pool of connections, as long as the certificates stay the same. */
  async access(): Promise<Access> {
    const wanted: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(wanted);
    const cluster = this.#config.getCurrentCluster();
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(wanted.headers ?? {})) if (value !== undefined) headers[name] = String(value).trim();
    if (typeof wanted.auth === 'string') headers['Authorization'] = `Basic ${Buffer.from(wanted.auth).toString('base64')}`;
    const { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized } = wanted;
    const identity = JSON.stringify([cluster?.server, String(ca), String(cert), String(key), String(pfx), servername, rejectUnauthorized]);
    if (this.#known?.key !== identity) {
      const plain = cluster?.proxyUrl !== undefined || cluster?.server.startsWith('http:') === true;
      const tls = Object.fromEntries(Object.entries({ ca, cert, key, pfx, passphrase, servername, rejectUnauthorized }).filter(([, value]) => value !== undefined));
      this.#known = { key: identity, agent: plain ? (wanted.agent as HttpAgent) : new Agent({ ...tls, keepAlive: true, keepAliveMsecs: 15_000 }) };
    }
    return { server: new URL(cluster?.server ?? ''), headers, agent: this.#known.agent };
  }

  /** Reads the kubeconfig again: a token may have been renewed in it. A file that is not readable leaves what there was. */
  async reload(): Promise<void> {
    this.#config = await load(this.#options).catch(() => this.#config);
  }
}
