/** What no schema can say: references from manifest to manifest, owners of targets, circles. Pure. */
import { validate as validCron } from 'node-cron';
import semver from 'semver';
import { matchesGlob } from '../model/branch-glob.ts';
import { dependencyOrder } from '../model/dependency-order.ts';
import type { AnyManifest, Manifest, ManifestSet } from '../model/manifest.ts';
import { KINDS, objectName } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { compareProblems, problem } from '../model/problem.ts';
import { checkRegistries } from '../model/registry.ts';
import { resolveImages } from '../model/resolve-images.ts';
import { checkProducts, checkShortForms, checkVersion } from './check-version.ts';
import { checkRecipients, checkSealed } from './check-sealed.ts';
import { checkTeam } from './check-team.ts';
import { checkTarget } from '../model/check-target.ts';
import { brokenHints, missing } from './missing-reference.ts';
import { targetClaims } from '../model/target-claims.ts';

export interface CheckOptions {
  /** The team's name as the controller knows it. */
  readonly team?: string;
  /** The team's branch, where it is known; without it `branch` is checked against `rolling.branches` only. */
  readonly branch?: string;
  /** Owners from the database (R10). */
  readonly recordedOwners?: ReadonlyMap<string, string>;
  /** Public keys by node, as the agents told them. */
  readonly recipients?: ReadonlyMap<string, readonly string[]>;
  /** Where the version of a deployment is read. Default: `set`, which is sure only of what follows a branch. */
  readonly versionAt?: (deployment: Manifest<'Deployment'>) => VersionAt;
  /** Answers for a deployment whose own problems are remembered; the caller knows whether anything it names has changed. */
  readonly remember?: (deployment: Manifest<'Deployment'>, check: () => readonly Problem[]) => readonly Problem[];
}

/** The manifests that a version and its bundles are taken from. */
export interface VersionAt {
  readonly set: ManifestSet;
  /** Whether that is what is deployed; if not, what is wrong with it is a warning. */
  readonly sure: boolean;
  /** Where it is another commit's. */
  readonly tag?: string;
  /** Nothing but this set can hold the version: there is no repository with tags and branches. */
  readonly only?: boolean;
}

/** What a check found, for the next one to take over. */
export interface Checked {
  readonly set: ManifestSet;
  /** All problems between manifests, in order. Those of `set` itself are not repeated. */
  readonly problems: readonly Problem[];
  /** By name; only deployments that have any. */
  readonly ofDeployments: ReadonlyMap<string, readonly Problem[]>;
  readonly taken: readonly Problem[];
  readonly cycles: readonly Problem[];
}

/** An earlier check, and the deployments that are all that has changed since (`changedDeployments`). */
export interface CheckedBefore {
  readonly checked: Checked;
  readonly changed: readonly string[];
}

/** The problems of `check`. */
export function checkReferences(set: ManifestSet, options: CheckOptions = {}): readonly Problem[] {
  return check(set, options).problems;
}

/**
 * What depends on a version's content is checked with the version at hand: an error where the deployment follows a branch, a warning where
 * it names a tag. With `earlier` only deployments that changed are looked at; `options` must say the same as they did then.
 */
export function check(set: ManifestSet, options: CheckOptions = {}, earlier?: CheckedBefore): Checked {
  const { Deployment } = set.byKind;
  const ofDeployments = new Map(earlier?.checked.ofDeployments);
  for (const name of earlier?.changed ?? Deployment.keys()) {
    const deployment = Deployment.get(name) as Manifest<'Deployment'>;
    const own = (): Problem[] => checkDeployment(deployment, set, options);
    const found = [...checkSealed(deployment), ...(options.remember === undefined ? own() : options.remember(deployment, own))];
    if (found.length > 0) ofDeployments.set(name, found);
    else ofDeployments.delete(name);
  }
  const was = (name: string): Manifest<'Deployment'>['spec'] | undefined => earlier?.checked.set.byKind.Deployment.get(name)?.spec;
  const asBefore = (differs: (before: Manifest<'Deployment'>['spec'], now: Manifest<'Deployment'>['spec']) => boolean): boolean =>
    earlier !== undefined && !earlier.changed.some((name) => differs(was(name)!, Deployment.get(name)!.spec));
  // Whoever owns a target that two claim depends on the database; where nobody disputes one and nobody moved, nobody does now.
  const taken = earlier?.checked.taken.length === 0 && asBefore((before, now) => before.node !== now.node || before.prefix !== now.prefix) ? earlier.checked.taken : takenTargets(set, options);
  // Only who waits can be part of a circle.
  const cycles = asBefore((before, now) => before.dependsOn !== undefined || now.dependsOn !== undefined) ? earlier!.checked.cycles : cyclesOf(set);
  const problems = [...checkTeam(set, options.team), ...checkOthers(set), ...inOrder(ofDeployments, Deployment), ...taken, ...cycles];
  const hints = brokenHints(set);
  const hinted = problems.map((item) => (hints.has(item.message) ? { ...item, hint: hints.get(item.message) as string } : item));
  return { set, problems: dedupe(hinted.sort(compareProblems)), ofDeployments, taken, cycles };
}

