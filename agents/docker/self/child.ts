/** A version of the agent as a process below this one. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { pause } from '../../core/pool.ts';

export interface ChildOptions {
  /** What Node.js runs. */
  readonly entry: string;
  readonly args: readonly string[];
  /** Its last lines are wanted, so they pass through here. */
  readonly listens: boolean;
}

export interface End {
  /** As a shell says it: 128 and the signal's number more where one ended it. */
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
  readonly text: string;
}

const LINES_SHOWN = 6;
const TEXT_SHOWN = 1_200;
const STOP_MS = 20_000;
const KILL_MS = 5_000;
const LAST_WORDS_MS = 1_000;
const NUMBERS: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };

/**
 * It has this process's environment and a channel to it, and ends when that closes: when it is told to, and when this process dies. It cannot be the signal itself that is
 * passed on, as systemd sends one to every process of the unit, and the second means "do not wait".
 */
export class Child {
  readonly ended: Promise<End>;
  #end: End | undefined;
  #tail = '';
  readonly #process: ChildProcess;

  constructor({ entry, args, listens }: ChildOptions) {
    const out = listens ? 'pipe' : 'inherit';
    this.#process = spawn(process.execPath, [...process.execArgv, entry, ...args], { stdio: ['inherit', out, out, 'ipc'] });
    for (const [from, to] of [[this.#process.stdout, process.stdout], [this.#process.stderr, process.stderr]] as const) {
      from?.pipe(to, { end: false });
      from?.on('data', (chunk: Buffer) => void (this.#tail = (this.#tail + chunk.toString('utf8')).slice(-TEXT_SHOWN)));
    }
    this.ended = new Promise((resolve) => {
      const end = (one: End): void => resolve((this.#end = one));
      this.#process.on('error', (error) => end({ code: 1, signal: null, text: `did not start: ${error.message}` }));
      // What it said last may still be on its way.
      this.#process.once('exit', (code, signal) => {
        const exit = code ?? 128 + (NUMBERS[signal ?? 'SIGKILL'] ?? 9);
        const told = (): void => end({ code: exit, signal, text: `ended with exit code ${exit}: ${this.lastLines}` });
        this.#process.once('close', told);
        setTimeout(told, LAST_WORDS_MS);
      });
    });
  }

  /** Undefined while it runs. */
  get end(): End | undefined {
    return this.#end;
  }

  get lastLines(): string {
    return this.#tail.trimEnd().split('\n').slice(-LINES_SHOWN).join(' | ') || 'it said nothing';
  }

  /** In good order. */
  stop(): void {
    if (this.#process.connected) this.#process.disconnect();
    setTimeout(() => this.#process.kill('SIGTERM'), STOP_MS).unref();
  }

  /** Resolves when it is gone for good. */
  async kill(): Promise<void> {
    const gone = new AbortController();
    const ended = this.ended.then(() => gone.abort());
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (this.#end !== undefined) return;
      this.#process.kill(signal);
      await pause(KILL_MS, gone.signal);
    }
    await ended;
  }
}
