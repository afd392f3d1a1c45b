/** A secret value in memory: whoever prints, logs or serialises it gets a mark instead of the value (R27). */
import { inspect } from 'node:util';

const MARK = '[secret]';

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself; for the one place that needs it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return MARK;
  }

  toJSON(): string {
    return MARK;
  }

  [inspect.custom](): string {
    return MARK;
  }
}
