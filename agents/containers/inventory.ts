/**
 * What is on the node for one target, read from names and labels alone. Pure but for the one list call: after a crash this is
 * all that an attempt knows.
 */
import { LABEL, attemptOf, isOurs, parseName } from './labels.ts';
import type { ContainerRuntime, ContainerSummary } from './runtime.ts';

export interface SetAside {
  readonly container: ContainerSummary;
  /** The name that it goes back to. */
  readonly base: string;
  /** The attempt that set it aside. */
  readonly by: bigint;
  /** It ran before, so it runs again after a restore. */
  readonly ran: boolean;
}

export interface Inventory {
  /** Ours under their final names. */
  readonly finals: ReadonlyMap<string, ContainerSummary>;
  readonly aside: readonly SetAside[];
  /** Marks of attempts that were decided and not yet cleaned up. */
  readonly done: readonly SetAside[];
  /** Left-over init containers of any attempt. */
  readonly helpers: readonly ContainerSummary[];
  /** Names that somebody else's containers have. */
  readonly foreign: ReadonlySet<string>;
}

/** Containers that run or will run again by themselves. */
export function isUp(container: ContainerSummary): boolean {
  return container.state === 'running' || container.state === 'restarting' || container.state === 'paused';
}

export async function takeInventory(runtime: ContainerRuntime, team: string, prefix: string, signal: AbortSignal): Promise<Inventory> {
  return sort(await runtime.list(signal), team, prefix);
}

export function sort(containers: readonly ContainerSummary[], team: string, prefix: string): Inventory {
  const finals = new Map<string, ContainerSummary>();
  const aside: SetAside[] = [];
  const done: SetAside[] = [];
  const helpers: ContainerSummary[] = [];
  const foreign = new Set<string>();
  for (const container of containers) {
    if (!isOurs(container, team, prefix)) {
      foreign.add(container.name);
      continue;
    }
    const { place, base, by, ran } = parseName(container.name);
    if (container.labels[LABEL.role] === 'init') helpers.push(container);
    else if (place === 'old') aside.push({ container, base, by: by ?? 0n, ran });
    else if (place === 'done') done.push({ container, base, by: by ?? 0n, ran });
    else finals.set(container.name, container);
  }
  return { finals, aside, done, helpers, foreign };
}

/** Everything of the target, wherever its name puts it. */
export function allOf(inventory: Inventory): ContainerSummary[] {
  return [...inventory.finals.values(), ...inventory.helpers, ...inventory.aside.map((one) => one.container), ...inventory.done.map((one) => one.container)];
}

/** Digests by reference that this attempt used before the agent restarted: a tag that moved meanwhile must not split it. */
export function digestsOfAttempt(inventory: Inventory, attemptId: bigint): ReadonlyMap<string, string> {
  const known = new Map<string, string>();
  for (const container of [...inventory.finals.values(), ...inventory.helpers]) {
    const reference = container.labels[LABEL.reference];
    const digest = container.labels[LABEL.digest];
    if (attemptOf(container.labels) === attemptId && reference && digest) known.set(reference, digest);
  }
  return known;
}
