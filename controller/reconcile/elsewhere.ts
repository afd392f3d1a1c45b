/** Products whose versions lie in another repository than the team's: which they are, and what they are made of. */
import type { ObjectSource } from '../git/objects.ts';
import type { Remote } from '../git/remote.ts';
import { parseRemote } from '../git/remote.ts';
import type { Manifest, ManifestSet } from '../model/manifest.ts';
import { objectName } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { tagPattern, tagVersions } from '../plan/tag-versions.ts';
import type { WatchedRepository } from '../store/deliveries.ts';
import type { RefVersion, StoredVersion } from '../store/versions.ts';
import type { ManifestFiles } from './manifest-files.ts';
import type { Memory } from './memory.ts';
import { incrementalVersions, rollingVersions, stateOf, tagNames } from './ref-versions.ts';
import type { SourceNeed, SourceRepository } from './source-repository.ts';

export interface Elsewhere {
  readonly product: Manifest<'Product'>;
  readonly repository: string;
  /** Branches that its rolling versions follow. */
  readonly branches: ReadonlySet<string>;
}

export interface SourceFault {
  readonly code: 'SourceNotAllowed' | 'SourceUnreachable' | 'SourceNotRead';
  readonly message: string;
  readonly severity: 'error' | 'warning';
}

/** Of one product. `repository` with `fault`: it was read before, and cannot be now. */
export interface SourceState {
  readonly repository: SourceRepository | undefined;
  readonly need: SourceNeed;
  readonly fault: SourceFault | undefined;
}

/** Who looks at other repositories (R1: within what the operator allows). */
export interface ElsewhereReader {
  look(products: readonly Elsewhere[]): Promise<ReadonlyMap<string, SourceState>>;
  /** As last seen; asks nobody. */
  seen(products: readonly Elsewhere[]): ReadonlyMap<string, SourceState>;
  forgetUnused(): void;
}

/** What a deployment's version is read from. */
export interface ElsewhereView extends ObjectSource {
  readonly fault: SourceFault | undefined;
  readonly url: string;
  /** Of the Version manifest. */
  readonly path: string;
  /** What a deployment without version and branch follows. */
  readonly branch: string;
  at(commit: string): Promise<ManifestFiles>;
}

/** Looks nowhere and says so, with this code. */
export function nowhereElse(code: 'SourceNotAllowed' | 'SourceNotRead', severity: SourceFault['severity'], message: (repository: string) => string): ElsewhereReader {
  const seen = (products: readonly Elsewhere[]): ReadonlyMap<string, SourceState> => new Map(products.map((one) => [one.product.name, unseen({ code, severity, message: message(one.repository) })]));
  return { look: async (products) => seen(products), seen, forgetUnused: () => undefined };
}

/** The state of a product whose repository nobody looked at. */
export function unseen(fault: SourceFault): SourceState {
  return { repository: undefined, need: { products: [], branches: new Set() }, fault };
}

/** The products of a head that name another repository than `own`. `branch` is the team's. */
export function elsewhereProducts(set: ManifestSet, own: Remote, branch: string): Elsewhere[] {
  const found = new Map<string, Elsewhere & { readonly branches: Set<string> }>();
  for (const product of set.byKind.Product.values()) {
    const { source, rolling } = product.spec;
    if (source?.repository === undefined || isOwn(source.repository, own)) continue;
    const literal = (rolling?.branches ?? []).filter((glob) => !/[*?]/.test(glob));
    found.set(product.name, { product, repository: source.repository, branches: new Set([source.ref ?? branch, ...literal]) });
  }
  if (found.size > 0) for (const { spec } of set.byKind.Deployment.values()) if (spec.branch !== undefined) found.get(spec.product)?.branches.add(spec.branch);
  return [...found.values()];
}

/** What is to be compared with the reading before. */
export function elsewhereDigest(products: readonly Elsewhere[], states: ReadonlyMap<string, SourceState>): unknown {
  return products.map(({ product, repository, branches }) => {
    const state = states.get(product.name);
    const refs = state?.repository?.refs;
    return [product.name, repository, state?.fault?.message ?? null, refs === undefined ? null : stateOf([product], branches, refs)];
  });
}

/** Of each repository that is looked at, what is watched there. */
export function elsewhereWatched(products: readonly Elsewhere[], states: ReadonlyMap<string, SourceState>): WatchedRepository[] {
  const found = new Map<string, { readonly branches: Set<string>; readonly tags: Set<string> }>();
  for (const { product, branches, repository } of products) {
    const state = states.get(product.name);
    if (state === undefined || state.fault?.code === 'SourceNotAllowed' || state.fault?.code === 'SourceNotRead') continue;
    const one = found.get(repository) ?? { branches: new Set(), tags: new Set() };
    found.set(repository, one);
    for (const branch of branches) one.branches.add(branch);
    one.tags.add(tagPattern(product));
  }
  return [...found].map(([url, { branches, tags }]) => ({ url, branches: [...branches].sort(), tags: [...tags].sort() }));
}

export interface ElsewhereVersions {
  readonly versions: readonly RefVersion[];
  readonly problems: readonly Problem[];
  /** Products of which nothing is known now: their versions stay as they are recorded. */
  readonly unread: ReadonlySet<string>;
  readonly views: ReadonlyMap<string, ElsewhereView>;
}

/** Versions with their parents from each repository's own graph, exactly as for the team's repository. */
export async function elsewhereVersions(products: readonly Elsewhere[], states: ReadonlyMap<string, SourceState>, branch: string, frozen: ReadonlyMap<string, StoredVersion>, memory: Memory, signal: AbortSignal): Promise<ElsewhereVersions> {
  const versions: RefVersion[] = [];
  const problems: Problem[] = [];
  const unread = new Set<string>();
  const views = new Map<string, ElsewhereView>();
  for (const { product, branches, repository: url } of products) {
    const { repository, need, fault } = states.get(product.name) as SourceState;
    const { source } = product.spec;
    const path = source?.path ?? 'version.yaml';
    if (fault !== undefined) problems.push(problem(fault.code, product.position('/spec/source/repository'), fault.message, { object: objectName(product), severity: fault.severity }));
    views.set(product.name, {
      fault,
      url: repository?.url ?? url,
      path,
      branch: source?.ref ?? branch,
      object: async (oid) => (repository as SourceRepository).object(oid),
      at: async (commit) => (repository as SourceRepository).filesAt(path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '', commit, signal),
    });
    const mirror = repository?.mirror(need);
    const refs = repository?.refs;
    if (mirror === undefined || refs === undefined) {
      unread.add(product.name);
      continue;
    }
    const tags = tagVersions([product], tagNames(refs));
    const own = new Map([...frozen].filter(([, version]) => version.product === product.name));
    versions.push(...(await incrementalVersions(mirror, memory, tags.versions, refs, own)), ...rollingVersions(new Map([[product.name, branches]]), refs));
    problems.push(...tags.problems);
  }
  return { versions, problems, unread, views };
}

function isOwn(repository: string, own: Remote): boolean {
  try {
    return parseRemote(repository).url === own.url;
  } catch {
    return false;
  }
}
