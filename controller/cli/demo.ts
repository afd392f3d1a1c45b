/**
 * `tagboat demo` (npm start): everything on this machine, nothing to set up. An embedded PostgreSQL, a repository made from
 * `examples/quickstart`, the controller, and a node: this host's Docker engine if one answers, else a simulated one.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Engine } from '../../agents/core/engine.ts';
import type { ControllerConfig } from '../config.ts';
import { loadConfig } from '../config.ts';
import { TagboatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { createLogger } from '../log.ts';
import type { Controller } from '../main.ts';
import { packageRoot, packageVersion } from '../package-root.ts';
import type { CliIo } from './client.ts';
import { logLevelOption, processIo, runCommand } from './client.ts';
import { makeDirectory } from './make-directory.ts';
import { aborted, exitSoon, untilSignal } from './until-signal.ts';

/** As examples/quickstart/team.yaml names it. */
const DEFAULT_TEAM = 'acme';
const NODE = 'harbor';

interface Flags {
  readonly directory: string;
  readonly port: string;
  readonly simulated?: boolean;
  readonly logLevel: string;
}

export function registerDemo(program: Command, io: CliIo = processIo): void {
  program
    .command('demo')
    .description('run everything on this machine, with an example repository')
    .option('--directory <dir>', 'where its data are kept', '.tagboat')
    .option('--port <port>', 'port of the page on 127.0.0.1; 0 takes a free one', '8080')
    .option('--simulated', 'a simulated node even if a Docker engine answers')
    .addOption(logLevelOption('warn'))
    .action((flags: Flags) => runCommand(io, async () => demo(flags, io)));
}

async function demo(flags: Flags, io: CliIo): Promise<number> {
  if (!/^\d{1,5}$/.test(flags.port) || Number(flags.port) > 65_535) throw new TagboatError('UsageError', `--port ${flags.port} is no port`, { hint: 'Take a number up to 65535; 0 takes a free one.' });
  const directory = resolve(io.directory, flags.directory);
  makeDirectory(directory, 0o700);
  const log = createLogger({ level: flags.logLevel, pretty: true });
  const signal = untilSignal();
  io.out('Tagboat demo\n');
  const repository = await makeRepository(directory, io);
  const engine = await chooseEngine(directory, flags, io);
  const team = await teamOf(directory, engine);
  if (team !== DEFAULT_TEAM) io.out(`  team         ${team} (kept from before)\n`);
  const config = demoConfig({ directory, team, repository, port: flags.port, simulated: engine.simulated });
  io.out('  database     starting the embedded PostgreSQL …\n');
  const { startController } = await import('../main.ts'); // other commands start without it
  const controller = await startController(config, log).catch((error: unknown) => {
    throw error instanceof TagboatError && error.message.includes('EADDRINUSE') ? new TagboatError('UsageError', error.message, { cause: error, hint: 'Choose another port (npm start -- --port 8090), or stop what uses it.' }) : error;
  });
  const stopAgent = new AbortController();
  let agent: Promise<void> = Promise.resolve();
  try {
    agent = startNode(directory, team, controller, engine, log, stopAgent.signal, signal);
    greet(io, team, controller, repository, engine);
    await Promise.race([aborted(signal), controller.failed, agent.then(() => aborted(signal))]);
  } finally {
    io.out('\nStopping …\n');
    stopAgent.abort();
    await agent.catch((error: unknown) => log.error({ err: error }, 'the node ended with an error'));
    await controller.stop();
    exitSoon();
  }
  io.out(`Stopped. The data stay in ${show(io, directory)}${engine.simulated ? '' : '; containers keep running'}.\n`);
  return 0;
}

/** All that the demo's controller is told. */
export function demoConfig({ directory, team, repository, port, simulated }: { readonly directory: string; readonly team: string; readonly repository: string; readonly port: string; readonly simulated: boolean }): ControllerConfig {
  return loadConfig({
    path: undefined,
    directory,
    env: {
      // What a simulated node holds is not on a real engine: each kind has a memory of its own.
      TAGBOAT_DATA_DIRECTORY: join(directory, simulated ? 'simulated' : 'docker'),
      TAGBOAT_OPERATOR_TOKEN_FILE: join(directory, 'operator.token'),
      TAGBOAT_PUBLIC: 'true',
      TAGBOAT_LISTENERS_HTTP_PORT: port,
      TAGBOAT_LISTENERS_AGENTS_HOST: '127.0.0.1',
      TAGBOAT_LISTENERS_AGENTS_PORT: '0',
      TAGBOAT_LISTENERS_ENROLMENT_HOST: '127.0.0.1',
      TAGBOAT_LISTENERS_ENROLMENT_PORT: '0',
      TAGBOAT_TEAMS_0_NAME: team,
      TAGBOAT_TEAMS_0_REPOSITORY: repository,
      TAGBOAT_TEAMS_0_POLL: '*/2 * * * * *',
    },
  });
}

