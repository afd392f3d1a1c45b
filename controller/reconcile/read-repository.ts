/**
 * From refs to desired (SPEC §4): one listing, a fetch only for what moved, only changed blobs parsed, only what they
 * concern resolved again. A reading is frozen data; the same reading comes back when nothing that matters has moved.
 */
import { listRefs } from '../git/refs.ts';
import type { RemoteRef } from '../git/refs.ts';
import { beside } from '../git/mirror.ts';
import type { Mirror, Want } from '../git/mirror.ts';
import type { Remote } from '../git/remote.ts';
import type { OnRequest } from '../git/transport.ts';
import { TagboatError } from '../errors.ts';
import { changedDeployments } from '../manifests/changed-deployments.ts';
import type { Checked } from '../manifests/check-references.ts';
import { check } from '../manifests/check-references.ts';
import { teamManifest } from '../manifests/check-team.ts';
import type { ParseCache } from '../manifests/parse-cache.ts';
import { hashOf } from '../model/canonical.ts';
import type { Manifest, ManifestSet } from '../model/manifest.ts';
import { declaredNotification } from '../model/notification.ts';
import type { DeclaredNotification } from '../model/notification.ts';
import type { Problem } from '../model/problem.ts';
import { compareProblems, problem } from '../model/problem.ts';
import type { Trust } from '../model/trust.ts';
import { ANYBODY } from '../model/trust.ts';
import type { Desired, FollowedDigest } from '../plan/types.ts';
import { tagPattern, tagVersions } from '../plan/tag-versions.ts';
import { scrub } from '../scrub.ts';
import type { WatchedRepository } from '../store/deliveries.ts';
import type { DeclaredNode } from '../store/nodes.ts';
import type { DeclaredProduct, RefVersion, StoredVersion } from '../store/versions.ts';
import type { Accepted } from './accepted-head.ts';
import { AcceptedHead, headProblem, trustIn } from './accepted-head.ts';
import { CommitFiles } from './commit-files.ts';
import type { Elsewhere, ElsewhereReader, SourceState } from './elsewhere.ts';
import { elsewhereDigest, elsewhereProducts, elsewhereVersions, elsewhereWatched, nowhereElse } from './elsewhere.ts';
import type { VersionSource } from './find-version.ts';
import { refusalOf } from './judge-commit.ts';
import type { ManifestFiles } from './manifest-files.ts';
import { filesAt } from './manifest-files.ts';
import { Memory } from './memory.ts';
import type { Followed } from './ref-versions.ts';
import { incrementalVersions, rollingVersions, stateOf, tagNames, wantsOf, watchedRefs } from './ref-versions.ts';
import { movedTags } from './moved-tags.ts';
import type { ResolvedTeam } from './resolve-team.ts';
import { resolveTeam } from './resolve-team.ts';

/** Everything that one look at a repository says. */
export interface Reading {
  readonly commit: string;
  /** Who made the head commit, as audit rows name people (R26). */
  readonly actor: string;
  readonly desired: Desired;
  readonly problems: readonly Problem[];
  readonly nodes: readonly DeclaredNode[];
  readonly products: readonly DeclaredProduct[];
  readonly notifications: readonly DeclaredNotification[];
  readonly versions: readonly RefVersion[];
  /** Products whose versions could not be looked at: what is recorded of them stays. */
  readonly unread: ReadonlySet<string>;
  readonly refsDigest: string;
  /** Repositories and refs whose move is worth a look, the team's own first. */
  readonly watched: readonly WatchedRepository[];
  /** Null: no Team manifest could be read and a file is broken, so it is not known; what was known before goes on. */
  readonly members: readonly { readonly name: string; readonly email: string; readonly role: string }[] | null;
  /** Who waits for whom: dependents by deployment. */
  readonly dependents: ReadonlyMap<string, readonly string[]>;
  /** Whom the next head is judged by; null like `members`. */
  readonly trust: Trust | null;
  /** A newer head that the policy refuses: this reading is of the one before it. */
  readonly refused: { readonly commit: string; readonly problem: Problem } | null;
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
  /** Who reads products of other repositories; without it they are refused. */
  readonly sources?: ElsewhereReader;
  /** From the database: the head that was read last and whom the next is judged by; asked for a new head alone. */
  accepted?(): Promise<Accepted | null>;
  /** From the database: what is frozen (R8, R9), and who owns which target (R10). */
  frozen(): Promise<ReadonlyMap<string, StoredVersion>>;
  owners(): Promise<ReadonlyMap<string, string>>;
  /** Public keys by node, as the agents told them; none for a plan that compares commits. */
  recipients?(): Promise<ReadonlyMap<string, readonly string[]>>;
  /** What followed tags mean, by target. */
  followed?(): Promise<ReadonlyMap<string, readonly FollowedDigest[]>>;
}

