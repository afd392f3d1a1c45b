/**
 * The controller's configuration: one YAML file, the environment over it, secrets from files (SPEC §5).
 *
 * Who lives here: config-document (YAML and places), config-environment (variables by path), config-schema (the check
 * against schemas/controller-config.schema.json), config-reviews (the Git host of a team), and config-source (files and variables that values
 * point at), and this file, which makes frozen values of it. Nothing else reads the
 * environment for settings.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { validate as validCron } from 'node-cron';
import { readConfigDocument } from './config-document.ts';
import type { ConfigProblem } from './config-document.ts';
import { overlay, readEnvironment } from './config-environment.ts';
import { checkConfig, configSchema } from './config-schema.ts';
import { ConfigSource, milliseconds } from './config-source.ts';
import type { ConfigPath, RawSecret } from './config-source.ts';
import { readCaFile } from './config-ca.ts';
import { completeReviews } from './config-reviews.ts';
import type { RawReviews, ReviewConfig } from './config-reviews.ts';
import { TagboatError } from './errors.ts';
import { parseRemote, type Credentials } from './git/remote.ts';
import { sshFaults } from './git/ssh-key.ts';
import { packageVersion } from './package-root.ts';
import { namesHost, type SourceRule } from './reconcile/source-policy.ts';
import type { Secret } from './secret.ts';

export type { ConfigProblem } from './config-document.ts';

export interface Listener {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
}

export interface TeamConfig {
  readonly name: string;
  /** Without credentials. */
  readonly repository: string;
  readonly branch: string;
  /** '' is the whole repository; no slash at either end. */
  readonly directory: string;
  /** Cron, six fields, seconds first. */
  readonly poll: string;
  readonly credentials: Credentials | null;
  /** Other repositories that its products may come from (R1); those of `allowedSources` are not repeated. */
  readonly sources: readonly SourceRule[];
  /** Where notifications go, by the names that manifests know; each team has its own (R1). */
  readonly notificationUrls: readonly { readonly name: string; readonly url: Secret }[];
  readonly webhookSecret: Secret | null;
  readonly reviews: ReviewConfig;
}

export interface OidcConfig {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: Secret | null;
  readonly scopes: readonly string[];
}

export interface ControllerConfig {
  /** Absolute path of the file; null when all came from the environment. */
  readonly file: string | null;
  readonly database: { readonly kind: 'embedded' } | { readonly kind: 'url'; readonly url: Secret };
  /** Absolute, as every path here. */
  readonly dataDirectory: string;
  readonly listeners: { readonly http: Listener; readonly agents: Listener; readonly enrolment: Listener };
  /** Without a slash at its end. */
  readonly publicUrl: string;
  /** host:port */
  readonly agentAddress: string;
  /** Where other replicas reach the agent listener of this one; null: they do not. */
  readonly replicaAddress: string | null;
  readonly enrolAddress: string;
  /** Of the agent, as clusters pull it. */
  readonly agentImage: string;
  readonly public: boolean;
  readonly oidc: OidcConfig | null;
  readonly trustedProxies: readonly string[];
  readonly teams: readonly TeamConfig[];
  readonly allowedSources: readonly string[];
  /** PEM text of authorities that Git servers may have besides the known ones. */
  readonly gitCa: string | null;
  /** Milliseconds. Audit rows are never removed: the chain is proved from its first row (R26). */
  readonly retention: { readonly attemptsMs: number; readonly eventsMs: number; readonly accessMs: number; readonly deliveriesMs: number };
  readonly notifications: { readonly allowPrivateAddresses: boolean };
  readonly encryptionKeyFile: string;
  readonly operatorTokenFile: string;
  readonly logLevel: string;
}

/** Everything that is wrong with a configuration, at once. Exit code 2 on the command line. */
export class ConfigError extends TagboatError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super('ConfigInvalid', `${problems.length === 1 ? 'a problem' : `${String(problems.length)} problems`} in the configuration:\n${problems.map(configProblemText).join('\n')}`);
    this.problems = problems;
  }
}

