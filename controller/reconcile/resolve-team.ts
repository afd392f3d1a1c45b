/** All Deployment manifests of a head → desired and blocked ones, each with the version that it names. */
import { checkTarget } from '../model/check-target.ts';
import { knownRecipients, named } from '../manifests/check-references.ts';
import { checkVersion } from '../manifests/check-version.ts';
import type { Manifest } from '../model/manifest.ts';
import { objectName } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { checkRegistries, namedRegistries } from '../model/registry.ts';
import { resolveImages, resolveVersionImages } from '../model/resolve-images.ts';
import { routeProblems, routesOf, type RouteClaim, type RouteClaimant } from '../model/route-claims.ts';
import { desiredDeployment } from '../plan/desired.ts';
import type { BlockedDeployment, Desired, DesiredDeployment, DesiredVersion, FollowedDigest, VersionContent } from '../plan/types.ts';
import { targetKey } from '../plan/types.ts';
import type { RefVersion, StoredVersion } from '../store/versions.ts';
import type { ElsewhereView, SourceFault } from './elsewhere.ts';
import type { ManifestFiles } from './manifest-files.ts';
import type { Memory } from './memory.ts';
import { hasMoved, tagMoved } from './moved-tags.ts';

/** Where versions come from. */
export interface VersionSource {
  readonly versions: readonly RefVersion[];
  /** By `product/name` (R8, R9). */
  readonly frozen: ReadonlyMap<string, StoredVersion>;
  /** The team's branch, whose head is `head`. */
  readonly branch: string;
  readonly head: ManifestFiles;
  /** Products of other repositories. */
  readonly elsewhere: ReadonlyMap<string, ElsewhereView>;
  at(commit: string): Promise<ManifestFiles>;
}

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
}

type Found = { readonly version: DesiredVersion; readonly warnings: readonly Problem[] } | { readonly problem: Problem };

export async function resolveTeam({ team, files, source, problems, memory, owners, recipients, followed }: ResolveTeamInput): Promise<ResolvedTeam> {
  const { set } = files;
  const faults = new Map<string, Problem[]>();
  const addFault = (name: string, item: Problem): void => void faults.set(name, [...(faults.get(name) ?? []), item]);
  for (const item of problems) {
    if (item.severity !== 'error' || item.object === undefined) continue;
    const [kind, name] = item.object.split('/', 2) as [string, string];
    if (kind === 'Deployment') addFault(name, item);
  }
  const refs = new Map(source.versions.map((version) => [`${version.kind} ${version.product}/${version.name}`, version]));
  const found: Problem[] = [];
  const deployments = new Map<string, DesiredDeployment>();
  const blocked = new Map<string, BlockedDeployment>();
  const claimants: RouteClaimant[] = [];
  const block = (deployment: Manifest<'Deployment'>): void => {
    const own = faults.get(deployment.name);
    if (own !== undefined) blocked.set(deployment.name, memory.same(`blocked ${deployment.name}`, blockedBy(deployment, own, source.elsewhere.get(deployment.spec.product)?.branch ?? source.branch)));
  };
  // Thousands of deployments share a few versions; only what there is something to say about is looked for again.
  const settled = new Map<string, Found>();
  for (const deployment of set.byKind.Deployment.values()) {
    if (!faults.has(deployment.name)) {
      const { spec } = deployment;
      const key = `${spec.product}\n${spec.version ?? ''}\n${spec.branch ?? ''}`;
      const version = settled.get(key) ?? (await findVersion(deployment, files, source, refs, memory));
      if ('version' in version && version.warnings.length === 0) settled.set(key, version);
      if ('problem' in version) addFault(deployment.name, keep(found, version.problem));
      else {
        for (const warning of version.warnings) keep(found, warning);
        const made = resolveOne(team, deployment, files, version.version, memory, recipients, followed);
        for (const item of made.problems) keep(found, item);
        if (made.desired === undefined) for (const item of made.problems) addFault(deployment.name, item);
        else deployments.set(deployment.name, made.desired);
        if (made.routes.length > 0) claimants.push({ deployment, routes: made.routes });
      }
    }
    block(deployment);
  }
  const refused = routeProblems(claimants, owners);
  for (const { deployment, problem: item } of refused) addFault(deployment.name, keep(found, item));
  for (const { deployment } of refused) if (deployments.delete(deployment.name)) block(deployment);
  for (const room of ['problems', 'deployment']) memory.forgetOthers(room, set.byKind.Deployment);
  const errors = [...problems, ...found].filter((item) => item.severity === 'error' && item.file !== '');
  const keepReason = set.files === 0 ? 'the repository holds no manifest' : errors.length > 0 ? `the repository has ${errors.length === 1 ? 'a problem' : `${errors.length} problems`} (first: ${errors[0]!.file}:${errors[0]!.line})` : '';
  return { desired: { team, commit: files.commit, deployments, blocked, mayRemove: keepReason === '', keepReason }, problems: found };
}

