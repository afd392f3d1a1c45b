/** All Deployment manifests of a head → desired and blocked ones, each with the version that it names. */
import { checkTarget } from '../model/check-target.ts';
import { knownRecipients, named } from '../manifests/check-references.ts';
import type { Manifest } from '../model/manifest.ts';
import { portProblems, portsOf, type PortClaim } from '../model/port-claims.ts';
import type { Problem } from '../model/problem.ts';
import { checkRegistries, namedRegistries } from '../model/registry.ts';
import { resolveImages } from '../model/resolve-images.ts';
import { routeProblems, routesOf, type RouteClaim } from '../model/route-claims.ts';
import { desiredDeployment } from '../plan/desired.ts';
import type { BlockedDeployment, Desired, DesiredDeployment, DesiredVersion, FollowedDigest } from '../plan/types.ts';
import { targetKey } from '../plan/types.ts';
import type { Found, VersionSource } from './find-version.ts';
import { findVersion } from './find-version.ts';
import type { ManifestFiles } from './manifest-files.ts';
import type { Memory } from './memory.ts';

export interface ResolveTeamInput {
  readonly team: string;
  readonly files: ManifestFiles;
  readonly source: VersionSource;
  /** Problems known so far: those of a Deployment block it, any of a file keeps removals back (R20). */
  readonly problems: readonly Problem[];
  readonly memory: Memory;
  /** Deployment names by `node/prefix`, as recorded. */
  readonly owners: ReadonlyMap<string, string>;
  /** Public keys by node, as the agents told them; the same lists while they say the same. */
  readonly recipients: ReadonlyMap<string, readonly string[]>;
  /** What followed tags mean, by target; the same lists while they say the same. */
  readonly followed: ReadonlyMap<string, readonly FollowedDigest[]>;
}

export interface ResolvedTeam {
  readonly desired: Desired;
  /** Those found here, besides the ones handed in. */
  readonly problems: readonly Problem[];
  /** Who waits for whom: dependents by deployment. */
  readonly dependents: ReadonlyMap<string, readonly string[]>;
  readonly kept: Kept;
}

/** For the next resolving to take over. */
interface Kept {
  /** The versions that there is nothing to say about, by what names them; with one of the deployments that do. */
  readonly versions: ReadonlyMap<string, { readonly by: Manifest<'Deployment'>; readonly version: DesiredVersion }>;
  /** Deployments with a fault of their own or of their version: they are looked at each time. */
  readonly doubtful: ReadonlySet<string>;
  /** Addresses and ports by deployment, of those that ask for any. */
  readonly claims: ReadonlyMap<string, Claims>;
  /** Somebody asks for an address or a port that another has. */
  readonly disputed: boolean;
  /** Problems by deployment, of those that have any. */
  readonly problems: ReadonlyMap<string, readonly Problem[]>;
}

/** An earlier resolving, and the deployments that are all that has changed since (`changedDeployments`), besides versions. */
export interface ResolvedBefore {
  readonly resolved: ResolvedTeam;
  readonly changed: readonly string[];
}