/** `tagboat.yaml:3:5 message`, or `environment TAGBOAT_X: message`. */
export function configProblemText(problem: ConfigProblem): string {
  return problem.line === 0 ? `${problem.file}: ${problem.message}` : `${problem.file}:${String(problem.line)}:${String(problem.column)} ${problem.message}`;
}

export interface LoadConfigOptions {
  /** Default: `TAGBOAT_CONFIG`, else `tagboat.yaml` in the working directory if it is there, else the environment alone. */
  readonly path?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The working directory. */
  readonly directory?: string;
}

/** Reads, checks and completes the configuration; throws `ConfigError` with all problems. */
export function loadConfig(options: LoadConfigOptions = {}): ControllerConfig {
  const env = options.env ?? process.env;
  const directory = options.directory ?? process.cwd();
  const named = options.path ?? (env['TAGBOAT_CONFIG'] === '' ? undefined : env['TAGBOAT_CONFIG']);
  const candidate = resolve(directory, named ?? 'tagboat.yaml');
  const file = named !== undefined || existsSync(candidate) ? candidate : null;
  const shown = named ?? 'tagboat.yaml';
  const document = file === null ? null : readConfigDocument(shown, readText(file, shown));
  if (document !== null && document.problems.length > 0) throw new ConfigError(document.problems);

  const schema = configSchema();
  const fromEnv = readEnvironment(schema, env);
  const source = new ConfigSource({ document, shown, fileDirectory: file === null ? directory : dirname(file), workingDirectory: directory, env, variables: fromEnv.values });
  for (const variable of fromEnv.unknown) source.problems.push({ file: `environment ${variable}`, line: 0, column: 0, message: 'names no setting' });
  // A copy: the check fills defaults in, and the document has to go on saying what was written.
  const value = structuredClone(overlay(document?.value ?? {}, fromEnv.values));
  for (const fault of checkConfig(schema, value)) source.fault(fault.path, fault.message, fault.key);
  if (source.problems.length > 0) throw new ConfigError(source.sorted());
  const config = complete(value as RawConfig, file, source);
  if (source.problems.length > 0) throw new ConfigError(source.sorted());
  return deepFreeze(config);
}

/** What the schema lets through, with its defaults. */
interface RawConfig {
  readonly database: 'embedded' | { readonly url: RawSecret };
  readonly dataDirectory: string;
  readonly listeners: { readonly http?: Partial<Listener>; readonly agents?: Partial<Listener>; readonly enrolment?: Partial<Listener> };
  readonly publicUrl?: string;
  readonly agentAddress?: string;
  readonly replicaAddress?: string;
  readonly enrolAddress?: string;
  readonly agentImage?: string;
  readonly public: boolean;
  readonly oidc?: { readonly issuer: string; readonly clientId: string; readonly clientSecret?: RawSecret; readonly scopes: readonly string[] };
  readonly trustedProxies: readonly string[];
  readonly teams: readonly RawTeam[];
  readonly allowedSources: readonly string[];
  readonly gitCaFile?: string;
  readonly retention: { readonly attempts: string; readonly events: string; readonly access: string; readonly deliveries: string };
  readonly notifications: { readonly allowPrivateAddresses: boolean };
  readonly encryptionKeyFile?: string;
  readonly operatorTokenFile?: string;
  readonly logLevel: string;
}

interface RawTeam {
  readonly name: string;
  readonly repository: string;
  readonly branch: string;
  readonly directory: string;
  readonly poll: string;
  readonly credentials?: RawCredentials;
  readonly sources: readonly { readonly url: string; readonly credentials?: RawCredentials }[];
  readonly notificationUrls: readonly { readonly name: string; readonly url: RawSecret }[];
  readonly webhookSecret?: RawSecret;
  readonly reviews: RawReviews;
}

interface RawCredentials {
  readonly type: Credentials['type'];
  readonly username?: string;
  readonly password?: RawSecret;
  readonly token?: RawSecret;
  readonly privateKey?: RawSecret;
  readonly passphrase?: RawSecret;
  readonly knownHosts?: RawSecret;
}

