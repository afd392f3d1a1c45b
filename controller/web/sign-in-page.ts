/** `/sign-in`: a form for an access token, and the way to the identity provider where there is one. */
import { html } from './html.ts';
import type { Html } from './html.ts';

export interface SignInPage {
  readonly csrf: string;
  readonly next: string;
  /** Host of the identity provider. */
  readonly provider: string | null;
  readonly trouble: string | null;
}

export function signInPage({ csrf, next, provider, trouble }: SignInPage): Html {
  const onward = next === '/' ? '' : `?next=${encodeURIComponent(next)}`;
  return html`<section class="card sign-in" aria-labelledby="title"><h1 id="title">Sign in</h1>
${trouble !== null && html`<p class="notice" role="alert">${trouble}</p>`}
${provider !== null && html`<p><a class="button" href="/sign-in/oidc${onward}">Sign in with ${provider}</a></p><p class="quiet">or with a token:</p>`}
<form method="post" action="/sign-in">
<input type="hidden" name="csrf" value="${csrf}"><input type="hidden" name="next" value="${next}">
<p><label for="token">Access token</label><br><input id="token" name="token" type="password" required maxlength="200" autocomplete="current-password" spellcheck="false"></p>
<p><button type="submit">Sign in</button></p>
</form>
<p class="quiet">An admin of your team mints tokens: <code>tagboat token create --team … --profile you@example.org</code>. Who runs the controller has the operator's token.</p></section>`;
}

/** For somebody who is signed in already. */
export function signedInPage(who: string): Html {
  return html`<section class="card sign-in"><h1>Signed in</h1><p>You are signed in as <b>${who}</b>.</p><p><a href="/">All teams</a></p></section>`;
}
