/**
 * A Docker attempt (SPEC §4), from the spec to the end of it. The order of the steps is the promise:
 *
 *   leftovers of earlier attempts → images by digest → networks, volumes → level by level: aside, create, start, good?
 *   → all good: one rename decides, the old ones go → else: the new ones go, the old ones come back.
 *
 * Nothing is remembered outside the engine, so that an attempt which is killed at any step is finished or undone by calling
 * this again with the same attempt id.
 */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { AttemptContext, AttemptEnd, TargetMemory } from '../core/engine.ts';
import { look } from './calls.ts';
import { openRegistries } from '../core/registry-access.ts';
import { openSecrets } from './clear-secrets.ts';
import { containerNameOf, deployedImages, wantedContainers, wantedImages, type WantedContainer } from './container-spec.ts';
import { milliseconds } from '../core/duration.ts';
import { AttemptCancelled, AttemptFailure, safePoint } from '../core/attempt-failure.ts';
import { asFailure } from './failure.ts';
import { prepareImages } from './images.ts';
import { allOf, digestsOfAttempt, takeInventory, type Inventory } from './inventory.ts';
import { LABEL, attemptOf } from './labels.ts';
import { refuseUnmetRules } from '../core/image-rules.ts';
import { levelsOf } from '../core/levels.ts';
import { ensureGround } from './ground.ts';
import { releaseNetworks, removeUnusedNetworks } from './networks.ts';
import { pooled, STARTING_WIDTH } from '../core/pool.ts';
import { checkOf } from './probe.ts';
import { putInPlace, setAside, type Placing } from './replace.ts';
import { cleanUp, mark, restore, settleLeftovers } from './restore.ts';
import { statesOf } from './states.ts';
import { refuseUnknownLogDrivers, refuseUnsupported } from './supported.ts';
import { exitText } from './health-gate.ts';
import { evidenceOf } from './evidence.ts';
import type { Router } from './route.ts';
import type { ContainerRuntime } from './runtime.ts';

export async function rollOut(runtime: ContainerRuntime, spec: TargetSpec, previous: TargetMemory | undefined, context: AttemptContext, router?: Router): Promise<AttemptEnd> {
  let decided = false;
  try {
    refuseUnsupported(spec);
    const inventory = await settleLeftovers(runtime, spec, context.attemptId, (step, text) => context.progress(step, text));
    decided = wasDecided(inventory, spec, previous, context);
    if (!decided) await refuseUnknownLogDrivers(runtime, deployedImages(spec));
    return await carryOut(runtime, spec, previous, decided ? unstoppable(context) : context, inventory, router);
  } catch (error) {
    return await failed(runtime, spec, context, error, decided, router);
  } finally {
    releaseNetworks(runtime, context.attemptId);
  }
}

/** Once decided there is no way back, so neither a cancel nor the deadline stops the rest of it. */
function unstoppable(context: AttemptContext): AttemptContext {
  const never = new AbortController().signal;
  return { attemptId: context.attemptId, resumed: context.resumed, secrets: context.secrets, deadline: never, cancel: never, progress: (step, text) => context.progress(step, text) };
}

/**
 * Did this attempt get past the point of no return before the agent was restarted? Its mark is still there; or the mark is
 * gone with the old containers, and the new ones stand where remembered ones stood, or remembered ones that it drops are gone.
 */
function wasDecided(inventory: Inventory, spec: TargetSpec, previous: TargetMemory | undefined, context: AttemptContext): boolean {
  const { attemptId, resumed } = context;
  if (inventory.done.some((one) => one.by === attemptId)) return true;
  if (previous === undefined || inventory.aside.some((one) => one.by === attemptId)) return false;
  if (previous.attemptId === attemptId) return true;
  const before = deployedImages(previous.spec).map((image) => containerNameOf(previous.spec, image));
  const wanted = new Set(deployedImages(spec).map((image) => containerNameOf(spec, image)));
  return before.some((name) => {
    const now = inventory.finals.get(name);
    return now === undefined ? resumed && !wanted.has(name) : attemptOf(now.labels) === attemptId;
  });
}

