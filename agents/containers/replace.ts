/** One container on its way into its place: the old aside, the new created, started and found good. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { AttemptContext, TargetMemory } from '../core/engine.ts';
import { change, look } from './calls.ts';
import type { WantedContainer } from './container-spec.ts';
import { driftOfSettings, isBaseline, secretKeysOf } from './drift.ts';
import { AttemptFailure, safePoint } from '../core/attempt-failure.ts';
import { waitForHelper, waitUntilGood, type Gate } from './health-gate.ts';
import { isUp, type Inventory } from './inventory.ts';
import { LABEL, attemptOf, oldName } from './labels.ts';
import { RuntimeError, type ContainerRuntime, type ContainerSummary } from './runtime.ts';

export interface Placing {
  readonly runtime: ContainerRuntime;
  readonly spec: TargetSpec;
  readonly context: AttemptContext;
  /** Aborts when another container has failed: then this one need not be waited for. */
  readonly stop: AbortSignal;
  /** As it was before the first step. */
  readonly inventory: Inventory;
  readonly wanted: readonly WantedContainer[];
  readonly previous: TargetMemory | undefined;
  /** Containers that are being set aside or stopped, so that two that need it wait for one call. */
  readonly moving: Map<string, Promise<void>>;
}

export async function putInPlace(placing: Placing, wanted: WantedContainer): Promise<void> {
  const { runtime, context, inventory } = placing;
  const gate: Gate = placing;
  const current = inventory.finals.get(wanted.name);
  const own = current !== undefined && attemptOf(current.labels) === context.attemptId;
  if (current !== undefined && (await isAsWanted(placing, current, wanted))) {
    context.progress('keep', `${wanted.name} is as wanted and stays untouched`);
    return waitUntilGood(gate, wanted, current.id, own);
  }
  if (placing.stop.aborted) return;
  safePoint(context);

  // Of this attempt, from before a restart of the agent, and not usable: it is nobody's old container.
  if (current !== undefined && own) await runtime.remove(current.id, change());
  if (current !== undefined && !own) await setAside(placing, current, wanted.recreate);
  await makeWay(placing, wanted, current);
  await runHelpers(placing, wanted);
  if (placing.stop.aborted) return;
  safePoint(context);

  const id = await create(runtime, wanted);
  if (wanted.expected !== 'waiting') {
    context.progress('start', `starts ${wanted.name} (${wanted.image.image})`);
    await runtime.start(id, change());
  }
  await waitUntilGood(gate, wanted, id, true);
}

async function create(runtime: ContainerRuntime, wanted: WantedContainer): Promise<string> {
  try {
    return await runtime.create(wanted.plan, change());
  } catch (error) {
    if (error instanceof RuntimeError && error.code === 'NameTaken') {
      throw new AttemptFailure('NameTaken', `a container named ${wanted.name} appeared during the attempt: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

/** Same hash, in the state that the spec asks for and not changed by hand since: an attempt touches only what it has to. */
async function isAsWanted(placing: Placing, current: ContainerSummary, wanted: WantedContainer): Promise<boolean> {
  if (current.labels[LABEL.hash] !== wanted.hash) return false;
  if (wanted.expected === 'running' && current.state !== 'running') return false;
  if (wanted.expected === 'waiting' && current.state !== 'created') return false;
  // Nothing tells whether its files had been put in when the agent was restarted.
  if (wanted.expected === 'waiting' && wanted.plan.secrets.files.length > 0 && attemptOf(current.labels) === placing.context.attemptId) return false;
  if (wanted.expected === 'exited' && current.state !== 'running' && current.state !== 'exited') return false;
  const remembered = isBaseline(placing.previous?.baseline) ? placing.previous.baseline.containers[wanted.name] : undefined;
  // The picture of another content says nothing about this one.
  const before = remembered?.hash === wanted.hash ? remembered : undefined;
  if (before === undefined && wanted.expected !== 'exited') return true;
  const details = await placing.runtime.inspect(current.id, look());
  if (details === undefined) return false;
  if (details.state === 'exited' && details.exitCode !== (wanted.image.config.expectedState?.exitCode ?? 0)) return false;
  const changed = before === undefined ? undefined : driftOfSettings(wanted.name, before, details, secretKeysOf(placing.spec, wanted.image.name)).find((drift) => !isOwnLabel(drift.field));
  if (changed !== undefined) placing.context.progress('drift', `${wanted.name} was changed on the node (${changed.field}) and is made anew`);
  return changed === undefined;
}

/** The labels of attempt and deployment differ between two containers that are otherwise the same. */
function isOwnLabel(field: string): boolean {
  return field.startsWith(`config.labels.${LABEL.attempt}`) || field.startsWith(`config.labels.${LABEL.deployment}`);
}

/** The name says by whom and whether it ran, and it says so before anything is stopped. */
export function setAside(placing: Placing, container: ContainerSummary, stop: boolean): Promise<void> {
  return once(placing, container.id, async () => {
    const { runtime, context } = placing;
    context.progress('switch', `sets ${container.name} aside${stop && isUp(container) ? ' and stops it' : isUp(container) ? ', still running' : ''}`);
    await runtime.rename(container.id, oldName(container.name, context.attemptId, isUp(container)), change());
    if (stop) await stopOld(runtime, container);
  });
}

async function stopOld(runtime: ContainerRuntime, container: ContainerSummary): Promise<void> {
  if (!isUp(container)) return;
  const grace = Number(container.labels[LABEL.stopGrace] ?? '10') || 0;
  await runtime.stop(container.id, grace, change(grace * 1000));
}

/** Stops whatever of this target is on its way out and still holds what the new container needs. */
async function makeWay(placing: Placing, wanted: WantedContainer, current: ContainerSummary | undefined): Promise<void> {
  const needed = new Set(wanted.hostPorts);
  const holds = (container: ContainerSummary): boolean => isUp(container) && container.hostPorts.some((port) => needed.has(port));
  for (const old of placing.inventory.aside) {
    const mine = old.base === wanted.name && wanted.recreate;
    if (isUp(old.container) && (mine || holds(old.container))) await once(placing, old.container.id, () => stopOld(placing.runtime, old.container));
  }
  for (const other of placing.inventory.finals.values()) {
    if (other.id === current?.id || !holds(other) || attemptOf(other.labels) === placing.context.attemptId) continue;
    const stays = placing.wanted.some((one) => one.name === other.name && one.hash === other.labels[LABEL.hash]);
    if (!stays) await setAside(placing, other, true);
  }
}

function once(placing: Placing, id: string, task: () => Promise<void>): Promise<void> {
  const moving = placing.moving.get(id) ?? task();
  placing.moving.set(id, moving);
  return moving;
}

async function runHelpers(placing: Placing, wanted: WantedContainer): Promise<void> {
  const { runtime, context } = placing;
  for (const plan of wanted.helpers) {
    if (placing.stop.aborted) return;
    safePoint(context);
    context.progress('init', `runs the ${plan.title} of ${wanted.name}`);
    const id = await runtime.create(plan, change());
    await runtime.start(id, change());
    await waitForHelper(placing, wanted.name, plan, id);
    await runtime.remove(id, change());
  }
}
