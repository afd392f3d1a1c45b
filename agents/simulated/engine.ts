import { createContainerEngine } from '../containers/engine.ts';
import type { Engine } from '../core/engine.ts';
import { SimulatedRuntime, type SimulatedRuntimeOptions } from './simulated-runtime.ts';

export type SimulatedEngineOptions = SimulatedRuntimeOptions;

/** An engine in memory for a machine without Docker; with `stateFile` its containers outlive the process. */
export function createSimulatedEngine(options: SimulatedEngineOptions = {}): Engine {
  return createContainerEngine(new SimulatedRuntime(options));
}