function keep(found: Problem[], item: Problem): Problem {
  if (!found.some((other) => other.file === item.file && other.line === item.line && other.column === item.column && other.code === item.code && other.message === item.message)) found.push(item);
  return item;
}

/** Only what the deployment is made of counts: the same objects give the same resolved deployment. */
function resolveOne(team: string, deployment: Manifest<'Deployment'>, files: ManifestFiles, version: DesiredVersion, memory: Memory, told: ReadonlyMap<string, readonly string[]>, tags: ReadonlyMap<string, readonly FollowedDigest[]>): { readonly desired?: DesiredDeployment; readonly problems: readonly Problem[]; readonly routes: readonly RouteClaim[] } {
  const { ConfigBundle, Node, Registry } = files.set.byKind;
  const deploymentBundles = named(deployment.spec.bundles, ConfigBundle);
  const node = Node.get(deployment.spec.node);
  const blob = files.blobs.get(deployment.file) ?? '';
  const recipients = knownRecipients(node, told);
  const followed = deployment.spec.follow === undefined ? undefined : tags.get(targetKey(deployment.spec.node, deployment.spec.prefix));
  return memory.of('deployment', deployment.name, [deployment, version.content, version.name, version.kind, version.frozen, node, told.get(deployment.spec.node), followed, blob, ...deploymentBundles, ...namedRegistries(version.content.images, Registry)], () => {
    const resolved = resolveImages({ versionLayers: version.content, deployment, deploymentBundles });
    const problems = [...resolved.problems, ...checkTarget({ deployment, nodeType: node?.spec.type ?? null, recipients, resolved }), ...checkRegistries({ deployment, images: resolved.images, registries: Registry, recipients })];
    if (problems.some((item) => item.severity === 'error')) return { problems, routes: [] };
    const routes = routesOf(deployment, node?.spec.type, resolved);
    return { problems, routes, desired: desiredDeployment({ team, nodeType: node?.spec.type, deployment, deploymentBundles, version, resolved, registries: Registry, followed, blob }) };
  });
}

async function findVersion(deployment: Manifest<'Deployment'>, files: ManifestFiles, source: VersionSource, refs: ReadonlyMap<string, RefVersion>, memory: Memory): Promise<Found> {
  const { product, version: number, branch } = deployment.spec;
  const object = objectName(deployment);
  const other = source.elsewhere.get(product);
  const where = other === undefined ? '' : ` in ${other.url}`;
  const unreadable = (fault: SourceFault): Found => ({ problem: problem(fault.code, deployment.position('/spec/product'), `product ${product} cannot be read: ${fault.message}`, { object, severity: fault.severity }) });
  if (number === undefined) {
    if (other?.fault !== undefined) return unreadable(other.fault);
    const name = branch ?? other?.branch ?? source.branch;
    const ref = refs.get(`rolling ${product}/${name}`);
    if (ref === undefined) return { problem: problem('UnknownVersion', deployment.position(branch === undefined ? '/spec/product' : '/spec/branch'), `there is no branch ${name}${where}`, { object, hint: 'Push the branch, or correct its name.' }) };
    const of = { kind: 'rolling', name, commit: ref.commit, tagObject: null } as const;
    if (other !== undefined) return readElsewhere(deployment, product, of, await other.at(ref.commit), files, other.path, memory);
    return readVersion(deployment, product, of, name === source.branch ? source.head : await source.at(ref.commit), memory);
  }
  const frozen = source.frozen.get(`${product}/${number}`);
  const ref = refs.get(`incremental ${product}/${number}`);
  if (frozen?.frozen) {
    const version = memory.of('frozen', `${product}/${number}`, [frozen.id], (): DesiredVersion => ({ kind: 'incremental', name: number, commit: frozen.commit, frozen: true, content: frozen.frozen! }));
    return { version, warnings: ref !== undefined && hasMoved(ref, frozen) ? [tagMoved(ref, frozen, deployment.position('/spec/version'), object)] : [] };
  }
  if (other?.fault !== undefined) return unreadable(other.fault);
  if (ref === undefined) {
    const others = source.versions.filter((version) => version.product === product && version.kind === 'incremental').map((version) => version.name);
    const hint = others.length === 0 ? `No tag of ${product} exists yet; push ${product}/${number}.` : `Versions of ${product}: ${others.slice(-10).join(', ')}.`;
    return { problem: problem('UnknownVersion', deployment.position('/spec/version'), `there is no version ${number} of ${product}${where}`, { object, hint }) };
  }
  const of = { kind: 'incremental', name: number, commit: ref.commit, tagObject: ref.tagObject } as const;
  if (other !== undefined) return readElsewhere(deployment, product, of, await other.at(ref.commit), files, other.path, memory);
  return readVersion(deployment, product, of, await source.at(ref.commit), memory);
}

