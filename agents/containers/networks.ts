/**
 * Networks of a team on its node. Those that a configuration names may serve many targets, so each lasts for as long as a container is on it
 * or an attempt under way needs it, and goes with the last of them. One that Tagboat did not make is never removed.
 */
import { change, look } from './calls.ts';
import { LABEL } from './labels.ts';
import { pooled } from '../core/pool.ts';
import type { ContainerRuntime } from './runtime.ts';

interface Turns {
  /** Names by attempt: between making a network and the first container on it nothing on the engine tells that it is needed. */
  readonly needed: Map<bigint, ReadonlySet<string>>;
  /** Making and removing take turns, lest what one has found be removed by the other. */
  last: Promise<unknown>;
}

/** Of this process: attempts that died with another one make their networks again. */
const turns = new WeakMap<ContainerRuntime, Turns>();

function turnsOf(runtime: ContainerRuntime): Turns {
  const there = turns.get(runtime) ?? { needed: new Map(), last: Promise.resolve() };
  turns.set(runtime, there);
  return there;
}

function inTurn<T>(all: Turns, work: () => Promise<T>): Promise<T> {
  const mine = all.last.then(work, work);
  all.last = mine.catch(() => undefined);
  return mine;
}

/** Makes those that are missing and keeps all of them until `release`. Answers the labels of each. */
export async function ensureNetworks(
  runtime: ContainerRuntime,
  attemptId: bigint,
  wanted: ReadonlyMap<string, Readonly<Record<string, string>>>,
): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
  const all = turnsOf(runtime);
  all.needed.set(attemptId, new Set(wanted.keys()));
  const there = await inTurn(all, () => pooled([...wanted], async ([name, labels]) => [name, await runtime.ensureNetwork(name, labels, change())] as const));
  return new Map(there);
}

/** The attempt is over, or has its containers. */
export function releaseNetworks(runtime: ContainerRuntime, attemptId: bigint): void {
  turnsOf(runtime).needed.delete(attemptId);
}

/**
 * Removes the team's networks that no container is on, not even a stopped one, and no attempt needs. Answers their names; throws when it has
 * tried all of them and one could not be removed.
 */
export async function removeUnusedNetworks(runtime: ContainerRuntime, team: string): Promise<readonly string[]> {
  const all = turnsOf(runtime);
  return inTurn(all, async () => {
    const [ours, containers] = [await runtime.networks({ [LABEL.team]: team }, look()), await runtime.list(look())];
    const used = new Set([...containers.flatMap((one) => one.networks), ...[...all.needed.values()].flatMap((names) => [...names])]);
    const unused = ours.filter((name) => !used.has(name));
    const failures: unknown[] = [];
    await pooled(unused, (name) => runtime.removeNetwork(name, change()).catch((error: unknown) => failures.push(error)));
    if (failures.length > 0) throw failures[0];
    return unused;
  });
}
