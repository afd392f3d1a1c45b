/** `tagboat agent docker|kubernetes|simulated`: the agent of one node. */
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Engine } from '../../agents/core/engine.ts';
import type { Exchange } from '../../agents/core/exchange.ts';
import type { CertificateOptions } from '../../agents/docker/certificates/certificates.ts';
import type { StateKeeper } from '../../agents/kubernetes/state-keeper.ts';
import { decodeJoin } from '../../proto/join.ts';
import { TagboatError } from '../errors.ts';
import { createLogger } from '../log.ts';
import type { Logger } from '../log.ts';
import { packageRoot, packageVersion } from '../package-root.ts';
import type { CliIo } from './client.ts';
import { logLevelOption, processIo, runCommand } from './client.ts';
import { makeDirectory } from './make-directory.ts';
import { exitSoon, untilSignal } from './until-signal.ts';
import { updateDeadlineMs } from './update-deadline.ts';

interface Flags {
  readonly join?: string;
  readonly joinFile?: string;
  readonly enrolOnly?: boolean;
  readonly controller?: string;
  readonly enrol?: string;
  readonly fingerprint?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly directory: string;
  readonly dockerHost?: string;
  readonly proxyPort?: string;
  readonly httpsPort?: string;
  readonly proxyImage?: string;
  readonly certificates?: string;
  readonly acmeDirectory: string;
  readonly acmeContact?: string;
  readonly acmeCa?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly state?: string;
  readonly updateDeadline?: string;
  readonly logLevel: string;
  readonly rotateSecretsKey?: boolean;
}

const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory';

const TYPES = {
  docker: 'deploy to the Docker engine of this host',
  kubernetes: 'deploy to a Kubernetes cluster',
  simulated: 'a node without an engine, for trying Tagboat out',
} as const;
type AgentType = keyof typeof TYPES;

export function registerAgent(program: Command, io: CliIo = processIo): void {
  const agent = program.command('agent').description('run the agent of a node');
  for (const type of Object.keys(TYPES) as AgentType[]) {
    const command = agent
      .command(type)
      .description(TYPES[type])
      .option('--join <word>', 'the word that `tagboat node enroll` prints; needed once')
      .option('--join-file <file>', 'file with that word; - is standard input')
      .option('--controller <host:port>', "the controller's agent listener; kept with the identity after enrolment")
      .option('--enrol <host:port>', "the controller's enrolment listener")
      .option('--fingerprint <sha256:…>', "fingerprint of the controller's certificate authority")
      .option('--token <token>', 'enrolment token (TAGBOAT_ENROL_TOKEN)')
      .option('--token-file <file>', 'file with the enrolment token')
      .option('--directory <dir>', 'where the identity and the journal are kept', '.tagboat-agent')
      .option('--enrol-only', 'enrol and end; a later start serves')
      .option('--rotate-secrets-key', 'make a new key for secrets and end; an agent that runs takes it up, and the keys before it go on opening')
      .addOption(logLevelOption('info'));
    if (type !== 'simulated') command.option('--update-deadline <duration>', 'how long another version of this agent has to be taken by the controller, for example 60s', '60s');
    if (type === 'docker') {
      command
        .option('--docker-host <url>', 'the engine (DOCKER_HOST; else the local socket)')
        .option('--proxy-port <port>', 'port of the node that leads to deployments with `expose` (80)')
        .option('--https-port <port>', 'the same for `expose: https`; `none` for nothing (443)')
        .option('--certificates <dir>', 'PEM files, read again when they change; they come before those of an authority')
        .option('--acme-directory <url>', 'the authority that certificates come from; using it is agreeing to its terms; `none` for nothing', LETS_ENCRYPT)
        .option('--acme-contact <address>', 'mail address for that authority')
        .option('--acme-ca <file>', 'PEM file of authorities that its server may have, besides the usual ones')
        .option('--proxy-image <image>', 'HAProxy 2.6 or newer, with bash (haproxy:2.6)');
    }
    if (type === 'kubernetes') command.option('--kubeconfig <file>', "the cluster (KUBECONFIG; else the pod's service account)").option('--context <name>', 'a context of the kubeconfig; default: its current one').option('--state <namespace/name>', 'keep the directory in Secrets of that namespace, too, so that it outlives the pod; the name is also that of its own Deployment');
    command.action((flags: Flags) => runCommand(io, async () => (flags.rotateSecretsKey === true ? rotate(flags, io) : serve(type, flags, io))));
  }
}

async function rotate(flags: Flags, io: CliIo): Promise<number> {
  const { addKey } = await import('../../agents/core/secrets.ts');
  const recipient = await addKey(resolve(io.directory, flags.directory)).catch((error: unknown) => {
    throw agentFailure(error);
  });
  io.out(`${recipient}\n`);
  io.err('This is the current key from now on; what is sealed to the keys before it still opens.\n');
  return 0;
}

