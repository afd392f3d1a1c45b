/**
 * What one deployment lets go of a Docker host and another takes: whoever takes it waits for whoever has it, as it would for what it depends on,
 * so that one commit is enough. Where nobody plans to let it go nobody waits, and the attempt says what it met (`PortInUse`, `RouteTaken`). Pure.
 */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { chooseRecord, isLive } from './choose-record.ts';
import { circlesIn } from './circles.ts';
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

/** What serves on one node; thousands of targets that each take one port are not compared with each other. */
interface Host {
  /** By address, and by single port. */
  readonly by: Map<string | number, Held[]>;
  /** Those with a range of ports. */
  readonly ranges: Held[];
  readonly withPorts: Held[];
}

/** `waitsFor`: the deployments that one depends on and that have not succeeded yet. */
export function takeoversIn(desired: Desired, recorded: Recorded, waitsFor: (wanted: DesiredDeployment) => readonly string[]): Takeovers {
  let hosts: Map<string, Host> | undefined;
  let claimants: Map<TargetKey, DesiredDeployment> | undefined;
  const hostOf = (node: string): Host | undefined => (hosts ??= whatServes(recorded)).get(node);
  const claimantOf = (key: TargetKey): DesiredDeployment | undefined => (claimants ??= new Map([...desired.deployments.values()].map((one) => [targetKey(one.node, one.prefix), one]))).get(key);

  const of = (wanted: DesiredDeployment, spec: TargetSpec): readonly Takeover[] => {
    const needs = wanted.oneNetwork ? holdingsOf(spec) : undefined;
    if (needs === undefined || holdsNothing(needs)) return NONE;
    const own = targetKey(wanted.node, wanted.prefix);
    const found = new Map<string, Takeover>();
    for (const { key, target, holdings } of candidates(hostOf(wanted.node), needs)) {
      const what = key === own || target.deployment === wanted.name ? null : sharedHolding(needs, holdings);
      if (what === null) continue;
      const owner = desired.deployments.get(target.deployment);
      const next = whatBecomes(target, owner !== undefined && targetKey(owner.node, owner.prefix) === key ? owner : claimantOf(key), desired, recorded);
      if (next === null || (next.serves !== null && next.node === wanted.node && sharedHolding(needs, holdingsOf(next.serves)) !== null)) continue;
      if (!found.has(next.deployment)) found.set(next.deployment, { from: next.deployment, what, until: next.until });
    }
    return [...found.values()].sort((one, other) => (one.from < other.from ? -1 : 1));
  };

  const known = new Map<string, readonly string[]>();
  const edges = (name: string): readonly string[] => {
    const found = known.get(name) ?? edgesOf(name);
    known.set(name, found);
    return found;
  };
  const edgesOf = (name: string): readonly string[] => {
    const one = desired.deployments.get(name);
    if (one === undefined || isDone(one, recorded)) return [];
    return [...new Set([...waitsFor(one), ...of(one, chooseRecord(one, targetOf(one, recorded), recorded).spec).map(({ from }) => from)])];
  };
  const wayBack = circlesIn(edges);
  const circle = (wanted: DesiredDeployment, takeovers: readonly Takeover[]): readonly string[] | null => {
    for (const { from } of takeovers) {
      const way = wayBack(from, wanted.name);
      if (way !== null) return way;
    }
    return null;
  };
  return { of, circle };
}

const NONE: readonly Takeover[] = [];

function whatServes(recorded: Recorded): Map<string, Host> {
  const hosts = new Map<string, Host>();
  for (const [key, target] of recorded.targets) {
    const holdings = target.liveSpec === null ? undefined : holdingsOf(target.liveSpec);
    if (holdings === undefined || holdsNothing(holdings)) continue;
    const host: Host = hosts.get(target.node) ?? { by: new Map(), ranges: [], withPorts: [] };
    hosts.set(target.node, host);
    const held = { key, target, holdings };
    for (const name of [...holdings.addresses, ...holdings.ports.flatMap(({ from, to }) => (from === to ? [from] : []))]) {
      const others = host.by.get(name);
      if (others === undefined) host.by.set(name, [held]);
      else others.push(held);
    }
    if (holdings.ports.length > 0) host.withPorts.push(held);
    if (holdings.ports.some(({ from, to }) => from !== to)) host.ranges.push(held);
  }
  return hosts;
}

/** Who may have something of it. */
function candidates(host: Host | undefined, { ports, addresses }: Holdings): ReadonlySet<Held> {
  const found = new Set<Held>();
  if (host === undefined) return found;
  for (const name of [...addresses, ...ports.map(({ from }) => from)]) for (const held of host.by.get(name) ?? []) found.add(held);
  for (const held of ports.some(({ from, to }) => from !== to) ? host.withPorts : ports.length > 0 ? host.ranges : []) found.add(held);
  return found;
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
