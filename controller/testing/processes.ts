/** The controller and the agent as processes of their own, so that a test can kill them with -9 at any moment. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePort } from '../../agents/testing/ports.ts';
import { packageRoot } from '../package-root.ts';

/** One command line, started again as often as it is killed. */
export class Killable {
  readonly #args: readonly string[];
  readonly #directory: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #nodeArgs: readonly string[];
  #child: ChildProcess | undefined;
  #output = '';

  /** `nodeArgs` go to Node.js itself. */
  constructor(args: readonly string[], directory: string, env: Readonly<Record<string, string>>, nodeArgs: readonly string[] = []) {
    this.#args = args;
    this.#nodeArgs = nodeArgs;
    this.#directory = directory;
    this.#env = env;
  }

  /** The newest of what it said, all runs together; for the message of a failed test. */
  get output(): string {
    return this.#output;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  start(): void {
    // Only what is said here: a TAGBOAT_ variable of the caller must not configure the process.
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TAGBOAT_')));
    const tsx = import.meta.resolve('tsx');
    this.#child = spawn(process.execPath, ['--import', tsx, ...this.#nodeArgs, join(packageRoot(), 'controller/cli/tagboat.ts'), ...this.#args], {
      cwd: this.#directory,
      env: { ...inherited, ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (chunk: Buffer): void => void (this.#output = (this.#output + chunk.toString('utf8')).slice(-20_000));
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
  }

  /** Without a chance to say goodbye. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

export interface ControllerProcess {
  readonly process: Killable;
  readonly url: string;
  readonly agentPort: number;
}

/** A controller for team acme that keeps its files in `home`; replicas share `keyFile`, the key to the certificate authority. */
export async function controllerProcess(home: string, keyFile: string, databaseUrl: string, repository: string): Promise<ControllerProcess> {
  const [http, agents, enrol] = [await freePort(), await freePort(), await freePort()];
  const env = {
    TAGBOAT_DATABASE_URL: databaseUrl,
    TAGBOAT_PUBLIC: 'true',
    TAGBOAT_ENCRYPTION_KEY_FILE: keyFile,
    TAGBOAT_AGENT_ADDRESS: `127.0.0.1:${agents}`,
    TAGBOAT_ENROL_ADDRESS: `127.0.0.1:${enrol}`,
    TAGBOAT_LISTENERS_HTTP_PORT: String(http),
    TAGBOAT_LISTENERS_AGENTS_HOST: '127.0.0.1',
    TAGBOAT_LISTENERS_AGENTS_PORT: String(agents),
    TAGBOAT_LISTENERS_ENROLMENT_HOST: '127.0.0.1',
    TAGBOAT_LISTENERS_ENROLMENT_PORT: String(enrol),
    TAGBOAT_TEAMS_0_NAME: 'acme',
    TAGBOAT_TEAMS_0_REPOSITORY: repository,
    TAGBOAT_TEAMS_0_POLL: '* * * * * *',
  };
  return { process: new Killable(['controller'], home, env), url: `http://127.0.0.1:${http}`, agentPort: agents };
}
