/** Asks a Git host that has no token for us which requests are open; seldom, and long not again where it does not tell. */
import type { Logger } from 'pino';
import { explainError } from '../../errors.ts';
import type { OpenRequest } from '../../forges/forge.ts';
import { forgeErrorOf } from '../../forges/forge-fetch.ts';

const FRESH_MS = 300_000;
const AFTER_FAULT_MS = 300_000;
/** For a project that is not public. */
const AFTER_REFUSAL_MS = 3_600_000;

export class OpenAsker {
  readonly #options: { readonly team: string; readonly log: Logger; ask(): Promise<readonly OpenRequest[]> };
  #known: { readonly key: string; readonly at: number; readonly requests: readonly OpenRequest[] } | undefined;
  #pausedUntil = 0;

  constructor(options: { readonly team: string; readonly log: Logger; ask(): Promise<readonly OpenRequest[]> }) {
    this.#options = options;
  }

  /** As `DeliveryLoop.openRequests`. While the host does not answer, its last word counts as long as the refs are the same. */
  async openRequests(key: string): Promise<readonly OpenRequest[] | null> {
    const known = this.#known?.key === key ? this.#known : undefined;
    if (known !== undefined && Date.now() - known.at < FRESH_MS) return known.requests;
    if (Date.now() < this.#pausedUntil) return known?.requests ?? null;
    try {
      const requests = await this.#options.ask();
      this.#known = { key, at: Date.now(), requests };
      return requests;
    } catch (error) {
      const { status, pauseMs } = forgeErrorOf(error);
      this.#pausedUntil = Date.now() + (pauseMs ?? ([401, 403, 404].includes(status) ? AFTER_REFUSAL_MS : AFTER_FAULT_MS));
      this.#options.log.info({ team: this.#options.team, reason: explainError(forgeErrorOf(error)) }, 'the Git host does not say without a token which requests are open');
      return known?.requests ?? null;
    }
  }
}
