/** The whole of Tagboat for a test: a Git server, PostgreSQL, a controller and an agent in this process, an engine of choice. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../../agents/core/engine.ts';
import { runAgent } from '../../agents/main.ts';
import { freePort } from '../../agents/testing/ports.ts';
import type { ControllerConfig } from '../config.ts';
import { loadConfig } from '../config.ts';
import type { Logger } from '../log.ts';
import { createLogger, silentLogger } from '../log.ts';
import type { Controller } from '../main.ts';
import { startController } from '../main.ts';
import type { TestDatabase } from './database.ts';
import { testDatabase } from './database.ts';
import type { FaultProxy } from './fault-proxy.ts';
import { faultProxy } from './fault-proxy.ts';
import { GitServer } from './git-server.ts';
import { TestRepository } from './git-repository.ts';
import { sleepUntil } from './sleep-until.ts';

export interface DeploymentRow {
  readonly name: string;
  readonly version: string;
  readonly status: string;
  readonly sync: string;
  readonly health: string;
  readonly drifted: boolean;
  readonly commit: string;
  readonly reason: string;
  readonly containers: readonly { readonly name: string; readonly image: string; readonly digest: string; readonly state: string; readonly health: string }[];
}

export interface HistoryRow {
  readonly id: number;
  readonly version: string;
  readonly status: string;
  readonly reason: string;
  readonly actor: string;
  readonly attempts: readonly { readonly outcome: string | null; readonly code: string | null; readonly evidence: readonly { readonly logLines: readonly string[]; readonly healthOutput: readonly string[] }[] }[];
}

export interface StackOptions {
  /** A function is asked when the controller is up, before the agent starts. */
  readonly engine: Engine | ((stack: Stack) => Promise<Engine>);
  readonly node?: string;
  /** A cron expression; once a second unless told. */
  readonly poll?: string;
  /** Gets every log line of controller and agent, at debug. */
  readonly onLog?: (line: string) => void;
  /** Further settings, by the names of their variables. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Team `acme`, one node; the agent dials through a line that can be cut. */
export class Stack {
  readonly repository: TestRepository;
  readonly server: GitServer;
  readonly db: TestDatabase;
  readonly home: string;
  readonly node: string;
  controller!: Controller;
  proxy!: FaultProxy;
  readonly #options: StackOptions;
  readonly #log: Logger;
  #agent: { readonly stop: AbortController; readonly done: Promise<void> } | undefined;
  #config!: ControllerConfig;

  private constructor(repository: TestRepository, server: GitServer, db: TestDatabase, options: StackOptions) {
    this.repository = repository;
    this.server = server;
    this.db = db;
    this.home = mkdtempSync(join(tmpdir(), 'tagboat-stack-'));
    this.node = options.node ?? 'harbor';
    this.#options = options;
    const { onLog } = options;
    if (onLog !== undefined) this.#log = createLogger({ level: 'debug', write: onLog });
    else this.#log = process.env['TAGBOAT_TEST_LOG'] === undefined ? silentLogger() : createLogger({ level: 'debug', pretty: true });
  }

  /** The first commit has to hold the node's manifest. */
  static async start(files: Readonly<Record<string, string>>, options: StackOptions): Promise<Stack> {
    const repository = await TestRepository.create('acme');
    await repository.commit(files, 'first');
    const server = await GitServer.start({ root: join(repository.directory, '..') });
    const stack = new Stack(repository, server, await testDatabase(), options);
    await stack.startController();
    stack.proxy = await faultProxy(stack.controller.agentPort);
    await stack.startAgent();
    return stack;
  }

  /** `settings`: more of them, from now on. */
  async startController(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#config = loadConfig({
      directory: this.home,
      env: {
        TAGBOAT_DATABASE_URL: this.db.url,
        TAGBOAT_PUBLIC: 'true',
        TAGBOAT_LISTENERS_HTTP_PORT: '0',
        TAGBOAT_LISTENERS_AGENTS_HOST: '127.0.0.1',
        TAGBOAT_LISTENERS_AGENTS_PORT: String(this.controller === undefined ? await freePort() : this.controller.agentPort),
        TAGBOAT_LISTENERS_ENROLMENT_HOST: '127.0.0.1',
        TAGBOAT_LISTENERS_ENROLMENT_PORT: '0',
        TAGBOAT_TEAMS_0_NAME: 'acme',
        TAGBOAT_TEAMS_0_REPOSITORY: `${this.server.url}/acme.git`,
        TAGBOAT_TEAMS_0_POLL: this.#options.poll ?? '* * * * * *',
        ...this.#options.settings,
        ...settings,
      },
    });
    this.controller = await startController(this.#config, this.#log);
    await sleepUntil(() => this.controller.teams().every((team) => team.state !== 'pending'), { what: 'the first poll', timeoutMs: 120_000 });
  }

  async startAgent(): Promise<void> {
    const stop = new AbortController();
    const { token } = await this.controller.nodes.mintEnrolment('acme', this.node, 'test');
    const enrolment = { address: `127.0.0.1:${this.controller.enrolPort}`, fingerprint: this.controller.fingerprint, token };
    const { engine } = this.#options;
    const done = runAgent({ directory: join(this.home, 'agent'), controller: `127.0.0.1:${this.proxy.port}`, enrolment, engine: typeof engine === 'function' ? await engine(this) : engine, version: '0.0.0-test', log: this.#log }, stop.signal);
    done.catch((error: unknown) => this.#log.error({ err: error }, 'the agent ended'));
    this.#agent = { stop, done };
  }

  async stopAgent(): Promise<void> {
    this.#agent?.stop.abort();
    await this.#agent?.done;
  }

  /** A page of the team, as people see it. */
  async look(path: string): Promise<string> {
    const response = await fetch(`${this.controller.url}/teams/acme${path}`, { signal: AbortSignal.timeout(60_000) });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.text();
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.controller.url}/api/v1/teams/acme${path}`, { signal: AbortSignal.timeout(60_000) });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async deployment(name: string): Promise<DeploymentRow | undefined> {
    return (await this.get<DeploymentRow[]>('/deployments')).find((item) => item.name === name);
  }

  async history(name: string): Promise<HistoryRow[]> {
    return this.get(`/deployments/${name}/history`);
  }

  /** Commits (a poll sees it within a second) and asks for a look at once. */
  async push(files: Readonly<Record<string, string | null>>, message = 'change'): Promise<string> {
    const oid = await this.repository.commit(files, message);
    this.controller.pollSoon('acme');
    return oid;
  }

  /** Waits until the deployment is as told; the error names what it was instead. */
  async until(name: string, what: string, test: (row: DeploymentRow) => boolean, timeoutMs = 180_000): Promise<DeploymentRow> {
    let last: DeploymentRow | undefined;
    try {
      return await sleepUntil(
        async () => {
          last = await this.deployment(name);
          return last !== undefined && test(last) ? last : null;
        },
        { what, timeoutMs, intervalMs: 50 },
      );
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : ''}; ${name} is ${JSON.stringify(last)}`);
    }
  }

  async settled(name: string, version: string, commit?: string): Promise<DeploymentRow> {
    return this.until(name, `${name} at ${version}`, (row) => row.status === 'successful' && row.sync === 'synced' && row.version === version && row.health === 'healthy' && (commit === undefined || row.commit === commit));
  }

  async stop(): Promise<void> {
    await this.stopAgent();
    await this.proxy.close();
    await this.controller.stop();
    await this.server.close();
    await this.db.drop();
    await this.repository.remove();
    rmSync(this.home, { recursive: true, force: true });
  }
}
