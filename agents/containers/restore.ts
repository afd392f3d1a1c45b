/**
 * Back to what ran before an attempt (R19), and the end of an attempt that was decided. Both read the engine afresh and may be
 * repeated after a crash at any of their steps.
 */
import { change, look } from './calls.ts';
import { takeInventory, type Inventory, type SetAside } from './inventory.ts';
import { LABEL, attemptOf, doneName } from './labels.ts';
import { pause, pooled } from '../core/pool.ts';
import { AttemptFailure } from '../core/attempt-failure.ts';
import { RuntimeError, type ContainerRuntime, type ContainerSummary } from './runtime.ts';

export interface Target {
  readonly team: string;
  readonly prefix: string;
}

export interface Restored {
  /** All that ran before runs again. */
  readonly complete: boolean;
  /** What could not be put back, for people. */
  readonly problems: readonly string[];
}

/**
 * Removes what the attempt created and puts back what it set aside.
 *
 * @param decided the attempt got past the point of no return in an earlier life: what it created then has nothing old to come
 *   back for it and stays.
 */
export async function restore(
  runtime: ContainerRuntime,
  target: Target,
  attemptId: bigint,
  tell: (step: string, text: string) => void,
  decided = false,
): Promise<Restored> {
  const inventory = await takeInventory(runtime, target.team, target.prefix, look());
  if (inventory.done.some((one) => one.by === attemptId)) throw new Error(`attempt ${attemptId} was decided and cannot be undone`);
  const olds = inventory.aside.filter((one) => one.by === attemptId);
  const replaced = new Set(olds.map((one) => one.base));
  const mine = [...inventory.finals.values()].filter((one) => attemptOf(one.labels) === attemptId && (!decided || replaced.has(one.name)));
  const helpers = inventory.helpers.filter((one) => attemptOf(one.labels) === attemptId);
  if (mine.length > 0) tell('restore', `removes the new ${mine.map((one) => one.name).join(', ')}`);
  if (olds.length > 0) tell('restore', `puts back the old ${olds.map((one) => one.base).join(', ')}`);
  // First all new ones away, then the old ones: the new may hold a port that an old one under another name needs.
  const problems: string[] = [];
  // What cannot be removed or come back is no reason to leave the others where they are.
  const tried = (work: () => Promise<unknown>, what: string): Promise<unknown> =>
    repeated(work).catch((error: unknown) => problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`));
  await pooled([...mine, ...helpers], (one) => tried(() => runtime.remove(one.id, change()), `${one.name} could not be removed`));

  const taken = new Set([...inventory.finals.values()].filter((one) => !mine.includes(one)).map((one) => one.name));
  await pooled(olds, async (old) => {
    // It would take ports and volumes from the one that serves; the attempt that replaces that one removes both.
    if (taken.has(old.base)) return void problems.push(`${old.base} stays aside as ${old.container.name}: another container of the target has its name`);
    // Started under its set-aside name, which says that it ran: a crash between the two steps loses nothing.
    if (old.ran) await tried(() => wake(runtime, old), `${old.base} could not be started again`);
    await tried(() => runtime.rename(old.container.id, old.base, change()), `${old.base} could not be put back under its name`);
  });
  return { complete: problems.length === 0, problems };
}

/** What was not possible for a moment: a port that is not free yet, an engine that was busy. Verbs of a runtime may be repeated. */
async function repeated(work: () => Promise<unknown>): Promise<void> {
  for (const ms of [300, 1000]) {
    try {
      return void (await work());
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      await pause(ms, look());
    }
  }
  await work();
}

/** Throws where it does not run then. */
async function wake(runtime: ContainerRuntime, { container }: SetAside): Promise<void> {
  // Somebody paused it, and it was left as it was: the engine starts nothing that is paused.
  if (container.state === 'paused') return;
  await runtime.start(container.id, change());
  if (!(await comesUp(runtime, container.id))) throw new AttemptFailure('RestoreFailed', 'it does not stay up');
}

/** A container that was started answers `running` at once as a rule; a crash-looping one gets three seconds to be caught up. */
async function comesUp(runtime: ContainerRuntime, id: string): Promise<boolean> {
  const until = Date.now() + 3000;
  for (let wait = 20; ; wait *= 2) {
    const details = await runtime.inspect(id, look());
    if (details?.state === 'running') return true;
    // One that was crash-looping before is as it was.
    if (details === undefined || details.state === 'restarting' || Date.now() > until) return details?.state === 'restarting';
    await pause(wait, look());
  }
}

/**
 * Decides an attempt: one old container is renamed, and from that single call on there is no way back; whoever comes after
 * a crash sees the mark and goes on. Answers whether the mark stands, also where the engine's answer was lost.
 */
export async function mark(runtime: ContainerRuntime, container: ContainerSummary | undefined, attemptId: bigint): Promise<boolean> {
  if (container === undefined) return true;
  const name = doneName(baseOf(container), attemptId);
  try {
    await runtime.rename(container.id, name, change());
    return true;
  } catch (error) {
    const there = await runtime.inspect(container.id, look());
    if (there?.name === name) return true;
    throw error;
  }
}

/**
 * Removes old containers and orphans once the attempt is decided; the mark, which comes first in the list, goes last. Where one cannot be removed
 * the others go all the same, and the mark stays for whoever tries again, at rest. Throws then.
 */
export async function cleanUp(runtime: ContainerRuntime, leaving: readonly ContainerSummary[]): Promise<void> {
  const [marker, ...others] = leaving;
  const failures: unknown[] = [];
  await pooled(others, (one) => retire(runtime, one).catch((error: unknown) => failures.push(error)));
  if (marker !== undefined) await (failures.length === 0 ? retire(runtime, marker) : rest(runtime, marker));
  if (failures.length > 0) throw failures[0];
}

function baseOf(container: ContainerSummary): string {
  return container.name.replace(/\.old-\d+-[rs]$/, '');
}

/** Stops it with its own grace, then removes it; its named volumes stay (R20). */
export async function retire(runtime: ContainerRuntime, container: ContainerSummary): Promise<void> {
  await rest(runtime, container);
  await runtime.remove(container.id, change());
}

async function rest(runtime: ContainerRuntime, container: ContainerSummary): Promise<void> {
  if (container.state === 'running' || container.state === 'paused' || container.state === 'restarting') {
    const grace = Number(container.labels[LABEL.stopGrace] ?? '10') || 0;
    await runtime.stop(container.id, grace, change(grace * 1000));
  }
}

/**
 * Ends what attempts before this one left half done: a decided one is cleaned up, any other is restored. What this very
 * attempt left before a restart of the agent stays for the caller. Answers the inventory afterwards.
 */
export async function settleLeftovers(
  runtime: ContainerRuntime,
  target: Target,
  attemptId: bigint,
  tell: (step: string, text: string) => void,
): Promise<Inventory> {
  const inventory = await takeInventory(runtime, target.team, target.prefix, look());
  const decidedBy = new Set(inventory.done.map((one) => one.by));
  const others = [...decidedBy].filter((by) => by !== attemptId);
  // What cannot be removed stands in nobody's way: a broken attempt never blocks its own fix (R21).
  const stays = (error: unknown): void => tell('clean', `an old container could not be removed and is left to the next attempt: ${error instanceof Error ? error.message : String(error)}`);
  for (const by of others) {
    tell('clean', `finishes attempt ${by}, which was interrupted after it had succeeded`);
    const leaving = [...inventory.done, ...inventory.aside].filter((one) => one.by === by);
    await cleanUp(runtime, leaving.map((one) => one.container)).catch(stays);
  }
  const open = openAttempts(inventory.aside, decidedBy, attemptId);
  for (const by of open) {
    tell('restore', `puts back what attempt ${by} had set aside when it was interrupted`);
    const { problems } = await restore(runtime, target, by, tell);
    if (problems.length > 0) tell('restore', problems.join('; '));
  }
  await pooled(inventory.helpers, (one) => runtime.remove(one.id, change()).catch(stays));
  const changed = others.length + open.length + inventory.helpers.length > 0;
  return changed ? await takeInventory(runtime, target.team, target.prefix, look()) : inventory;
}

/** Newest first: each put back what the one before it had left. */
function openAttempts(aside: readonly SetAside[], decided: ReadonlySet<bigint>, attemptId: bigint): bigint[] {
  const open = new Set(aside.map((one) => one.by).filter((by) => by !== attemptId && !decided.has(by)));
  return [...open].sort((a, b) => (a < b ? 1 : -1));
}