async function carryOut(runtime: ContainerRuntime, spec: TargetSpec, previous: TargetMemory | undefined, context: AttemptContext, inventory: Inventory, router: Router | undefined): Promise<AttemptEnd> {
  safePoint(context);
  const known = digestsOfAttempt(inventory, context.attemptId);
  const knownDigest = (reference: string): string | undefined => known.get(reference);
  const accessOf = await openRegistries(spec.registries, context.secrets);
  const opened = await openSecrets(deployedImages(spec), context.secrets);
  const pullLimit = AbortSignal.timeout(milliseconds(spec.timeouts.pull, '10m'));
  const ready = await prepareImages(runtime, wantedImages(spec, accessOf, knownDigest), (step, text) => context.progress(step, text), AbortSignal.any([context.cancel, context.deadline, pullLimit])).catch((error: unknown) => {
    safePoint(context);
    if (pullLimit.aborted) throw new AttemptFailure('ImagePullFailed', `the images were not pulled within ${spec.timeouts.pull}; nothing was touched`, { cause: error });
    throw error;
  });
  const wanted = wantedContainers(spec, context.attemptId, ready, opened, knownDigest);
  refuseTakenNames(wanted, inventory);
  refuseUnmetRules(wanted.map(({ image, ready: { demands }, plan }) => ({ name: image.name, demands, config: image.config, sealed: plan.secrets.environment })));
  await router?.prepare(spec, wanted.flatMap((one) => one.route ?? []), context);
  safePoint(context);

  await ensureGround(runtime, spec, wanted, context);
  const stop = new AbortController();
  const placing: Placing = { runtime, spec, context, stop: stop.signal, inventory, wanted, previous, moving: new Map() };
  for (const level of levelsOf(wanted.map((one) => ({ name: one.image.name, dependsOn: one.dependsOn, one })))) {
    await pooled(level, async ({ one }) => {
      try {
        await putInPlace(placing, one);
      } catch (error) {
        stop.abort();
        throw error;
      }
    }, STARTING_WIDTH);
  }

  const after = await takeInventory(runtime, spec.team, spec.prefix, look());
  await allStillGood(runtime, wanted, after);
  safePoint(context);
  const left = await setOrphansAside(placing, after);
  if (router !== undefined && isRouted(after)) {
    context.progress('route', 'leads requests to the new containers and lets the old ones answer what they have begun');
    await router.lead(spec, 'new', AbortSignal.any([context.cancel, context.deadline]));
    safePoint(context);
  }
  await decide(placing, left);
  const wantedNetworks = new Set(wanted.flatMap((one) => one.plan.networks.map(({ name }) => name)));
  if (allOf(left).some((one) => one.networks.some((name) => !wantedNetworks.has(name)))) await tidyNetworks(runtime, spec, context);
  return {
    outcome: 'succeeded',
    digests: wanted.map((one) => ({ name: one.image.name, image: one.image.image, digest: one.ready.digest })),
    containers: statesOf(inventoryOf(after, wanted), new Set(wanted.filter((one) => checkOf(one.image.config.healthCheck) !== undefined).map((one) => one.name))),
  };
}

const NEVER = new AbortController().signal;

/** Does anything of the target get requests from outside, or did it before this attempt? */
function isRouted(inventory: Inventory): boolean {
  return allOf(inventory).some((one) => one.labels[LABEL.route] !== undefined);
}

/** Without the orphans, which have just been removed. */
function inventoryOf(inventory: Inventory, wanted: readonly WantedContainer[]): Inventory {
  const names = new Set(wanted.map((one) => one.name));
  return { ...inventory, finals: new Map([...inventory.finals].filter(([name]) => names.has(name))) };
}

function refuseTakenNames(wanted: readonly WantedContainer[], inventory: Inventory): void {
  const taken = wanted.find((one) => inventory.foreign.has(one.name));
  if (taken === undefined) return;
  throw new AttemptFailure('NameTaken', `a container named ${taken.name} exists on the node and is not Tagboat's for this team and prefix; nothing was touched. Rename or remove it, or choose another prefix`);
}

/** One look at all of them at the end: an early one may have died while a later one was waited for. */
async function allStillGood(runtime: ContainerRuntime, wanted: readonly WantedContainer[], inventory: Inventory): Promise<void> {
  for (const one of wanted) {
    const container = inventory.finals.get(one.name);
    if (container === undefined) throw new AttemptFailure('ContainerExited', `${one.name} vanished during the attempt; somebody else removed it`);
    if (one.expected !== 'running' || container.state === 'running') continue;
    const details = await runtime.inspect(container.id, look());
    const evidence = [await evidenceOf(runtime, container.id, one.name, [])];
    throw new AttemptFailure('ContainerExited', details === undefined ? `${one.name} vanished during the attempt` : exitText(one.name, details), { evidence });
  }
}

