/** Real Git repositories for tests and benches, made with the native command in an environment of their own. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

const TEST_AUTHOR = { name: 'Ada Test', email: 'ada@example.test' } as const;

/** The environment that every git process of a test gets: no system or user configuration, a fixed identity. */
export function gitEnvironment(home: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: TEST_AUTHOR.name,
    GIT_AUTHOR_EMAIL: TEST_AUTHOR.email,
    GIT_COMMITTER_NAME: TEST_AUTHOR.name,
    GIT_COMMITTER_EMAIL: TEST_AUTHOR.email,
  };
}

export interface CommitOptions {
  /** `main` unless told. */
  readonly branch?: string;
  readonly author?: { readonly name: string; readonly email: string };
  /** Default: one second after the commit made before. */
  readonly date?: Date;
  /** Start anew from this commit (a force-push), or from nothing (`null`). Default: the head of the branch. */
  readonly from?: string | null;
  /** Further parents: a merge. */
  readonly merge?: readonly string[];
}

/** A file with a mode: `120000` is a symbolic link (content: its target), `160000` a submodule (content: the commit). */
export interface ModedFile {
  readonly mode: '100644' | '100755' | '120000' | '160000';
  readonly content: string | Uint8Array;
}

export type FileChanges = Readonly<Record<string, string | Uint8Array | ModedFile | null>>;

/** A bare repository. Every call is one git process (two for `commit`). */
export class TestRepository {
  readonly directory: string;
  readonly #home: string;
  #clock = Date.UTC(2026, 0, 1);

  private constructor(directory: string, home: string) {
    this.directory = directory;
    this.#home = home;
  }

  /** Makes an empty bare repository `name.git` under `root` (default: a new temporary directory, removed by `remove`). */
  static async create(name = 'repository', root?: string): Promise<TestRepository> {
    const home = root ?? (await mkdtemp(path.join(os.tmpdir(), 'tagboat-git-')));
    const repository = new TestRepository(path.join(home, `${name}.git`), home);
    await run(['init', '--quiet', '--bare', '--initial-branch=main', repository.directory], home, home);
    return repository;
  }

  /** Runs any git command in the repository; gives what it wrote, without the line feed at its end. */
  async git(args: readonly string[], input?: string | Uint8Array): Promise<string> {
    return await run(args, this.directory, this.#home, input);
  }

  /** Commits changes of files (null removes one) on top of a branch; gives the oid of the commit. */
  async commit(files: FileChanges, message = 'change', options: CommitOptions = {}): Promise<string> {
    const ref = `refs/heads/${options.branch ?? 'main'}`;
    const author = options.author ?? TEST_AUTHOR;
    this.#clock = options.date?.getTime() ?? this.#clock + 1000;
    const when = `${String(Math.floor(this.#clock / 1000))} +0000`;
    const parent = options.from === undefined ? await this.#head(ref) : options.from;
    const parts: (string | Uint8Array)[] = [];
    if (parent === null) parts.push(`reset ${ref}\n`);
    parts.push(`commit ${ref}\nauthor ${author.name} <${author.email}> ${when}\ncommitter ${TEST_AUTHOR.name} <${TEST_AUTHOR.email}> ${when}\n`, ...data(message));
    if (parent !== null) parts.push(`from ${parent}\n`);
    for (const one of options.merge ?? []) parts.push(`merge ${one}\n`);
    for (const [file, change] of Object.entries(files)) {
      const name = JSON.stringify(file);
      if (change === null) parts.push(`D ${name}\n`);
      else if (typeof change === 'string' || change instanceof Uint8Array) parts.push(`M 100644 inline ${name}\n`, ...data(change));
      else if (change.mode === '160000') parts.push(`M 160000 ${String(change.content)} ${name}\n`);
      else parts.push(`M ${change.mode} inline ${name}\n`, ...data(change.content));
    }
    await this.git(['fast-import', '--quiet', '--force', '--date-format=raw'], Buffer.concat(parts.map((part) => Buffer.from(part))));
    return await this.git(['rev-parse', ref]);
  }

  /** Puts a tag on anything (default: the head of main), annotated when asked for or when a message is given; gives the tag's own oid. */
  async tag(name: string, oid = 'refs/heads/main', options: { readonly annotated?: boolean; readonly message?: string; readonly force?: boolean } = {}): Promise<string> {
    const annotated = (options.annotated ?? false) || options.message !== undefined;
    await this.git(['tag', ...(options.force === true ? ['-f'] : []), ...(annotated ? ['-a', '-m', options.message ?? name] : []), name, oid]);
    return await this.git(['rev-parse', `refs/tags/${name}`]);
  }

  async deleteTag(name: string): Promise<void> {
    await this.git(['update-ref', '-d', `refs/tags/${name}`]);
  }

  async deleteBranch(name: string): Promise<void> {
    await this.git(['update-ref', '-d', `refs/heads/${name}`]);
  }

  /** Moves a branch to any commit, as a force-push does. */
  async forcePush(branch: string, oid: string): Promise<void> {
    await this.git(['update-ref', `refs/heads/${branch}`, oid]);
  }

  /** Forgets what no ref reaches, as servers do after a while. */
  async prune(): Promise<void> {
    await this.git(['reflog', 'expire', '--expire=now', '--all']);
    await this.git(['gc', '--quiet', '--prune=now']);
  }

  async remove(): Promise<void> {
    await rm(this.#home, { recursive: true, force: true });
  }

  async #head(ref: string): Promise<string | null> {
    const oid = await this.git(['for-each-ref', '--format=%(objectname)', ref]);
    return oid === '' ? null : oid;
  }
}

function data(content: string | Uint8Array): (string | Uint8Array)[] {
  const bytes = Buffer.from(content as string);
  return [`data ${String(bytes.length)}\n`, bytes, '\n'];
}

async function run(args: readonly string[], directory: string, home: string, input?: string | Uint8Array): Promise<string> {
  return await new Promise((resolve, reject) => {
    const child = execFile('git', args, { cwd: directory, env: gitEnvironment(home), maxBuffer: 64 * 1024 * 1024, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.replace(/\n$/, ''));
      else reject(new Error(`git ${args[0] ?? ''} failed: ${stderr}`, { cause: error }));
    });
    child.stdin?.end(input);
  });
}
