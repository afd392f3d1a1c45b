/** Sign-in at an OpenID Connect provider: authorization code with PKCE, state and nonce; who comes back is known by a verified e-mail address. */
import type { Configuration } from 'openid-client';
import { TagboatError } from '../errors.ts';
import type { Secret } from '../secret.ts';

export interface OidcOptions {
  /** Its configuration is read from `<issuer>/.well-known/openid-configuration`, at the first sign-in and not before. */
  readonly issuer: string;
  readonly clientId: string;
  /** Null: a public client, secured by PKCE alone. */
  readonly clientSecret: Secret | null;
  readonly scopes: readonly string[];
}

/** What the browser keeps, in a cookie of its own, until it comes back. */
export interface OidcTrip {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** Seconds for each call to the provider. */
const TIMEOUT_S = 10;
/** Keys and addresses of a provider change; what was read is not used for ever. */
const FRESH_MS = 60 * 60_000;

export class OidcProvider {
  readonly #options: OidcOptions;
  readonly #redirectUri: string;
  #known: { readonly at: number; readonly configuration: Promise<Configuration> } | undefined;

  constructor(options: OidcOptions, redirectUri: string) {
    this.#options = options;
    this.#redirectUri = redirectUri;
  }

  /** For people. */
  get host(): string {
    return new URL(this.#options.issuer).host;
  }

  /** Where to send the browser. Throws `ProviderUnreachable`. */
  async begin(): Promise<{ readonly url: string; readonly trip: OidcTrip }> {
    const oidc = await import('openid-client');
    const configuration = await this.#configuration();
    const trip = { state: oidc.randomState(), nonce: oidc.randomNonce(), verifier: oidc.randomPKCECodeVerifier() };
    const url = oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: this.#redirectUri,
      scope: this.#options.scopes.join(' '),
      state: trip.state,
      nonce: trip.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(trip.verifier),
      code_challenge_method: 'S256',
    });
    return { url: url.href, trip };
  }

  /** The e-mail address of who came back, in lower case. `query`: of the address that the browser was sent to. Throws `SignInRefused`. */
  async finish(query: string, trip: OidcTrip): Promise<string> {
    const oidc = await import('openid-client');
    const configuration = await this.#configuration();
    let claims: Readonly<Record<string, unknown>>;
    try {
      const tokens = await oidc.authorizationCodeGrant(configuration, new URL(`${this.#redirectUri}${query}`), { expectedState: trip.state, expectedNonce: trip.nonce, pkceCodeVerifier: trip.verifier, idTokenExpected: true });
      const id = tokens.claims();
      if (id === undefined) throw new Error('no ID token');
      claims = id['email'] === undefined && configuration.serverMetadata().userinfo_endpoint !== undefined ? await oidc.fetchUserInfo(configuration, tokens.access_token, id.sub) : id;
    } catch (error) {
      throw new TagboatError('SignInRefused', 'the identity provider did not confirm the sign-in', { cause: error, hint: 'Start again from the sign-in page.' });
    }
    const { email, email_verified: verified } = claims;
    if (typeof email !== 'string' || !/^[^\s@]{1,64}@[^\s@]{1,255}$/.test(email)) throw new TagboatError('SignInRefused', 'the identity provider tells no e-mail address', { hint: 'The scope `email` has to be among `oidc.scopes`.' });
    if (verified !== true) throw new TagboatError('SignInRefused', 'the identity provider has not verified the e-mail address', { hint: 'Verify the address there, then sign in again.' });
    return email.toLowerCase();
  }

  async #configuration(): Promise<Configuration> {
    if (this.#known !== undefined && performance.now() - this.#known.at < FRESH_MS) return this.#known.configuration;
    const configuration = this.#discover();
    const known = { at: performance.now(), configuration };
    this.#known = known;
    configuration.catch(() => {
      if (this.#known === known) this.#known = undefined;
    });
    return configuration;
  }

  async #discover(): Promise<Configuration> {
    const oidc = await import('openid-client');
    const { issuer, clientId, clientSecret } = this.#options;
    const plain = new URL(issuer).protocol === 'http:'; // the configuration allows it on the loopback only
    const settings = { timeout: TIMEOUT_S, ...(plain && { execute: [oidc.allowInsecureRequests] }) };
    try {
      const found = await oidc.discovery(new URL(issuer), clientId, undefined, clientSecret === null ? oidc.None() : undefined, settings);
      if (clientSecret === null) return found;
      const server = found.serverMetadata();
      // The standard's own default is the first of the two.
      const basic = server.token_endpoint_auth_methods_supported?.includes('client_secret_basic') ?? true;
      const configuration = new oidc.Configuration(server, clientId, undefined, basic ? oidc.ClientSecretBasic(clientSecret.reveal()) : oidc.ClientSecretPost(clientSecret.reveal()));
      configuration.timeout = TIMEOUT_S;
      if (plain) oidc.allowInsecureRequests(configuration);
      return configuration;
    } catch (error) {
      throw new TagboatError('ProviderUnreachable', `the identity provider ${this.host} does not answer`, { cause: error });
    }
  }
}
