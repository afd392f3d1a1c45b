/** Keys of people for tests, made and used by the programs that people use: ssh-keygen, gpg and git. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SigningKey } from '../model/trust.ts';
import type { FileChanges, TestRepository } from './git-repository.ts';
import { gitEnvironment } from './git-repository.ts';

const execute = promisify(execFile);

export interface Signature {
  readonly listed: SigningKey;
  /** What makes git sign with it. */
  readonly config: readonly string[];
}

/** An SSH key in a directory of the test; `kind` as ssh-keygen wants it. */
export async function sshSignature(directory: string, name: string, kind: readonly string[] = ['-t', 'ed25519']): Promise<Signature & { readonly file: string }> {
  const file = join(directory, name);
  await execute('ssh-keygen', ['-q', ...kind, '-N', '', '-C', `${name}@example.test`, '-f', file], { timeout: 60_000 });
  return { file, listed: { type: 'ssh', key: readFileSync(`${file}.pub`, 'utf8').trim() }, config: ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${file}`] };
}

/** Told loudly where there is no GnuPG; CI demands it (TAGBOAT_REQUIRE_ENGINE). */
export async function gpgOrSkip(what: string): Promise<boolean> {
  if (await execute('gpg', ['--version'], { timeout: 10_000 }).then(() => true, () => false)) return true;
  console.log(`SKIPPED ${what}: needs GnuPG (Debian: gnupg)`);
  if (process.env['TAGBOAT_REQUIRE_ENGINE'] === '1') throw new Error(`${what} needs GnuPG`);
  return false;
}

/** A home of GnuPG; `close` ends its agent. */
export class PgpHome {
  readonly #home: string;

  constructor(directory: string) {
    this.#home = join(directory, 'pgp');
    mkdirSync(this.#home, { mode: 0o700 });
  }

  async gpg(...args: string[]): Promise<string> {
    return (await execute('gpg', ['--homedir', this.#home, '--batch', '--quiet', '--no-tty', '--pinentry-mode', 'loopback', '--passphrase', '', ...args], { timeout: 60_000, env: gitEnvironment(this.#home) })).stdout;
  }

  /** Fingerprint of a new key that signs; `options` come before the command. */
  async make(name: string, algorithm: string, expires = 'never', options: readonly string[] = []): Promise<string> {
    await this.gpg(...options, '--quick-generate-key', `${name} <${name}@example.test>`, algorithm, 'sign', expires);
    return /^fpr:+([0-9A-F]{40}):/m.exec(await this.gpg('--with-colons', '--list-keys', `<${name}@example.test>`))![1]!;
  }

  /** How git signs with a key or subkey (its id, with `!`); `options` go to gpg. */
  async signature(key: string, options: readonly string[] = []): Promise<Signature> {
    const program = join(this.#home, `gpg-${key.replace('!', '')}-${options.join('').replaceAll(/\W/g, '')}.sh`);
    const quoted = options.map((option) => `'${option}'`).join(' ');
    writeFileSync(program, `#!/bin/sh\nexec gpg --homedir '${this.#home}' --batch --no-tty --pinentry-mode loopback --passphrase '' ${quoted} "$@"\n`, { mode: 0o755 });
    return { listed: { type: 'gpg', key: await this.gpg('--armor', '--export', key.replace('!', '')) }, config: ['-c', 'gpg.format=openpgp', '-c', `gpg.program=${program}`, '-c', `user.signingkey=${key}`] };
  }

  async close(): Promise<void> {
    await execute('gpgconf', ['--homedir', this.#home, '--kill', 'all'], { timeout: 10_000 });
  }
}

/** Commits like `TestRepository.commit`, signed by git; the branch moves once, to the signed commit. */
export async function commitSigned(repository: TestRepository, signature: Signature, files: FileChanges, message = 'change', branch = 'main'): Promise<string> {
  const parent = await repository.git(['for-each-ref', '--format=%(objectname)', `refs/heads/${branch}`]);
  const unsigned = await repository.commit(files, message, { branch: 'unsigned', ...(parent === '' ? {} : { from: parent }) });
  const signed = await repository.git([...signature.config, 'commit-tree', '-S', '-m', message, ...(parent === '' ? [] : ['-p', parent]), `${unsigned}^{tree}`]);
  await repository.deleteBranch('unsigned');
  await repository.git(['update-ref', `refs/heads/${branch}`, signed]);
  return signed;
}
