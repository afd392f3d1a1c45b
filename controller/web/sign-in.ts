/** Signing in and out: with an access token, the operator's token, or at an OpenID Connect provider. */
import { randomBytes } from 'node:crypto';
import type { Request, Response } from 'express';
import { TagboatError } from '../errors.ts';
import { hashSecret, recogniseToken, tokenId } from '../store/access-tokens.ts';
import type { SignedIn } from '../store/web-sessions.ts';
import { closeSession, openSession, rolesOfProfile } from '../store/web-sessions.ts';
import { authenticate } from './access.ts';
import type { AccessOptions } from './access.ts';
import { AttemptLimit } from './attempt-limit.ts';
import type { WebContext } from './context.ts';
import { clearCookie, formToken, isFormToken, readCookie, sameText, setCookie } from './cookies.ts';
import { layout } from './layout.ts';
import type { OidcProvider, OidcTrip } from './oidc.ts';
import { Routes } from './routes.ts';
import { safeNext } from './safe-next.ts';
import { signedInPage, signInPage } from './sign-in-page.ts';

/** However it was opened; one from a token ends with the token at the latest. */
const SESSION_MS = 12 * 60 * 60_000;
const FORM_MS = 60 * 60_000;
const TRIP_MS = 10 * 60_000;
const WINDOW_MS = 5 * 60_000;
const TRIES_OF_AN_ADDRESS = 30;
const TRIES_OF_AN_ACCOUNT = 10;

