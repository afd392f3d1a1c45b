/** Refusals as audit rows (R26). Whoever knocks again and again makes one row a minute, and all together not more than some. */
import type { Logger } from 'pino';
import type { DatabasePool } from 'slonik';
import { appendAudit } from '../store/audit.ts';
import { AttemptLimit } from './attempt-limit.ts';

/** Rows a minute: of callers that nobody knows, and of profiles, whose tokens somebody gave out. */
const OF_STRANGERS = 120;
const OF_PROFILES = 1_200;

export interface Refusal {
  /** '' where no team is to know: the controller's own chain. */
  readonly team: string;
  readonly actor: string;
  readonly action: 'access.refused' | 'session.refused';
  readonly object: string;
  readonly reason: string;
}

export class Refusals {
  readonly #each = new AttemptLimit({ limit: 1, windowMs: 60_000, keys: 5_000 });
  readonly #strangers = new AttemptLimit({ limit: OF_STRANGERS, windowMs: 60_000 });
  readonly #profiles = new AttemptLimit({ limit: OF_PROFILES, windowMs: 60_000 });
  readonly #pool: DatabasePool;
  readonly #log: Logger;

  constructor(pool: DatabasePool, log: Logger) {
    this.#pool = pool;
    this.#log = log;
  }

  /** Never throws: what is refused is refused, whether it could be written down or not. */
  async note({ team, actor, action, object, reason }: Refusal): Promise<void> {
    if (!this.#each.take(JSON.stringify([team, actor, action, object, reason])) || !(actor.startsWith('address:') ? this.#strangers : this.#profiles).take('')) return;
    try {
      await this.#pool.transaction((tx) => appendAudit(tx, { team, actor, action, object, result: reason }));
    } catch (error) {
      this.#log.warn({ err: error }, 'a refusal could not be written to the audit log');
    }
  }
}
