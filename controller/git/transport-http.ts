/** Git's smart HTTP over undici's fetch: deadline, byte cap, Retry-After, credentials and redirects on one host only (R1). */
import { fetch, type Response } from 'undici';
import { agentFor } from './http-agent.ts';
import { authorizationFor, type Remote } from './remote.ts';
import { excerpt, parseRetryAfter, RemoteError, tooLargeError } from './remote-error.ts';
import type { Exchange, Transport } from './transport.ts';

const MAX_REDIRECTS = 3;
const ERROR_TEXT_BYTES = 2048;

/** Where a host keeps a repository that it renamed: the place its advertisement was redirected to, as Git itself does. */
const moved = new Map<string, string>();
const MAX_MOVED = 1_000;

export function httpTransport(remote: Remote): Transport {
  return async function* exchange(request: Exchange): AsyncGenerator<Uint8Array> {
    const response = await send(remote, request);
    const expected = `application/x-git-upload-pack-${request.body === undefined ? 'advertisement' : 'result'}`;
    if (response.headers.get('content-type')?.split(';')[0]?.trim() !== expected) {
      await response.body?.cancel();
      throw new RemoteError('RemoteProtocol', `${remote.url} does not speak Git's smart HTTP protocol (it sent ${excerpt(remote, response.headers.get('content-type') ?? 'no content type')})`);
    }
    if (response.body === null) return;
    let bytes = 0;
    try {
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        bytes += chunk.byteLength;
        if (bytes > request.maxBytes) throw tooLargeError(remote, request.maxBytes);
        yield chunk;
      }
    } catch (error) {
      throw networkError(remote, request, error, 'broke off its answer');
    }
  };
}

async function send(remote: Remote, request: Exchange): Promise<Response> {
  const service = request.body === undefined ? '/info/refs' : '/git-upload-pack';
  const query = request.body === undefined ? '?service=git-upload-pack' : '';
  let target = new URL(`${moved.get(remote.url) ?? remote.url}${service}${query}`);
  try {
    for (let hop = 0; ; hop += 1) {
      const response = await attempt(remote, request, target);
      if (response.ok) {
        if (hop > 0 && target.pathname.endsWith('/info/refs')) remember(remote, target.href.slice(0, target.href.indexOf('/info/refs')));
        return response;
      }
      const location = response.headers.get('location');
      if (![301, 302, 307, 308].includes(response.status) || location === null) throw await statusError(remote, response);
      await response.body?.cancel();
      target = redirected(remote, target, location);
      if (hop >= MAX_REDIRECTS) throw new RemoteError('RemoteProtocol', `${remote.url} redirects more than ${String(MAX_REDIRECTS)} times`);
    }
  } catch (error) {
    moved.delete(remote.url);
    throw error;
  }
}

function remember(remote: Remote, base: string): void {
  if (moved.size >= MAX_MOVED) moved.clear();
  moved.set(remote.url, base);
}

async function attempt(remote: Remote, request: Exchange, target: URL): Promise<Response> {
  // Some servers take a request for Git's only when the agent's name begins with git/.
  const headers: Record<string, string> = { 'user-agent': 'git/tagboat' };
  const authorization = authorizationFor(remote, target);
  if (authorization !== undefined) headers['authorization'] = authorization;
  if (request.version === 2) headers['git-protocol'] = 'version=2';
  if (request.body !== undefined) {
    headers['content-type'] = 'application/x-git-upload-pack-request';
    headers['accept'] = 'application/x-git-upload-pack-result';
  }
  try {
    return await fetch(target.href, {
      method: request.body === undefined ? 'GET' : 'POST',
      headers,
      redirect: 'manual',
      dispatcher: agentFor(remote),
      signal: request.signal,
      ...(request.body === undefined ? {} : { body: request.body }),
    });
  } catch (error) {
    throw networkError(remote, request, error, 'cannot be reached');
  }
}

/** Only within the host of the remote: another host would see what a team fetches, or would answer in its name (R1). */
function redirected(remote: Remote, from: URL, location: string): URL {
  if (!URL.canParse(location, from.href)) throw new RemoteError('RemoteProtocol', `${remote.url} redirects to something that is no URL`);
  const to = new URL(location, from.href);
  const weaker = from.protocol === 'https:' && to.protocol !== 'https:';
  if (to.host !== from.host || weaker || (to.protocol !== 'https:' && to.protocol !== 'http:')) {
    throw new RemoteError('RemoteProtocol', `${remote.url} redirects to ${to.protocol}//${to.host}, which is not followed`, { hint: 'If that is right, configure the new address.' });
  }
  to.username = '';
  to.password = '';
  return to;
}

async function statusError(remote: Remote, response: Response): Promise<RemoteError> {
  const said = await firstText(remote, response);
  const status = `${String(response.status)}${said === '' ? '' : `: ${said}`}`;
  const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), Date.now());
  if (response.status === 401 || response.status === 403) {
    // A forge that limits its callers says so with 403 too.
    if (retryAfterMs !== undefined) return new RemoteError('RemoteUnreachable', `${remote.url} asks to wait (${status})`, { retryAfterMs });
    const hint = remote.credentials === undefined ? 'Configure credentials for this repository.' : 'Check that the credentials of this repository are right and not expired.';
    return new RemoteError('RemoteUnauthorized', `${remote.url} refused access (${status})`, { hint });
  }
  if (response.status === 404 || response.status === 410) {
    return new RemoteError('RemoteNotFound', `${remote.url} has no such repository (${status})`, { hint: 'Check the URL; many servers answer so as well when the credentials do not suffice.' });
  }
  if (response.status === 429 || response.status >= 500) {
    return new RemoteError('RemoteUnreachable', `${remote.url} cannot answer now (${status})`, { retryAfterMs, hint: 'It is tried again later.' });
  }
  return new RemoteError('RemoteProtocol', `${remote.url} answered ${status}`);
}

async function firstText(remote: Remote, response: Response): Promise<string> {
  if (response.body === null || response.headers.get('content-type')?.startsWith('text/plain') !== true) {
    await response.body?.cancel();
    return '';
  }
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      parts.push(chunk);
      bytes += chunk.byteLength;
      if (bytes >= ERROR_TEXT_BYTES) break;
    }
  } catch {
    // The status says enough.
  }
  return excerpt(remote, Buffer.concat(parts).toString('utf8'));
}

function networkError(remote: Remote, request: Exchange, error: unknown, what: string): unknown {
  if (error instanceof RemoteError) return error;
  if (request.signal.aborted) return request.signal.reason;
  const reason = reasonOf(error);
  const hint = HINTS.find(([pattern]) => pattern.test(reason))?.[1];
  return new RemoteError('RemoteUnreachable', `${remote.url} ${what} (${reason})`, { cause: error, ...(hint !== undefined && { hint }) });
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [/SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|CERT_UNTRUSTED/, 'Its certificate is of an authority that is not trusted; name the authority in `gitCaFile` of the controller configuration.'],
  [/ALTNAME_INVALID/, 'Its certificate is for another name.'],
  [/CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/, 'Its certificate is not valid now; check both clocks.'],
];

function reasonOf(error: unknown): string {
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    if ('code' in one && typeof one.code === 'string') return one.code;
    if (one.cause === undefined) return one.message;
  }
  return 'no reason given';
}
