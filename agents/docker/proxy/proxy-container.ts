/** The container that the proxy runs in: made when the first route is, removed with the last, on the networks of whom it leads to. */
import type Docker from 'dockerode';
import { AttemptFailure } from '../../core/attempt-failure.ts';
import { change, look } from '../../containers/calls.ts';
import { prepareImages } from '../../containers/images.ts';
import { LABEL } from '../../containers/labels.ts';
import { RuntimeError, type ContainerRuntime, type ContainerSummary } from '../../containers/runtime.ts';
import { engineError, isStatus } from '../docker-errors.ts';
import { packTar } from '../tar.ts';
import type { HaproxyCli } from './haproxy-cli.ts';
import { CLI_PORT, CONFIG_PATH, haproxyConfig, type ConfiguredBackend } from './haproxy-config.ts';
import { emptyFiles } from './proxy-certificates.ts';

const ROLE = 'proxy';
/** The node's port for HTTPS; absent where it has none. */
const HTTPS_LABEL = 'tagboat.dev/https-port';

export interface ProxyOptions {
  /** Of its container. */
  readonly name: string;
  /** HAProxy 2.6 or newer with bash, as the official image (not its Alpine variant). */
  readonly image: string;
  /** Of the node. */
  readonly httpPort: number;
  /** Of the node; null: no HTTPS. */
  readonly httpsPort: number | null;
}

export class ProxyContainer {
  readonly #docker: Docker;
  readonly #runtime: ContainerRuntime;
  readonly #options: ProxyOptions;
  #image: string | undefined;
  #id = '';
  #secure: boolean | undefined;

