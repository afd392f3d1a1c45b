/**
 * Leads requests to the containers of one node through one HAProxy container. What it has to know stands on the engine (labels, names)
 * and in the running proxy (which server gets requests); nothing is remembered here but the last look.
 *
 * HAProxy because a server is exchanged by a command of its runtime API: no process is replaced and no connection closed when a new
 * container takes over, and the count of open requests tells when the old one may go.
 */
import type Docker from 'dockerode';
import { AttemptFailure, safePoint } from '../../core/attempt-failure.ts';
import type { AttemptContext } from '../../core/engine.ts';
import { pause } from '../../core/pool.ts';
import { look } from '../../containers/calls.ts';
import { LABEL } from '../../containers/labels.ts';
import { addressOf, type Choice, type Route, type Router, type RouteTarget, type RouteTrouble } from '../../containers/route.ts';
import { RuntimeError, type ContainerRuntime, type ContainerSummary } from '../../containers/runtime.ts';
import type { Bundle } from '../certificates/bundle.ts';
import type { Certificates } from '../certificates/certificates.ts';
import { backendsOf, isSameAddress, type Backend, type Wish } from './backends.ts';
import { HaproxyCli, type ServerState } from './haproxy-cli.ts';
import { CONFIG_PATH, KEEP_ALIVE_MS, PROOFS_PATH, SLOTS, structureOf, type ConfiguredBackend, type Server, type Slot } from './haproxy-config.ts';
import { bringBundles, ensureFiles, proofsText } from './proxy-certificates.ts';
import { ProxyContainer, type ProxyOptions } from './proxy-container.ts';

const START_MS = 15_000;
const POLL_MS = 100;

/** A server that got the requests before; it may have some under way. */
interface Leaving {
  readonly backend: string;
  readonly slot: Slot;
}

export class HaproxyRouter implements Router {
  readonly #docker: Docker;
  readonly #runtime: ContainerRuntime;
  readonly #proxy: ProxyContainer;
  /** One change of the proxy at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Targets whose containers are being removed: they have routes until they are gone, and nobody is led there. */
  readonly #withdrawn = new Set<string>();

  readonly #certificates: Certificates | undefined;
  readonly #options: ProxyOptions;
  /** The team that this agent tends; known with the first call. */
  #team: string | undefined;
  readonly #proofs = new Map<string, string>();

  constructor(docker: Docker, runtime: ContainerRuntime, options: ProxyOptions, certificates?: Certificates) {
    this.#docker = docker;
    this.#runtime = runtime;
    this.#options = options;
    this.#certificates = certificates;
    this.#proxy = new ProxyContainer(docker, runtime, options);
  }