interface VersionPlace {
  readonly kind: 'rolling' | 'incremental';
  readonly name: string;
  readonly commit: string;
  readonly tagObject: string | null;
}

/**
 * In another repository the Version is in the file that the product names, and its bundles lie there or below its directory. Registries
 * are the team's. Nobody has checked what stands there, so that is done here.
 */
function readElsewhere(deployment: Manifest<'Deployment'>, product: string, of: VersionPlace, at: ManifestFiles, team: ManifestFiles, path: string, memory: Memory): Found {
  const object = objectName(deployment);
  const place = deployment.position(of.kind === 'incremental' ? '/spec/version' : '/spec/product');
  const unreadable = (why: string): Found => ({ problem: problem('VersionUnreadable', place, `version ${of.name} of ${product} (${of.commit.slice(0, 12)}): ${why}`, { object }) });
  const parsed = at.files.get(path)?.parsed;
  const refused = at.refused.get(path) ?? parsed?.problems.find((item) => item.severity === 'error');
  if (refused !== undefined) return unreadable(`${path}:${refused.line} ${refused.message}`);
  const manifest = parsed?.manifests.find((item) => item.kind === 'Version' && item.name === product);
  if (manifest?.kind !== 'Version') return unreadable(`there is no Version manifest named ${product} in ${path}`);
  const set = { ...at.set, byKind: { ...at.set.byKind, Registry: team.set.byKind.Registry } };
  const fault = checkVersion(manifest, set).find((item) => item.severity === 'error');
  if (fault !== undefined) return unreadable(`${fault.file}:${fault.line} ${fault.message}`);
  return contentOf(manifest, product, of, at, memory);
}

/** A version is read at its own commit, its bundles with it (SPEC §2). */
function readVersion(deployment: Manifest<'Deployment'>, product: string, of: VersionPlace, at: ManifestFiles, memory: Memory): Found {
  const manifest = at.set.byKind.Version.get(product);
  const object = objectName(deployment);
  if (manifest === undefined) {
    const place = deployment.position(of.kind === 'incremental' ? '/spec/version' : '/spec/product');
    return { problem: problem('VersionUnreadable', place, `there is no readable Version manifest of ${product} at ${of.name} (${of.commit.slice(0, 12)})`, { object }) };
  }
  const bundles = named(manifest.spec.bundles, at.set.byKind.ConfigBundle);
  const fault = at.set.problems.find((item) => item.severity === 'error' && item.object === `Version/${product}`);
  if (fault !== undefined || bundles.length !== (manifest.spec.bundles ?? []).length) {
    return { problem: problem('VersionUnreadable', deployment.position('/spec/product'), `the Version manifest of ${product} at ${of.name} has a problem: ${fault?.message ?? 'it names a bundle that is not there'}`, { object }) };
  }
  return contentOf(manifest, product, of, at, memory);
}

function contentOf(manifest: Manifest<'Version'>, product: string, of: VersionPlace, at: ManifestFiles, memory: Memory): Found {
  const bundles = named(manifest.spec.bundles, at.set.byKind.ConfigBundle);
  // R6: the content is the version; a commit that does not touch it gives the same object.
  const identity = of.kind === 'incremental' ? [of.commit, of.tagObject] : [];
  const content = memory.of('content', `${of.kind} ${product}/${of.name}`, [manifest, ...bundles, ...identity], (): VersionContent => {
    const files = [manifest, ...bundles].map((item): [string, string] => [item.file, at.blobs.get(item.file) ?? '']);
    return { commit: of.commit, tagObject: of.tagObject, images: resolveVersionImages(manifest, bundles).images, files: Object.fromEntries(files) };
  });
  return { version: { kind: of.kind, name: of.name, commit: content.commit, frozen: false, content }, warnings: [] };
}

function blockedBy(deployment: Manifest<'Deployment'>, problems: readonly Problem[], branch: string): BlockedDeployment {
  const { spec } = deployment;
  return { name: deployment.name, product: spec.product, version: spec.version ?? spec.branch ?? branch, node: spec.node, prefix: spec.prefix, problems };
}
