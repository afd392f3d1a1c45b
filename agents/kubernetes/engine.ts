/**
 * The cluster room: here lives the way from a TargetSpec to objects of an API server, and back to what people are told of them. `objects/` says
 * what is wanted (pure), `judge` whether it has come (pure), `attempt` and `restore` in which order, `inventory` and `managed-fields` what is
 * ours, `view` and `baseline` what differs; requests are made in `api` alone. In come TargetSpecs, out go calls of the Engine interface.
 *
 * This file only binds the parts together.
 */
import type { Engine } from '../core/engine.ts';
import { AgentError } from '../core/errors.ts';
import { ImageConfigs } from '../core/image-config.ts';
import { pause } from '../core/pool.ts';
import { ApiFailure } from './api-failure.ts';
import { KubeApi } from './api.ts';
import { rollOut } from './attempt.ts';
import { Connection } from './connect.ts';
import { podLogs } from './logs.ts';
import { observeTeam, takeBaseline } from './observe.ts';
import { removeTarget } from './remove.ts';
import { ClusterView } from './view.ts';

export interface KubernetesEngineOptions {
  /** The path of a kubeconfig. Default: KUBECONFIG, else the service account of the pod. */
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** Changes within this time are told once. */
const GATHER_MS = 200;

/** Throws AgentError `ConfigInvalid` where the way to the cluster is not known; does not ask the cluster. */
export async function createKubernetesEngine(options: KubernetesEngineOptions = {}): Promise<Engine> {
  const api = new KubeApi(await Connection.open(options));
  const configs = new ImageConfigs();
  const views = new Map<string, ClusterView>();
  // An agent serves one team; it is known from the first look on.
  let team: string | undefined;
  function viewOf(name: string): ClusterView {
    team = name;
    const view = views.get(name) ?? new ClusterView(api, name);
    views.set(name, view);
    return view;
  }
  return {
    type: 'kubernetes',
    simulated: false,
    version: async (signal) => `Kubernetes ${(await spoken(api.call<{ gitVersion: string }>({ method: 'GET', path: '/version' }, signal))).gitVersion}`,
    deploy: (spec, previous, context) => rollOut(api, configs, spec, previous, context),
    remove: (target, context) => removeTarget(api, target, context),
    baseline: (spec, signal) => spoken(takeBaseline(viewOf(spec.team), spec, signal)),
    observe: (name, memories, signal) => spoken(observeTeam(viewOf(name), name, memories, signal)),
    watch: (name, onChange, signal) => watchTeam(viewOf(name), onChange, signal),
    logs: (request, signal) => podLogs(api, team, request, signal),
  };
}

async function watchTeam(view: ClusterView, onChange: (prefix: string | undefined) => void, signal: AbortSignal): Promise<void> {
  const pending = new Set<string | undefined>();
  let gathering = false;
  async function tell(): Promise<void> {
    await pause(GATHER_MS, signal);
    gathering = false;
    const changed = [...pending];
    pending.clear();
    if (signal.aborted) return;
    if (changed.includes(undefined)) return onChange(undefined);
    for (const prefix of changed) onChange(prefix);
  }
  await view.run((prefix) => {
    pending.add(prefix);
    if (gathering) return;
    gathering = true;
    void tell();
  }, signal);
}

/** Outside of an attempt a silent API server is an error of the agent, not an end of an attempt. */
async function spoken<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    throw new AgentError(error.passing ? 'EngineUnreachable' : 'Internal', error.message, { cause: error });
  }
}
