/**
 * The Docker room: dockerode and its traps, and nothing of the rollout. What comes in are verbs of the container runtime, what
 * goes out are HTTP calls to one engine.
 *
 * Traps handled here: a pull that fails carries its error in the stream; "create" would write the whole body into the URL too,
 * environment included, so query and body are given apart (R27); `distribution` takes no abort signal.
 */
import type Docker from 'dockerode';
import type { ContainerCreateOptions } from 'dockerode';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { LogLine } from '../core/engine.ts';
import { LABEL } from '../containers/labels.ts';
import {
  RuntimeError,
  type ContainerDetails,
  type ContainerPlan,
  type ContainerRuntime,
  type ContainerSummary,
  type LocalImage,
  type NetworkProbe,
  type ProbeResult,
  type RegistryCredentials,
  type RuntimeEvent,
} from '../containers/runtime.ts';
import { containerOptions } from './container-options.ts';
import { detailsOf, stateWord } from './details.ts';
import { logLines, outputOf } from './demultiplex.ts';
import { engineError, isStatus, registryCode, registryError } from './docker-errors.ts';
import { readEvents } from './events.ts';
import { probeNetwork } from './network-probe.ts';
import { tarOf } from './tar.ts';
import { putSecretFiles } from './secret-files.ts';

export interface DockerRuntimeOptions {
  readonly docker: Docker;
  /** Where published ports of the engine answer. */
  readonly engineHost: string;
  readonly remote: boolean;
  /** The agent's own container, if it runs in one: never listed, so never touched. */
  readonly isSelf: (id: string) => boolean;
}

const OUTPUT_SHOWN = 2000;
const RESOLVE_MS = 30_000;
/** Tries after which a failure counts; the pauses between them double from 100 ms and make 6.3 s. */
const TRIES = 7;
/** For whoever made a network of the same name at the same moment to take it away. */
const NAMESAKE_MS = 2000;

export class DockerRuntime implements ContainerRuntime {
  readonly type = 'docker';
  readonly simulated = false;
  readonly #docker: Docker;
  readonly #options: DockerRuntimeOptions;
  /** Network events name only a container id; this tells whose it is. Holds what the last list showed. */
  #owners: ReadonlyMap<string, { readonly team: string; readonly prefix: string }> = new Map();

  constructor(options: DockerRuntimeOptions) {
    this.#docker = options.docker;
    this.#options = options;
  }