/** With `earlier` only deployments that changed or are in doubt are resolved; all else of the input must be what it was then. */
export async function resolveTeam({ team, files, source, problems, memory, owners, recipients, followed }: ResolveTeamInput, earlier?: ResolvedBefore): Promise<ResolvedTeam> {
  const { Deployment } = files.set.byKind;
  const faults = faultsOf(problems, Deployment);
  const refs = new Map(source.versions.map((version) => [`${version.kind} ${version.product}/${version.name}`, version]));
  const find = (deployment: Manifest<'Deployment'>): Promise<Found> => findVersion(deployment, files, source, refs, memory);
  const before = earlier !== undefined && (await sameVersions(earlier.resolved.kept, find)) ? earlier : undefined;
  const kept = before?.resolved.kept;
  const names = new Set(before === undefined ? Deployment.keys() : [...before.changed, ...before.resolved.kept.doubtful, ...faults.keys()]);
  const deployments = new Map(before?.resolved.desired.deployments);
  // Thousands of deployments share a few versions; only what there is something to say about is looked for again.
  const versions = new Map(kept?.versions);
  const doubtful = new Set<string>();
  const claims = new Map(kept?.claims);
  const ofDeployments = new Map(kept?.problems);
  for (const name of names) {
    const deployment = Deployment.get(name) as Manifest<'Deployment'>;
    const said: Problem[] = [];
    let made: Resolved | undefined;
    if (!faults.has(name)) {
      const key = choiceOf(deployment);
      const known = versions.get(key);
      const found = known === undefined ? await find(deployment) : { version: known.version, warnings: [] };
      if ('problem' in found) said.push(found.problem);
      else {
        if (found.warnings.length === 0) versions.set(key, { by: deployment, version: found.version });
        else doubtful.add(name);
        made = resolveOne(team, deployment, files, found.version, memory, recipients, followed);
        said.push(...found.warnings, ...made.problems);
      }
      if (made?.desired === undefined) faults.set(name, said.filter((item) => made === undefined || made.problems.includes(item)));
    }
    put(ofDeployments, name, said.length > 0 ? said : undefined);
    put(claims, name, made?.claims);
    put(deployments, name, made?.desired);
  }
  // Nobody lost an address or a port and nobody asks for another one than before: then nobody loses one now, whoever is recorded.
  const settled = kept !== undefined && !kept.disputed && ![...names].some((name) => claims.get(name) !== kept.claims.get(name));
  const claimants = settled ? [] : [...inOrder(claims, Deployment)].map(([name, asked]) => ({ deployment: Deployment.get(name) as Manifest<'Deployment'>, ...asked }));
  const refused = [...routeProblems(claimants, owners), ...portProblems(claimants, owners)];
  for (const { deployment, problem } of refused) if (problem.severity === 'error') faults.set(deployment.name, [...(faults.get(deployment.name) ?? []), problem]);
  const blocked = new Map<string, BlockedDeployment>();
  for (const [name, own] of faults) {
    const deployment = Deployment.get(name) as Manifest<'Deployment'>;
    names.add(name);
    doubtful.add(name);
    deployments.delete(name);
    blocked.set(name, memory.same(`blocked ${name}`, blockedBy(deployment, own, source.elsewhere.get(deployment.spec.product)?.branch ?? source.branch)));
  }
  if (before === undefined) for (const room of ['problems', 'deployment']) memory.forgetOthers(room, Deployment);
  const found: Problem[] = [];
  for (const item of [...[...inOrder(ofDeployments, Deployment).values()].flat(), ...refused.map(({ problem }) => problem)]) keep(found, item);
  const errors = [...problems, ...found].filter((item) => item.severity === 'error' && item.file !== '');
  const keepReason = files.set.files === 0 ? 'the repository holds no manifest' : errors.length > 0 ? `the repository has ${errors.length === 1 ? 'a problem' : `${errors.length} problems`} (first: ${errors[0]!.file}:${errors[0]!.line})` : '';
  // One that was blocked before has come in last.
  const appended = before !== undefined && [...names].some((name) => deployments.has(name) && !before.resolved.desired.deployments.has(name));
  const desired: Desired = { team, commit: files.commit, deployments: appended ? inOrder(deployments, Deployment) : deployments, blocked: inOrder(blocked, Deployment), mayRemove: keepReason === '', keepReason };
  const waits = (name: string): boolean => [before?.resolved.desired.deployments.get(name), deployments.get(name)].some((one) => one !== undefined && one.dependsOn.length > 0);
  const dependents = before === undefined || [...names].some(waits) ? dependentsOf(desired.deployments) : before.resolved.dependents;
  return { desired, problems: found, dependents, kept: { versions, doubtful, claims, disputed: refused.length > 0, problems: ofDeployments } };
}

/** Errors by the deployment that they are of. */
function faultsOf(problems: readonly Problem[], deployments: { has(name: string): boolean }): Map<string, readonly Problem[]> {
  const faults = new Map<string, readonly Problem[]>();
  for (const item of problems) {
    if (item.severity !== 'error' || item.object === undefined) continue;
    const [kind, name] = item.object.split('/', 2) as [string, string];
    if (kind === 'Deployment' && deployments.has(name)) faults.set(name, [...(faults.get(name) ?? []), item]);
  }
  return faults;
}

function put<T>(values: Map<string, T>, name: string, value: T | undefined): void {
  if (value === undefined) values.delete(name);
  else values.set(name, value);
}

