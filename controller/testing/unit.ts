/** What systemd does with the agent's unit, as far as a test needs it: `Restart=always`, and `KillMode=control-group` by way of a process group. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { sleepUntil } from './sleep-until.ts';

const RESTART_MS = 300;

export interface UnitProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  readonly residentKb: number;
}

export class TestUnit {
  readonly #command: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  #main: ChildProcess | undefined;
  #wanted = false;
  #output = '';
  /** Of the main process, in the order of its ends. */
  readonly exits: (number | string)[] = [];

  constructor(command: readonly string[], env: NodeJS.ProcessEnv) {
    this.#command = command;
    this.#env = { ...env, INVOCATION_ID: '0'.repeat(32) };
  }

  /** The newest of what all of them said. */
  get output(): string {
    return this.#output;
  }

  get main(): number {
    return this.#main?.pid ?? 0;
  }

  start(): void {
    this.#wanted = true;
    const [program = '', ...args] = this.#command;
    const main = spawn(program, args, { env: this.#env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#main = main;
    const keep = (chunk: Buffer): void => void (this.#output = (this.#output + chunk.toString('utf8')).slice(-50_000));
    main.stdout.on('data', keep);
    main.stderr.on('data', keep);
    main.once('exit', (code, signal) => {
      this.exits.push(code ?? signal ?? -1);
      signalGroup(main.pid ?? 0, 'SIGKILL');
      void sleepUntil(() => groupOf(main.pid ?? 0).length === 0, { what: 'the end of the group', intervalMs: 50 }).then(() => setTimeout(() => this.#wanted && this.#main === main && this.start(), RESTART_MS));
    });
  }

  /** All processes of the unit. */
  processes(): readonly UnitProcess[] {
    return groupOf(this.main);
  }

  /** Every process gets the signal, and what has not ended then is killed. */
  async stop(): Promise<void> {
    this.#wanted = false;
    const main = this.main;
    const ended = (): boolean => this.#main?.exitCode !== null || this.#main.signalCode !== null;
    signalGroup(main, 'SIGTERM');
    await sleepUntil(() => ended() && groupOf(main).length === 0, { what: 'the unit to stop', intervalMs: 50 }).finally(() => signalGroup(main, 'SIGKILL'));
  }

  async restart(): Promise<void> {
    await this.stop();
    this.start();
  }
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    if (group > 0) process.kill(-group, signal);
  } catch {
    // nobody is left
  }
}

function groupOf(group: number): UnitProcess[] {
  if (group === 0) return [];
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const [state = '', parent = '', itsGroup = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
      if (Number(itsGroup) !== group || state === 'Z') return [];
      const residentKb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
      return [{ pid: Number(pid), parent: Number(parent), command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '), residentKb }];
    } catch {
      return []; // gone meanwhile
    }
  });
}
