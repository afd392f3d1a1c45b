/**
 * The simulated room: a Docker host that is only a value. It obeys the same verbs, refuses the same things (names and ports
 * that are taken, images that are unknown) and takes a little time, so that the one rollout above it cannot tell the
 * difference. Nothing of Docker may come in here.
 */
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { hostPortsOf } from '../containers/container-spec.ts';
import { LABEL } from '../containers/labels.ts';
import { pause } from '../core/pool.ts';
import { parseReference } from '../core/reference.ts';
import {
  RuntimeError,
  type ContainerDetails,
  type ContainerPlan,
  type ContainerRuntime,
  type ContainerSummary,
  type LocalImage,
  type NetworkProbe,
  type ProbeResult,
  type RuntimeEvent,
} from '../containers/runtime.ts';
import type { LogLine } from '../core/engine.ts';
import { exitCodeOf, Faults, type Fault } from './faults.ts';
import { loadState, saveState, type SimulatedContainer, type SimulatedState } from './state.ts';

/** Milliseconds. */
export interface SimulatedDelays {
  readonly pull: number;
  readonly start: number;
  readonly stop: number;
  /** From the start until a health check answers. */
  readonly healthy: number;
}

export interface SimulatedRuntimeOptions {
  readonly stateFile?: string;
  readonly delays?: Partial<SimulatedDelays>;
  /** Read at each step, so that a test may change the list. */
  readonly faults?: readonly Fault[];
  /** What the registry answers for a reference; default: a digest made of the reference. */
  readonly digestOf?: (reference: string) => string;
}

const DELAYS: SimulatedDelays = { pull: 300, start: 80, stop: 40, healthy: 150 };
const LOG_KEPT = 200;

export class SimulatedRuntime implements ContainerRuntime {
  readonly type = 'docker';
  readonly simulated = true;
  readonly #file: string | undefined;
  readonly #state: SimulatedState;
  readonly #delays: SimulatedDelays;
  readonly #faults: Faults;
  readonly #digestOf: (reference: string) => string;
  readonly #changes = new EventEmitter().setMaxListeners(0);

  constructor(options: SimulatedRuntimeOptions = {}) {
    this.#file = options.stateFile;
    this.#state = loadState(options.stateFile);
    this.#delays = { ...DELAYS, ...options.delays };
    this.#faults = new Faults(options.faults ?? []);
    this.#digestOf = options.digestOf ?? ((reference) => `sha256:${sha(reference)}`);
  }

  version(): Promise<string> {
    return Promise.resolve('simulated');
  }

  logDrivers(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async resolve(reference: string): Promise<string> {
    this.#faults.check('resolve', reference);
    return this.#digestOf(reference);
  }

  async localImage(reference: string): Promise<LocalImage | undefined> {
    const digest = this.#state.images[reference];
    const { repository } = parseReference(reference);
    return digest === undefined ? undefined : { id: digest, repoDigests: [`${repository}@${digest}`], labels: {}, variables: [] };
  }

  async pull(repository: string, known: string | undefined, tag: string | undefined, _credentials: unknown, signal: AbortSignal): Promise<void> {
    this.#faults.check('pull', `${repository}:${tag ?? ''}`);
    await pause(this.#delays.pull, signal);
    if (signal.aborted) throw new RuntimeError('ImagePullFailed', `pulling ${repository} was stopped`);
    const digest = known ?? this.#digestOf(`${repository}:${tag ?? 'latest'}`);
    this.#state.images[`${repository}@${digest}`] = digest;
    if (tag !== undefined) this.#state.images[`${repository}:${tag}`] = digest;
    saveState(this.#file, this.#state);
  }

  async list(): Promise<readonly ContainerSummary[]> {
    return this.#state.containers.map((one) => ({
      id: one.id,
      name: one.name,
      image: one.plan.image,
      imageId: one.imageId,
      state: one.state,
      exitCode: one.state === 'running' ? 0 : one.exitCode,
      labels: one.plan.labels,
      hostPorts: isUp(one) ? hostPortsOf(one.plan.config) : [],
      networks: one.networks,
      createdAt: one.createdAt,
    }));
  }

