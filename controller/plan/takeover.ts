/**
 * What one deployment lets go of a Docker host and another takes: whoever takes it waits for whoever has it, as it would for what it depends on,
 * so that one commit is enough. Where nobody plans to let it go nobody waits, and the attempt says what it met (`PortInUse`, `RouteTaken`). Pure.
 */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { chooseRecord, isLive } from './choose-record.ts';
import { holdingsOf, holdsNothing, sharedHolding, type Holdings } from './holdings.ts';
import type { Desired, DesiredDeployment, Recorded, RecordedTarget, TargetKey } from './types.ts';
import { targetKey } from './types.ts';

export interface Takeover {
  /** The deployment that has it. */
  readonly from: string;
  /** For people: `port 80/tcp of the node`. */
  readonly what: string;
  /** For people: what has to happen first. */
  readonly until: string;
}

export interface Takeovers {
  /** In the order of names, one for each deployment that has something; `spec`: what is to be deployed. */
  of(wanted: DesiredDeployment, spec: TargetSpec): readonly Takeover[];
  /** Whoever waits for the deployment in turn, from who has something of it to itself; null where there is no such circle. */
  circle(wanted: DesiredDeployment, takeovers: readonly Takeover[]): readonly string[] | null;
}

interface Held {
  readonly key: TargetKey;
  readonly target: RecordedTarget;
  readonly holdings: Holdings;
}

/** `waitsFor`: the deployments that one depends on and that have not succeeded yet. */
export function takeoversIn(desired: Desired, recorded: Recorded, waitsFor: (wanted: DesiredDeployment) => readonly string[]): Takeovers {
  let held: Map<string, Held[]> | undefined;
  let claimants: Map<TargetKey, DesiredDeployment> | undefined;
  const heldOn = (node: string): readonly Held[] => (held ??= whatServes(recorded)).get(node) ?? [];
  const claimantOf = (key: TargetKey): DesiredDeployment | undefined => (claimants ??= new Map([...desired.deployments.values()].map((one) => [targetKey(one.node, one.prefix), one]))).get(key);

  const of = (wanted: DesiredDeployment, spec: TargetSpec): readonly Takeover[] => {
    const needs = wanted.oneNetwork ? holdingsOf(spec) : undefined;
    if (needs === undefined || holdsNothing(needs)) return NONE;
    const own = targetKey(wanted.node, wanted.prefix);
    const found = new Map<string, Takeover>();
    for (const { key, target, holdings } of heldOn(wanted.node)) {
      const what = key === own || target.deployment === wanted.name ? null : sharedHolding(needs, holdings);
      if (what === null) continue;
      const owner = desired.deployments.get(target.deployment);
      const next = whatBecomes(target, owner !== undefined && targetKey(owner.node, owner.prefix) === key ? owner : claimantOf(key), desired, recorded);
      if (next === null || (next.serves !== null && next.node === wanted.node && sharedHolding(needs, holdingsOf(next.serves)) !== null)) continue;
      if (!found.has(next.deployment)) found.set(next.deployment, { from: next.deployment, what, until: next.until });
    }
    return [...found.values()].sort((one, other) => (one.from < other.from ? -1 : 1));
  };

  const circle = (wanted: DesiredDeployment, takeovers: readonly Takeover[]): readonly string[] | null => {
    const cameFrom = new Map<string, string | null>(takeovers.map(({ from }) => [from, null]));
    for (const name of cameFrom.keys()) {
      const one = desired.deployments.get(name);
      if (one === undefined || isDone(one, recorded)) continue;
      for (const next of new Set([...waitsFor(one), ...of(one, chooseRecord(one, targetOf(one, recorded), recorded).spec).map(({ from }) => from)])) {
        if (next === wanted.name) return pathTo(name, cameFrom);
        if (!cameFrom.has(next)) cameFrom.set(next, name);
      }
    }
    return null;
  };
  return { of, circle };
}

const NONE: readonly Takeover[] = [];

function whatServes(recorded: Recorded): Map<string, Held[]> {
  const held = new Map<string, Held[]>();
  for (const [key, target] of recorded.targets) {
    const holdings = target.liveSpec === null ? undefined : holdingsOf(target.liveSpec);
    if (holdings === undefined || holdsNothing(holdings)) continue;
    const others = held.get(target.node);
    if (others === undefined) held.set(target.node, [{ key, target, holdings }]);
    else others.push({ key, target, holdings });
  }
  return held;
}

/** What will serve instead of what does, where that is going to change; null where it stays. */
function whatBecomes(target: RecordedTarget, claimant: DesiredDeployment | undefined, desired: Desired, recorded: Recorded): { deployment: string; node: string; serves: TargetSpec | null; until: string } | null {
  if (desired.blocked.has(target.deployment)) return null;
  const owner = claimant ?? desired.deployments.get(target.deployment);
  if (owner !== undefined && claimant !== undefined) {
    return isDone(owner, recorded) ? null : { deployment: owner.name, node: owner.node, serves: chooseRecord(owner, target, recorded).spec, until: 'until its own attempt has succeeded' };
  }
  if (target.protected) return null;
  if (owner !== undefined) return { deployment: owner.name, node: owner.node, serves: owner.spec, until: `until it serves on ${owner.node}/${owner.prefix} and is removed here` };
  return { deployment: target.deployment, node: target.node, serves: null, until: 'until it is removed' };
}

function targetOf(wanted: DesiredDeployment, recorded: Recorded): RecordedTarget | undefined {
  return recorded.targets.get(targetKey(wanted.node, wanted.prefix));
}

/** Nothing of it is on its way. */
function isDone(wanted: DesiredDeployment, recorded: Recorded): boolean {
  const target = targetOf(wanted, recorded);
  return target !== undefined && target.openAttempt === null && isLive(wanted, target);
}

function pathTo(name: string, cameFrom: ReadonlyMap<string, string | null>): readonly string[] {
  const path: string[] = [];
  for (let step: string | null = name; step !== null; step = cameFrom.get(step) ?? null) path.unshift(step);
  return path;
}
