/** A real sshd on loopback with its own configuration, host keys and authorized keys; nothing of the machine's own is touched. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '../../agents/testing/ports.ts';
import { sleepUntil } from './sleep-until.ts';

export type KeyType = 'ed25519' | 'ecdsa' | 'rsa';

export interface KeyPair {
  readonly privateKey: string;
  /** One line: type, base64, comment. */
  readonly publicKey: string;
}

export interface SshServerOptions {
  /** Takes `GIT_PROTOCOL` from the client, as forges do; else only the classic protocol is spoken. True unless told. */
  readonly acceptGitProtocol?: boolean;
  readonly hostKeys?: readonly KeyType[];
  /** A free one unless told. */
  readonly port?: number;
  /** Run in place of what the client asks for. */
  readonly forceCommand?: string;
}

/** Told loudly where there is no sshd; CI demands one. */
export function sshdOrSkip(what: string): string | null {
  const found = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/sbin/sshd'].find((file) => existsSync(file));
  if (found !== undefined) return found;
  console.log(`SKIPPED ${what}: needs OpenSSH's sshd (Debian: openssh-server)`);
  if (process.env['TAGBOAT_REQUIRE_ENGINE'] === '1') throw new Error(`${what} needs sshd, and there is none`);
  return null;
}

/** Makes a key pair with ssh-keygen. */
export function makeKey(type: KeyType, passphrase = ''): KeyPair {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'tagboat-key-'));
  const file = path.join(directory, 'key');
  try {
    execFileSync('ssh-keygen', ['-q', '-t', type, ...(type === 'rsa' ? ['-b', '2048'] : []), '-N', passphrase, '-C', 'test', '-f', file]);
    return { privateKey: readFileSync(file, 'utf8'), publicKey: readFileSync(`${file}.pub`, 'utf8').trim() };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export class SshServer {
  readonly port: number;
  readonly user = os.userInfo().username;
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #hostKeys: readonly string[];

  private constructor(port: number, directory: string, child: ChildProcess, hostKeys: readonly string[]) {
    this.port = port;
    this.#directory = directory;
    this.#child = child;
    this.#hostKeys = hostKeys;
  }

  static async start(sshd: string, authorized: readonly KeyPair[], options: SshServerOptions = {}): Promise<SshServer> {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'tagboat-sshd-'));
    const port = options.port ?? (await freePort());
    const hostKeys = (options.hostKeys ?? ['ed25519']).map((type) => ({ type, pair: makeKey(type) }));
    for (const { type, pair } of hostKeys) writeFileSync(path.join(directory, `host-${type}`), pair.privateKey, { mode: 0o600 });
    writeFileSync(path.join(directory, 'authorized'), `${authorized.map((pair) => pair.publicKey).join('\n')}\n`, { mode: 0o600 });
    const lines = [
      `Port ${String(port)}`,
      'ListenAddress 127.0.0.1',
      ...hostKeys.map(({ type }) => `HostKey ${path.join(directory, `host-${type}`)}`),
      `AuthorizedKeysFile ${path.join(directory, 'authorized')}`,
      `PidFile ${path.join(directory, 'pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'PermitRootLogin prohibit-password',
      'MaxStartups 100',
      ...(options.acceptGitProtocol === false ? [] : ['AcceptEnv GIT_PROTOCOL']),
      ...(options.forceCommand === undefined ? [] : [`ForceCommand ${options.forceCommand}`]),
    ];
    const config = path.join(directory, 'config');
    writeFileSync(config, `${lines.join('\n')}\n`);
    // sshd wants this one whatever its configuration says.
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
    const child = spawn(sshd, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => (said = `${said}${bytes.toString()}`.slice(-4_000)));
    const server = new SshServer(port, directory, child, hostKeys.map(({ pair }) => pair.publicKey.split(' ').slice(0, 2).join(' ')));
    await sleepUntil(
      () => {
        if (child.exitCode !== null) throw new Error(`sshd ended: ${said}`);
        return answers(port);
      },
      { what: 'sshd' },
    );
    return server;
  }

  /** Lines for known_hosts; `port` where the client goes through a proxy. */
  knownHosts(port = this.port): string {
    return this.#hostKeys.map((key) => `[127.0.0.1]:${String(port)} ${key}\n`).join('');
  }

  url(directory: string, port = this.port): string {
    return `ssh://${this.user}@127.0.0.1:${String(port)}${directory}`;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function answers(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => socket.destroy() && resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
