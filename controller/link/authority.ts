/**
 * The controller's own certificate authority (R3, R4): EC P-256, one root, no intermediate. It signs the listeners'
 * certificates and those of agents; nothing else trusts it and it trusts nothing else.
 */
import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { TagboatError } from '../errors.ts';

type CryptoKey = webcrypto.CryptoKey;

x509.cryptoProvider.set(webcrypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
/** Clocks of nodes may be behind. */
const BACKDATE_MS = 5 * 60_000;
const AGENT_DAYS = 30;
const SERVER_DAYS = 90;

export interface AgentCertificate {
  readonly pem: string;
  readonly serial: string;
  /** `sha256:` + hex of the DER. */
  readonly fingerprint: string;
  readonly expiresAt: Date;
}

export interface ServerCertificate {
  /** Leaf and root, so that an agent that enrols can pin the root. */
  readonly chain: string;
  readonly key: string;
  /** When two thirds of its life are over: time for the next one. */
  readonly renewAt: Date;
}

/** Who an agent is: in its certificate as a URI, never in a message. */
function agentUri(team: string, node: string): string {
  return `tagboat://team/${team}/node/${node}`;
}

export function parseAgentUri(uri: string): { readonly team: string; readonly node: string } | undefined {
  const match = /^tagboat:\/\/team\/([a-z0-9-]{1,63})\/node\/([a-z0-9-]{1,63})$/.exec(uri);
  return match ? { team: match[1]!, node: match[2]! } : undefined;
}

/** The name of every replica of the controller in its certificate; no node has it. */
export const REPLICA_URI = 'tagboat://controller';
/** One is made for each call. */
const REPLICA_MS = 60 * 60_000;

export class Authority {
  /** The root in PEM. */
  readonly certificate: string;
  readonly #root: x509.X509Certificate;
  readonly #key: CryptoKey;
  readonly #now: () => Date;

  private constructor(root: x509.X509Certificate, key: CryptoKey, now: () => Date) {
    this.#root = root;
    this.#key = key;
    this.#now = now;
    this.certificate = root.toString('pem');
  }

  static async create(now: () => Date = () => new Date()): Promise<{ authority: Authority; bundle: string }> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const root = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: newSerial(),
      name: 'CN=Tagboat controller',
      notBefore: new Date(now().getTime() - BACKDATE_MS),
      notAfter: new Date(now().getTime() + 3_650 * DAY_MS),
      signingAlgorithm: ALGORITHM,
      keys: keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const bundle = `${root.toString('pem')}\n${await exportKey(keys.privateKey)}`;
    return { authority: await Authority.load(bundle, now), bundle };
  }

  /** From the bundle of `create`: the root and its key, PEM. */
  static async load(bundle: string, now: () => Date = () => new Date()): Promise<Authority> {
    const certificate = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/.exec(bundle)?.[0];
    const key = /-----BEGIN PRIVATE KEY-----([\s\S]+?)-----END PRIVATE KEY-----/.exec(bundle)?.[1];
    if (certificate === undefined || key === undefined) throw new TagboatError('Internal', 'The stored certificate authority is not readable');
    const imported = await webcrypto.subtle.importKey('pkcs8', Buffer.from(key, 'base64'), ALGORITHM, false, ['sign']);
    return new Authority(new x509.X509Certificate(certificate), imported, now);
  }

  /** What an enrolment line pins: `sha256:` + hex of the root's DER. */
  fingerprint(): string {
    return fingerprintOf(this.#root);
  }

  /**
   * A client certificate for one node. The request proves possession of the key by its signature; its subject is
   * ignored. Throws `EnrolmentRefused` for a request that is none.
   */
  async issueAgentCertificate(request: string, of: { readonly team: string; readonly node: string }): Promise<AgentCertificate> {
    const parsed = await readRequest(request);
    const expiresAt = new Date(this.#now().getTime() + AGENT_DAYS * DAY_MS);
    const leaf = await this.#issue(parsed.publicKey, `CN=${of.node}.${of.team}`, expiresAt, x509.ExtendedKeyUsage.clientAuth, [{ type: 'url', value: agentUri(of.team, of.node) }]);
    return { pem: leaf.toString('pem'), serial: leaf.serialNumber.toLowerCase(), fingerprint: fingerprintOf(leaf), expiresAt };
  }

  /** For the listeners: names and addresses that agents dial. */
  async issueServerCertificate(hosts: readonly string[]): Promise<ServerCertificate> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const names = [...new Set(hosts)].map((host): x509.JsonGeneralName => ({ type: isIP(host) ? 'ip' : 'dns', value: host }));
    const now = this.#now().getTime();
    const leaf = await this.#issue(keys.publicKey, 'CN=tagboat-controller', new Date(now + SERVER_DAYS * DAY_MS), x509.ExtendedKeyUsage.serverAuth, names);
    const renewAt = new Date(now + (SERVER_DAYS * DAY_MS * 2) / 3);
    return { chain: `${leaf.toString('pem')}\n${this.certificate}\n`, key: await exportKey(keys.privateKey), renewAt };
  }

  /** With it one replica of the controller asks another; only who has the authority's key can make one. */
  async issueReplicaCertificate(): Promise<{ readonly pem: string; readonly key: string }> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const leaf = await this.#issue(keys.publicKey, 'CN=tagboat-controller', new Date(this.#now().getTime() + REPLICA_MS), x509.ExtendedKeyUsage.clientAuth, [{ type: 'url', value: REPLICA_URI }]);
    return { pem: leaf.toString('pem'), key: await exportKey(keys.privateKey) };
  }

  async #issue(publicKey: CryptoKey | x509.PublicKey, subject: string, notAfter: Date, usage: x509.ExtendedKeyUsage, names: x509.JsonGeneralName[]): Promise<x509.X509Certificate> {
    return x509.X509CertificateGenerator.create({
      serialNumber: newSerial(),
      subject,
      issuer: this.#root.subject,
      notBefore: new Date(this.#now().getTime() - BACKDATE_MS),
      notAfter,
      signingAlgorithm: ALGORITHM,
      publicKey,
      signingKey: this.#key,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        new x509.SubjectAlternativeNameExtension(names),
        await x509.AuthorityKeyIdentifierExtension.create(this.#root),
      ],
    });
  }
}

async function readRequest(pem: string): Promise<x509.Pkcs10CertificateRequest> {
  try {
    const request = new x509.Pkcs10CertificateRequest(pem);
    if (await request.verify()) return request;
  } catch (error) {
    throw new TagboatError('EnrolmentRefused', 'The certificate request is not readable', { cause: error });
  }
  throw new TagboatError('EnrolmentRefused', 'The certificate request is not signed by its own key');
}

/** Positive, 16 random bytes, hex: what TLS shows and the database keeps. */
function newSerial(): string {
  const bytes = Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)));
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}

function fingerprintOf(certificate: x509.X509Certificate): string {
  return `sha256:${createHash('sha256').update(Buffer.from(certificate.rawData)).digest('hex')}`;
}

async function exportKey(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64').replaceAll(/(.{64})/g, '$1\n').trimEnd()}\n-----END PRIVATE KEY-----\n`;
}