  async version(signal: AbortSignal): Promise<string> {
    const version = await abortable(this.#docker.version(), signal).catch((error: unknown) => {
      throw engineError(error, 'asking for its version', 'EngineUnreachable');
    });
    return `Docker ${version.Version}`;
  }

  /** Those of the engine and those of its plugins, which go by their name without `:latest`, too. */
  async logDrivers(signal: AbortSignal): Promise<readonly string[] | undefined> {
    try {
      const { Plugins: known } = (await abortable(this.#docker.info(), signal)) as { Plugins?: { Log?: string[] | null } };
      if (!known?.Log?.length) return undefined;
      const plugins = await abortable(this.#docker.listPlugins(), signal);
      return ['none', ...known.Log, ...plugins.flatMap(({ Id: id, Name: name }) => [name, name.replace(/:latest$/, ''), ...(id === undefined ? [] : [id])])];
    } catch (error) {
      throw engineError(error, 'asking for its log drivers');
    }
  }

  async resolve(reference: string, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<string> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(RESOLVE_MS)]);
    try {
      const info = await abortable(this.#docker.getImage(reference).distribution(authOf(credentials)), limit);
      return info.Descriptor.digest;
    } catch (error) {
      if (limit.aborted && !signal.aborted) {
        throw new RuntimeError('RegistryUnreachable', `${reference}: its registry gave no answer within ${RESOLVE_MS / 1000} s; nothing was touched`, { cause: error });
      }
      throw registryError(error, reference);
    }
  }

  async localImage(reference: string, signal: AbortSignal): Promise<LocalImage | undefined> {
    try {
      const info = await abortable(this.#docker.getImage(reference).inspect(), signal);
      const { Labels: labels, Env: env } = info.Config as { Labels?: Record<string, string> | null; Env?: string[] | null };
      return { id: info.Id, repoDigests: info.RepoDigests ?? [], labels: labels ?? {}, variables: (env ?? []).map((entry) => entry.split('=', 1)[0] ?? '') };
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw engineError(error, `looking for the image ${reference}`);
    }
  }

  async pull(repository: string, digest: string | undefined, tag: string | undefined, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<void> {
    const source = digest === undefined ? `${repository}:${tag ?? 'latest'}` : `${repository}@${digest}`;
    try {
      const stream = (await this.#docker.createImage({ ...authOf(credentials), fromImage: repository, tag: digest ?? tag ?? 'latest', abortSignal: signal })) as Readable;
      const failure = await lastError(stream, signal);
      if (failure !== undefined) throw new RuntimeError(registryCode(failure), `pulling ${source}: ${failure}; nothing was touched`);
      if (tag !== undefined && digest !== undefined) await this.#docker.getImage(source).tag({ repo: repository, tag, abortSignal: signal });
    } catch (error) {
      throw error instanceof RuntimeError ? error : registryError(error, source);
    }
  }

  async list(signal: AbortSignal): Promise<readonly ContainerSummary[]> {
    const rows = await this.#docker.listContainers({ all: true, abortSignal: signal }).catch((error: unknown) => {
      throw engineError(error, 'listing containers');
    });
    const containers = rows.filter((row) => isThere(row) && !this.#options.isSelf(row.Id)).map((row) => summaryOf(row));
    this.#owners = new Map(
      containers.flatMap((one) => {
        const team = one.labels[LABEL.team];
        return team === undefined ? [] : [[one.id, { team, prefix: one.labels[LABEL.prefix] ?? '' }] as const];
      }),
    );
    return containers;
  }

  async inspect(id: string, signal: AbortSignal): Promise<ContainerDetails | undefined> {
    try {
      const info = await this.#docker.getContainer(id).inspect({ abortSignal: signal });
      return detailsOf(info, this.#options.engineHost, this.#options.remote);
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw engineError(error, 'inspecting a container');
    }
  }

  async create(plan: ContainerPlan, signal: AbortSignal): Promise<string> {
    const { name, ...body } = containerOptions(plan);
    try {
      const apart = { _query: { name }, _body: body, abortSignal: signal } as ContainerCreateOptions;
      const container = await this.#docker.createContainer(apart);
      // The engine of API 1.41 takes one network when creating, the others afterwards.
      for (const network of plan.networks.slice(1)) {
        const endpoint = { Container: container.id, EndpointConfig: { Aliases: [...network.aliases] }, abortSignal: signal };
        await this.#docker.getNetwork(network.name).connect(endpoint);
      }
      const { files } = plan.config.docker ?? {};
      if (files !== undefined && Object.keys(files).length > 0) await container.putArchive(tarOf(files), { path: '/', abortSignal: signal });
      if (plan.secrets.files.length > 0) await putSecretFiles(container, plan.secrets.files, signal);
      return container.id;
    } catch (error) {
      throw engineError(error, `creating ${plan.name}`, 'ContainerCreateFailed');
    }
  }

  async start(id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#docker.getContainer(id).start({ abortSignal: signal });
    } catch (error) {
      if (isStatus(error, 304)) return;
      const name = await this.inspect(id, signal).then((details) => details?.name ?? id, () => id);
      throw engineError(error, `starting ${name}`, 'ContainerStartFailed');
    }
  }

  async stop(id: string, graceSeconds: number, signal: AbortSignal): Promise<void> {
    try {
      await insist(() => this.#docker.getContainer(id).stop({ t: graceSeconds, abortSignal: signal }), signal);
    } catch (error) {
      if (!isStatus(error, 304, 404)) throw engineError(error, 'stopping a container');
    }
  }

  async rename(id: string, name: string, signal: AbortSignal): Promise<void> {
    const container = this.#docker.getContainer(id);
    try {
      await container.rename({ name, abortSignal: signal }).catch(async (error: unknown) => {
        if (!isStatus(error, 404) || !/sandbox/i.test(String(error))) throw error;
        // Between two starts of one that ends all the time, the engine looks for a network that is not there; it has to be at rest.
        await insist(() => container.stop({ abortSignal: signal }), signal).catch((refusal: unknown) => {
          if (!isStatus(refusal, 304)) throw refusal;
        });
        await container.rename({ name, abortSignal: signal });
        await container.start({ abortSignal: signal });
      });
    } catch (error) {
      // What was asked for twice, because an answer was lost, is refused and done.
      const there = await this.inspect(id, signal).catch(() => undefined);
      if (there?.name !== name) throw engineError(error, `renaming a container to ${name}`);
    }
  }

  async remove(id: string, signal: AbortSignal): Promise<void> {
    try {
      // Without `v`: not even a volume without a name is removed (R20). 409 is somebody else's removal, which may fail halfway.
      await insist(() => this.#docker.getContainer(id).remove({ force: true, abortSignal: signal }), signal, 409);
    } catch (error) {
      if (!isStatus(error, 404)) throw engineError(error, 'removing a container');
    }
  }

  async ensureNetwork(name: string, labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    try {
      const [there] = await this.#namesakes(name, signal);
      if (there !== undefined) return there.Labels ?? {};
      const { id } = await this.#docker.createNetwork({ Name: name, Driver: 'bridge', CheckDuplicate: true, Labels: { ...labels }, abortSignal: signal });
      return await this.#yieldToNamesake(name, id, labels, signal);
    } catch (error) {
      const [there] = isStatus(error, 409) ? await this.#namesakes(name, signal).catch(() => []) : [];
      if (there !== undefined) return there.Labels ?? {};
      throw engineError(error, `creating the network ${name}`);
    }
  }

  /**
   * Engines let two that create a network at the same moment both have it, and then its name leads to none, for good. Whoever made the newer one takes
   * it away; whoever made the older one does so where nobody else has. Answers the labels of what stays.
   */
  async #yieldToNamesake(name: string, own: string, labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    for (const last of [false, true]) {
      const [oldest, ...others] = await this.#namesakes(name, signal);
      if (oldest === undefined || (oldest.Id === own && others.length === 0)) return labels;
      if (last || oldest.Id !== own) {
        await this.#docker.getNetwork(own).remove({ abortSignal: signal });
        return (oldest.Id === own ? others[0] : oldest)?.Labels ?? {};
      }
      await pause(NAMESAKE_MS, undefined, { signal });
    }
    return labels;
  }

  /** The oldest first. */
  async #namesakes(name: string, signal: AbortSignal): Promise<Docker.NetworkInspectInfo[]> {
    const found = await this.#docker.listNetworks({ filters: { name: [name] }, abortSignal: signal });
    return found.filter((one) => one.Name === name).sort((a, b) => (`${a.Created} ${a.Id}` < `${b.Created} ${b.Id}` ? -1 : 1));
  }

  async networks(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly string[]> {
    const found = await this.#docker.listNetworks({ filters: { label: labelFilter(labels) }, abortSignal: signal }).catch((error: unknown) => {
      throw engineError(error, 'listing networks');
    });
    return found.map((network) => network.Name);
  }

  async removeNetwork(name: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#docker.getNetwork(name).remove({ abortSignal: signal });
    } catch (error) {
      if (!isStatus(error, 403, 404, 409)) throw engineError(error, `removing the network ${name}`);
    }
  }

  async ensureVolume(name: string, labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    await this.#docker.createVolume({ Name: name, Labels: { ...labels }, abortSignal: signal }).catch((error: unknown) => {
      throw engineError(error, `creating the volume ${name}`);
    });
  }

  async volumes(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly string[]> {
    const found = await this.#docker.listVolumes({ filters: { label: labelFilter(labels) }, abortSignal: signal }).catch((error: unknown) => {
      throw engineError(error, 'listing volumes');
    });
    return (found.Volumes ?? []).map((volume) => volume.Name);
  }

  async removeVolume(name: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#docker.getVolume(name).remove({ abortSignal: signal });
    } catch (error) {
      if (!isStatus(error, 404)) throw engineError(error, `removing the volume ${name}`);
    }
  }

  async exec(id: string, command: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const shown = command.join(' ');
    try {
      const exec = await this.#docker.getContainer(id).exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true, abortSignal: limit });
      const stream = (await exec.start({ abortSignal: limit })) as unknown as Readable;
      limit.addEventListener('abort', () => stream.destroy(), { once: true });
      const output = await outputOf(stream, false, OUTPUT_SHOWN);
      const { ExitCode: code } = await exec.inspect({ abortSignal: limit });
      if (code === 0) return { ok: true, output: `${shown}: ${output === '' ? 'exit code 0' : output}` };
      return { ok: false, output: `${shown}: exit code ${code ?? 'unknown'}${output === '' ? '' : `: ${output}`}` };
    } catch (error) {
      if (limit.aborted) return { ok: false, output: `${shown}: no end within ${timeoutMs} ms` };
      return { ok: false, output: `${shown}: ${engineError(error, 'running the command').message}` };
    }
  }

  probe(container: ContainerDetails, probe: NetworkProbe, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
    return probeNetwork(container.addressesOf(probe.port), probe, timeoutMs, signal);
  }

  async *logs(id: string, options: { readonly tail: number; readonly follow: boolean }, signal: AbortSignal): AsyncIterable<LogLine> {
    const container = this.#docker.getContainer(id);
    const common = { stdout: true, stderr: true, timestamps: true, tail: options.tail, abortSignal: signal };
    try {
      const info = await container.inspect({ abortSignal: signal });
      if (!options.follow) {
        yield* logLines(once(await container.logs({ ...common, follow: false })), info.Config.Tty);
        return;
      }
      const stream = (await container.logs({ ...common, follow: true })) as Readable;
      // Ends the engine's side too when the reader goes away.
      const stop = (): unknown => stream.destroy();
      signal.addEventListener('abort', stop, { once: true });
      try {
        yield* logLines(stream, info.Config.Tty);
      } finally {
        signal.removeEventListener('abort', stop);
        stream.destroy();
      }
    } catch (error) {
      if (signal.aborted) return;
      throw engineError(error, 'reading a log');
    }
  }

  async events(team: string, onReady: () => void, onEvent: (event: RuntimeEvent) => void, signal: AbortSignal): Promise<void> {
    try {
      await readEvents(this.#docker, team, (id) => this.#owners.get(id), onReady, onEvent, signal);
    } catch (error) {
      if (!signal.aborted) throw engineError(error, 'watching for events', 'EngineUnreachable');
    }
  }
}

