/**
 * The TLS end of both listeners: 1.3 only, and a certificate that is made anew while the process runs, so that a controller which
 * is up for longer than its certificate lives does not lose its agents at their next connection. Open streams stay as they are.
 */
import type { SecureContextOptions } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { explainError } from '../errors.ts';
import type { Authority, ServerCertificate } from './authority.ts';

const CHECK_MS = 60 * 60_000;
/** Bounds how long somebody who never finishes a handshake can hold up a stop. */
const HANDSHAKE_MS = 10_000;

export interface ListenerCredentialsOptions {
  readonly authority: Authority;
  /** Names and addresses that agents dial. */
  readonly hosts: readonly string[];
  readonly log: Logger;
  /** How often to look whether a new certificate is due; an hour unless told. */
  readonly checkMs?: number;
}

export class ListenerCredentials {
  /** Asks agents for their certificate (R3). */
  readonly mutual: grpc.ServerCredentials;
  /** For enrolment, where an agent has none yet (R4). */
  readonly serverOnly: grpc.ServerCredentials;
  readonly #options: ListenerCredentialsOptions;
  readonly #timer: NodeJS.Timeout;
  #renewAt: Date;

  private constructor(options: ListenerCredentialsOptions, first: ServerCertificate) {
    this.#options = options;
    this.#renewAt = first.renewAt;
    const pair = [{ private_key: Buffer.from(first.key), cert_chain: Buffer.from(first.chain) }];
    this.mutual = tls13(grpc.ServerCredentials.createSsl(Buffer.from(options.authority.certificate), pair, true));
    this.serverOnly = tls13(grpc.ServerCredentials.createSsl(null, pair, false));
    this.#timer = setInterval(() => void this.#renewIfDue(), options.checkMs ?? CHECK_MS).unref();
  }

  static async create(options: ListenerCredentialsOptions): Promise<ListenerCredentials> {
    return new ListenerCredentials(options, await options.authority.issueServerCertificate(options.hosts));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #renewIfDue(): Promise<void> {
    const { authority, hosts, log } = this.#options;
    if (Date.now() < this.#renewAt.getTime()) return;
    try {
      const next = await authority.issueServerCertificate(hosts);
      for (const credentials of [this.mutual, this.serverOnly]) replaceCertificate(credentials, next);
      this.#renewAt = next.renewAt;
      log.info({ nextRenewalAt: next.renewAt }, 'the certificate of the listeners was renewed');
    } catch (error) {
      log.error({ reason: explainError(error) }, 'the certificate of the listeners could not be renewed; it is tried again');
    }
  }
}

/** grpc-js has no setting for the TLS version; its server takes these options over as they are (a test dials with TLS 1.2). */
function tls13(credentials: grpc.ServerCredentials): grpc.ServerCredentials {
  Object.assign(credentials._getConstructorOptions() ?? {}, { minVersion: 'TLSv1.3', handshakeTimeout: HANDSHAKE_MS });
  return credentials;
}

/** Every setting of the context again: what a new context does not name falls back to Node's defaults, the TLS version with it. */
function replaceCertificate(credentials: grpc.ServerCredentials, certificate: ServerCertificate): void {
  const { ciphers, minVersion } = (credentials._getConstructorOptions() ?? {}) as SecureContextOptions;
  const context = { ...credentials._getSecureContextOptions(), cert: [Buffer.from(certificate.chain)], key: [Buffer.from(certificate.key)], ciphers, minVersion };
  (credentials as unknown as { updateSecureContextOptions(options: object): void }).updateSecureContextOptions(context);
}
