/**
 * The proxy's configuration as a function of the routes. Pure. Every backend has two places for servers: a new container is
 * put into the free one while the other still serves, by a command, without a new configuration. Only another set of routes
 * is a new one, and then the old process keeps its connections until they have had their answers.
 */
import { createHash } from 'node:crypto';
import type { Route } from '../../containers/route.ts';
import { bySpecificity } from './backends.ts';

export interface Server {
  readonly host: string;
  readonly port: number;
}

export interface ConfiguredBackend {
  readonly key: string;
  readonly route: Route;
  readonly server: Server;
}

export const SLOTS = ['a', 'b'] as const;
export type Slot = (typeof SLOTS)[number];

export const CONFIG_PATH = '/usr/local/etc/haproxy/haproxy.cfg';
/** Where the master listens, inside the proxy's own network alone. */
export const CLI_PORT = 9998;
export const KEEP_ALIVE_MS = 5_000;
const NOWHERE: Server = { host: '127.0.0.1', port: 1 };

/** Of the routes alone, not of the addresses behind them: equal means that commands are enough. */
export function structureOf(backends: readonly Pick<ConfiguredBackend, 'key' | 'route'>[]): string {
  return createHash('sha256').update(JSON.stringify([FORMAT, ...backends.map(({ key, route }) => [key, route])])).digest('hex').slice(0, 16);
}

/** Raised whenever the text below changes, so that proxies of older agents get the new one. */
const FORMAT = 1;

export function haproxyConfig(backends: readonly ConfiguredBackend[]): string {
  const rules = [...backends].sort((a, b) => bySpecificity(a.route, b.route));
  return `# structure ${structureOf(backends)}
global
  hard-stop-after 60s
  stats socket /tmp/tagboat.sock mode 600 level admin expose-fd listeners

defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  timeout http-request 30s
  timeout http-keep-alive ${KEEP_ALIVE_MS}ms
  option http-server-close
  option idle-close-on-response
  option forwardfor
  option redispatch
  retries 3

frontend http
  bind :80
  http-request set-var(txn.host) req.hdr(host),field(1,:),lower
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
${rules.map((one) => `  use_backend ${one.key} if ${conditionOf(one.route)}`).join('\n')}
  default_backend nowhere

backend nowhere
  http-request return status 404 content-type text/plain string "No deployment answers here."

${backends.map(backendText).join('\n')}`;
}

function conditionOf({ domain, path }: Route): string {
  const host = domain === '' ? '' : domain.startsWith('*.') ? `{ var(txn.host) -m end ${domain.slice(1)} } ` : `{ var(txn.host) -m str ${domain} } `;
  if (path === '/') return host === '' ? 'TRUE' : host.trimEnd();
  return `${host}{ path -m str ${quoted(path)} } or ${host}{ path -m beg ${quoted(`${path}/`)} }`;
}

function backendText({ key, route, server }: ConfiguredBackend): string {
  const lines = [`backend ${key}`];
  if (route.uploadLimit !== null) {
    // A body without a length cannot be judged before it has passed.
    lines.push('  http-request return status 411 content-type text/plain string "The length of the body must be told." if { req.hdr(transfer-encoding) -m found }');
    lines.push(`  http-request deny deny_status 413 if { req.hdr_val(content-length) gt ${route.uploadLimit} }`);
  }
  if (route.stripPath && route.path !== '/') {
    lines.push(`  http-request set-header X-Forwarded-Prefix ${quoted(route.path.replaceAll('%', '%%'))}`);
    lines.push(`  http-request set-path %[path,bytes(${Buffer.byteLength(route.path)})]`);
    lines.push('  http-request set-path /%[path] unless { path_beg / }');
  }
  lines.push(`  server ${SLOTS[0]} ${server.host}:${server.port}`, `  server ${SLOTS[1]} ${NOWHERE.host}:${NOWHERE.port} disabled`);
  return `${lines.join('\n')}\n`;
}

/** Between single quotes nothing is special to HAProxy but the quote itself. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}