/**
 * A container that ends and is started again all the time can do either just when the engine kills it, or write into the directory that the
 * engine removes: the engine answers with 500, and has to be asked again to finish what it began. For calls that may be repeated.
 *
 * @param busy a status code that may go on for as long as the signal lets it.
 */
async function insist(call: () => Promise<unknown>, signal: AbortSignal, busy?: number): Promise<void> {
  for (let tries = 1; ;) {
    try {
      return void (await call());
    } catch (error) {
      if (isStatus(error, 500) && tries < TRIES) tries++;
      else if (busy === undefined || !isStatus(error, busy)) throw error;
    }
    await pause(50 * 2 ** (tries - 1), undefined, { signal });
  }
}

/** Goes to the engine alone, in a header, which uses it for the registry of this one image. */
function authOf(credentials: RegistryCredentials | undefined): { authconfig?: { username: string; password: string; serveraddress: string } } {
  if (credentials === undefined) return {};
  const { host, username, password } = credentials;
  return { authconfig: { username, password, serveraddress: host === 'docker.io' ? 'https://index.docker.io/v1/' : host } };
}

async function* once(buffer: Buffer): AsyncIterable<Buffer> {
  yield buffer;
}

function labelFilter(labels: Readonly<Record<string, string>>): string[] {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`);
}

/** For calls of the library that take no signal: the answer is dropped, the connection is not. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** Reads a progress stream to its end; the engine reports failure as a line of it, after status 200. */
async function lastError(stream: Readable, signal: AbortSignal): Promise<string | undefined> {
  signal.addEventListener('abort', () => stream.destroy(signal.reason as Error), { once: true });
  let rest = '';
  let failure: string | undefined;
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) failure = errorIn(line) ?? failure;
  }
  return errorIn(rest) ?? failure;
}

function errorIn(line: string): string | undefined {
  if (!line.includes('"error"')) return undefined;
  try {
    const { error } = JSON.parse(line) as { error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What is removed while the engine is about to restart it can stay in the engine's list, without its name and until the engine is started
 * anew: nothing can be asked of it or done to it. Whatever is there has a name.
 */
export function isThere(row: { readonly Names: readonly string[] | null }): boolean {
  return (row.Names ?? []).length > 0;
}

function summaryOf(row: Docker.ContainerInfo): ContainerSummary {
  return {
    id: row.Id,
    // A container that others link to has more names; its own has one slash.
    name: (row.Names.find((name) => name.lastIndexOf('/') === 0) ?? row.Names[0] ?? '').replace(/^\//, ''),
    image: row.Image,
    imageId: row.ImageID,
    state: stateWord(row.State),
    exitCode: Number(/^(?:Exited|Restarting) \((\d+)\)/.exec(row.Status)?.[1] ?? 0),
    labels: row.Labels,
    hostPorts: row.Ports.flatMap((port) => (port.PublicPort ? [`${port.Type}/${port.PublicPort}`] : [])),
    networks: Object.keys(row.NetworkSettings?.Networks ?? {}),
    createdAt: row.Created,
  };
}
