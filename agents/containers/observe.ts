/** What is on the node for a team, compared with what the agent remembers (R24, R25). Looks, never changes. */
import type { ContainerState, Drift, ObservedTarget, TargetHealth, TargetMemory } from '../core/engine.ts';
import { look } from './calls.ts';
import { containerNameOf, deployedImages } from './container-spec.ts';
import { driftOfSettings, isBaseline, secretKeysOf, shownSettings, type Baseline } from './drift.ts';
import { isUp, sort } from './inventory.ts';
import { LABEL, attemptOf } from './labels.ts';
import type { Looks } from './looks.ts';
import { pooled } from '../core/pool.ts';
import { parseRoute, type Router } from './route.ts';
import { stateOf } from './states.ts';
import type { HealthMonitor } from './monitor.ts';
import type { ContainerDetails, ContainerRuntime, ContainerSummary } from './runtime.ts';
import type { TargetSpec } from '../../schemas/gen/types.ts';

/** The normalised picture right after a success. */
export async function takeBaseline(runtime: ContainerRuntime, spec: TargetSpec): Promise<Baseline> {
  const { finals } = sort(await runtime.list(look()), spec.team, spec.prefix);
  const entries = await pooled([...finals.values()], async (summary) => {
    const details = await runtime.inspect(summary.id, look());
    if (details === undefined) return [];
    const secrets = secretKeysOf(spec, summary.labels[LABEL.image] ?? '');
    return [[summary.name, { id: details.id, hash: summary.labels[LABEL.hash] ?? '', settings: shownSettings(details.settings, secrets) }] as const];
  });
  return { version: 1, containers: Object.fromEntries(entries.flat()) };
}

export async function observeTeam(
  runtime: ContainerRuntime,
  looks: Looks,
  monitor: HealthMonitor,
  team: string,
  memories: ReadonlyMap<string, TargetMemory>,
  router?: Pick<Router, 'trouble'>,
): Promise<readonly ObservedTarget[]> {
  monitor.adopt([...memories.values()].map((memory) => memory.spec));
  const containers = await runtime.list(look());
  const ours = containers.filter((one) => one.labels[LABEL.team] === team);
  const prefixes = new Set([...memories.keys(), ...ours.map((one) => one.labels[LABEL.prefix] ?? '')]);
  prefixes.delete('');
  const details = await looks.of(ours);
  return pooled([...prefixes].sort(), (prefix) => observeTarget(monitor, team, prefix, memories.get(prefix), ours, details, router), 2);
}

async function observeTarget(
  monitor: HealthMonitor,
  team: string,
  prefix: string,
  memory: TargetMemory | undefined,
  ours: readonly ContainerSummary[],
  details: ReadonlyMap<string, ContainerDetails>,
  router: Pick<Router, 'trouble'> | undefined,
): Promise<ObservedTarget> {
  const { finals, aside } = sort(ours, team, prefix);
  const states: ContainerState[] = [];
  const drift: Drift[] = [];
  const expectations = new Map(memory === undefined ? [] : deployedImages(memory.spec).map((image) => [containerNameOf(memory.spec, image), image]));

  await pooled([...finals.values()], async (summary) => {
    const found = details.get(summary.id);
    const image = expectations.get(summary.name);
    const expected = image?.config.expectedState?.state ?? 'running';
    const code = image?.config.expectedState?.exitCode ?? 0;
    states.push(await stateWithHealth(monitor, summary, found, expected, code));
    if (memory === undefined) return;
    if (image === undefined) drift.push({ container: summary.name, field: 'container', expected: 'missing', actual: 'extra' });
    else drift.push(...driftOf(memory, summary, found, image.name), ...driftOfState(summary.name, expected, code, found));
  });
  for (const [name, image] of expectations) {
    if (finals.has(name)) continue;
    drift.push({ container: name, field: 'container', expected: 'present', actual: 'missing' });
    states.push({ name, imageName: image.name, image: image.image, digest: image.digest ?? '', state: 'missing', health: 'none', exitCode: 0, restarts: 0, id: '', detail: 'the container is missing' });
  }
  const newest = [...finals.values()].sort((a, b) => (attemptOf(a.labels) < attemptOf(b.labels) ? 1 : -1))[0];
  const judged = memory !== undefined && expectations.size === 0 && states.length === 0 ? NONE_WANTED : judgeTarget(states, aside.length > 0);
  const { health, reason } = judged.health === 'healthy' ? (troubleOf([...finals.values()], router) ?? judged) : judged;
  return {
    team,
    deployment: memory?.spec.deployment ?? newest?.labels[LABEL.deployment] ?? '',
    prefix,
    containers: states.sort((a, b) => (a.name < b.name ? -1 : 1)),
    drift: drift.sort((a, b) => (`${a.container} ${a.field}` < `${b.container} ${b.field}` ? -1 : 1)),
    attemptId: memory?.attemptId ?? (newest === undefined ? 0n : attemptOf(newest.labels)),
    health,
    healthReason: reason,
  };
}

