/**
 * From refs to desired (SPEC §4): one listing, a fetch only for what moved, only changed blobs parsed, only what they
 * concern resolved again. A reading is frozen data; the same reading comes back when nothing that matters has moved.
 */
import { listRefs } from '../git/refs.ts';
import type { RemoteRef } from '../git/refs.ts';
import type { Mirror, Want } from '../git/mirror.ts';
import type { Remote } from '../git/remote.ts';
import type { OnRequest } from '../git/transport.ts';
import { TagboatError } from '../errors.ts';
import { checkReferences } from '../manifests/check-references.ts';
import type { ParseCache } from '../manifests/parse-cache.ts';
import { hashOf } from '../model/canonical.ts';
import type { ManifestSet } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { compareProblems, problem } from '../model/problem.ts';
import type { Desired } from '../plan/types.ts';
import type { TagVersion } from '../plan/tag-versions.ts';
import { tagVersions } from '../plan/tag-versions.ts';
import type { DeclaredNode } from '../store/nodes.ts';
import type { DeclaredProduct, RefVersion, StoredVersion } from '../store/versions.ts';
import type { ManifestFiles } from './manifest-files.ts';
import { filesAt } from './manifest-files.ts';
import { Memory } from './memory.ts';
import { resolveTeam } from './resolve-team.ts';
import type { VersionSource } from './resolve-team.ts';

/** Everything that one look at a repository says. */
export interface Reading {
  readonly commit: string;
  /** Who made the head commit, as audit rows name people (R26). */
  readonly actor: string;
  readonly desired: Desired;
  readonly problems: readonly Problem[];
  readonly nodes: readonly DeclaredNode[];
  readonly products: readonly DeclaredProduct[];
  readonly versions: readonly RefVersion[];
  readonly refsDigest: string;
  /** Null: no Team manifest could be read and a file is broken, so it is not known; what was known before goes on. */
  readonly members: readonly { readonly name: string; readonly email: string; readonly role: string }[] | null;
  /** Who waits for whom: dependents by deployment. */
  readonly dependents: ReadonlyMap<string, readonly string[]>;
}

export interface ReaderOptions {
  readonly team: string;
  readonly remote: Remote;
  readonly branch: string;
  /** A commit to read in place of the branch's head, for a plan that compares commits. */
  readonly at?: string;
  readonly directory: string;
  readonly mirror: Mirror;
  readonly cache: ParseCache;
  readonly onRequest?: OnRequest;
  /** Further prefixes for the one listing, and which of those refs the mirror is to keep (requests to merge). */
  readonly beside?: { readonly prefixes: readonly string[]; keep(refs: ReadonlyMap<string, RemoteRef>): readonly Want[] };
  /** From the database: what is frozen (R8, R9), and who owns which target (R10). */
  frozen(): Promise<ReadonlyMap<string, StoredVersion>>;
  owners(): Promise<ReadonlyMap<string, string>>;
}

/** What a set of files would mean as the head of the branch. */
export interface AsIf {
  readonly desired: Desired;
  readonly problems: readonly Problem[];
  readonly versions: readonly RefVersion[];
  readonly dependents: ReadonlyMap<string, readonly string[]>;
}