export function signInRoutes(context: WebContext, access: AccessOptions, provider: OidcProvider | null): Routes {
  const { pool, version } = context;
  const { secure } = access;
  const routes = new Routes(access, '');
  const addresses = new AttemptLimit({ limit: TRIES_OF_AN_ADDRESS, windowMs: WINDOW_MS });
  const accounts = new AttemptLimit({ limit: TRIES_OF_AN_ACCOUNT, windowMs: WINDOW_MS });

  const show = (request: Request, response: Response, status: number, next: string, trouble: string | null): void => {
    const cookie = readCookie(request, 'form', secure) || randomBytes(32).toString('base64url');
    setCookie(response, 'form', cookie, { secure, maxAgeMs: FORM_MS });
    const body = signInPage({ csrf: formToken(cookie), next, provider: provider?.host ?? null, trouble });
    response.status(status).type('html').send(layout({ title: 'Sign in', crumbs: [], version, renew: 'never', body }).markup);
  };

  /** Counts an attempt; throws when there were too many. */
  const count = async (request: Request, account: string): Promise<void> => {
    const from = request.ip ?? 'unknown';
    if (addresses.take(from) && (account === '' || accounts.take(account))) return;
    await access.refusals.note({ team: '', actor: `address:${from}`, action: 'session.refused', object: account === '' ? 'sign-in' : account, reason: 'too many attempts' });
    throw new TagboatError('TooManyAttempts', 'there were too many attempts to sign in');
  };

  const enter = async (request: Request, response: Response, who: SignedIn, next: string): Promise<void> => {
    const old = readCookie(request, 'session', secure);
    if (old !== '') await closeSession(pool, old);
    const { secret, expiresAt } = await openSession(pool, who, SESSION_MS, request.ip ?? 'unknown');
    clearCookie(response, 'form', secure);
    setCookie(response, 'session', secret.reveal(), { secure, maxAgeMs: expiresAt.getTime() - Date.now() });
    response.redirect(303, next);
  };

  routes.get('/sign-in', 'anybody', async (request, response) => {
    const next = safeNext(request.query['next']);
    const caller = request.get('authorization') === undefined ? await authenticate(request, access) : null;
    if (caller === null || caller.session === '') return show(request, response, 200, next, null);
    const who = caller.profile ?? 'the operator';
    response.type('html').send(layout({ title: 'Signed in', crumbs: [], version, renew: 'never', account: { who, csrf: formToken(caller.session) }, body: signedInPage(who) }).markup);
  });

  routes.post('/sign-in', 'anybody', async (request, response) => {
    const { token, next: asked, csrf } = request.body as Readonly<Record<string, unknown>>;
    const next = safeNext(asked);
    if (!isFormToken(csrf, readCookie(request, 'form', secure))) return show(request, response, 403, next, 'The form was too old, or the browser keeps no cookies. Try again.');
    const text = typeof token === 'string' ? token.trim().slice(0, 500) : '';
    const id = tokenId(text);
    const account = id === undefined ? '' : `token/${id}`;
    await count(request, account);
    const who = await holderOf(text);
    if ('refused' in who) {
      await access.refusals.note({ team: who.team, actor: `address:${request.ip ?? 'unknown'}`, action: 'session.refused', object: account || 'sign-in', reason: who.refused });
      return show(request, response, 401, next, 'That token is not valid. It may have expired or been revoked.');
    }
    if (account !== '') accounts.forget(account);
    await enter(request, response, who, next);
  }, 'form');

  const holderOf = async (text: string): Promise<SignedIn | { readonly refused: string; readonly team: string }> => {
    if (sameText(text, access.operatorToken.reveal())) return { kind: 'operator', operatorHash: hashSecret(text) };
    const known = await recogniseToken(pool, text);
    if (known?.state !== 'active') return { refused: known === null ? 'the token is unknown' : `the token is ${known.state}`, team: known?.team ?? '' };
    return { kind: 'token', profile: known.profile, tokenId: known.id, team: known.team, until: known.expiresAt };
  };

  routes.post('/sign-out', 'anybody', async (request, response) => {
    const cookie = readCookie(request, 'session', secure);
    const { csrf } = request.body as Readonly<Record<string, unknown>>;
    if (cookie !== '' && !isFormToken(csrf, cookie)) throw new TagboatError('Forbidden', 'the form did not come from this session', { hint: 'Load the page again, then sign out.' });
    if (cookie !== '') await closeSession(pool, cookie);
    clearCookie(response, 'session', secure);
    response.redirect(303, '/sign-in');
  }, 'form');

  if (provider === null) return routes;

  routes.get('/sign-in/oidc', 'anybody', async (request, response) => {
    await count(request, '');
    const { url, trip } = await provider.begin();
    const kept = { ...trip, next: safeNext(request.query['next']) };
    setCookie(response, 'oidc', Buffer.from(JSON.stringify(kept)).toString('base64url'), { secure, maxAgeMs: TRIP_MS });
    response.redirect(303, url);
  });

  routes.get('/sign-in/oidc/callback', 'anybody', async (request, response) => {
    const trip = tripOf(readCookie(request, 'oidc', secure));
    clearCookie(response, 'oidc', secure);
    if (trip === null) return response.redirect(303, '/sign-in');
    await count(request, '');
    try {
      const at = request.originalUrl.indexOf('?');
      const profile = await provider.finish(at < 0 ? '' : request.originalUrl.slice(at), trip);
      await count(request, `profile/${profile}`);
      if (Object.keys(await rolesOfProfile(pool, profile)).length === 0) throw new TagboatError('SignInRefused', `${profile} is no member of any team`, { hint: 'Members stand in the Team manifest (team.yaml) of a team\'s repository.' });
      await enter(request, response, { kind: 'oidc', profile }, trip.next);
    } catch (error) {
      if (!(error instanceof TagboatError) || error.code !== 'SignInRefused') throw error;
      context.log.info({ err: error }, 'a sign-in at the identity provider was refused');
      await access.refusals.note({ team: '', actor: `address:${request.ip ?? 'unknown'}`, action: 'session.refused', object: 'oidc', reason: error.message });
      show(request, response, 403, trip.next, `${error.message}. ${error.hint}`);
    }
  });

  return routes;
}

/** What the browser kept; null when that is not what we gave it. */
function tripOf(cookie: string): (OidcTrip & { readonly next: string }) | null {
  try {
    const value = JSON.parse(Buffer.from(cookie, 'base64url').toString('utf8')) as Readonly<Record<string, unknown>>;
    const { state, nonce, verifier, next } = value;
    if (typeof state !== 'string' || typeof nonce !== 'string' || typeof verifier !== 'string' || state === '') return null;
    return { state, nonce, verifier, next: safeNext(next) };
  } catch {
    return null;
  }
}