async function serve(type: AgentType, flags: Flags, io: CliIo): Promise<number> {
  const word = flags.join ?? (flags.joinFile === undefined ? undefined : readWord(flags.joinFile, io));
  const join = word === undefined ? undefined : decodeJoin(word);
  if (word !== undefined && join === undefined) throw new TagboatError('UsageError', `${flags.join === undefined ? flags.joinFile : '--join'} is not what tagboat node enroll prints`);
  const directory = resolve(io.directory, flags.directory);
  const token = flags.token ?? (flags.tokenFile === undefined ? undefined : readWord(flags.tokenFile, io)) ?? io.env['TAGBOAT_ENROL_TOKEN'] ?? join?.token;
  const log = createLogger({ level: flags.logLevel, pretty: process.stderr.isTTY, secrets: token === undefined ? [] : [token] });
  const ending = untilSignal();
  const run: Run = { type, flags, io, directory, log, join, token };
  if (type === 'docker' && flags.enrolOnly !== true) {
    const { openUnit } = await import('../../agents/docker/self/unit.ts');
    const unit = openUnit({ ...dockerOf(flags, io), directory, root: packageRoot(), version: packageVersion(), deadlineMs: deadlineOf(flags), args: process.argv.slice(2), log });
    if (unit !== undefined) {
      const code = await unit.run((exchange, until) => serveHere(run, until, exchange), ending);
      exitSoon();
      return code;
    }
  }
  await serveHere(run, ending);
  return 0;
}

interface Run {
  readonly type: AgentType;
  readonly flags: Flags;
  readonly io: CliIo;
  readonly directory: string;
  readonly log: Logger;
  readonly join: ReturnType<typeof decodeJoin>;
  readonly token: string | undefined;
}

/** The agent in this process, until the signal aborts. `unit` is the exchange of an agent that is a unit. */
async function serveHere({ type, flags, io, directory, log, join, token }: Run, ending: AbortSignal, unit?: Exchange): Promise<void> {
  const { enrolAgent, rememberAddress, recallAddress, runAgent } = await import('../../agents/main.ts');
  const over = new AbortController();
  let keeping: Promise<void> | undefined;
  try {
    const keeper = await keeperOf(flags, io, directory, log);
    await keeper?.restore(ending);
    if (ending.aborted) return;
    keeping = keeper?.run(over.signal);
    const controller = flags.controller ?? join?.controller ?? recallAddress(directory);
    if (controller === undefined) throw new TagboatError('UsageError', 'the address of the controller is not known', { hint: 'Pass --join or --controller.' });
    const address = flags.enrol ?? join?.enrol;
    const fingerprint = flags.fingerprint ?? join?.fingerprint;
    const enrolment = token !== undefined && address !== undefined && fingerprint !== undefined ? { address, fingerprint, token } : undefined;
    makeDirectory(directory, 0o700);
    const options = { directory, controller, enrolment, engine: await loadEngine(type, flags, io, directory), version: packageVersion(), exchange: flags.enrolOnly === true ? undefined : unit ?? await loadExchange(type, flags, io, directory, keeper, log), log, onServing: () => rememberAddress(directory, controller) };
    await (flags.enrolOnly === true ? enrolAgent(options) : runAgent(options, ending));
    if (flags.enrolOnly === true) await keeper?.save();
  } catch (error) {
    throw agentFailure(error);
  } finally {
    over.abort();
    await keeping;
  }
}

