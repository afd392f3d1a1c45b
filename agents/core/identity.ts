/**
 * Who this agent is: a key made on the node that never leaves it, and a certificate for it. Nothing here ever deletes a
 * key (R4); a renewal replaces both files only when the new certificate is at hand.
 */
import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { PeerCertificate } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import * as x509 from '@peculiar/x509';
import { EnrolmentClient } from '../../proto/gen/agent/v1/agent.ts';
import type { EnrolRequest, EnrolResponse } from '../../proto/gen/agent/v1/agent.ts';
import { SERVER_NAME } from '../../proto/join.ts';
import { AgentError } from './errors.ts';
import { makePrivateDirectory, writeWhole } from './files.ts';

x509.cryptoProvider.set(webcrypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DIAL_MS = 15_000;

export interface Identity {
  readonly team: string;
  readonly node: string;
  readonly key: string;
  readonly certificate: string;
  /** The controller's CA. */
  readonly authority: string;
}

/** Undefined when this directory was never enrolled. */
export function loadIdentity(directory: string): Identity | undefined {
  const path = join(directory, 'identity.json');
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Identity;
  } catch (error) {
    throw new AgentError('JournalUnreadable', `The identity in ${path} is not readable; restore it or enrol into another directory`, { cause: error });
  }
}

/**
 * One file, written whole: key and certificate never disagree. `token` is the one it was enrolled with, remembered by its hash; what
 * it replaces is kept beside it (R4).
 */
export function saveIdentity(directory: string, identity: Identity, token?: string): void {
  makePrivateDirectory(directory);
  const path = join(directory, 'identity.json');
  if (token !== undefined) {
    if (existsSync(path)) writeWhole(join(directory, `identity.until-${Date.now()}.json`), readFileSync(path, 'utf8'));
    writeWhole(join(directory, 'enrolled-with'), `${tokenHash(token)}\n`);
  }
  writeWhole(path, JSON.stringify(identity));
}

/** Whether this token made the present identity: a line that stays in a service file is used once. */
export function enrolledWith(directory: string, token: string): boolean {
  const path = join(directory, 'enrolled-with');
  return existsSync(path) && readFileSync(path, 'utf8').trim() === tokenHash(token);
}

function tokenHash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export interface KeyAndRequest {
  readonly key: string;
  readonly request: string;
}

/** A fresh key and a certificate request signed by it. */
export async function newKey(): Promise<KeyAndRequest> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ name: 'CN=tagboat-agent', keys, signingAlgorithm: ALGORITHM });
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return { key: `-----BEGIN PRIVATE KEY-----\n${der.replaceAll(/(.{64})/g, '$1\n').trimEnd()}\n-----END PRIVATE KEY-----\n`, request: request.toString('pem') };
}

/** When two thirds of the certificate's life are over. */
export function renewalDue(certificate: string): Date {
  const parsed = new x509.X509Certificate(certificate);
  return new Date(parsed.notBefore.getTime() + ((parsed.notAfter.getTime() - parsed.notBefore.getTime()) * 2) / 3);
}

export interface EnrolOptions {
  /** host:port of the enrolment listener. */
  readonly address: string;
  /** `sha256:…` of the CA, from the pasted line. */
  readonly fingerprint: string;
  readonly token: string;
  readonly nodeType: 'docker' | 'kubernetes';
  readonly simulated: boolean;
  readonly version: string;
}

/**
 * Exchanges the token for a certificate. The CA is checked against the fingerprint before the token is sent. Throws
 * `FingerprintMismatch`, `EnrolmentRefused` or `ControllerUnreachable`.
 */
export async function enrol(options: EnrolOptions): Promise<Identity> {
  const authority = await pinAuthority(options.address, options.fingerprint);
  const { key, request } = await newKey();
  const response = await callEnrol(options, authority, { token: options.token, certificateRequest: request, agentVersion: options.version, nodeType: options.nodeType, simulated: options.simulated });
  return { team: response.team, node: response.node, key, certificate: response.certificate, authority: response.authority };
}

/** Credentials of the link; grpc-js takes a secure context, which is where TLS 1.3 can be demanded. */
export function linkCredentials(identity: Identity): grpc.ChannelCredentials {
  return grpc.credentials.createSsl(Buffer.from(identity.authority), Buffer.from(identity.key), Buffer.from(identity.certificate));
}

async function pinAuthority(address: string, fingerprint: string): Promise<string> {
  const { host, port } = splitAddress(address);
  return new Promise((resolve, reject) => {
    const unreachable = (error: Error): void => reject(new AgentError('ControllerUnreachable', `The controller's enrolment listener at ${address} cannot be reached: ${error.message}`, { cause: error }));
    const socket = connect({ host, port, servername: SERVER_NAME, rejectUnauthorized: false, minVersion: 'TLSv1.3', ALPNProtocols: ['h2'] }, () => {
      socket.setTimeout(0);
      let certificate: PeerCertificate | undefined = socket.getPeerCertificate(true);
      // The chain ends where a certificate is its own issuer.
      for (let depth = 0; certificate !== undefined && depth < 5; depth++) {
        if (`sha256:${createHash('sha256').update(certificate.raw).digest('hex')}` === fingerprint) {
          socket.destroy();
          return resolve(`-----BEGIN CERTIFICATE-----\n${certificate.raw.toString('base64').replaceAll(/(.{64})/g, '$1\n').trimEnd()}\n-----END CERTIFICATE-----\n`);
        }
        const issuer: PeerCertificate | undefined = 'issuerCertificate' in certificate ? (certificate.issuerCertificate as PeerCertificate) : undefined;
        certificate = issuer === certificate ? undefined : issuer;
      }
      socket.destroy();
      reject(new AgentError('FingerprintMismatch', `The server at ${address} does not have the CA with fingerprint ${fingerprint}; the token was not sent`));
    });
    socket.setTimeout(DIAL_MS, () => socket.destroy(new Error('no answer in time')));
    socket.once('error', unreachable);
  });
}

async function callEnrol(options: EnrolOptions, authority: string, request: EnrolRequest): Promise<EnrolResponse> {
  const client = new EnrolmentClient(options.address, grpc.credentials.createSsl(Buffer.from(authority)), { 'grpc.ssl_target_name_override': SERVER_NAME, 'grpc.enable_http_proxy': 0 });
  try {
    return await new Promise((resolve, reject) => {
      client.enrol(request, new grpc.Metadata(), { deadline: Date.now() + DIAL_MS }, (error, response) => {
        if (error === null) return resolve(response);
        const reachable = error.code !== grpc.status.UNAVAILABLE && error.code !== grpc.status.DEADLINE_EXCEEDED;
        reject(new AgentError(reachable ? 'EnrolmentRefused' : 'ControllerUnreachable', error.details, { cause: error }));
      });
    });
  } finally {
    client.close();
  }
}

function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(address);
  if (match === null) throw new AgentError('ConfigInvalid', `${JSON.stringify(address)} is no HOST:PORT`);
  return { host: match[1] ?? match[2]!, port: Number(match[3]) };
}
