/** Where to go after sign-in: a page of this controller, whatever an address asked for (no open redirect). */

const HERE = 'http://tagboat.invalid';

/** A path with its query; `/` for everything that is not plainly a page here. */
export function safeNext(asked: unknown): string {
  if (typeof asked !== 'string' || asked.length > 2_000 || !/^\/[\x21-\x7e]*$/.test(asked) || asked.includes('\\') || !URL.canParse(asked, HERE)) return '/';
  const url = new URL(asked, HERE);
  // Dots are resolved by now: `/..//example.org` would be another host to a browser.
  if (url.origin !== HERE || url.pathname.startsWith('//') || /^\/(sign-in|sign-out|api|assets)(\/|$)/.test(url.pathname)) return '/';
  return `${url.pathname}${url.search}`;
}

/** The sign-in page that leads back to where the request wanted to go. */
export function signInAddress(wanted: string): string {
  const next = safeNext(wanted);
  return next === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(next)}`;
}