/** What a set of files would mean as the head of the branch. */
export interface AsIf {
  readonly desired: Desired;
  readonly problems: readonly Problem[];
  readonly versions: readonly RefVersion[];
  readonly unread: ReadonlySet<string>;
  readonly dependents: ReadonlyMap<string, readonly string[]>;
}

/** How the branch's head was interpreted, for the next commit to take over what it does not touch. */
interface Interpreted extends AsIf {
  readonly checked: Checked;
  readonly resolved: ResolvedTeam;
  readonly recipients: ReadonlyMap<string, unknown>;
  readonly tags: ReadonlyMap<string, unknown>;
}

export class RepositoryReader {
  readonly #options: ReaderOptions;
  readonly #memory = new Memory();
  #head: ManifestFiles | undefined;
  #interpreted: Interpreted | undefined;
  /** What is asked of a set of manifests several times. */
  readonly #of = new WeakMap<ManifestSet, { readonly elsewhere: readonly Elsewhere[]; readonly own: readonly Manifest<'Product'>[]; readonly followed: Followed }>();
  /** Other commits that versions are read at. */
  readonly #others: CommitFiles;
  readonly #sources: ElsewhereReader;
  readonly #accepted: AcceptedHead;
  #trust: Trust = ANYBODY;
  #refs: ReadonlyMap<string, RemoteRef> = new Map();
  #frozen: ReadonlyMap<string, StoredVersion> = new Map();
  #owners: ReadonlyMap<string, string> = new Map();
  #recipients: ReadonlyMap<string, readonly string[]> = new Map();
  #tags: ReadonlyMap<string, readonly FollowedDigest[]> = new Map();

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#others = new CommitFiles(options);
    this.#accepted = new AcceptedHead(options);
    this.#sources = options.sources ?? nowhereElse('SourceNotAllowed', 'error', (repository) => `the controller configuration allows no source ${scrub(repository)}`);
  }

  /** Others may have read on meanwhile: what was accepted last is asked for again. */
  takeOver(): void {
    this.#accepted.forget();
  }

  /**
   * Returns `before` itself when nothing moved. Throws `RefMissing` when the branch is gone, `HeadRefused` when the policy refuses
   * its head and there is none before, and what the remote throws; nothing is lost by that.
   */
  async read(before: Reading | undefined, signal: AbortSignal): Promise<Reading> {
    const { remote, branch, mirror } = this.#options;
    const { refs } = await listRefs(remote, {
      prefixes: ['refs/heads/', 'refs/tags/', ...(this.#options.beside?.prefixes ?? [])],
      signal,
      ...(this.#options.onRequest && { onRequest: this.#options.onRequest }),
    });
    this.#refs = refs;
    const { at } = this.#options;
    const tip = at ?? refs.get(`refs/heads/${branch}`)?.oid;
    if (tip === undefined) throw new TagboatError('RefMissing', `${remote.url} has no branch ${branch}`);
    const frozen = await this.#options.frozen();
    this.#frozen = frozen;
    // The same list while it says the same: nothing is resolved again for it.
    this.#recipients = new Map([...((await this.#options.recipients?.()) ?? [])].map(([node, keys]) => [node, this.#memory.same(`recipients ${node}`, keys)]));
    this.#tags = new Map([...((await this.#options.followed?.()) ?? [])].map(([target, digests]) => [target, this.#memory.same(`followed ${target}`, digests)]));
    const extra = [...(at === undefined ? [] : [{ ref: 'refs/tagboat/at', oid: at }]), ...(this.#options.beside?.keep(refs) ?? []).filter((want) => mirror.has(want.oid)).map(beside)];
    const headBefore = this.#head;
    if (headBefore?.commit !== tip && !this.#accepted.refuses(tip)) {
      // The products of the present head tell which tags matter; what a new head brings besides is fetched after it.
      const known = headBefore === undefined ? [`refs/heads/${branch}`] : this.#watched(headBefore.set, refs);
      await mirror.fetch([...wantsOf(known, refs), ...extra], { signal });
    }
    const { commit, refusal } = at === undefined ? await this.#accepted.choose(tip, headBefore, signal) : { commit: at, refusal: undefined };
    const files = await filesAt(this.#options, commit, headBefore, signal);
    const { elsewhere, own, followed } = this.#about(files.set);
    const states = await this.#sources.look(elsewhere);
    const watched = this.#watched(files.set, refs);
    const refsDigest = hashOf([stateOf(own, branchesOf(followed).concat(branch), refs), [...frozen.keys()].sort(), elsewhereDigest(elsewhere, states), [...this.#recipients], [...this.#tags], commit]);
    if (before !== undefined && headBefore !== undefined && before.refsDigest === refsDigest) return before;
    if (wantsOf(watched, refs).some((want) => !mirror.has(want.oid))) await mirror.fetch([...wantsOf(watched, refs), ...extra], { signal });
    this.#head = files;
    const accepted = this.#accepted.accept(files);
    this.#trust = accepted.trust ?? ANYBODY;

    this.#owners = await this.#options.owners();
    this.#interpreted = await this.#interpret(files, states, this.#memory, this.#others, signal);
    const { desired, problems, versions, unread, dependents } = this.#interpreted;
    this.#others.forgetUnused();
    this.#sources.forgetUnused();
    const author = (await mirror.commit(commit)).author;
    const members = (teamManifest(files.set, this.#options.team)?.spec.members ?? []).map(({ name, email, role = 'user' }) => ({ name, email, role }));
    const profile = members.find((member) => member.email.toLowerCase() === author.email.toLowerCase());
    const refused = refusal === undefined ? null : { commit: tip, problem: headProblem(refusal, files.set, this.#options.team, commit) };
    return {
      commit,
      actor: profile?.email ?? `${author.name} <${author.email}>`,
      desired,
      problems: refused === null ? problems : [...problems, refused.problem].sort(compareProblems),
      notifications: this.#memory.same('notifications', [...files.set.byKind.Notification.values()].map(({ name, spec }) => declaredNotification(name, spec))),
      nodes: this.#memory.same('nodes', [...files.set.byKind.Node.values()].map(({ name, spec }) => ({ name, type: spec.type, labels: textOf(spec.labels), agentVersion: spec.agentVersion ?? null }))),
      products: this.#memory.same('products', [...files.set.byKind.Product.values()].map(({ name, spec }) => ({ name, type: spec.type, description: spec.description ?? '' }))),
      versions,
      unread,
      refsDigest,
      watched: this.#memory.same('watched', [{ url: remote.url, branches: [...new Set([branch, ...branchesOf(followed)])].sort(), tags: own.map(tagPattern).sort() }, ...elsewhereWatched(elsewhere, states)]),
      members: files.set.byKind.Team.size === 0 && files.set.problems.some(({ severity }) => severity === 'error') ? null : members,
      dependents,
      trust: trustIn(files.set, this.#options.team) ?? null,
      refused,
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
    const missing = wantsOf(this.#watched(files.set, this.#refs), this.#refs).filter((want) => !mirror.has(want.oid));
    if (missing.length > 0) await mirror.fetchBeside(missing, { maxBytes, signal });
    // Other repositories are as they were seen; what is not merged makes nobody look at a new one (R1).
    const states = this.#sources.seen(this.#about(files.set).elsewhere);
    return this.#interpret(files, states, new Memory(this.#memory), this.#others.fork(), signal);
  }

  async #interpret(files: ManifestFiles, states: ReadonlyMap<string, SourceState>, memory: Memory, others: CommitFiles, signal: AbortSignal): Promise<Interpreted> {
    const { branch, mirror } = this.#options;
    const about = this.#about(files.set);
    const refs = this.#refs;
    const frozen = this.#frozen;
    const elsewhere = await elsewhereVersions(about.elsewhere, states, branch, frozen, memory, signal);
    const tags = tagVersions(about.own, tagNames(refs));
    const own = [...(await incrementalVersions(mirror, memory, tags.versions, refs, frozen)), ...rollingVersions(about.followed, refs, new Map([[branch, files.commit]]))];
    const versions = [...own, ...elsewhere.versions];
    const last = this.#interpreted;
    const changed = last === undefined || !sameValues(last.recipients, this.#recipients) || !sameValues(last.tags, this.#tags) ? undefined : changedDeployments(last.checked.set, files.set);
    const checked = check(
      files.set,
      { team: this.#options.team, branch, recordedOwners: this.#owners, recipients: this.#recipients, remember: (deployment, own) => memory.problems(deployment, files.set, this.#recipients.get(deployment.spec.node), own) },
      changed && { checked: last!.checked, changed },
    );
    const problems = [
      ...files.set.problems,
      ...checked.problems,
      ...tags.problems,
      ...elsewhere.problems,
      ...movedTags(files.set, versions, frozen),
    ];
    if (files.set.files === 0) problems.push(problem('RepositoryEmpty', NOWHERE, `there is no manifest at ${files.commit.slice(0, 12)}${this.#options.directory === '' ? '' : ` below ${this.#options.directory}`}`));
    const at = async (commit: string): Promise<ManifestFiles> => (this.#head?.commit === commit ? this.#head : others.at(commit, this.#head, signal));
    const trust = this.#trust;
    const judge = hashOf(trust);
    const source: VersionSource = {
      versions, frozen, branch, head: files, elsewhere: elsewhere.views, at,
      refusal: async ({ product, kind, name, ref, commit, tagObject }) => {
        if (trust === ANYBODY) return undefined;
        const tag = tagObject === null || tagObject === commit ? undefined : { oid: tagObject, name: ref.replace('refs/tags/', '') };
        return memory.once('refusal', `${kind} ${product}/${name}`, `${judge} ${commit} ${tagObject ?? ''} ${ref}`, async () => refusalOf(elsewhere.views.get(product) ?? mirror, commit, trust, tag));
      },
    };
    const team = this.#options.team === '' ? (teamManifest(files.set)?.name ?? 'team') : this.#options.team;
    const resolved = await resolveTeam({ team, files, source, problems, memory, owners: this.#owners, recipients: this.#recipients, followed: this.#tags }, last && changed && last.desired.team === team ? { resolved: last.resolved, changed } : undefined);
    const { desired, dependents } = resolved;
    return { desired, problems: [...problems, ...resolved.problems].sort(compareProblems), versions, unread: elsewhere.unread, dependents, checked, resolved, recipients: this.#recipients, tags: this.#tags };
  }

  /** The refs whose move matters: the branch, the branches that deployments follow, the tags of products. */
  #watched(set: ManifestSet, refs: ReadonlyMap<string, RemoteRef>): string[] {
    const { own, followed } = this.#about(set);
    return watchedRefs(own, branchesOf(followed).concat(this.#options.branch), refs);
  }

  /** Products of other repositories, those of this one, and the branches of it that each of those follows. */
  #about(set: ManifestSet): { readonly elsewhere: readonly Elsewhere[]; readonly own: readonly Manifest<'Product'>[]; readonly followed: Followed } {
    const known = this.#of.get(set);
    if (known !== undefined) return known;
    const elsewhere = elsewhereProducts(set, this.#options.remote, this.#options.branch);
    const others = new Set(elsewhere.map(({ product }) => product.name));
    const own = [...set.byKind.Product.values()].filter(({ name }) => !others.has(name));
    const followed = new Map(own.map(({ name }) => [name, new Set([this.#options.branch])]));
    for (const { spec } of set.byKind.Deployment.values()) if (spec.branch !== undefined) followed.get(spec.product)?.add(spec.branch);
    const about = { elsewhere, own, followed };
    this.#of.set(set, about);
    return about;
  }
}

const NOWHERE = { file: '', line: 0, column: 0 } as const;

function textOf(labels: Readonly<Record<string, unknown>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(labels ?? {}).map(([key, value]) => [key, String(value)]));
}

function branchesOf(followed: Followed): string[] {
  return [...followed.values()].flatMap((branches) => [...branches]);
}

function sameValues(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): boolean {
  return one.size === other.size && [...one].every(([key, value]) => other.has(key) && other.get(key) === value);
}