  constructor(docker: Docker, runtime: ContainerRuntime, options: ProxyOptions) {
    this.#docker = docker;
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Of the one that `ensureRunning` found or made. */
  get id(): string {
    return this.#id;
  }

  /** Asks the registry once in the agent's life; a proxy that runs needs none. */
  async ensureImage(tell: (text: string) => void, signal: AbortSignal): Promise<void> {
    if (this.#image !== undefined || (await this.#find()) !== undefined) return;
    const wanted = { reference: this.#options.image, pinned: undefined };
    const ready = await prepareImages(this.#runtime, [wanted], (_step, text) => tell(text), signal);
    this.#image = [...ready.values()][0]?.source;
  }

  /** Whether the node's port for HTTPS leads to it; undefined before `ensureRunning` found or made one. */
  get secure(): boolean | undefined {
    return this.#secure;
  }

  /**
   * Throws AttemptFailure where the name, or the port, is somebody else's.
   *
   * @param needsTls one that has no port for HTTPS is replaced by one that has, which closes connections; else it is left alone.
   */
  async ensureRunning(team: string, containers: readonly ContainerSummary[], needsTls: boolean): Promise<'found' | 'started' | 'replaced'> {
    const there = containers.find((one) => one.name === this.#options.name) ?? (await this.#find());
    if (there !== undefined && (there.labels[LABEL.team] !== team || there.labels[LABEL.role] !== ROLE)) {
      throw new AttemptFailure('NameTaken', `the container ${this.#options.name} of this node is not the proxy of team ${team}; one node's ports lead to one team. Remove it, or deploy to a node of your own`);
    }
    const isSecure = there?.labels[HTTPS_LABEL] === String(this.#options.httpsPort);
    if (there !== undefined && (isSecure || !needsTls)) {
      this.#id = there.id;
      this.#secure = isSecure;
      if (there.state === 'running') return 'found';
      if (await this.#wake(there)) return 'started';
    }
    if (there !== undefined) await this.#runtime.remove(there.id, change());
    await this.#make(team, needsTls);
    return there === undefined ? 'started' : 'replaced';
  }

  /** False where it cannot be brought back: it ends again and again, is half removed, or was on a network that is gone. Nothing in it is worth a repair. */
  async #wake(there: ContainerSummary): Promise<boolean> {
    if (there.state === 'restarting' || there.state === 'dead') return false;
    try {
      if (there.state === 'paused') await this.#docker.getContainer(there.id).unpause({ abortSignal: change() });
      else await this.#runtime.start(there.id, change());
      return true;
    } catch {
      return false;
    }
  }

  /** Where the port for HTTPS is somebody else's, plain HTTP goes on without it. */
  async #make(team: string, needsTls: boolean): Promise<void> {
    if (this.#options.httpsPort === null) return this.#launch(team, null);
    try {
      await this.#launch(team, this.#options.httpsPort);
    } catch (error) {
      if (!(error instanceof RuntimeError && error.code === 'PortInUse')) throw error;
      await this.#launch(team, null);
      if (needsTls) throw error;
    }
  }

  async #launch(team: string, httpsPort: number | null): Promise<void> {
    const id = await this.#create(team, httpsPort);
    try {
      await this.#runtime.start(id, change());
    } catch (error) {
      await this.#runtime.remove(id, change());
      throw error;
    }
    this.#secure = httpsPort !== null;
  }

  /** Writes the file for the next start and the next reload; a text that the proxy would not take is not left there. */
  async configure(backends: readonly ConfiguredBackend[], cli: HaproxyCli): Promise<void> {
    const text = haproxyConfig(backends, this.#options.httpsPort ?? 443);
    await this.put([[`${CONFIG_PATH}.new`, text]]);
    await cli.check(`${CONFIG_PATH}.new`, look());
    await this.put([[CONFIG_PATH, text]]);
  }

  /** Puts the proxy on a network of the container; answers its name. The target's own comes first. */
  async joinNetworkOf(container: ContainerSummary, prefix: string): Promise<string> {
    const network = container.networks.find((name) => name === prefix) ?? container.networks[0];
    if (network === undefined) throw new AttemptFailure('Unsupported', `${container.name} is on no network, so requests cannot be led to it`);
    if (!(await this.#networks()).includes(network)) {
      try {
        const endpoint: Docker.NetworkConnectOptions & { abortSignal: AbortSignal } = { Container: this.#id, abortSignal: change() };
        await this.#docker.getNetwork(network).connect(endpoint);
      } catch (error) {
        if (!isStatus(error, 403) || !(await this.#networks()).includes(network)) throw engineError(error, `putting the proxy on the network ${network}`);
      }
    }
    return network;
  }

  async leaveNetworks(needed: readonly string[]): Promise<void> {
    if ((await this.#find()) === undefined) return;
    for (const network of await this.#networks()) {
      if (network === 'bridge' || needed.includes(network)) continue;
      const endpoint = { Container: this.#id, Force: true, abortSignal: change() };
      try {
        await (this.#docker.getNetwork(network).disconnect(endpoint) as unknown as Promise<void>);
      } catch (error) {
        if (!isStatus(error, 403, 404)) throw engineError(error, `taking the proxy off the network ${network}`);
      }
    }
  }

  /** Undefined while it has no address there. */
  async addressOf(id: string, network: string): Promise<string | undefined> {
    const info = await this.#inspect(id);
    return info?.NetworkSettings.Networks[network]?.IPAddress || undefined;
  }

  /** Nothing is led any more: the ports of the node are free again. */
  async removeIfOurs(team: string, containers: readonly ContainerSummary[]): Promise<void> {
    const there = containers.find((one) => one.name === this.#options.name);
    if (there?.labels[LABEL.team] === team && there.labels[LABEL.role] === ROLE) await this.#runtime.remove(there.id, change());
  }

  async #create(team: string, httpsPort: number | null): Promise<string> {
    await this.ensureImage(() => undefined, look());
    const { httpPort } = this.#options;
    try {
      const container = await this.#docker.createContainer({
        name: this.#options.name,
        Image: this.#image ?? this.#options.image,
        User: '0',
        Entrypoint: [],
        Cmd: ['haproxy', '-W', '-db', '-S', `127.0.0.1:${CLI_PORT}`, '-f', CONFIG_PATH],
        Labels: { [LABEL.team]: team, [LABEL.role]: ROLE, ...(httpsPort !== null && { [HTTPS_LABEL]: String(httpsPort) }) },
        ExposedPorts: { '80/tcp': {}, ...(httpsPort !== null && { '443/tcp': {} }) },
        HostConfig: { PortBindings: { '80/tcp': [{ HostPort: String(httpPort) }], ...(httpsPort !== null && { '443/tcp': [{ HostPort: String(httpsPort) }] }) }, RestartPolicy: { Name: 'unless-stopped' } },
        abortSignal: change(),
      });
      this.#id = container.id;
      await this.put([...emptyFiles(), [CONFIG_PATH, haproxyConfig([], httpsPort ?? 443)]]);
      return container.id;
    } catch (error) {
      throw engineError(error, `creating the proxy ${this.#options.name}`, 'ContainerCreateFailed');
    }
  }

  /** Files for the proxy alone: there may be keys in them. */
  async put(files: readonly (readonly [path: string, text: string])[]): Promise<void> {
    const tar = packTar(files.map(([path, text]) => ({ path, mode: 0o600, uid: 0, gid: 0, content: Buffer.from(text) })));
    await this.#docker.getContainer(this.#id).putArchive(tar, { path: '/', abortSignal: change() }).catch((error: unknown) => {
      throw engineError(error, 'writing the configuration of the proxy');
    });
  }

  async #networks(): Promise<string[]> {
    return Object.keys((await this.#inspect(this.#id))?.NetworkSettings.Networks ?? {});
  }

  async #find(): Promise<ContainerSummary | undefined> {
    const found = (await this.#runtime.list(look())).find((one) => one.name === this.#options.name);
    if (found !== undefined) this.#id = found.id;
    return found;
  }

  async #inspect(id: string): Promise<Docker.ContainerInspectInfo | undefined> {
    try {
      return await this.#docker.getContainer(id).inspect({ abortSignal: look() });
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw engineError(error, 'inspecting a container');
    }
  }
}