/** Of everything but deployments. */
function checkOthers(set: ManifestSet): Problem[] {
  const problems: Problem[] = checkProducts(set);
  for (const kind of KINDS) if (kind !== 'Deployment') for (const manifest of set.byKind[kind].values()) problems.push(...checkSealed(manifest as AnyManifest));
  for (const node of set.byKind.Node.values()) problems.push(...checkRecipients(node));
  for (const notification of set.byKind.Notification.values()) problems.push(...checkNotification(notification, set));
  for (const version of set.byKind.Version.values()) problems.push(...checkVersion(version, set));
  for (const bundle of set.byKind.ConfigBundle.values()) problems.push(...checkShortForms(bundle));
  return problems;
}

/** Names of its filters that nobody bears. A warning: what was just removed may be named a while longer, and must not keep its own removal from happening. */
function checkNotification(notification: Manifest<'Notification'>, set: ManifestSet): Problem[] {
  return ([['deployments', 'Deployment'], ['nodes', 'Node']] as const).flatMap(([key, kind]) =>
    (notification.spec[key] ?? []).flatMap((name, index) =>
      set.byKind[kind].has(name) ? [] : [problem('UnknownReference', notification.position(`/spec/${key}/${index}`), `there is no ${kind} ${name}: nothing of it will be told`, { severity: 'warning', object: objectName(notification) })],
    ),
  );
}

/** Whatever was looked at when: the same set has its problems in the same order. */
function inOrder(ofDeployments: ReadonlyMap<string, readonly Problem[]>, deployments: ReadonlyMap<string, unknown>): readonly Problem[] {
  if (ofDeployments.size < 2) return [...ofDeployments.values()].flat();
  return [...deployments.keys()].flatMap((name) => ofDeployments.get(name) ?? []);
}

function takenTargets(set: ManifestSet, options: CheckOptions): Problem[] {
  return [...targetClaims(set, options.recordedOwners).values()].flatMap((claim) =>
    claim.refused.map((refused) => {
      const message = `the target ${claim.target} belongs to deployment ${claim.owner.name} (${claim.owner.file}:${claim.owner.line})`;
      return problem('TargetTaken', refused.position('/spec/prefix'), message, { object: objectName(refused) });
    }),
  );
}

function cyclesOf({ byKind: { Deployment } }: ManifestSet): Problem[] {
  const waiting = [...Deployment.values()].flatMap(({ name, spec }) => (spec.dependsOn === undefined ? [] : [{ name, dependsOn: spec.dependsOn }]));
  return dependencyOrder(waiting).cycles.map((cycle) => {
    const first = Deployment.get(cycle[0] as string) as Manifest<'Deployment'>;
    return problem('DependencyCycle', first.position('/spec/dependsOn'), `deployments wait for each other: ${cycle.join(' → ')}`, { object: objectName(first) });
  });
}

/** Problems of one Deployment manifest by itself and with what it names. */
function checkDeployment(deployment: Manifest<'Deployment'>, set: ManifestSet, options: CheckOptions = {}): Problem[] {
  const { spec } = deployment;
  const { Product, Node, ConfigBundle, Deployment, Registry } = set.byKind;
  const bundles = spec.bundles ?? [];
  const product = Product.get(spec.product);
  const node = Node.get(spec.node);
  const problems: Problem[] = [
    ...missing(deployment, 'Product', spec.product, '/spec/product', Product.keys(), product !== undefined),
    ...missing(deployment, 'Node', spec.node, '/spec/node', Node.keys(), node !== undefined),
    ...bundles.flatMap((name, index) => missing(deployment, 'ConfigBundle', name, `/spec/bundles/${index}`, ConfigBundle.keys(), ConfigBundle.has(name))),
    ...(spec.dependsOn ?? []).flatMap((name, index) => missing(deployment, 'Deployment', name, `/spec/dependsOn/${index}`, Deployment.keys(), Deployment.has(name))),
    ...checkShortForms(deployment),
    ...(product === undefined ? [] : checkVersionChoice(deployment, product, options)),
    ...(spec.followSchedule === undefined || validCron(spec.followSchedule) ? [] : [problem('SchemaViolation', deployment.position('/spec/followSchedule'), `${spec.followSchedule} is no cron expression`, { object: objectName(deployment), hint: 'For example 0 */5 * * * * (with seconds): every five minutes.' })]),
  ];
  // The version at hand need not be the tagged one; the controller checks that one itself.
  const at: VersionAt = options.versionAt?.(deployment) ?? { set, sure: spec.version === undefined };
  const version = at.set.byKind.Version.get(spec.product);
  if (product === undefined || product.spec.source !== undefined) return problems;
  if (version === undefined) return options.versionAt === undefined ? problems : [...problems, ...noVersion(deployment, at)];
  const resolved = resolveImages({
    version,
    versionBundles: named(version.spec.bundles, at.set.byKind.ConfigBundle),
    deployment,
    deploymentBundles: named(bundles, ConfigBundle),
  });
  const recipients = knownRecipients(node, options.recipients);
  // A registry that is not there is a problem of the version already.
  const ofContent = [...resolved.problems, ...checkTarget({ deployment, nodeType: node?.spec.type ?? null, recipients, resolved }), ...checkRegistries({ deployment, images: resolved.images, registries: Registry, recipients }).filter(({ code }) => code !== 'UnknownReference')];
  const told = at.tag === undefined ? ofContent : ofContent.map((item) => ({ ...item, message: `${item.message} (version read at tag ${at.tag})` }));
  return [...problems, ...(at.sure ? told : told.map((item) => ({ ...item, severity: 'warning' as const })))];
}

