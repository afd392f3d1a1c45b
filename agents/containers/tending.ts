/** Lets the router look after its proxy: soon after something happened on the node, and now and then in any case. */
import type { Router } from './route.ts';

const SOON_MS = 1_000;
const EVERY_MS = 30_000;

export class Tending {
  readonly #router: Router;
  readonly #team: string;
  readonly #every: NodeJS.Timeout;
  #soon: NodeJS.Timeout | undefined;
  #running = false;
  #again = false;
  #stopped = false;

  constructor(router: Router, team: string) {
    this.#router = router;
    this.#team = team;
    this.#every = setInterval(() => this.stir(), EVERY_MS);
    this.stir();
  }

  stir(): void {
    if (this.#stopped) return;
    this.#soon ??= setTimeout(() => void this.#tend(), SOON_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#every);
    clearTimeout(this.#soon);
  }

  async #tend(): Promise<void> {
    this.#soon = undefined;
    if (this.#running) return void (this.#again = true);
    this.#running = true;
    try {
      await this.#router.tend(this.#team);
    } catch {
      // An engine that is away is told by the observer; the next round tries again, and an attempt says what is wrong with the proxy.
    } finally {
      this.#running = false;
      if (this.#again) this.stir();
      this.#again = false;
    }
  }
}
