/**
 * A real ACME authority for tests: Debian's caddy with its own certificate authority. It proves names at port 80 of where they lead, and
 * where that is it reads from a hosts file of its own, laid over the machine's in a mount namespace. Needs root.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';

export interface AcmeServer {
  readonly directoryUrl: string;
  /** PEM file of the authority: of its own server and of what it gives. */
  readonly caFile: string;
  readonly folder: string;
  /** Lines of its log that hold the text. */
  logged(text: string): number;
  start(): Promise<void>;
  stop(): Promise<void>;
  close(): Promise<void>;
}

export function canHaveAcmeServer(): boolean {
  return process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'caddy', 'version'], { stdio: 'ignore' }).status === 0;
}

/** @param hosts addresses by name. */
export async function acmeServer(hosts: Readonly<Record<string, string>>): Promise<AcmeServer> {
  const folder = await mkdtemp(join(tmpdir(), 'tagboat-acme-'));
  const [port, httpPort] = [await freePort(), await freePort()];
  const hostsFile = join(folder, 'hosts');
  const log = join(folder, 'log');
  const caFile = join(folder, 'data/pki/authorities/local/root.crt');
  writeFileSync(hostsFile, `127.0.0.1 localhost\n${Object.entries(hosts).map(([name, address]) => `${address} ${name}\n`).join('')}`);
  const global = `admin off\nskip_install_trust\nauto_https disable_redirects\nhttp_port ${httpPort}\nstorage file_system ${folder}/data\nlog {\nlevel DEBUG\n}`;
  writeFileSync(join(folder, 'Caddyfile'), `{\n${global}\n}\nhttps://localhost:${port} {\nbind 127.0.0.1\ntls internal\nlog\nacme_server\n}\n`);
  let child: ReturnType<typeof spawn> | undefined;

  async function start(): Promise<void> {
    const script = `mount --bind ${hostsFile} /etc/hosts && exec caddy run --config ${folder}/Caddyfile >>${log} 2>&1`;
    child = spawn('unshare', ['-m', 'sh', '-c', script], { stdio: 'ignore', env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder } });
    const isUp = (): boolean => spawnSync('curl', ['-sf', '--max-time', '5', '--cacert', caFile, `https://localhost:${port}/acme/local/directory`], { stdio: 'ignore' }).status === 0;
    for (const end = Date.now() + 120_000; !existsSync(caFile) || !isUp(); ) {
      if (Date.now() > end) throw new Error(`no ACME server: ${existsSync(log) ? readFileSync(log, 'utf8').slice(-2_000) : ''}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async function stop(): Promise<void> {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const gone = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await gone;
  }

  await start();
  return {
    directoryUrl: `https://localhost:${port}/acme/local/directory`,
    caFile,
    folder,
    logged: (text) => readFileSync(log, 'utf8').split('\n').filter((line) => line.includes(text)).length,
    start,
    stop,
    close: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