/** Only where nothing else can hold it: at its tag, or where the deployment follows the branch that is looked at. */
function noVersion(deployment: Manifest<'Deployment'>, { tag, only = false }: VersionAt): Problem[] {
  const { product, version, branch } = deployment.spec;
  if (tag === undefined && !only && (version !== undefined || branch !== undefined)) return [];
  return [problem('VersionUnreadable', deployment.position(tag === undefined ? '/spec/product' : '/spec/version'), `there is no readable Version manifest of ${product} ${tag === undefined ? 'here' : `at tag ${tag}`}`, { object: objectName(deployment) })];
}

/** What an agent says of its own keys counts; before it has said anything, what the manifest says. */
export function knownRecipients(node: Manifest<'Node'> | undefined, told: ReadonlyMap<string, readonly string[]> | undefined): readonly string[] {
  return (node === undefined ? undefined : told?.get(node.name)) ?? node?.spec.recipients ?? [];
}

/** The bundles of these names, as far as they exist. */
export function named(names: readonly string[] | undefined, bundles: ReadonlyMap<string, Manifest<'ConfigBundle'>>): Manifest<'ConfigBundle'>[] {
  return (names ?? []).flatMap((name) => bundles.get(name) ?? []);
}

/** R5, and whether the named version can exist. */
function checkVersionChoice(deployment: Manifest<'Deployment'>, product: Manifest<'Product'>, options: CheckOptions): Problem[] {
  const { version, branch } = deployment.spec;
  const object = objectName(deployment);
  if (product.spec.type === 'simple') {
    // To name the branch that it is deployed from is needless, and true.
    const own = product.spec.source?.ref ?? options.branch ?? branch;
    const key = version !== undefined ? 'version' : branch !== own && branch !== undefined ? 'branch' : null;
    return key === null ? [] : [problem('SimpleProductVersion', deployment.keyPosition(`/spec/${key}`), `product ${product.name} is simple and has no ${key} to choose`, { object })];
  }
  if (version !== undefined && (semver.valid(version) === null || version.startsWith('v'))) {
    const hint = version.startsWith('v') && semver.valid(version) !== null ? `Write version: ${version.slice(1)}; only its tag may begin with v.` : 'Write three numbers, for example version: 1.2.0; a branch goes into `branch`.';
    return [problem('SchemaViolation', deployment.position('/spec/version'), `${version} is no semver number`, { hint, object })];
  }
  const usual = product.spec.source?.ref ?? options.branch;
  const globs = product.spec.rolling?.branches ?? (usual === undefined ? undefined : [usual]);
  if (branch !== undefined && globs !== undefined && !globs.some((glob) => matchesGlob(glob, branch))) {
    const hint = `Followed are: ${globs.join(', ')}. Add it to \`rolling.branches\` of the product.`;
    return [problem('BranchNotWatched', deployment.position('/spec/branch'), `product ${product.name} does not follow the branch ${branch}`, { hint, object })];
  }
  return [];
}

/** Deployments of one version share its faults; each place says a thing once, and as an error if it is one for anybody. */
function dedupe(problems: readonly Problem[]): Problem[] {
  const found = new Map<string, Problem>();
  for (const item of problems) {
    const id = `${item.file}\n${item.line}\n${item.column}\n${item.code}\n${item.message}`;
    if (!found.has(id) || item.severity === 'error') found.set(id, item);
  }
  return [...found.values()];
}
