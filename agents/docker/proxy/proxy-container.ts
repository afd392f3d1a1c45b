/** The container that the proxy runs in: made when the first route is, removed with the last, on the networks of whom it leads to. */
import type Docker from 'dockerode';
import { AttemptFailure } from '../../core/attempt-failure.ts';
import { change, look } from '../../containers/calls.ts';
import { prepareImages } from '../../containers/images.ts';
import { isUp } from '../../containers/inventory.ts';
import { LABEL } from '../../containers/labels.ts';
import type { ContainerRuntime, ContainerSummary } from '../../containers/runtime.ts';
import { engineError, isStatus } from '../docker-errors.ts';
import { packTar } from '../tar.ts';
import type { HaproxyCli } from './haproxy-cli.ts';
import { CLI_PORT, CONFIG_PATH, haproxyConfig, type ConfiguredBackend } from './haproxy-config.ts';

export const PROXY_NAME = 'tagboat-proxy';
const ROLE = 'proxy';

export interface ProxyOptions {
  /** HAProxy 2.6 or newer with bash, as the official image (not its Alpine variant). */
  readonly image: string;
  /** Of the node. */
  readonly httpPort: number;
}

export class ProxyContainer {
  readonly #docker: Docker;
  readonly #runtime: ContainerRuntime;
  readonly #options: ProxyOptions;
  #image: string | undefined;
  #id = '';

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

  /** True if it had to be made or started. Throws AttemptFailure where the name, or the port, is somebody else's. */
  async ensureRunning(team: string, containers: readonly ContainerSummary[]): Promise<boolean> {
    const there = containers.find((one) => one.name === PROXY_NAME) ?? (await this.#find());
    if (there !== undefined && (there.labels[LABEL.team] !== team || there.labels[LABEL.role] !== ROLE)) {
      throw new AttemptFailure('NameTaken', `the container ${PROXY_NAME} of this node is not the proxy of team ${team}; one node's ports lead to one team. Remove it, or deploy to a node of your own`);
    }
    this.#id = there?.id ?? (await this.#create(team));
    if (there !== undefined && isUp(there)) return false;
    try {
      await this.#runtime.start(this.#id, change());
    } catch (error) {
      if (there === undefined) await this.#runtime.remove(this.#id, change());
      throw error;
    }
    return true;
  }

  /** Writes the file for the next start and the next reload; a text that the proxy would not take is not left there. */
  async configure(backends: readonly ConfiguredBackend[], cli: HaproxyCli): Promise<void> {
    const text = Buffer.from(haproxyConfig(backends));
    await this.#put(`${CONFIG_PATH}.new`, text);
    await cli.check(`${CONFIG_PATH}.new`, look());
    await this.#put(CONFIG_PATH, text);
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
    const there = containers.find((one) => one.name === PROXY_NAME);
    if (there?.labels[LABEL.team] === team && there.labels[LABEL.role] === ROLE) await this.#runtime.remove(there.id, change());
  }

  async #create(team: string): Promise<string> {
    await this.ensureImage(() => undefined, look());
    const { httpPort } = this.#options;
    try {
      const container = await this.#docker.createContainer({
        name: PROXY_NAME,
        Image: this.#image ?? this.#options.image,
        User: '0',
        Entrypoint: [],
        Cmd: ['haproxy', '-W', '-db', '-S', `127.0.0.1:${CLI_PORT}`, '-f', CONFIG_PATH],
        Labels: { [LABEL.team]: team, [LABEL.role]: ROLE },
        ExposedPorts: { '80/tcp': {} },
        HostConfig: { PortBindings: { '80/tcp': [{ HostPort: String(httpPort) }] }, RestartPolicy: { Name: 'unless-stopped' } },
        abortSignal: change(),
      });
      this.#id = container.id;
      await this.#put(CONFIG_PATH, Buffer.from(haproxyConfig([])));
      return container.id;
    } catch (error) {
      throw engineError(error, `creating the proxy ${PROXY_NAME}`, 'ContainerCreateFailed');
    }
  }

  async #put(path: string, content: Buffer): Promise<void> {
    await this.#docker.getContainer(this.#id).putArchive(packTar([{ path, mode: 0o644, uid: 0, gid: 0, content }]), { path: '/', abortSignal: change() }).catch((error: unknown) => {
      throw engineError(error, 'writing the configuration of the proxy');
    });
  }

  async #networks(): Promise<string[]> {
    return Object.keys((await this.#inspect(this.#id))?.NetworkSettings.Networks ?? {});
  }

  async #find(): Promise<ContainerSummary | undefined> {
    const found = (await this.#runtime.list(look())).find((one) => one.name === PROXY_NAME);
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
