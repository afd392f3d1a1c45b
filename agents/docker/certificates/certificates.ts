/**
 * The certificates of one node's names: those that the operator brings, else from an ACME authority, renewed when two thirds of their time
 * are over. Private keys stay in the agent's directory and in the proxy.
 */
import { pause, pooled } from '../../core/pool.ts';
import type { RouteTrouble } from '../../containers/route.ts';
import { AcmeAuthority, type AcmeOptions, type ShowProof } from './acme.ts';
import type { Bundle } from './bundle.ts';
import { ProvidedCertificates } from './provided.ts';
import { CertificateStore } from './store.ts';

export interface CertificateOptions {
  /** Of the agent; made if it is not there. */
  readonly directory: string;
  /** Undefined: no authority is asked. */
  readonly acme?: AcmeOptions | undefined;
  /** Directory of PEM files that come before all others. */
  readonly provided?: string | undefined;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export interface CertificateHooks {
  readonly show: ShowProof;
  /** Puts what `bundleOf` now answers into service. */
  install(): Promise<void>;
  /** A trouble came or went. */
  changed(): void;
}

const LOOK_MS = 10_000;
const OBTAIN_MS = 120_000;
const AT_ONCE = 3;
/** Four tries in the first hour, then one: authorities allow five failures an hour for a name. */
const BACKOFF_MS = [60_000, 5 * 60_000, 15 * 60_000, 60 * 60_000];
const DAY_MS = 86_400_000;
const NAME = /^(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/;

export class Certificates {
  readonly #store: CertificateStore;
  readonly #authority: AcmeAuthority | undefined;
  readonly #provided: ProvidedCertificates | undefined;
  readonly #now: () => number;
  /** Of this process; the files are for the next one. */
  readonly #own = new Map<string, Bundle | undefined>();
  #wanted: ReadonlySet<string> = new Set();
  /** False before anybody said what is wanted: until then nothing is taken for unwanted. */
  #isTold = false;
  #served: ReadonlySet<string> = new Set();
  #refused: ReadonlySet<string> = new Set();
  #wake: () => void = () => undefined;

  constructor({ directory, acme, provided, now = Date.now }: CertificateOptions) {
    this.#store = new CertificateStore(directory);
    this.#authority = acme === undefined ? undefined : new AcmeAuthority(acme, this.#store);
    this.#provided = provided === undefined ? undefined : new ProvidedCertificates(provided);
    this.#now = now;
  }

  /** Names that routes have; others are not renewed any more. */
  want(domains: readonly string[]): void {
    const wanted = new Set(domains.filter((domain) => domain.length < 254 && NAME.test(domain)));
    const isNew = [...wanted].some((domain) => !this.#wanted.has(domain));
    this.#wanted = wanted;
    this.#isTold = true;
    if (isNew) this.#wake();
  }

  /** Names whose certificate the proxy has taken, and those whose certificate it refuses. */
  served(taken: Iterable<string>, refused: Iterable<string>): void {
    this.#served = new Set(taken);
    this.#refused = new Set(refused);
  }

  /** What serves the name now; an expired one rather than none, so that the visitor is told what is wrong. */
  bundleOf(domain: string): Bundle | undefined {
    return this.#provided?.find(domain) ?? this.#ownOf(domain);
  }

  /** What is wrong with the certificate of a name, if anything is. */
  trouble(domain: string): RouteTrouble | undefined {
    const now = this.#now();
    const bundle = this.bundleOf(domain);
    const setback = this.#store.setback(domain);
    const again = setback === undefined ? '' : `: ${setback.reason}; asked again ${new Date(setback.nextAt).toISOString()}`;
    if (bundle !== undefined && bundle.notAfter > now) {
      if (this.#refused.has(domain)) return { health: 'degraded', reason: `the proxy refuses the certificate of ${domain}: its key or its signature is too weak, or of a kind that OpenSSL does not know` };
      if (!this.#served.has(domain)) return { health: 'progressing', reason: `the certificate of ${domain} is on its way to the proxy` };
      const isLate = bundle.notAfter - now < Math.min((bundle.notAfter - bundle.notBefore) / 6, 7 * DAY_MS);
      return isLate ? { health: 'degraded', reason: `the certificate of ${domain} ends at ${new Date(bundle.notAfter).toISOString()} and has no successor${again}` } : undefined;
    }
    const missing = bundle === undefined ? `there is no certificate for ${domain}` : `the certificate of ${domain} ended at ${new Date(bundle.notAfter).toISOString()}`;
    const fault = this.#provided === undefined || this.#provided.fault === '' ? '' : ` (of those that were provided: ${this.#provided.fault})`;
    if (this.#authority === undefined || domain.startsWith('*.')) {
      const why = this.#authority === undefined ? 'no authority is asked for one (--acme-directory)' : 'an authority gives one for all names below a domain only by DNS';
      return { health: 'degraded', reason: `${missing}, and ${why}; put it into the directory of --certificates${fault}` };
    }
    if (setback === undefined) return { health: 'progressing', reason: `${missing} yet; ${this.#authority.name} is asked for it${fault}` };
    return { health: 'degraded', reason: `${missing}${again}${fault}` };
  }

  /** Looks after all of them until the signal aborts; never throws. */
  async run(hooks: CertificateHooks, signal: AbortSignal): Promise<void> {
    let told = '';
    this.#provided?.watch(() => this.#wake(), signal);
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      try {
        if ((await this.#provided?.refresh()) === true) await hooks.install();
        await this.#obtainDue(hooks, signal);
        if (this.#isTold) this.#store.tidy(this.#wanted, this.#now());
      } catch {
        // A proxy or a disk that does not answer: the next round tries again, and attempts say what is wrong with it.
      }
      const troubles = JSON.stringify([...this.#wanted].map((domain) => this.trouble(domain) ?? null));
      if (troubles !== told) hooks.changed();
      told = troubles;
      const rest = new AbortController();
      await Promise.race([woken, pause(LOOK_MS, AbortSignal.any([signal, rest.signal]))]);
      rest.abort();
    }
  }

  async #obtainDue(hooks: CertificateHooks, signal: AbortSignal): Promise<void> {
    const authority = this.#authority;
    if (authority === undefined) return;
    const due = [...this.#wanted].filter((domain) => this.#isDue(domain));
    await pooled(due, async (domain) => {
      if (signal.aborted) return;
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(OBTAIN_MS)]);
        const bundle = await before(authority.obtain(domain, hooks.show, limit), limit);
        this.#store.saveBundle(domain, bundle);
        this.#own.set(domain, bundle);
      } catch (error) {
        if (signal.aborted) return;
        const failures = (this.#store.setback(domain)?.failures ?? 0) + 1;
        const wait = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length) - 1]!;
        this.#store.saveSetback(domain, { failures, nextAt: this.#now() + wait * (0.9 + Math.random() / 5), reason: reasonOf(error, authority.name) });
      }
      await hooks.install();
      hooks.changed();
    }, AT_ONCE);
  }

  #isDue(domain: string): boolean {
    if (domain.startsWith('*.') || this.#provided?.find(domain) !== undefined) return false;
    const now = this.#now();
    if ((this.#store.setback(domain)?.nextAt ?? 0) > now) return false;
    const bundle = this.#ownOf(domain);
    return bundle === undefined || now >= bundle.notBefore + ((bundle.notAfter - bundle.notBefore) * 2) / 3;
  }

  #ownOf(domain: string): Bundle | undefined {
    if (!this.#own.has(domain)) this.#own.set(domain, NAME.test(domain) ? this.#store.bundle(domain) : undefined);
    return this.#own.get(domain);
  }
}

/** The work goes on by itself when the limit comes first; its calls have deadlines of their own. */
async function before<T>(work: Promise<T>, limit: AbortSignal): Promise<T> {
  limit.throwIfAborted();
  return new Promise((resolve, reject) => {
    const over = (): void => reject(new Error('it took too long'));
    limit.addEventListener('abort', over, { once: true });
    work.then(resolve, reject).finally(() => limit.removeEventListener('abort', over));
  });
}

/** One line, bounded: the text is the authority's. */
function reasonOf(error: unknown, authority: string): string {
  const { code, message } = error instanceof Error ? (error as NodeJS.ErrnoException) : { code: undefined, message: String(error) };
  const text = (message === '' || message === undefined ? (code ?? 'unknown') : message).replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 500);
  return `${authority} did not give one: ${text}`;
}
