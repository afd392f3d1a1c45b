/** Gets certificates from an authority by ACME (RFC 8555), with HTTP-01 as the proof that the name leads here. */
import type { axios, Client, Order } from 'acme-client';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { rootCertificates } from 'node:tls';
import { readBundle, type Bundle } from './bundle.ts';
import type { CertificateStore } from './store.ts';

export interface AcmeOptions {
  readonly directoryUrl: string;
  /** Address of a person, told to the authority. */
  readonly contact?: string | undefined;
  /** File of authorities that the ACME server itself may have, besides those that Node.js knows. */
  readonly caFile?: string | undefined;
}

/** Shows the text at the path, for the authority to read; undefined: no longer. */
export type ShowProof = (path: string, text: string | undefined) => Promise<void>;

type AxiosAnswer = Awaited<ReturnType<typeof axios.request>>;

const CALL_MS = 20_000;
const MOST_ANSWER = 1024 * 1024;

export class AcmeAuthority {
  readonly #options: AcmeOptions;
  readonly #store: CertificateStore;
  #client: Promise<Client> | undefined;

  constructor(options: AcmeOptions, store: CertificateStore) {
    this.#options = options;
    this.#store = store;
  }

  /** For people. */
  get name(): string {
    return URL.canParse(this.#options.directoryUrl) ? new URL(this.#options.directoryUrl).host : this.#options.directoryUrl;
  }

  /** Throws Error with a text for people. Between two steps it stops when the signal aborts. */
  async obtain(domain: string, show: ShowProof, signal: AbortSignal): Promise<Bundle> {
    const { crypto } = await import('acme-client');
    const client = await this.#account();
    signal.throwIfAborted();
    const order = await client.createOrder({ identifiers: [{ type: 'dns', value: domain }] });
    for (const authorization of await client.getAuthorizations(order)) {
      signal.throwIfAborted();
      if (authorization.status === 'valid') continue;
      const challenge = authorization.challenges.find(({ type }) => type === 'http-01');
      // The token becomes a part of a command to the proxy.
      if (challenge === undefined || !/^[A-Za-z0-9_-]{1,256}$/.test(challenge.token)) throw new Error('the authority offers no proof over HTTP (http-01)');
      const path = `/.well-known/acme-challenge/${challenge.token}`;
      try {
        await show(path, await client.getChallengeKeyAuthorization(challenge));
        await client.completeChallenge(challenge);
        await client.waitForValidStatus(challenge);
      } catch (error) {
        throw (await refusalOf(client, order)) ?? error;
      } finally {
        await show(path, undefined);
      }
    }
    signal.throwIfAborted();
    const [key, request] = await crypto.createCsr({ altNames: [domain] }, await crypto.createPrivateEcdsaKey('P-256'));
    const chain = await client.getCertificate(await client.finalizeOrder(order, request));
    return readBundle(`${chain}\n${key.toString()}`);
  }

  async #account(): Promise<Client> {
    this.#client ??= this.#openAccount();
    try {
      return await this.#client;
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }

  async #openAccount(): Promise<Client> {
    const acme = await import('acme-client');
    const { directoryUrl, contact, caFile } = this.#options;
    acme.axios.defaults.timeout = CALL_MS;
    acme.axios.defaults.maxContentLength = MOST_ANSWER;
    if (caFile !== undefined) acme.axios.defaults.httpsAgent = new Agent({ ca: [...rootCertificates, readFileSync(caFile, 'utf8')] });
    // In the place of its own repetitions: who asks again, and when, is decided in one place, and they lose why nothing answered.
    acme.axios.interceptors.response.clear();
    acme.axios.interceptors.response.use(undefined, (error: { readonly response?: AxiosAnswer }) => error.response ?? Promise.reject(error as Error));
    const accountKey = await this.#store.accountKey(directoryUrl, async () => (await acme.crypto.createPrivateEcdsaKey('P-256')).toString());
    const client = new acme.Client({ directoryUrl, accountKey, backoffAttempts: 10, backoffMin: 500, backoffMax: 10_000 });
    await client.createAccount({ termsOfServiceAgreed: true, ...(contact !== undefined && { contact: [`mailto:${contact}`] }) });
    return client;
  }
}

/** What the authority itself says of a proof that it does not take, also where it has not given up yet. */
async function refusalOf(client: Client, order: Order): Promise<Error | undefined> {
  try {
    const [refused] = (await client.getAuthorizations(order)).flatMap(({ challenges }) => challenges.flatMap((one) => (one.type === 'http-01' && 'error' in one ? [one.error] : [])));
    const detail = (refused as { readonly detail?: unknown } | undefined)?.detail;
    return typeof detail === 'string' ? new Error(detail) : undefined;
  } catch {
    return undefined;
  }
}