function driftOf(memory: TargetMemory, summary: ContainerSummary, found: ContainerDetails | undefined, imageName: string): Drift[] {
  const before = isBaseline(memory.baseline) ? memory.baseline.containers[summary.name] : undefined;
  if (before === undefined || found === undefined) return [];
  const settings = driftOfSettings(summary.name, before, found, secretKeysOf(memory.spec, imageName));
  if (before.id === found.id) return settings;
  return [{ container: summary.name, field: 'container', expected: before.id.slice(0, 12), actual: `replaced by ${found.id.slice(0, 12)}` }, ...settings];
}

function driftOfState(container: string, expected: string, code: number, found: ContainerDetails | undefined): Drift[] {
  const state = found?.state ?? 'missing';
  if (expected === 'running') return state === 'running' || state === 'restarting' ? [] : [{ container, field: 'state', expected: 'running', actual: state }];
  if (expected === 'waiting') return [];
  if (state === 'running') return [];
  const actual = `${state} with code ${found?.exitCode ?? 'unknown'}`;
  return state === 'exited' && found?.exitCode === code ? [] : [{ container, field: 'state', expected: `exited with code ${code}`, actual }];
}

async function stateWithHealth(monitor: HealthMonitor, summary: ContainerSummary, found: ContainerDetails | undefined, expected: string, code: number): Promise<ContainerState> {
  if (found === undefined) return stateOf(summary, undefined, 'none', 'it vanished while it was looked at');
  if (found.state === 'restarting') return stateOf(summary, found, 'unhealthy', `it ends again and again, last with exit code ${found.exitCode}`);
  if (expected === 'running' && !isUp(summary)) return stateOf(summary, found, 'none', `it is ${found.state}, exit code ${found.exitCode}${found.error === '' ? '' : `: ${found.error}`}`);
  if (found.state === 'paused') return stateOf(summary, found, 'unhealthy', 'it is paused');
  if (expected === 'exited' && found.state === 'exited' && found.exitCode !== code) return stateOf(summary, found, 'unhealthy', `it ended with exit code ${found.exitCode}, expected ${code}`);
  if (found.state !== 'running') return stateOf(summary, found, 'none', '');
  const probed = await monitor.healthOf(summary.name, found);
  if (probed === undefined) return stateOf(summary, found, 'none', '');
  return stateOf(summary, found, probed.health, probed.health === 'healthy' ? '' : probed.output);
}

/** Containers may be fine and nobody reaches them as the manifest says. */
function troubleOf(containers: readonly ContainerSummary[], router: Pick<Router, 'trouble'> | undefined): { health: TargetHealth; reason: string } | undefined {
  const troubles = containers.flatMap((one) => {
    const route = parseRoute(one.labels[LABEL.route]);
    const trouble = route === undefined ? undefined : router?.trouble(route);
    return trouble === undefined ? [] : [{ health: trouble.health, reason: `${one.name}: ${trouble.reason}` }];
  });
  return troubles.find(({ health }) => health === 'degraded') ?? troubles[0];
}

/** Every image has `replicas: 0`: what is wanted is there. */
const NONE_WANTED: { readonly health: TargetHealth; readonly reason: string } = { health: 'healthy', reason: '' };

function judgeTarget(states: readonly ContainerState[], switching: boolean): { health: TargetHealth; reason: string } {
  if (states.length === 0) return { health: 'missing', reason: 'there is no container of it on the node' };
  const missing = states.filter((one) => one.state === 'missing');
  if (missing.length === states.length) return { health: 'missing', reason: 'none of its containers is on the node' };
  const bad = states.find((one) => one.state === 'missing' || one.health === 'unhealthy' || (one.detail !== '' && one.health === 'none'));
  if (bad !== undefined) return { health: 'degraded', reason: `${bad.name}: ${bad.detail}` };
  if (switching) return { health: 'progressing', reason: 'containers are being replaced' };
  const starting = states.find((one) => one.health === 'starting');
  if (starting !== undefined) return { health: 'progressing', reason: `${starting.name}: ${starting.detail}` };
  return { health: 'healthy', reason: '' };
}
