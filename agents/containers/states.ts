/** Containers in the words of the engine interface. */
import type { ContainerState } from '../core/engine.ts';
import type { Inventory } from './inventory.ts';
import { LABEL } from './labels.ts';
import type { ContainerDetails, ContainerSummary } from './runtime.ts';

/**
 * From the list alone, where restarts are not known.
 *
 * @param checked names of containers whose health check has just answered.
 */
export function statesOf(inventory: Inventory, checked: ReadonlySet<string>): ContainerState[] {
  return [...inventory.finals.values()].map((one) => stateOf(one, undefined, one.state === 'running' && checked.has(one.name) ? 'healthy' : 'none', ''));
}

export function stateOf(summary: ContainerSummary, details: ContainerDetails | undefined, health: ContainerState['health'], detail: string): ContainerState {
  return {
    name: summary.name,
    imageName: summary.labels[LABEL.image] ?? '',
    image: summary.labels[LABEL.reference] ?? summary.image,
    digest: summary.labels[LABEL.digest] ?? '',
    state: details?.state ?? summary.state,
    health,
    exitCode: details?.exitCode ?? summary.exitCode,
    restarts: details?.restarts ?? 0,
    id: summary.id,
    detail,
  };
}