export class RepositoryReader {
  readonly #options: ReaderOptions;
  readonly #memory = new Memory();
  #head: ManifestFiles | undefined;
  /** Other commits that versions are read at, by commit. */
  #others = new Map<string, ManifestFiles>();
  #refs: ReadonlyMap<string, RemoteRef> = new Map();
  #frozen: ReadonlyMap<string, StoredVersion> = new Map();
  #owners: ReadonlyMap<string, string> = new Map();

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  /**
   * Returns `before` itself when nothing moved. Throws `RefMissing` when the branch is gone, and what the remote throws;
   * nothing is lost by that.
   */
  async read(before: Reading | undefined, signal: AbortSignal): Promise<Reading> {
    const { remote, branch, mirror } = this.#options;
    const { refs } = await listRefs(remote, {
      prefixes: ['refs/heads/', 'refs/tags/', ...(this.#options.beside?.prefixes ?? [])],
      signal,
      ...(this.#options.onRequest && { onRequest: this.#options.onRequest }),
    });
    this.#refs = refs;
    const head = this.#options.at === undefined ? refs.get(`refs/heads/${branch}`) : { oid: this.#options.at };
    if (head === undefined) throw new TagboatError('RefMissing', `${remote.url} has no branch ${branch}`);
    const frozen = await this.#options.frozen();
    this.#frozen = frozen;
    const frozenNames = [...frozen.keys()].sort();
    if (before !== undefined && this.#head !== undefined && before.refsDigest === digestOf(this.#watched(this.#head.set, refs), refs, frozenNames)) return before;

    const extra = [...(this.#options.at === undefined ? [] : [{ ref: 'refs/tagboat/at', oid: head.oid }]), ...(this.#options.beside?.keep(refs) ?? []).filter((want) => mirror.has(want.oid))];
    // The products of the present head tell which tags matter; a head that brings new ones is fetched first.
    const known = this.#head ? this.#watched(this.#head.set, refs) : [`refs/heads/${branch}`];
    await mirror.fetch([...this.#wants(known, refs), ...extra], { signal });
    const files = await filesAt(this.#options, head.oid, this.#head, signal);
    const watched = this.#watched(files.set, refs);
    if (this.#wants(watched, refs).some((want) => !mirror.has(want.oid))) await mirror.fetch([...this.#wants(watched, refs), ...extra], { signal });
    this.#head = files;

    this.#owners = await this.#options.owners();
    const { desired, problems, versions, commits, dependents } = await this.#interpret(files, this.#memory, this.#others, signal);
    this.#forgetOthers(commits);
    const author = (await mirror.commit(head.oid)).author;
    const members = [...files.set.byKind.Team.values()].flatMap((manifest) => manifest.spec.members ?? []).map(({ name, email, role = 'user' }) => ({ name, email, role }));
    const profile = members.find((member) => member.email.toLowerCase() === author.email.toLowerCase());
    return {
      commit: head.oid,
      actor: profile?.email ?? `${author.name} <${author.email}>`,
      desired,
      problems,
      nodes: this.#memory.same('nodes', [...files.set.byKind.Node.values()].map(({ name, spec }) => ({ name, type: spec.type, labels: textOf(spec.labels) }))),
      products: this.#memory.same('products', [...files.set.byKind.Product.values()].map(({ name, spec }) => ({ name, type: spec.type, description: spec.description ?? '' }))),
      versions,
      refsDigest: digestOf(watched, refs, frozenNames),
      members: files.set.byKind.Team.size === 0 && files.set.problems.some(({ severity }) => severity === 'error') ? null : members,
      dependents,
    };
  }

  /** The last listing. */
  get refs(): ReadonlyMap<string, RemoteRef> {
    return this.#refs;
  }

  /** The files of the branch's head as last read; undefined before. */
  get head(): ManifestFiles | undefined {
    return this.#head;
  }

  /**
   * What `files` would mean in the place of the branch's head, refs being what they were at the last listing. What is the
   * same there is the very same object; nothing of it is remembered here. `maxBytes` for what the files name besides.
   */
  async asIf(files: ManifestFiles, maxBytes: number, signal: AbortSignal): Promise<AsIf> {
    const { mirror } = this.#options;
    const missing = this.#wants(this.#watched(files.set, this.#refs), this.#refs).filter((want) => !mirror.has(want.oid));
    if (missing.length > 0) await mirror.fetchBeside(missing, { maxBytes, signal });
    return this.#interpret(files, new Memory(this.#memory), new Map(this.#others), signal);
  }

  async #interpret(files: ManifestFiles, memory: Memory, others: Map<string, ManifestFiles>, signal: AbortSignal): Promise<AsIf & { readonly commits: ReadonlySet<string> }> {
    const { branch } = this.#options;
    const refs = this.#refs;
    const frozen = this.#frozen;
    const tags = tagVersions(files.set.byKind.Product.values(), [...refs.keys()].filter((ref) => ref.startsWith('refs/tags/')).map((ref) => ref.slice('refs/tags/'.length)));
    const versions = [...(await this.#incremental(tags.versions, refs, frozen, memory)), ...this.#rolling(files.set, refs, files.commit)];
    const problems = [
      ...files.set.problems,
      ...checkReferences(files.set, { branch, recordedOwners: this.#owners, remember: (deployment, check) => memory.problems(deployment, files.set, check) }),
      ...tags.problems,
    ];
    if (files.set.files === 0) problems.push(problem('RepositoryEmpty', NOWHERE, `there is no manifest at ${files.commit.slice(0, 12)}${this.#options.directory === '' ? '' : ` below ${this.#options.directory}`}`));
    const source: VersionSource = { versions, frozen, branch, head: files, at: async (commit) => this.#filesOf(commit, others, signal) };
    const team = this.#options.team === '' ? ([...files.set.byKind.Team.keys()][0] ?? 'team') : this.#options.team;
    const resolved = await resolveTeam({ team, files, source, problems, memory });
    return { desired: resolved.desired, problems: [...problems, ...resolved.problems].sort(compareProblems), versions, dependents: dependentsOf(resolved.desired), commits: resolved.commits };
  }

  /** The refs whose move matters: the branch, the branches that deployments follow, the tags of products. */
  #watched(set: ManifestSet, refs: ReadonlyMap<string, RemoteRef>): string[] {
    const names = new Set([`refs/heads/${this.#options.branch}`]);
    for (const deployment of set.byKind.Deployment.values()) if (deployment.spec.branch !== undefined) names.add(`refs/heads/${deployment.spec.branch}`);
    const tags = [...refs.keys()].filter((ref) => ref.startsWith('refs/tags/')).map((ref) => ref.slice('refs/tags/'.length));
    for (const { tag } of tagVersions(set.byKind.Product.values(), tags).versions) names.add(`refs/tags/${tag}`);
    return [...names].sort();
  }

  #wants(names: readonly string[], refs: ReadonlyMap<string, RemoteRef>): { ref: string; oid: string }[] {
    return [...new Set(names)].flatMap((ref) => {
      const found = refs.get(ref);
      return found === undefined ? [] : [{ ref, oid: found.oid }];
    });
  }

  /** R7: parents from the commit graph, deployed versions counted even where their tag is gone (R9). */
  async #incremental(tags: readonly TagVersion[], refs: ReadonlyMap<string, RemoteRef>, frozen: ReadonlyMap<string, StoredVersion>, memory: Memory): Promise<RefVersion[]> {
    const { mirror } = this.#options;
    const commits = new Map<string, Map<string, string[]>>();
    const mark = (product: string, commit: string, name: string): void => {
      const byCommit = commits.get(product) ?? new Map<string, string[]>();
      commits.set(product, byCommit);
      const names = byCommit.get(commit) ?? [];
      if (!names.includes(name)) byCommit.set(commit, [...names, name]);
    };
    for (const { product, name, tag } of tags) {
      const ref = refs.get(`refs/tags/${tag}`)!;
      mark(product, frozen.get(`${product}/${name}`)?.commit ?? ref.peeled ?? ref.oid, name);
    }
    for (const version of frozen.values()) mark(version.product, version.commit, version.name);
    const versions: RefVersion[] = [];
    for (const { product, name, tag } of tags) {
      const ref = refs.get(`refs/tags/${tag}`)!;
      const commit = ref.peeled ?? ref.oid;
      const key = `${product} ${name} ${ref.oid} ${hashOf([...(commits.get(product) ?? [])])}`;
      versions.push(
        await memory.once('version', `${product}/${name}`, key, async () => {
          const object = ref.peeled === undefined ? undefined : await mirror.tag(ref.oid);
          const [parent] = await mirror.nearestTaggedAncestors(commit, commits.get(product) ?? new Map());
          return {
            product,
            kind: 'incremental' as const,
            name,
            ref: `refs/tags/${tag}`,
            commit,
            tagObject: ref.oid,
            parent: parent ?? null,
            tagger: object?.tagger === undefined ? null : `${object.tagger.name} <${object.tagger.email}>`,
            message: object?.message ?? null,
          };
        }),
      );
    }
    return versions;
  }

  #rolling(set: ManifestSet, refs: ReadonlyMap<string, RemoteRef>, head: string): RefVersion[] {
    const { branch } = this.#options;
    const wanted = new Map<string, Set<string>>();
    for (const product of set.byKind.Product.values()) wanted.set(product.name, new Set([branch]));
    for (const { spec } of set.byKind.Deployment.values()) if (spec.branch !== undefined) wanted.get(spec.product)?.add(spec.branch);
    return [...wanted].flatMap(([product, branches]) =>
      [...branches].flatMap((name): RefVersion[] => {
        const ref = refs.get(`refs/heads/${name}`);
        const commit = name === branch ? head : ref?.oid;
        if (commit === undefined) return [];
        return [{ product, kind: 'rolling', name, ref: `refs/heads/${name}`, commit, tagObject: null, parent: null, tagger: null, message: null }];
      }),
    );
  }

  async #filesOf(commit: string, others: Map<string, ManifestFiles>, signal: AbortSignal): Promise<ManifestFiles> {
    if (this.#head?.commit === commit) return this.#head;
    const known = others.get(commit);
    if (known !== undefined) return known;
    const files = await filesAt(this.#options, commit, this.#head, signal);
    others.set(commit, files);
    return files;
  }

  #forgetOthers(used: ReadonlySet<string>): void {
    this.#others = new Map([...this.#others].filter(([commit]) => used.has(commit)));
  }
}

const NOWHERE = { file: '', line: 0, column: 0 } as const;

function digestOf(watched: readonly string[], refs: ReadonlyMap<string, RemoteRef>, frozen: readonly string[]): string {
  return hashOf([watched.map((name) => [name, refs.get(name)?.oid ?? null]), frozen]);
}

function textOf(labels: Readonly<Record<string, unknown>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(labels ?? {}).map(([key, value]) => [key, String(value)]));
}

function dependentsOf(desired: Desired): Map<string, string[]> {
  const dependents = new Map<string, string[]>();
  for (const { name, dependsOn } of desired.deployments.values()) {
    for (const other of dependsOn) dependents.set(other, [...(dependents.get(other) ?? []), name]);
  }
  return dependents;
}