function complete(raw: RawConfig, file: string | null, source: ConfigSource): ControllerConfig {
  const http = { host: '127.0.0.1', port: 8080, ...raw.listeners.http };
  const agents = { host: '0.0.0.0', port: 8443, ...raw.listeners.agents };
  const enrolment = { host: '0.0.0.0', port: 8444, ...raw.listeners.enrolment };
  const publicUrl = (raw.publicUrl ?? `http://${urlHost(http.host)}:${String(http.port)}`).replace(/\/+$/, '');
  const dataDirectory = source.path(raw.dataDirectory, ['dataDirectory']);
  const names = new Set<string>();
  const teams = raw.teams.map((team, index) => {
    if (names.has(team.name)) source.fault(['teams', index, 'name'], `two teams are named ${team.name}`);
    names.add(team.name);
    return completeTeam(team, ['teams', index], source);
  });
  return {
    file,
    database: raw.database === 'embedded' ? { kind: 'embedded' } : { kind: 'url', url: source.secret(raw.database.url, ['database', 'url']) },
    dataDirectory,
    listeners: { http, agents, enrolment },
    publicUrl,
    replicaAddress: raw.replicaAddress === undefined ? null : bracketed(raw.replicaAddress),
    agentAddress: raw.agentAddress ?? `${new URL(publicUrl).hostname}:${String(agents.port)}`,
    enrolAddress: raw.enrolAddress ?? `${new URL(publicUrl).hostname}:${String(enrolment.port)}`,
    agentImage: raw.agentImage ?? `tagboat:${packageVersion()}`,
    public: raw.public,
    oidc: completeOidc(raw.oidc, source),
    trustedProxies: raw.trustedProxies,
    teams,
    allowedSources: raw.allowedSources,
    gitCa: raw.gitCaFile === undefined ? null : readCaFile(source.path(raw.gitCaFile, ['gitCaFile']), ['gitCaFile'], source),
    retention: { attemptsMs: milliseconds(raw.retention.attempts), eventsMs: milliseconds(raw.retention.events), accessMs: milliseconds(raw.retention.access), deliveriesMs: milliseconds(raw.retention.deliveries) },
    notifications: { allowPrivateAddresses: raw.notifications.allowPrivateAddresses },
    encryptionKeyFile: raw.encryptionKeyFile === undefined ? resolve(dataDirectory, 'encryption.key') : source.path(raw.encryptionKeyFile, ['encryptionKeyFile']),
    operatorTokenFile: raw.operatorTokenFile === undefined ? resolve(dataDirectory, 'operator.token') : source.path(raw.operatorTokenFile, ['operatorTokenFile']),
    logLevel: raw.logLevel,
  };
}

function completeOidc(raw: RawConfig['oidc'], source: ConfigSource): OidcConfig | null {
  if (raw === undefined) return null;
  const { protocol, hostname } = new URL(raw.issuer);
  if (protocol === 'http:' && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) source.fault(['oidc', 'issuer'], 'the issuer has to be https; http is for the loopback only');
  for (const scope of ['openid', 'email']) if (!raw.scopes.includes(scope)) source.fault(['oidc', 'scopes'], `the scope ${scope} is needed: people are known by their e-mail address`);
  return { issuer: raw.issuer, clientId: raw.clientId, clientSecret: raw.clientSecret === undefined ? null : source.secret(raw.clientSecret, ['oidc', 'clientSecret']), scopes: raw.scopes };
}

