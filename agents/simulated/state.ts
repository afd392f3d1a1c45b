/** What a simulated node holds, and its snapshot on disk, so that a demo finds its containers after a restart. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ContainerPlan } from '../containers/runtime.ts';
import type { ContainerState } from '../core/engine.ts';

export interface SimulatedContainer {
  readonly id: string;
  name: string;
  readonly plan: ContainerPlan;
  readonly imageId: string;
  readonly createdAt: number;
  state: ContainerState['state'];
  exitCode: number;
  restarts: number;
  startedAt: number;
  readonly networks: string[];
  readonly log: { readonly at: number; readonly stream: 'stdout' | 'stderr'; readonly text: string }[];
}

export interface SimulatedState {
  nextId: number;
  readonly containers: SimulatedContainer[];
  readonly networks: Record<string, Record<string, string>>;
  readonly volumes: Record<string, Record<string, string>>;
  /** `repository@digest` and `repository:tag` → digest. */
  readonly images: Record<string, string>;
}

/** Without what every object has: a prefix may be `constructor`. */
function named<T>(entries: Record<string, T>): Record<string, T> {
  return Object.assign(Object.create(null) as Record<string, T>, entries);
}

function emptyState(): SimulatedState {
  return { nextId: 1, containers: [], networks: named({}), volumes: named({}), images: named({}) };
}

/** A file that is missing or was cut short by a crash is an empty node: it is a simulation. */
export function loadState(file: string | undefined): SimulatedState {
  if (file === undefined) return emptyState();
  try {
    const state = { ...emptyState(), ...(JSON.parse(readFileSync(file, 'utf8')) as SimulatedState) };
    return { ...state, networks: named(state.networks), volumes: named(state.volumes), images: named(state.images) };
  } catch {
    return emptyState();
  }
}

export function saveState(file: string | undefined, state: SimulatedState): void {
  if (file === undefined) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(state), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
