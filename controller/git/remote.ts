/**
 * Git access of the controller. Here live: remotes and their transports, the listing of refs, the mirror (a bare clone
 * kept as a cache) and what is read from it. May import `controller/errors`, `secret`, `scrub`; knows nothing of
 * manifests, plans or the database. Nothing here ever needs a remote's data to survive: R9 keeps that in PostgreSQL.
 *
 * This file: what a remote is, and who may see its credentials (R1, R27).
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { TagboatError } from '../errors.ts';
import type { Secret } from '../secret.ts';
import { looksLikeSsh, parseSshAddress, type SshAddress } from './ssh-address.ts';

export type Credentials =
  | { readonly type: 'basic'; readonly username: string; readonly password: Secret }
  | { readonly type: 'token'; readonly username?: string | null; readonly token: Secret }
  /** A deploy key. `knownHosts`: lines as in OpenSSH's file of that name. */
  | { readonly type: 'ssh'; readonly privateKey: Secret; readonly passphrase: Secret | null; readonly knownHosts: string };

/** A Git repository somewhere. Made by `parseRemote`, so that `url` never holds user information. */
export interface Remote {
  /** `https://…`, `http://…`, `ssh://…`, `user@host:path` or an absolute path; the name of the remote in every text. */
  readonly url: string;
  readonly credentials?: Credentials;
  /** PEM: authorities trusted for TLS besides those that Node.js brings. */
  readonly extraCa?: string;
  /** The host was not chosen by the operator: it must not lead to loopback or link-local addresses (R1). */
  readonly guarded?: boolean;
}

export type RemoteSettings = Pick<Remote, 'extraCa' | 'guarded'>;

/**
 * Reads a repository URL: https, http, ssh (scp's way of writing it, too), `file:///path` or an absolute path (bare or not, a
 * worktree too). Throws ConfigInvalid; its text never repeats user information of the URL.
 */
export function parseRemote(text: string, credentials?: Credentials | null, settings: RemoteSettings = {}): Remote {
  const remote = { ...parseUrl(text.trim()), ...settings };
  if (credentials === undefined || credentials === null || localPath(remote) !== undefined) return remote;
  const overSsh = sshAddress(remote) !== undefined;
  if (overSsh !== (credentials.type === 'ssh')) {
    throw invalid(overSsh ? `repositories over SSH need credentials of type ssh, not ${credentials.type}` : 'credentials of type ssh are for repositories over SSH only');
  }
  return { ...remote, credentials };
}

function parseUrl(url: string): Remote {
  if (path.isAbsolute(url)) return local(url);
  if (looksLikeSsh(url)) {
    const address = parseSshAddress(url);
    if (address === 'password') throw invalid('the repository URL holds a password; SSH remotes are read with a deploy key');
    if (address === null) throw invalid('the SSH address of the repository is not well formed; write ssh://git@host:port/path or git@host:path');
    return { url: url.replace(/(.)\/+$/, '$1') };
  }
  if (!URL.canParse(url)) throw invalid(`the repository is neither an absolute path nor a URL`);
  const parsed = new URL(url);
  if (parsed.username !== '' || parsed.password !== '') {
    throw invalid(`the repository URL of ${parsed.host} holds user information; put it into the credentials of this repository`);
  }
  if (parsed.protocol === 'file:') {
    if (parsed.host !== '') throw invalid(`a file URL names no host; write file:///path`);
    return local(fileURLToPath(parsed));
  }
  if (parsed.protocol !== 'https:' && parsed.protocol !== 'http:') {
    throw invalid(`repositories are read over https, http, ssh, file or from an absolute path, not over ${parsed.protocol.slice(0, -1)}`);
  }
  if (parsed.search !== '' || parsed.hash !== '') throw invalid(`the repository URL of ${parsed.host} has a query or fragment`);
  return { url: parsed.href.replace(/\/+$/, '') };
}

/** The absolute path of a local remote; undefined for one over the network. */
export function localPath(remote: Remote): string | undefined {
  return path.isAbsolute(remote.url) ? remote.url : undefined;
}

/** Where an SSH remote is; undefined for any other. */
export function sshAddress(remote: Remote): SshAddress | undefined {
  if (!looksLikeSsh(remote.url)) return undefined;
  const address = parseSshAddress(remote.url);
  return address === null || address === 'password' ? undefined : address;
}

/**
 * The Authorization header for a request to `target`: only for the very host and port that the credentials were
 * configured for, and never over a weaker scheme (R1).
 */
export function authorizationFor(remote: Remote, target: URL): string | undefined {
  const { credentials } = remote;
  if (credentials === undefined || credentials.type === 'ssh') return undefined;
  const own = new URL(remote.url);
  if (own.host !== target.host || (own.protocol === 'https:' && target.protocol !== 'https:')) return undefined;
  // Basic, as GitHub, GitLab, Gitea and Bitbucket take tokens on their Git endpoints only so; the user name is free.
  const [username, password] =
    credentials.type === 'basic' ? [credentials.username, credentials.password] : [credentials.username ?? 'x-access-token', credentials.token];
  return `Basic ${Buffer.from(`${username}:${password.reveal()}`, 'utf8').toString('base64')}`;
}

/** The secret values of a remote, for scrubbing what a server sent back. */
export function secretsOf(remote: Remote): string[] {
  const { credentials } = remote;
  if (credentials === undefined) return [];
  if (credentials.type === 'ssh') return [credentials.privateKey.reveal(), ...(credentials.passphrase === null ? [] : [credentials.passphrase.reveal()])];
  const secret = (credentials.type === 'basic' ? credentials.password : credentials.token).reveal();
  const header = authorizationFor(remote, new URL(remote.url))?.slice('Basic '.length);
  return header === undefined ? [secret] : [secret, header];
}

function local(directory: string): Remote {
  if (directory.includes('\0')) throw invalid('the repository path holds a zero byte');
  return { url: path.normalize(directory).replace(/(.)\/+$/, '$1') };
}

function invalid(message: string): TagboatError {
  return new TagboatError('ConfigInvalid', message);
}