/** Of the node that is there already: earlier demos called their team otherwise, and certificate, records and containers carry that name. */
async function teamOf(directory: string, engine: Engine): Promise<string> {
  const { loadIdentity } = await import('../../agents/core/identity.ts');
  return loadIdentity(agentHome(directory, engine))?.team ?? DEFAULT_TEAM;
}

function agentHome(directory: string, { simulated }: Engine): string {
  return join(directory, simulated ? 'simulated' : 'docker', 'agent');
}

/** A real repository that the user commits to; made once, never touched again. */
async function makeRepository(directory: string, io: CliIo): Promise<string> {
  const repository = join(directory, 'demo-repository');
  if (existsSync(join(repository, '.git'))) {
    io.out(`  repository   ${show(io, repository)} (kept from before)\n`);
    return repository;
  }
  const git = (...args: string[]): void => {
    execFileSync('git', ['-c', 'user.name=Tagboat demo', '-c', 'user.email=demo@example.com', '-c', 'commit.gpgsign=false', '-c', 'init.defaultBranch=main', ...args], { cwd: repository, timeout: 30_000, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  try {
    cpSync(join(packageRoot(), 'examples', 'quickstart'), repository, { recursive: true });
    git('init', '--quiet', '--initial-branch=main');
    git('add', '--all');
    git('commit', '--quiet', '-m', 'The quickstart example');
    if (!hasIdentity(repository)) {
      git('config', 'user.name', 'Tagboat demo');
      git('config', 'user.email', 'demo@example.com');
    }
  } catch (error) {
    throw new TagboatError('UsageError', `the demo repository could not be made: ${error instanceof Error ? error.message : String(error)}`, { cause: error, hint: 'Install git.' });
  }
  io.out(`  repository   ${show(io, repository)} (made from examples/quickstart)\n`);
  return repository;
}

/** A machine without a Git identity could not commit; then the repository gets one of its own. */
function hasIdentity(repository: string): boolean {
  try {
    return execFileSync('git', ['config', 'user.email'], { cwd: repository, timeout: 10_000, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() !== '';
  } catch {
    return false;
  }
}

async function chooseEngine(directory: string, flags: Flags, io: CliIo): Promise<Engine> {
  if (flags.simulated !== true) {
    const { createDockerEngine } = await import('../../agents/docker/engine.ts');
    const host = io.env['DOCKER_HOST'];
    const docker = createDockerEngine(host === undefined ? {} : { host });
    const version = await docker.version(AbortSignal.timeout(5_000)).catch(() => undefined);
    if (version !== undefined) {
      io.out(`  node         ${NODE}: ${version}\n`);
      return docker;
    }
  }
  const { createSimulatedEngine } = await import('../../agents/simulated/engine.ts');
  io.out(`  node         ${NODE}: SIMULATED, no container really runs\n               start a Docker engine (or set DOCKER_HOST) and run this again to make it real\n`);
  return createSimulatedEngine({ stateFile: join(directory, 'simulated', 'containers.json') });
}

/** Enrols the node as a person would, and serves it. */
async function startNode(directory: string, team: string, controller: Controller, engine: Engine, log: Logger, stop: AbortSignal, ending: AbortSignal): Promise<void> {
  const { runAgent } = await import('../../agents/main.ts');
  const home = agentHome(directory, engine);
  while (controller.teams().some(({ state }) => state === 'pending') && !ending.aborted) await new Promise((resolve) => setTimeout(resolve, 50));
  if (ending.aborted) return;
  // The ports change from run to run; the certificate is good for all of them.
  const enrolled = existsSync(join(home, 'identity.json'));
  const enrolment = enrolled ? undefined : { address: `127.0.0.1:${controller.enrolPort}`, fingerprint: controller.fingerprint, token: (await controller.nodes.mintEnrolment(team, NODE, 'demo')).token };
  await runAgent({ directory: home, controller: `127.0.0.1:${controller.agentPort}`, enrolment, engine, version: packageVersion(), log }, stop);
}

function greet(io: CliIo, team: string, controller: Controller, repository: string, engine: Engine): void {
  const shown = show(io, repository);
  io.out(`
  page         ${controller.url}/teams/${team}${engine.simulated ? '   (the node is simulated)' : ''}

  1. change    ${shown}/deployments/ … for example an environment value
  2. commit    git -C ${shown} commit -am "Change something"
  3. watch     ${controller.url}/teams/${team}   or   npx tagboat status --url ${controller.url}

  Ctrl-C stops everything.
`);
}

function show(io: CliIo, path: string): string {
  const short = relative(io.directory, path);
  return short === '' || short.startsWith('..') ? path : short;
}