function completeTeam(raw: RawTeam, at: ConfigPath, source: ConfigSource): TeamConfig {
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/]*:[^/]*@/i.test(raw.repository)) {
    source.fault([...at, 'repository'], 'the repository URL holds a password; put it into credentials, by file or environment');
  } else checkRepository(raw.repository, at, source);
  if (raw.poll.trim().split(/\s+/).length !== 6 || !validCron(raw.poll)) {
    source.fault([...at, 'poll'], 'poll is no cron expression with seconds; for example */10 * * * * *');
  }
  const { credentials } = raw;
  const secret = (value: RawSecret | undefined, ...steps: readonly string[]): Secret | null => (value === undefined ? null : source.secret(value, [...at, ...steps]));
  return {
    name: raw.name,
    repository: raw.repository,
    branch: raw.branch,
    directory: raw.directory.replaceAll(/^\/+|\/+$/g, ''),
    poll: raw.poll,
    credentials: credentials === undefined ? null : completeCredentials(credentials, raw.repository, [...at, 'credentials'], source),
    sources: raw.sources.map((one, index) => completeSource(one, [...at, 'sources', index], source)),
    notificationUrls: completeUrls(raw.notificationUrls, [...at, 'notificationUrls'], source),
    webhookSecret: secret(raw.webhookSecret, 'webhookSecret'),
    reviews: completeReviews(raw.reviews, raw.repository, [...at, 'reviews'], source),
  };
}

function checkRepository(repository: string, at: ConfigPath, source: ConfigSource): void {
  try {
    parseRemote(repository);
  } catch (error) {
    source.fault([...at, 'repository'], error instanceof Error ? error.message : 'this is no repository');
  }
}

function completeSource(raw: RawTeam['sources'][number], at: ConfigPath, source: ConfigSource): SourceRule {
  if (raw.credentials === undefined) return { url: raw.url, credentials: null };
  if (!namesHost(raw.url)) source.fault([...at, 'url'], 'a pattern with credentials must name its host without a wildcard; credentials go to no other host');
  return { url: raw.url, credentials: completeCredentials(raw.credentials, raw.url, [...at, 'credentials'], source) };
}

function completeCredentials(raw: RawCredentials, repository: string, at: ConfigPath, source: ConfigSource): Credentials {
  const secret = (key: 'password' | 'token' | 'privateKey' | 'passphrase' | 'knownHosts'): Secret => source.secret(raw[key] ?? '', [...at, key]);
  const before = source.problems.length;
  const credentials: Credentials =
    raw.type === 'basic'
      ? { type: 'basic', username: raw.username ?? '', password: secret('password') }
      : raw.type === 'token'
        ? { type: 'token', username: raw.username ?? null, token: secret('token') }
        : { type: 'ssh', privateKey: secret('privateKey'), passphrase: raw.passphrase === undefined ? null : secret('passphrase'), knownHosts: secret('knownHosts').reveal() };
  if (source.problems.length > before) return credentials;
  if (credentials.type === 'ssh') for (const { field, message } of sshFaults(credentials)) source.fault([...at, field], message);
  try {
    parseRemote(repository);
  } catch {
    return credentials; // told at the repository
  }
  try {
    parseRemote(repository, credentials);
  } catch (error) {
    source.fault([...at, 'type'], error instanceof Error ? error.message : 'these credentials do not fit');
  }
  return credentials;
}

function completeUrls(raw: RawTeam['notificationUrls'], at: ConfigPath, source: ConfigSource): TeamConfig['notificationUrls'] {
  const names = new Set<string>();
  return raw.map(({ name, url }, index) => {
    if (names.has(name)) source.fault([...at, index, 'name'], `two notification URLs are named ${name}`);
    names.add(name);
    const secret = source.secret(url, [...at, index, 'url']);
    // The value itself is never shown: it is the key to the channel.
    if (secret.reveal() !== '' && !/^https?:\/\/[^\s/]+/i.test(secret.reveal().trim())) source.fault([...at, index, 'url'], `the notification URL ${name} is no http or https URL`);
    return { name, url: secret };
  });
}

function readText(file: string, shown: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError([{ file: shown, line: 0, column: 0, message: `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})` }]);
  }
}

/** People cannot open 0.0.0.0; what listens everywhere listens on the loopback, too. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

/** Clusters write the address of a pod without brackets, also where it is an IPv6 one. */
function bracketed(address: string): string {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  return host.includes(':') && !host.startsWith('[') ? `[${host}]${address.slice(colon)}` : address;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