/** Like old ones, so that what has its final name is what is wanted, and the one rename that decides speaks for all of them. */
async function setOrphansAside(placing: Placing, inventory: Inventory): Promise<Inventory> {
  const names = new Set(placing.wanted.map((one) => one.name));
  const orphans = [...inventory.finals.values()].filter((one) => !names.has(one.name));
  await pooled(orphans, (one) => setAside(placing, one, false));
  return orphans.length === 0 ? inventory : await takeInventory(placing.runtime, placing.spec.team, placing.spec.prefix, look());
}

/** The end of an attempt whose containers are all good; whatever goes wrong after the mark is left to the next attempt, never turned into a failure. */
async function decide({ runtime, context }: Placing, after: Inventory): Promise<void> {
  // What attempts that were decided before could not remove is not this one's: it was tried at the beginning.
  const before = new Set(after.done.map((one) => one.by).filter((by) => by !== context.attemptId));
  const marks = after.done.filter((one) => !before.has(one.by)).map((one) => one.container);
  const leaving = [...marks, ...after.aside.filter((one) => !before.has(one.by)).map((one) => one.container)];
  if (leaving.length === 0) return;
  safePoint(context);
  if (marks.length === 0) await mark(runtime, leaving[0], context.attemptId);
  context.progress('clean', `all containers are good; removes ${leaving.length} old`);
  try {
    await cleanUp(runtime, leaving);
  } catch (error) {
    context.progress('clean', `an old container could not be removed and is left to the next attempt: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What the attempt made for nothing, or was the last to leave. One that is left over goes with the next target that does. */
async function tidyNetworks(runtime: ContainerRuntime, { team }: TargetSpec, context: AttemptContext): Promise<void> {
  releaseNetworks(runtime, context.attemptId);
  await removeUnusedNetworks(runtime, team).catch((error: unknown) => context.progress('network', `networks that nothing uses may be left: ${error instanceof Error ? error.message : String(error)}`));
}

/** The one exit of everything that did not succeed: restore, then say what happened. */
async function failed(runtime: ContainerRuntime, spec: TargetSpec, context: AttemptContext, error: unknown, decided: boolean, router: Router | undefined): Promise<AttemptEnd> {
  const cancelled = error instanceof AttemptCancelled;
  const cause = cancelled ? undefined : asFailure(error);
  const reason = cause?.message ?? (error as Error).message;
  let restored = false;
  let addition = '';
  try {
    context.progress('restore', cancelled ? 'stops, as the controller asked' : `failed: ${cause?.code ?? ''}`);
    const routed = router !== undefined && isRouted(await takeInventory(runtime, spec.team, spec.prefix, look())) ? router : undefined;
    // Away from the new containers before they go; what is put back may have another address than it had.
    if (!decided) await routed?.lead(spec, 'old', NEVER).catch((away: unknown) => context.progress('route', `requests could not be led back before the restore: ${away instanceof Error ? away.message : String(away)}`));
    const result = await restore(runtime, spec, context.attemptId, (step, text) => context.progress(step, text), decided);
    await routed?.lead(spec, 'new', NEVER);
    restored = result.complete && !decided;
    addition = result.problems.length === 0 ? '' : ` Restore incomplete: ${result.problems.join('; ')}`;
    if (decided) addition += ' The attempt had already replaced the old containers before the agent was restarted; they cannot be put back.';
    else await tidyNetworks(runtime, spec, context);
  } catch (second) {
    addition = ` The restore failed as well: ${second instanceof Error ? second.message : String(second)}`;
  }
  const containers = await takeInventory(runtime, spec.team, spec.prefix, look()).then((inventory) => statesOf(inventory, new Set()), () => []);
  if (cause === undefined) return { outcome: 'cancelled', reason: `${reason}${addition}`, restored, containers };
  return { outcome: 'failed', code: cause.code, reason: `${reason}${addition}`, restored, evidence: cause.evidence, containers };
}
