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

const DIRECTORY = '/usr/local/etc/haproxy';
export const CONFIG_PATH = `${DIRECTORY}/haproxy.cfg`;
/** Proofs for certificate authorities: path and answer, a line each. */
export const PROOFS_PATH = `${DIRECTORY}/proofs.map`;
/** Certificates with the names that they are for, a line each. */
export const CERTIFICATES_PATH = `${DIRECTORY}/certificates.list`;
/** Where the master listens, inside the proxy's own network alone. */
export const CLI_PORT = 9998;
export const KEEP_ALIVE_MS = 5_000;
const NOWHERE: Server = { host: '127.0.0.1', port: 1 };

/** Where certificate, chain and key of a name lie. */
export function certificatePath(domain: string): string {
  return `${DIRECTORY}/certificate-${domain.replace('*', '_')}.pem`;
}

/** The same of one that the proxy has not taken yet. */
export function candidatePath(domain: string): string {
  return `${certificatePath(domain)}.new`;
}

/** Of the routes alone, not of the addresses behind them: equal means that commands are enough. */
export function structureOf(backends: readonly Pick<ConfiguredBackend, 'key' | 'route'>[], httpsPort: number): string {
  return createHash('sha256').update(JSON.stringify([FORMAT, httpsPort, ...backends.map(({ key, route }) => [key, route])])).digest('hex').slice(0, 16);
}

/** Raised whenever the text below changes, so that proxies of older agents get the new one. */
const FORMAT = 2;

/** TLS 1.2 with forward secrecy and authenticated encryption, or newer. */
const CIPHERS = ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'];
const SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

/** @param httpsPort of the node, where plain requests for a route with TLS are sent. A name without a certificate is refused (strict-sni). */
export function haproxyConfig(backends: readonly ConfiguredBackend[], httpsPort: number): string {
  const rules = [...backends].sort((a, b) => bySpecificity(a.route, b.route));
  return `# structure ${structureOf(backends, httpsPort)}
global
  hard-stop-after 60s
  stats socket /tmp/tagboat.sock mode 600 level admin expose-fd listeners
  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
  ssl-default-bind-ciphers ${CIPHERS.join(':')}
  ssl-default-bind-ciphersuites ${SUITES.join(':')}

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
  bind :443 ssl crt-list ${CERTIFICATES_PATH} strict-sni alpn h2,http/1.1
  http-request return status 200 content-type text/plain lf-string "%[path,map_str(${PROOFS_PATH})]" if { path,map_str(${PROOFS_PATH}) -m found }
  http-request set-var(txn.host) req.hdr(host),field(1,:),lower
  http-request set-header X-Forwarded-Proto http if !{ ssl_fc }
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
${rules.map((one) => `  use_backend ${one.key} if ${conditionOf(one.route)}`).join('\n')}
  default_backend nowhere

backend nowhere
  http-request return status 404 content-type text/plain string "No deployment answers here."

${backends.map((one) => backendText(one, httpsPort)).join('\n')}`;
}

function conditionOf({ domain, path }: Route): string {
  const host = domain === '' ? '' : domain.startsWith('*.') ? `{ var(txn.host) -m end ${domain.slice(1)} } ` : `{ var(txn.host) -m str ${domain} } `;
  if (path === '/') return host === '' ? 'TRUE' : host.trimEnd();
  return `${host}{ path -m str ${quoted(path)} } or ${host}{ path -m beg ${quoted(`${path}/`)} }`;
}

function backendText({ key, route, server }: ConfiguredBackend, httpsPort: number): string {
  const lines = [`backend ${key}`];
  // Here and not before: a narrower route of the same name may do without TLS.
  if (route.tls) lines.push(`  http-request redirect code 308 location "https://%[var(txn.host)]${httpsPort === 443 ? '' : `:${httpsPort}`}%[pathq]" if !{ ssl_fc }`);
  if (route.uploadLimit !== null) {
    // A body without a length cannot be judged before it has passed.
    lines.push('  http-request return status 411 content-type text/plain string "The length of the body must be told." if { req.hdr(transfer-encoding) -m found }');
    // In HTTP/2 nothing tells of a body without a length before it begins.
    lines.push('  http-request wait-for-body time 10s at-least 1 if { fc_http_major 2 } !{ req.hdr(content-length) -m found }');
    lines.push('  http-request return status 411 content-type text/plain string "The length of the body must be told." if { fc_http_major 2 } !{ req.hdr(content-length) -m found } { req.body_len gt 0 }');
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