  async inspect(id: string): Promise<ContainerDetails | undefined> {
    const one = this.#state.containers.find((container) => container.id === id || container.name === id);
    if (one === undefined) return undefined;
    this.#advance(one);
    return {
      id: one.id,
      name: one.name,
      imageId: one.imageId,
      labels: one.plan.labels,
      state: one.state,
      exitCode: one.exitCode,
      restarts: one.restarts,
      startedAt: one.startedAt,
      addressesOf: () => [],
      error: '',
      settings: { image: one.imageId, config: { env: { ...one.plan.config.environment } }, networks: Object.fromEntries(one.networks.map((name) => [name, { joined: true }])) },
    };
  }

  async create(plan: ContainerPlan): Promise<string> {
    this.#faults.check('create', referenceOf(plan));
    this.#refuseName(plan.name, undefined);
    const unknown = plan.networks.find((network) => this.#state.networks[network.name] === undefined);
    if (unknown !== undefined) throw new RuntimeError('ContainerCreateFailed', `network ${unknown.name} not found`);
    const id = sha(`container ${this.#state.nextId++} ${plan.name}`);
    const networks = plan.networks.map((network) => network.name);
    // The snapshot is a file: what was opened does not go there.
    const kept = { ...plan, secrets: { environment: {}, files: [] } };
    this.#state.containers.push({ id, name: plan.name, plan: kept, imageId: `sha256:${sha(plan.image)}`, createdAt: Math.floor(Date.now() / 1000), state: 'created', exitCode: 0, restarts: 0, startedAt: 0, networks, log: [] });
    this.#changed(plan.labels);
    return id;
  }

  async start(id: string, signal: AbortSignal): Promise<void> {
    const one = this.#get(id);
    if (isUp(one)) return;
    this.#faults.check('start', referenceOf(one.plan));
    await pause(this.#delays.start, signal);
    const needed = new Set(hostPortsOf(one.plan.config));
    const holder = this.#state.containers.find((other) => other !== one && isUp(other) && hostPortsOf(other.plan.config).some((port) => needed.has(port)));
    if (holder !== undefined) throw new RuntimeError('PortInUse', `starting ${one.name}: a port that it publishes is held by ${holder.name}`);
    one.startedAt = Date.now();
    one.state = 'running';
    this.#log(one, 'stdout', `${referenceOf(one.plan)} starts (simulated)`);
    this.#advance(one);
    this.#changed(one.plan.labels);
  }

  /** What a container does by itself: it crashes, or it ends as a job does. */
  #advance(one: SimulatedContainer): void {
    if (one.state !== 'running') return;
    const expected = one.plan.config.expectedState;
    const code = this.#faults.crashes(referenceOf(one.plan), one.plan.config);
    const isJob = expected?.state === 'exited' || one.plan.labels[LABEL.role] === 'init';
    if (code !== undefined && !(isJob && code === (expected?.exitCode ?? 0))) {
      this.#log(one, 'stderr', 'cannot go on (simulated crash)');
      const policy = one.plan.config.restartPolicy ?? (expected === undefined || expected.state === 'running' ? 'unless-stopped' : 'no');
      one.exitCode = code;
      one.state = policy === 'no' ? 'exited' : 'restarting';
      one.restarts += policy === 'no' ? 0 : 1;
    } else if (isJob) {
      this.#log(one, 'stdout', 'done');
      one.exitCode = expected?.exitCode ?? 0;
      one.state = 'exited';
    }
  }

  async stop(id: string, _graceSeconds: number, signal: AbortSignal): Promise<void> {
    const one = this.#find(id);
    if (one === undefined || !isUp(one)) return;
    await pause(this.#delays.stop, signal);
    one.state = 'exited';
    this.#log(one, 'stdout', 'stopped');
    this.#changed(one.plan.labels);
  }

  async rename(id: string, name: string): Promise<void> {
    const one = this.#get(id);
    this.#refuseName(name, one);
    one.name = name;
    this.#changed(one.plan.labels);
  }

  async remove(id: string): Promise<void> {
    const index = this.#state.containers.findIndex((one) => one.id === id);
    const [one] = index < 0 ? [] : this.#state.containers.splice(index, 1);
    if (one !== undefined) this.#changed(one.plan.labels);
  }

  async ensureNetwork(name: string, labels: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
    const there = (this.#state.networks[name] ??= { ...labels });
    saveState(this.#file, this.#state);
    return there;
  }

  async networks(labels: Readonly<Record<string, string>>): Promise<readonly string[]> {
    return withLabels(this.#state.networks, labels);
  }

  async removeNetwork(name: string): Promise<void> {
    if (this.#state.containers.some((one) => one.networks.includes(name) && isUp(one))) return;
    delete this.#state.networks[name];
    saveState(this.#file, this.#state);
  }

  async ensureVolume(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    this.#state.volumes[name] ??= { ...labels };
    saveState(this.#file, this.#state);
  }

  async volumes(labels: Readonly<Record<string, string>>): Promise<readonly string[]> {
    return withLabels(this.#state.volumes, labels);
  }

  async removeVolume(name: string): Promise<void> {
    delete this.#state.volumes[name];
    saveState(this.#file, this.#state);
  }

  async exec(id: string, command: readonly string[]): Promise<ProbeResult> {
    return this.#health(this.#get(id), command.join(' '), (exitCodeOf(command) ?? 0) === 0);
  }

  async probe(container: ContainerDetails, probe: NetworkProbe): Promise<ProbeResult> {
    return this.#health(this.#get(container.id), probe.kind === 'http' ? `GET ${probe.path} on port ${probe.port}` : `connect on port ${probe.port}`);
  }

  #health(one: SimulatedContainer, asked: string, answers = true): ProbeResult {
    if (one.state !== 'running') return { ok: false, output: `${asked}: the container is ${one.state}` };
    if (Date.now() - one.startedAt < this.#delays.healthy) return { ok: false, output: `${asked}: no answer yet (simulated)` };
    const ok = answers && this.#faults.isHealthy(referenceOf(one.plan), one.plan.config);
    return { ok, output: `${asked}: ${ok ? 'fine' : 'fails'} (simulated)` };
  }

  async *logs(id: string, options: { readonly tail: number; readonly follow: boolean }, signal: AbortSignal): AsyncIterable<LogLine> {
    const { log } = this.#get(id);
    let next = Math.max(0, log.length - options.tail);
    for (;;) {
      for (const line of log.slice(next)) yield { at: new Date(line.at), stream: line.stream, text: line.text };
      next = log.length;
      if (!options.follow || signal.aborted || this.#find(id) === undefined) return;
      await pause(250, signal);
    }
  }

  async events(team: string, onReady: () => void, onEvent: (event: RuntimeEvent) => void, signal: AbortSignal): Promise<void> {
    function listener(labels: Readonly<Record<string, string>>): void {
      if (labels[LABEL.team] === team) onEvent({ prefix: labels[LABEL.prefix] });
    }
    this.#changes.on('change', listener);
    onReady();
    await new Promise<void>((resolve) => {
      if (signal.aborted) return resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#changes.off('change', listener);
  }

  /** For tests: a person who works on the engine by hand. */
  tamper(name: string, change: (container: SimulatedContainer) => void): void {
    const one = this.#state.containers.find((container) => container.name === name);
    if (one === undefined) throw new Error(`no container ${name}`);
    change(one);
    this.#changed(one.plan.labels);
  }

  #changed(labels: Readonly<Record<string, string>>): void {
    saveState(this.#file, this.#state);
    this.#changes.emit('change', labels);
  }

  #log(one: SimulatedContainer, stream: 'stdout' | 'stderr', text: string): void {
    one.log.push({ at: Date.now(), stream, text });
    if (one.log.length > LOG_KEPT) one.log.shift();
  }

  #find(id: string): SimulatedContainer | undefined {
    return this.#state.containers.find((one) => one.id === id);
  }

  #get(id: string): SimulatedContainer {
    const one = this.#find(id);
    if (one === undefined) throw new RuntimeError('EngineError', `no such container: ${id.slice(0, 12)}`);
    return one;
  }

  #refuseName(name: string, self: SimulatedContainer | undefined): void {
    const holder = this.#state.containers.find((one) => one.name === name && one !== self);
    if (holder !== undefined) throw new RuntimeError('NameTaken', `the name ${name} is in use by container ${holder.id.slice(0, 12)}`);
  }
}

function isUp(one: SimulatedContainer): boolean {
  return one.state === 'running' || one.state === 'restarting' || one.state === 'paused';
}

function referenceOf(plan: ContainerPlan): string {
  return plan.labels[LABEL.reference] ?? plan.image;
}

function withLabels(things: Readonly<Record<string, Record<string, string>>>, labels: Readonly<Record<string, string>>): string[] {
  return Object.entries(things).flatMap(([name, own]) => (Object.entries(labels).every(([key, value]) => own[key] === value) ? [name] : []));
}

function sha(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
