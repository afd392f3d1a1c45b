/** What a deployment says of its version → that version, with its content from the right repository and commit (R5–R9). */
import { named } from '../manifests/check-references.ts';
import { checkVersion } from '../manifests/check-version.ts';
import type { Manifest } from '../model/manifest.ts';
import { objectName } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { resolveVersionImages } from '../model/resolve-images.ts';
import type { DesiredVersion, VersionContent } from '../plan/types.ts';
import type { RefVersion, StoredVersion } from '../store/versions.ts';
import type { ElsewhereView, SourceFault } from './elsewhere.ts';
import type { ManifestFiles } from './manifest-files.ts';
import type { Memory } from './memory.ts';
import type { Refusal } from './judge-commit.ts';
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
  /** Why the team's policy lets nobody read this version. */
  refusal(version: RefVersion): Promise<Refusal | undefined>;
}

export type Found = { readonly version: DesiredVersion; readonly warnings: readonly Problem[] } | { readonly problem: Problem };

/** Asks the memory first: the same commit gives the same object. */
export async function findVersion(deployment: Manifest<'Deployment'>, files: ManifestFiles, source: VersionSource, refs: ReadonlyMap<string, RefVersion>, memory: Memory): Promise<Found> {
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
    // The branch's own head has been judged before it was read.
    const refused = other === undefined && name === source.branch ? undefined : await source.refusal(ref);
    if (refused !== undefined) return refusedVersion(refused, ref, deployment, branch === undefined ? '/spec/product' : '/spec/branch');
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
    const tagged = source.versions.filter((version) => version.product === product && version.kind === 'incremental').map((version) => version.name);
    // What is frozen can be named although its tag is gone (R9).
    const kept = [...source.frozen.values()].filter((version) => version.product === product && version.frozen !== null).map((version) => version.name);
    const others = [...new Set([...tagged, ...kept])];
    const hint = others.length === 0 ? `No tag of ${product} exists yet; push ${product}/${number}.` : `Versions of ${product}: ${others.slice(-10).join(', ')}.`;
    return { problem: problem('UnknownVersion', deployment.position('/spec/version'), `there is no version ${number} of ${product}${where}`, { object, hint }) };
  }
  const refused = await source.refusal(ref);
  if (refused !== undefined) return refusedVersion(refused, ref, deployment, '/spec/version');
  const of = { kind: 'incremental', name: number, commit: ref.commit, tagObject: ref.tagObject } as const;
  if (other !== undefined) return readElsewhere(deployment, product, of, await other.at(ref.commit), files, other.path, memory);
  return readVersion(deployment, product, of, await source.at(ref.commit), memory);
}

function refusedVersion({ message, hint }: Refusal, { product, name }: RefVersion, deployment: Manifest<'Deployment'>, pointer: string): Found {
  return { problem: problem('CommitRefused', deployment.position(pointer), `version ${name} of ${product} is not deployed: ${message}`, { hint, object: objectName(deployment) }) };
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
    const files = [manifest, ...bundles].map((item): [string, string] => [item.file, at.files.get(item.file)?.oid ?? '']);
    return { commit: of.commit, tagObject: of.tagObject, images: resolveVersionImages(manifest, bundles).images, files: Object.fromEntries(files) };
  });
  return { version: { kind: of.kind, name: of.name, commit: content.commit, frozen: false, content }, warnings: [] };
}
