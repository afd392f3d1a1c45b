/** The manifests of several commits of one repository, those in use remembered. */
import type { FilesOptions, ManifestFiles } from './manifest-files.ts';
import { filesAt } from './manifest-files.ts';

export class CommitFiles {
  readonly #options: FilesOptions;
  #known = new Map<string, ManifestFiles>();
  readonly #used = new Set<string>();

  constructor(options: FilesOptions) {
    this.#options = options;
  }

  /** `near`: files that these probably resemble; only the difference is read. */
  async at(commit: string, near: ManifestFiles | undefined, signal: AbortSignal): Promise<ManifestFiles> {
    this.#used.add(commit);
    const known = this.#known.get(commit);
    if (known !== undefined) return known;
    const files = await filesAt(this.#options, commit, near ?? this.#known.values().next().value, signal);
    this.#known.set(commit, files);
    return files;
  }

  /** One that knows what this one knows; what it reads is not remembered here. */
  fork(): CommitFiles {
    const fork = new CommitFiles(this.#options);
    fork.#known = new Map(this.#known);
    return fork;
  }

  /** Keeps what was asked for since the last call. */
  forgetUnused(): void {
    this.#known = new Map([...this.#known].filter(([commit]) => this.#used.has(commit)));
    this.#used.clear();
  }
}