  async prepare(target: RouteTarget, routes: readonly Route[], context: AttemptContext): Promise<void> {
    if (routes.length === 0) return;
    const containers = await this.#runtime.list(look());
    for (const other of backendsOf(containers, target.team)) {
      const taken = other.prefix === target.prefix ? undefined : routes.find((route) => isSameAddress(route, other.route));
      if (taken !== undefined) throw new AttemptFailure('RouteTaken', `${addressOf(taken)} leads to ${other.key.replace('.', '-')} on this node already; nothing was touched. Choose another domain or path`);
    }
    const needsTls = routes.some(({ tls }) => tls);
    if (needsTls && this.#options.httpsPort === null) throw new AttemptFailure('Unsupported', 'the proxy of this node serves no HTTPS (--https-port none); nothing was touched');
    safePoint(context);
    await this.#inTurn(() => this.#proxy.ensureImage((text) => context.progress('route', text), AbortSignal.any([context.cancel, context.deadline])));
    safePoint(context);
    const made = await this.#inTurn(async () => {
      const done = await this.#proxy.ensureRunning(target.team, containers, needsTls);
      // Whom it led to before, it leads to at once.
      if (done === 'replaced') await this.#sync(target.team);
      return done;
    });
    if (made !== 'found') context.progress('route', `${made === 'started' ? 'started the proxy' : 'gave a port for HTTPS to the proxy'} ${this.#options.name}`);
  }

  async lead(target: RouteTarget, choice: Choice, signal: AbortSignal): Promise<void> {
    if (choice === 'none') this.#withdrawn.add(target.prefix);
    else this.#withdrawn.delete(target.prefix);
    const leaving = await this.#inTurn(() => this.#sync(target.team, { prefix: target.prefix, choice }));
    if (leaving !== undefined) await this.#drain(leaving, signal);
    if (choice === 'none') await this.#inTurn(() => this.#leaveNetworks(target.team));
  }

  async tend(team: string): Promise<void> {
    await this.#inTurn(() => this.#sync(team));
  }

  async keep(changed: () => void, signal: AbortSignal): Promise<void> {
    const show = async (path: string, text: string | undefined): Promise<void> => this.#inTurn(() => this.#show(path, text));
    const install = async (): Promise<void> => (this.#team === undefined ? undefined : this.tend(this.#team));
    await this.#certificates?.run({ show, install, changed }, signal);
  }

  trouble({ tls, domain }: Route): RouteTrouble | undefined {
    if (!tls) return undefined;
    if (this.#proxy.secure === false) return { health: 'degraded', reason: `port ${this.#options.httpsPort ?? 443} of the node, for HTTPS, was not free when the proxy was started; free it, then remove the container ${this.#options.name}: it is made anew` };
    if (this.#certificates === undefined) return { health: 'degraded', reason: 'this agent was started without certificates' };
    return this.#certificates.trouble(domain);
  }

  async #show(path: string, text: string | undefined): Promise<void> {
    if (text === undefined) this.#proofs.delete(path);
    else this.#proofs.set(path, text);
    await this.#proxy.put([[PROOFS_PATH, proofsText(this.#proofs)]]);
    await new HaproxyCli(this.#docker, this.#proxy.id).showProof(path, text, look());
  }

  /** Brings the proxy to what the engine's containers ask for; answers who may still have requests under way. */
  async #sync(team: string, wish?: Wish): Promise<{ readonly cli: HaproxyCli; readonly servers: readonly Leaving[]; readonly graceMs: number } | undefined> {
    this.#team = team;
    const containers = await this.#runtime.list(look());
    const backends = this.#backends(containers, team, wish);
    const domains = backends.flatMap(({ route }) => (route.tls ? [route.domain] : []));
    this.#certificates?.want(domains);
    if (backends.length === 0) {
      await this.#proxy.removeIfOurs(team, containers);
      return undefined;
    }
    await this.#proxy.ensureRunning(team, containers, false);
    const id = this.#proxy.id;
    const cli = new HaproxyCli(this.#docker, id);
    const before = await this.#answering(cli);
    const placed = await this.#place(backends, before);
    if (placed.length === 0) return undefined;
    const structure = structureOf(placed, this.#options.httpsPort ?? 443);
    const known = new Map(before.filter((one) => one.ready).map((one) => [one.backend, one]));
    const graceMs = Math.max(0, ...containers.map((one) => (one.labels[LABEL.route] === undefined ? 0 : Number(one.labels[LABEL.stopGrace] ?? 10) * 1000 || 0)));

    if ((await cli.head(CONFIG_PATH, look())) !== `# structure ${structure}`) {
      await ensureFiles(this.#proxy, cli);
      await this.#proxy.configure(placed, cli);
      await cli.reload(look());
      await this.#serving(cli, placed);
      await this.#bringBundles(domains, cli);
      return { cli, servers: [], graceMs: graceMs + KEEP_ALIVE_MS };
    }
    await this.#bringBundles(domains, cli);
    const changed = placed.filter((one) => !isAt(known.get(one.key), one.server));
    if (changed.length === 0) return undefined;
    const servers = changed.flatMap(({ key }): Leaving[] => {
      const old = known.get(key);
      return old === undefined ? [] : [{ backend: key, slot: old.slot }];
    });
    for (const one of changed) await cli.command(exchange(one, known.get(one.key)?.slot), look());
    // What the proxy starts with, should it be started again.
    await this.#proxy.configure(placed, cli);
    return { cli, servers, graceMs };
  }

  /** Which candidate answers, and where: the one that does now if it may, else the first that has an address. */
  async #place(backends: readonly Backend[], servers: readonly ServerState[]): Promise<ConfiguredBackend[]> {
    const placed: ConfiguredBackend[] = [];
    for (const { key, prefix, route, candidates, keepsCurrent } of backends) {
      const network = await this.#proxy.joinNetworkOf(candidates[0]!, prefix);
      const addressed: ConfiguredBackend[] = [];
      for (const container of candidates) {
        const host = await this.#proxy.addressOf(container.id, network);
        if (host !== undefined) addressed.push({ key, route, server: { host, port: route.port } });
      }
      const now = servers.filter((one) => one.backend === key && one.ready);
      const answering = keepsCurrent ? addressed.find((one) => now.some((server) => isAt(server, one.server))) : undefined;
      const chosen = answering ?? addressed[0];
      if (chosen !== undefined) placed.push(chosen);
    }
    return placed;
  }

  /** Waits until nobody has a request under way at the old servers, for as long as they would get to stop anyway. */
  async #drain({ cli, servers, graceMs }: { readonly cli: HaproxyCli; readonly servers: readonly Leaving[]; readonly graceMs: number }, signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(Math.max(graceMs, 1_000))]);
    while (!limit.aborted) {
      const open = servers.length === 0 ? await cli.oldWorkers(look()) : await this.#open(cli, servers);
      if (open === 0) break;
      await pause(POLL_MS, limit);
    }
    for (const { backend, slot } of servers) await cli.command([`set server ${backend}/${slot} state maint`], look());
  }

  async #open(cli: HaproxyCli, servers: readonly Leaving[]): Promise<number> {
    let open = await cli.oldWorkers(look());
    for (const { backend, slot } of servers) open += await cli.sessions(backend, slot, look());
    return open;
  }

  async #answering(cli: HaproxyCli): Promise<readonly ServerState[]> {
    for (const until = Date.now() + START_MS; Date.now() < until; await pause(POLL_MS, look())) {
      const servers = await cli.servers(look());
      if (servers !== undefined) return servers;
    }
    throw new RuntimeError('EngineError', `the proxy ${this.#options.name} does not answer; look at its log`);
  }

  /** After a reload: the process that answers has all of them. */
  async #serving(cli: HaproxyCli, placed: readonly ConfiguredBackend[]): Promise<void> {
    for (const until = Date.now() + START_MS; Date.now() < until; await pause(POLL_MS, look())) {
      const servers = await cli.servers(look());
      if (servers !== undefined && placed.every((one) => servers.some((server) => server.backend === one.key && isAt(server, one.server)))) return;
    }
    throw new RuntimeError('EngineError', `the proxy ${this.#options.name} did not take its new configuration; look at its log`);
  }

  async #bringBundles(domains: readonly string[], cli: HaproxyCli): Promise<void> {
    const certificates = this.#certificates;
    if (certificates === undefined) return;
    const bundles = new Map([...new Set(domains)].sort().flatMap((domain): [string, Bundle][] => {
      const bundle = certificates.bundleOf(domain);
      return bundle === undefined ? [] : [[domain, bundle]];
    }));
    const taken = await bringBundles(bundles, this.#proxy, cli);
    certificates.served(taken, [...bundles.keys()].filter((domain) => !taken.has(domain)));
  }

  #backends(containers: readonly ContainerSummary[], team: string, wish?: Wish): Backend[] {
    return backendsOf(containers, team, wish).filter(({ prefix }) => !this.#withdrawn.has(prefix));
  }

  async #leaveNetworks(team: string): Promise<void> {
    const backends = this.#backends(await this.#runtime.list(look()), team);
    await this.#proxy.leaveNetworks(backends.flatMap(({ candidates }) => candidates.flatMap((one) => one.networks)));
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}

function isAt(server: Pick<ServerState, 'host' | 'port' | 'ready'> | undefined, wanted: Server): boolean {
  return server !== undefined && server.ready && server.host === wanted.host && server.port === wanted.port;
}

/** The new one into the free place first, then the old one gets no new requests. */
function exchange({ key, server }: ConfiguredBackend, now: Slot | undefined): string[] {
  const free = SLOTS.find((slot) => slot !== now) ?? SLOTS[0];
  return [
    `set server ${key}/${free} addr ${server.host} port ${server.port}`,
    `set server ${key}/${free} state ready`,
    ...(now === undefined ? [] : [`set server ${key}/${now} state drain`]),
  ];
}
