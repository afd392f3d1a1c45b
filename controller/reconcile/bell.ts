/** A bell that a loop waits on: rings are never lost and never pile up. */
export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves when it rings (or rang since the last wait), after `timeoutMs`, or when the signal aborts. One waiter at a time. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, Math.max(0, Math.min(timeoutMs, LONGEST_TIMER_MS)));
        signal.addEventListener('abort', done);
        this.#wake = done;
      });
    }
    this.#rung = false;
    this.#wake = undefined;
  }
}

const LONGEST_TIMER_MS = 2_147_483_647;
