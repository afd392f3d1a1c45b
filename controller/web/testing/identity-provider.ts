/** A real OpenID Connect provider on the loopback, with its own sign-in form, for one client. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';
import type { CookieBrowser } from './cookie-browser.ts';

export interface Account {
  readonly email?: string;
  readonly email_verified?: boolean;
}

export interface IdentityProvider {
  readonly issuer: string;
  /** Who the login names are. */
  readonly accounts: Map<string, Account>;
  stop(): Promise<void>;
}

export async function identityProvider(client: { readonly id: string; readonly secret: string; readonly redirectUri: string; readonly claimsInToken?: boolean }): Promise<IdentityProvider> {
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const accounts = new Map<string, Account>();
  const provider = new Provider(issuer, {
    clients: [{ client_id: client.id, client_secret: client.secret, redirect_uris: [client.redirectUri], grant_types: ['authorization_code'], response_types: ['code'] }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: client.claimsInToken !== true,
    pkce: { required: () => true },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...accounts.get(id) }) }),
    cookies: { keys: ['for tests'] },
  });
  const handle = provider.callback();
  return {
    issuer,
    accounts,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** From the sign-in page through the provider's forms; the last address is the controller's with the code in it, not asked for yet. */
export async function passProvider(who: CookieBrowser, controllerUrl: string, login: string, from: string): Promise<string> {
  let response = await who.get(from);
  for (let hops = 0; hops < 30; hops++) {
    if (response.status >= 300 && response.status < 400) {
      const location = new URL(response.headers.get('location') ?? '', response.url).href;
      if (location.startsWith(`${controllerUrl}/`)) return location;
      response = await who.get(location);
      continue;
    }
    const page = await response.text();
    const action = /<form[^>]* action="([^"]+)"/.exec(page)?.[1];
    const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1];
    if (action === undefined || prompt === undefined) throw new Error(`${String(response.status)} ${response.url}: ${page.slice(0, 500)}`);
    response = await who.post(new URL(action, response.url).href, { prompt, ...(prompt === 'login' && { login, password: 'x' }) });
  }
  throw new Error('no end of redirects');
}
