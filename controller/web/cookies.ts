/** The three cookies of sign-in. Behind https their names say `__Host-`: then no other host or path can have set them. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Request, Response } from 'express';

export type CookieName = 'session' | 'form' | 'oidc';

/** One of ours in the request; '' when there is none. `secure`: the public address is https. */
export function readCookie(request: Request, name: CookieName, secure: boolean): string {
  const wanted = fullName(name, secure);
  for (const part of (request.get('cookie') ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at > 0 && part.slice(0, at).trim() === wanted) return part.slice(at + 1).trim().slice(0, 4_096);
  }
  return '';
}

export function setCookie(response: Response, name: CookieName, value: string, options: { readonly secure: boolean; readonly maxAgeMs: number }): void {
  response.cookie(fullName(name, options.secure), value, { httpOnly: true, sameSite: 'lax', secure: options.secure, path: '/', maxAge: options.maxAgeMs, encode: (text) => text });
}

export function clearCookie(response: Response, name: CookieName, secure: boolean): void {
  response.clearCookie(fullName(name, secure), { httpOnly: true, sameSite: 'lax', secure, path: '/' });
}

/**
 * What a form has to bring along besides the cookie, which the browser sends by itself: made of the cookie, and not the other way round. It is
 * another one on every page, for pages are compressed, and what never changes could be guessed from their sizes.
 */
export function formToken(cookie: string, salt: string = randomBytes(9).toString('base64url')): string {
  return `${salt}.${createHash('sha256').update(`form:${salt}:${cookie}`).digest('base64url')}`;
}

export function isFormToken(text: unknown, cookie: string): boolean {
  return typeof text === 'string' && cookie !== '' && sameText(text, formToken(cookie, text.split('.', 1)[0]));
}

/** Constant time whatever the lengths: digests are compared. */
export function sameText(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}

function fullName(name: CookieName, secure: boolean): string {
  return `${secure ? '__Host-' : ''}tagboat-${name}`;
}