/** A word alone: longer input is none. */
function readWord(file: string, io: CliIo): string {
  try {
    return readFileSync(file === '-' ? 0 : resolve(io.directory, file), 'utf8').trim();
  } catch (error) {
    throw new TagboatError('UsageError', `${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, { cause: error });
  }
}

/** In a cluster the directory goes with the pod; `--state` says where it is kept. */
async function keeperOf(flags: Flags, io: CliIo, directory: string, log: Logger): Promise<StateKeeper | undefined> {
  if (flags.state === undefined) return undefined;
  const { openStateKeeper } = await import('../../agents/kubernetes/state-keeper.ts');
  return openStateKeeper({ ...clusterOptions(flags, io), ...stateOf(flags.state), directory, log });
}

function stateOf(state: string): { readonly namespace: string; readonly name: string } {
  const [, namespace, name] = /^([a-z0-9-]{1,63})\/([a-z0-9-]{1,52})$/.exec(state) ?? [];
  if (namespace === undefined || name === undefined) throw new TagboatError('UsageError', '--state is no NAMESPACE/NAME');
  return { namespace, name };
}

function clusterOptions(flags: Flags, io: CliIo): { kubeconfig?: string; context?: string } {
  const kubeconfig = flags.kubeconfig ?? io.env['KUBECONFIG'];
  return { ...(kubeconfig !== undefined && { kubeconfig: resolve(io.directory, kubeconfig) }), ...(flags.context !== undefined && { context: flags.context }) };
}

async function loadEngine(type: AgentType, flags: Flags, io: CliIo, directory: string): Promise<Engine> {
  if (type === 'simulated') return (await import('../../agents/simulated/engine.ts')).createSimulatedEngine({ stateFile: resolve(directory, 'simulated.json') });
  if (type === 'kubernetes') return (await import('../../agents/kubernetes/engine.ts')).createKubernetesEngine(clusterOptions(flags, io));
  return (await import('../../agents/docker/engine.ts')).createDockerEngine({ ...dockerOf(flags, io), proxy: proxyOf(flags), certificates: certificatesOf(flags, io, directory) });
}

/** Undefined where it runs in nothing that it could exchange. */
async function loadExchange(type: AgentType, flags: Flags, io: CliIo, directory: string, keeper: StateKeeper | undefined, log: Logger): Promise<Exchange | undefined> {
  if (type === 'simulated') return undefined;
  const deadlineMs = deadlineOf(flags);
  if (type === 'docker') return (await import('../../agents/docker/engine.ts')).createContainerExchange({ ...dockerOf(flags, io), directory, deadlineMs, log });
  // With a kubeconfig it is no pod of that cluster, or does not act as one.
  const options = clusterOptions(flags, io);
  if (keeper === undefined || flags.state === undefined || options.kubeconfig !== undefined) return undefined;
  const { openPodExchange } = await import('../../agents/kubernetes/self/pod-exchange.ts');
  const pod = io.env['POD_NAME'];
  return openPodExchange({ ...options, ...stateOf(flags.state), pod: pod ?? hostname(), certain: pod !== undefined, keeper, directory, deadlineMs, log });
}

function dockerOf(flags: Flags, io: CliIo): { readonly host?: string } {
  const host = flags.dockerHost ?? io.env['DOCKER_HOST'];
  return host === undefined ? {} : { host };
}

function deadlineOf({ updateDeadline = '' }: Flags): number {
  const ms = updateDeadlineMs(updateDeadline);
  if (ms === undefined) throw new TagboatError('UsageError', `--update-deadline ${updateDeadline} is no duration like 60s or 5m`);
  return ms;
}

function proxyOf({ proxyPort, httpsPort, proxyImage }: Flags): { readonly httpPort?: number; readonly httpsPort?: number | null; readonly image?: string } {
  return {
    ...(proxyPort !== undefined && { httpPort: portOf('--proxy-port', proxyPort) }),
    ...(httpsPort !== undefined && { httpsPort: httpsPort === 'none' ? null : portOf('--https-port', httpsPort) }),
    ...(proxyImage !== undefined && { image: proxyImage }),
  };
}

function portOf(flag: string, text: string): number {
  const port = Number(text);
  if (!(Number.isInteger(port) && port > 0 && port < 65_536)) throw new TagboatError('UsageError', `${flag} ${text} is no port`);
  return port;
}

function certificatesOf({ certificates, acmeDirectory, acmeContact, acmeCa }: Flags, io: CliIo, directory: string): CertificateOptions {
  if (acmeDirectory !== 'none' && !/^https:\/\/[^\s/]/.test(acmeDirectory)) throw new TagboatError('UsageError', `--acme-directory ${acmeDirectory} is no https URL`);
  if (acmeContact !== undefined && !/^[^\s@,]+@[^\s@,]+$/.test(acmeContact)) throw new TagboatError('UsageError', `--acme-contact ${acmeContact} is no mail address`);
  const caFile = acmeCa === undefined ? undefined : resolve(io.directory, acmeCa);
  if (caFile !== undefined && !existsSync(caFile)) throw new TagboatError('UsageError', `--acme-ca ${acmeCa} is not there`);
  return {
    directory: resolve(directory, 'certificates'),
    acme: acmeDirectory === 'none' ? undefined : { directoryUrl: acmeDirectory, contact: acmeContact, caFile },
    provided: certificates === undefined ? undefined : resolve(io.directory, certificates),
  };
}

/** The agent's errors in the words and exit codes of the command line. */
function agentFailure(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  switch (error.code) {
    case 'ControllerUnreachable':
      return new TagboatError('ControllerUnreachable', error.message, { cause: error, hint: 'Check the address and that the controller runs.' });
    case 'EnrolmentRefused':
    case 'FingerprintMismatch':
      return new TagboatError('EnrolmentRefused', error.message, { cause: error });
    case 'IdentityMissing':
    case 'ConfigInvalid':
    case 'SecretsUnreadable':
    case 'JournalLocked':
      return new TagboatError('UsageError', error.message, { cause: error });
    default:
      return error;
  }
}
