/**
 * An engine that a test may kill: its own dockerd in its own network namespace, so that the engine of the other tests and the
 * host's firewall rules are left alone. Needs root, `unshare` and `dockerd`.
 */
import Docker from 'dockerode';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface OwnEngine {
  readonly docker: Docker;
  readonly socketPath: string;
  start(): Promise<void>;
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Stops it and removes all that it had. */
  close(): Promise<void>;
}

export function canHaveOwnEngine(): boolean {
  return process.getuid?.() === 0 && spawnSync('unshare', ['-n', 'sh', '-c', 'command -v dockerd && command -v ip'], { stdio: 'ignore' }).status === 0;
}

export async function ownEngine(): Promise<OwnEngine> {
  const folder = await mkdtemp(join(tmpdir(), 'tagboat-engine-'));
  const socketPath = join(folder, 'd.sock');
  const docker = new Docker({ socketPath });
  const pidFile = join(folder, 'pid');
  let child: ChildProcess | undefined;
  // Holds the network namespace, which has to outlive the engine as a host's does.
  const holder = spawn('unshare', ['-n', 'sh', '-c', 'ip link set lo up; echo ready; exec sleep 3600'], { stdio: ['ignore', 'pipe', 'ignore'] });
  // Not before it is in it: the engine would be in the host's, with the host's firewall rules.
  await once(holder.stdout, 'data', { signal: AbortSignal.timeout(60_000) });

  async function start(): Promise<void> {
    // Where nobody reaps the dead, the engine takes them for alive.
    await rm(pidFile, { force: true });
    await rm(join(folder, 'exec/containerd/containerd.pid'), { force: true });
    const options = `--data-root ${folder}/data --exec-root ${folder}/exec --pidfile ${pidFile} --host unix://${socketPath}`;
    child = spawn('nsenter', ['-t', String(holder.pid), '-n', 'sh', '-c', `exec dockerd ${options} >>${folder}/log 2>&1`], { stdio: 'ignore' });
    const end = Date.now() + 120_000;
    while (!(await docker.ping().then(() => true, () => false))) {
      if (Date.now() > end) throw new Error(`an engine of our own did not start: ${(await readFile(`${folder}/log`, 'utf8').catch(() => '')).slice(-2000)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async function kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const running = child;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => running.once('exit', () => resolve()));
    running.kill(signal);
    await gone;
  }

  async function close(): Promise<void> {
    const containers = await docker.listContainers({ all: true }).catch(() => []);
    for (const one of containers) await docker.getContainer(one.Id).remove({ force: true }).catch(() => undefined);
    await kill('SIGTERM');
    holder.kill('SIGKILL');
    // Shims outlive an engine that was killed; they are known by our folder in their arguments.
    for (const pid of spawnSync('pgrep', ['-f', folder], { encoding: 'utf8' }).stdout.split('\n').filter((text) => text !== '')) spawnSync('kill', ['-KILL', pid]);
    // What it mounted below its folder, and nothing else.
    const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
    for (const mount of mounts.filter((path) => path.startsWith(`${folder}/`))) spawnSync('umount', ['-l', mount]);
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }

  await start();
  return { docker, socketPath, start, kill, close };
}
