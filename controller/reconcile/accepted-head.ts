/**
 * Which commit of the team's branch is gone by. A new head is judged by the Team manifest of the head that was accepted before it, as the database
 * has it: what is under judgement brings no keys and turns no switch off. Only the first of all is judged by its own.
 */
import { TagboatError } from '../errors.ts';
import type { Mirror } from '../git/mirror.ts';
import { teamManifest } from '../manifests/check-team.ts';
import type { Manifest, ManifestSet } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import type { Trust } from '../model/trust.ts';
import { ANYBODY, trustOf } from '../model/trust.ts';
import type { Refusal } from './judge-commit.ts';
import { refusalOf } from './judge-commit.ts';
import type { FilesOptions, ManifestFiles } from './manifest-files.ts';
import { filesAt } from './manifest-files.ts';

/** The head that was read last with success, and whom the next one is judged by; null: its Team manifest never could be read. */
export interface Accepted {
  readonly commit: string;
  readonly trust: Trust | null;
}

interface Choice {
  readonly tip: string;
  /** The tip; where that is refused the head before it, if there was one. */
  readonly accepted: Accepted | undefined;
  readonly refusal?: Refusal;
}

export interface AcceptedHeadOptions extends FilesOptions {
  readonly team: string;
  /** From the database. */
  accepted?(): Promise<Accepted | null>;
}

/** The head is refused and there is nothing to stay at. */
export class HeadRefused extends TagboatError {
  readonly commit: string;
  readonly problem: Problem;

  constructor(commit: string, found: Problem) {
    super('CommitRefused', found.message, { hint: found.hint });
    this.commit = commit;
    this.problem = found;
  }
}

/** Of the answer, where the accepted head has to be fetched again. */
const MAX_FETCH_BYTES = 268_435_456;
const ASK_AGAIN_MS = 60_000;

export class AcceptedHead {
  readonly #options: AcceptedHeadOptions;
  #choice: Choice | undefined;
  #last: Accepted | undefined;
  /** The accepted head could not be had; the server is not asked for it before. */
  #askAgain = 0;

  constructor(options: AcceptedHeadOptions) {
    this.#options = options;
  }

  /** Another replica may have accepted others since: the database is asked again. */
  forget(): void {
    this.#choice = undefined;
    this.#askAgain = 0;
  }

  /** Whether this tip was judged and refused; nothing of it is fetched again. */
  refuses(tip: string): boolean {
    return this.#choice?.tip === tip && this.#choice.refusal !== undefined;
  }

  /** The tip must be in the mirror. `head`: the files that were read last. Judges each tip once. Throws `HeadRefused`. */
  async choose(tip: string, head: ManifestFiles | undefined, signal: AbortSignal): Promise<{ readonly commit: string; readonly refusal: Refusal | undefined }> {
    const before = this.#choice;
    if (before?.tip === tip && before.refusal === undefined) return { commit: tip, refusal: undefined };
    const accepted = (await this.#options.accepted?.()) ?? this.#last;
    const choice = before?.tip === tip && before.accepted?.commit === accepted?.commit ? before : await this.#judge(tip, accepted, head, signal);
    this.#choice = choice;
    const { refusal } = choice;
    if (refusal === undefined) return { commit: tip, refusal };
    if (choice.accepted === undefined) throw new HeadRefused(tip, await this.#problemAt(tip, refusal, head, signal));
    await this.#fetch(choice.accepted.commit, tip, refusal, head, signal);
    return { commit: choice.accepted.commit, refusal };
  }

  /** These files are read: whom versions are judged by, and the next head. */
  accept({ commit, set }: ManifestFiles): Accepted {
    const known = trustIn(set, this.#options.team) ?? this.#choice?.accepted?.trust ?? this.#last?.trust ?? null;
    this.#last = { commit, trust: known };
    return this.#last;
  }

  async #judge(tip: string, accepted: Accepted | undefined, head: ManifestFiles | undefined, signal: AbortSignal): Promise<Choice> {
    if (accepted?.commit === tip) return { tip, accepted };
    // What an earlier release has read is in the mirror, if at all.
    const judge = accepted !== undefined && this.#options.mirror.has(accepted.commit) ? accepted.commit : tip;
    const trust = accepted?.trust ?? trustIn((await filesAt(this.#options, judge, head, signal)).set, this.#options.team) ?? ANYBODY;
    const refusal = await refusalOf(this.#options.mirror, tip, trust);
    return { tip, accepted, ...(refusal !== undefined && { refusal }) };
  }

  /** After a force-push the branch does not lead to it any more, and a mirror that was made anew lacks it. */
  async #fetch(commit: string, tip: string, refusal: Refusal, head: ManifestFiles | undefined, signal: AbortSignal): Promise<void> {
    const mirror: Mirror = this.#options.mirror;
    if (head?.commit === commit || mirror.has(commit)) return;
    try {
      if (Date.now() < this.#askAgain) throw new TagboatError('RefMissing', `${commit} was not to be had`);
      this.#askAgain = Date.now() + ASK_AGAIN_MS;
      await mirror.fetchBeside([{ ref: 'refs/tagboat/accepted', oid: commit }], { maxBytes: MAX_FETCH_BYTES, signal });
    } catch {
      signal.throwIfAborted();
      throw new HeadRefused(tip, await this.#problemAt(tip, refusal, head, signal));
    }
  }

  async #problemAt(tip: string, refusal: Refusal, head: ManifestFiles | undefined, signal: AbortSignal): Promise<Problem> {
    return headProblem(refusal, (await filesAt(this.#options, tip, head, signal)).set, this.#options.team);
  }
}

/** Undefined where nobody can tell: no Team manifest is there and something is broken. */
export function trustIn(set: ManifestSet, team: string): Trust | undefined {
  const manifest = teamManifest(set, team);
  return manifest === undefined && set.problems.some(({ severity }) => severity === 'error') ? undefined : trustOf(manifest);
}

/** At the switch that says no, in the manifests that are gone by. `stays`: at which commit. */
export function headProblem({ message, hint, policy }: Refusal, set: ManifestSet, team: string, stays?: string): Problem {
  const manifest: Manifest<'Team'> | undefined = teamManifest(set, team);
  const at = manifest?.spec.policy?.[policy] === true ? manifest.keyPosition(`/spec/policy/${policy}`) : { file: '', line: 0, column: 0 };
  return problem('CommitRefused', at, `the head is not deployed: ${message}${stays === undefined ? '' : `; what is deployed stays at ${stays.slice(0, 12)}`}`, { hint });
}
