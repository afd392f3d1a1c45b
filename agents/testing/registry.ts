/**
 * Registries that ask who is there: Debian's `docker-registry` with a password file, or with a token server of our own that speaks the
 * distribution token specification and signs what it grants. On loopback; all that they hold goes with `stop`.
 */
import 'reflect-metadata';
import { spawn } from 'node:child_process';
import { createSign, randomUUID, webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { Readable } from 'node:stream';
import * as x509 from '@peculiar/x509';
import { freePort } from './ports.ts';

export const USER = 'acme-bot';
export const PASSWORD = 'reg-c4n4ry-pw';
/** bcrypt of PASSWORD. */
const HASH = '$2b$05$qV/TCaVpb/FBSI.qiN0QS.OI.ylZzUA9mMQbWihQcDJzLF.yj06b.';
const SERVICE = 'registry.test';
const ISSUER = 'tokens.test';
const TOKEN_SECONDS = 120;

export interface TestRegistry {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** Of the token server: who asked (a user, or `anonymous`), and for what. */
  readonly asked: string[];
  /** Puts an image that the engine has under `host/name`, as USER. */
  push(docker: Docker, image: string, name: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startRegistry(auth: 'basic' | 'token' | 'none'): Promise<TestRegistry> {
  const directory = mkdtempSync(join(tmpdir(), 'tagboat-registry-'));
  const asked: string[] = [];
  const tokens = auth === 'token' ? await startTokenServer(join(directory, 'tokens.pem'), asked) : undefined;
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  writeFileSync(join(directory, 'htpasswd'), `${USER}:${HASH}\n`);
  const rules = {
    basic: `auth: { htpasswd: { realm: tagboat, path: ${join(directory, 'htpasswd')} } }`,
    token: `auth: { token: { realm: "http://127.0.0.1:${tokens === undefined ? 0 : (tokens.address() as AddressInfo).port}/token", service: ${SERVICE}, issuer: ${ISSUER}, rootcertbundle: ${join(directory, 'tokens.pem')} } }`,
    none: '',
  };
  const config = join(directory, 'registry.yml');
  writeFileSync(config, `version: 0.1\nstorage: { filesystem: { rootdirectory: ${join(directory, 'data')} }, delete: { enabled: true } }\nhttp: { addr: "${host}" }\nlog: { accesslog: { disabled: true }, level: error }\n${rules[auth]}\n`);
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  const stop = async (): Promise<void> => {
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    if (child.exitCode === null && child.kill('SIGTERM')) await gone;
    tokens?.close();
    tokens?.closeAllConnections();
    rmSync(directory, { recursive: true, force: true });
  };
  const end = Date.now() + 120_000;
  while (!(await fetch(`http://${host}/v2/`).then(() => true, () => false))) {
    if (Date.now() > end) {
      await stop();
      throw new Error('docker-registry did not start within two minutes');
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { host, asked, stop, push: (docker, image, name) => push(docker, image, `${host}/${name}`) };
}

async function push(docker: Docker, image: string, reference: string): Promise<void> {
  const colon = reference.lastIndexOf(':');
  await docker.getImage(image).tag({ repo: reference.slice(0, colon), tag: reference.slice(colon + 1) });
  const stream = (await docker.getImage(reference).push({ authconfig: { username: USER, password: PASSWORD, serveraddress: reference.split('/')[0] ?? '' } })) as unknown as Readable;
  let said = '';
  for await (const chunk of stream) said += String(chunk);
  if (said.includes('"error"')) throw new Error(`pushing ${reference}: ${said.slice(-500)}`);
  await docker.getImage(reference).remove();
}

async function startTokenServer(bundle: string, asked: string[]): Promise<Server> {
  x509.cryptoProvider.set(webcrypto);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({ name: 'CN=tokens.test', keys, signingAlgorithm: algorithm, notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) });
  writeFileSync(bundle, certificate.toString('pem'));
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const pem = `-----BEGIN PRIVATE KEY-----\n${key.toString('base64')}\n-----END PRIVATE KEY-----\n`;
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const [scheme = '', encoded = ''] = (request.headers.authorization ?? '').split(' ');
    const given = scheme.toLowerCase() === 'basic' ? Buffer.from(encoded, 'base64').toString('utf8') : '';
    const scopes = url.searchParams.getAll('scope');
    asked.push(`${given === '' ? 'anonymous' : given.split(':', 1)[0]} ${scopes.join(' ')}`);
    if (given !== '' && given !== `${USER}:${PASSWORD}`) return void response.writeHead(401, { 'content-type': 'application/json' }).end('{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}');
    const access = scopes.flatMap((scope) => {
      const [type, name, actions] = scope.split(':');
      // The anonymous get nothing, and acme's bot nothing of others.
      return given !== '' && name?.startsWith('acme/') === true ? [{ type, name, actions: (actions ?? '').split(',') }] : [];
    });
    const now = Math.floor(Date.now() / 1000);
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ typ: 'JWT', alg: 'ES256', x5c: [Buffer.from(certificate.rawData).toString('base64')] })}.${part({ iss: ISSUER, sub: given.split(':', 1)[0] ?? '', aud: SERVICE, exp: now + TOKEN_SECONDS, nbf: now - 10, iat: now, jti: randomUUID(), access })}`;
    const signature = createSign('SHA256').update(signed).sign({ key: pem, dsaEncoding: 'ieee-p1363' }).toString('base64url');
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token: `${signed}.${signature}`, expires_in: TOKEN_SECONDS }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