/** What a deployment says of its version. */
function choiceOf({ spec }: Manifest<'Deployment'>): string {
  return `${spec.product}\n${spec.version ?? ''}\n${spec.branch ?? ''}`;
}

/** Refs move, tags freeze: each version is found anew, and only if all are what they were, the deployments of before are. */
async function sameVersions({ versions }: Kept, find: (deployment: Manifest<'Deployment'>) => Promise<Found>): Promise<boolean> {
  for (const { by, version } of versions.values()) {
    const found = await find(by);
    if ('problem' in found || found.warnings.length > 0) return false;
    const now = found.version;
    if (now.content !== version.content || now.name !== version.name || now.kind !== version.kind || now.frozen !== version.frozen) return false;
  }
  return true;
}

/** In the order of the manifests, whatever was looked at when. */
function inOrder<T>(values: ReadonlyMap<string, T>, deployments: ReadonlyMap<string, unknown>): ReadonlyMap<string, T> {
  if (values.size < 2) return values;
  return new Map([...deployments.keys()].flatMap((name) => (values.has(name) ? [[name, values.get(name) as T]] : [])));
}

function dependentsOf(deployments: ReadonlyMap<string, DesiredDeployment>): Map<string, string[]> {
  const dependents = new Map<string, string[]>();
  for (const { name, dependsOn } of deployments.values()) {
    for (const other of dependsOn) dependents.set(other, [...(dependents.get(other) ?? []), name]);
  }
  return dependents;
}

function keep(found: Problem[], item: Problem): Problem {
  if (!found.some((other) => other.file === item.file && other.line === item.line && other.column === item.column && other.code === item.code && other.message === item.message)) found.push(item);
  return item;
}

/** What a deployment asks for of its node that others may want, too. */
interface Claims {
  readonly routes: readonly RouteClaim[];
  readonly ports: readonly PortClaim[];
}

/** One deployment; `desired` where nothing forbids it. */
interface Resolved {
  readonly desired?: DesiredDeployment;
  readonly problems: readonly Problem[];
  /** Undefined where it asks for nothing. */
  readonly claims?: Claims;
}

/** Only what the deployment is made of counts: the same objects give the same resolved deployment. */
function resolveOne(team: string, deployment: Manifest<'Deployment'>, files: ManifestFiles, version: DesiredVersion, memory: Memory, told: ReadonlyMap<string, readonly string[]>, tags: ReadonlyMap<string, readonly FollowedDigest[]>): Resolved {
  const { ConfigBundle, Node, Registry } = files.set.byKind;
  const deploymentBundles = named(deployment.spec.bundles, ConfigBundle);
  const node = Node.get(deployment.spec.node);
  const blob = files.files.get(deployment.file)?.oid ?? '';
  const recipients = knownRecipients(node, told);
  const followed = deployment.spec.follow === undefined ? undefined : tags.get(targetKey(deployment.spec.node, deployment.spec.prefix));
  return memory.of('deployment', deployment.name, [deployment, version.content, version.name, version.kind, version.frozen, node, told.get(deployment.spec.node), followed, blob, ...deploymentBundles, ...namedRegistries(version.content.images, Registry)], () => {
    const resolved = resolveImages({ versionLayers: version.content, deployment, deploymentBundles });
    const problems = [...resolved.problems, ...checkTarget({ deployment, nodeType: node?.spec.type ?? null, recipients, resolved }), ...checkRegistries({ deployment, images: resolved.images, registries: Registry, recipients })];
    if (problems.some((item) => item.severity === 'error')) return { problems };
    const claims = { routes: routesOf(deployment, node?.spec.type, resolved), ports: portsOf(deployment, node?.spec.type, resolved) };
    return { problems, ...(claims.routes.length + claims.ports.length > 0 && { claims }), desired: desiredDeployment({ team, nodeType: node?.spec.type, deployment, deploymentBundles, version, resolved, registries: Registry, followed, blob }) };
  });
}

function blockedBy(deployment: Manifest<'Deployment'>, problems: readonly Problem[], branch: string): BlockedDeployment {
  const { spec } = deployment;
  return { name: deployment.name, product: spec.product, version: spec.version ?? spec.branch ?? branch, node: spec.node, prefix: spec.prefix, problems };
}
