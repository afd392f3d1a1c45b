/** The Engine of every runtime that has containers and no rollouts of its own: this file only binds the parts together. */
import type { Engine, LogLine, LogRequest } from '../core/engine.ts';
import { AgentError } from '../core/errors.ts';
import { look } from './calls.ts';
import { LABEL } from './labels.ts';
import { Looks } from './looks.ts';
import { HealthMonitor } from './monitor.ts';
import { observeTeam, takeBaseline } from './observe.ts';
import { removeTarget } from './remove.ts';
import { rollOut } from './rollout.ts';
import type { Router } from './route.ts';
import { RuntimeError, type ContainerRuntime } from './runtime.ts';
import { Tending } from './tending.ts';
import { watchTeam } from './watch.ts';

/** @param router leads requests from outside; a runtime without one only notes the routes. */
export function createContainerEngine(runtime: ContainerRuntime, router?: Router): Engine {
  const monitor = new HealthMonitor(runtime);
  const looks = new Looks(runtime);
  return {
    type: runtime.type,
    simulated: runtime.simulated,
    version: (signal) => spoken(runtime.version(signal)),
    deploy: (spec, previous, context) => rollOut(runtime, spec, previous, context, router),
    remove: (target, context) => removeTarget(runtime, target, context, router),
    baseline: (spec) => spoken(takeBaseline(runtime, spec)),
    observe: (team, memories) => spoken(observeTeam(runtime, looks, monitor, team, memories, router)),
    watch: async (team, onChange, signal) => {
      const tending = router === undefined ? undefined : new Tending(router, team);
      const changed = (prefix: string | undefined): void => {
        tending?.stir();
        onChange(prefix);
      };
      const keeping = router?.keep(() => onChange(undefined), signal);
      await watchTeam(runtime, looks, monitor, team, changed, signal).finally(() => tending?.stop());
      await keeping;
    },
    logs: (request, signal) => logsOf(runtime, request, signal),
  };
}

/** Outside of an attempt a silent engine is an error of the agent, not an end of an attempt. */
async function spoken<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    throw new AgentError(error.code === 'EngineUnreachable' ? 'EngineUnreachable' : 'Internal', error.message, { cause: error });
  }
}

async function* logsOf(runtime: ContainerRuntime, request: LogRequest, signal: AbortSignal): AsyncIterable<LogLine> {
  // By name, but only what is Tagboat's: a log of somebody else's container is nobody's business (R1).
  const containers = await spoken(runtime.list(look()));
  const found = containers.find((one) => one.name === request.container && one.labels[LABEL.prefix] === request.prefix && one.labels[LABEL.team] !== undefined);
  if (found === undefined) throw new AgentError('Internal', `no container ${request.container} of prefix ${request.prefix} is on the node`);
  yield* runtime.logs(found.id, { tail: request.tail, follow: request.follow }, signal);
}
