/**
 * Who is alive? Answers for the embedded database: which PostgreSQL processes carry its mark, and whether the Tagboat
 * that owns a directory still runs. Process ids alone are not enough: they are used again, above all in containers.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';

/**
 * Ids of the postgres processes (the server and its children) whose command line holds `mark`, which the server gets as
 * `cluster_name`. Zombies do not count. Looks at command lines only, because these are readable across users.
 */
export async function postgresProcesses(mark: string): Promise<readonly number[]> {
  const commands = process.platform === 'linux' ? await linuxCommands() : await psCommands();
  return commands.filter(({ command }) => command.includes(mark) && /^(postgres$|postgres:)/.test(programOf(command))).map(({ pid }) => pid);
}

function programOf(command: string): string {
  return basename(/^[^\0 ]*/.exec(command)?.[0] ?? '');
}

interface Command {
  readonly pid: number;
  readonly command: string;
}

async function linuxCommands(): Promise<readonly Command[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return await Promise.all(
    // A process that ended meanwhile has no command line any more.
    pids.map(async (pid) => ({ pid: Number(pid), command: await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') })),
  );
}

async function psCommands(): Promise<readonly Command[]> {
  const { stdout } = await promisify(execFile)('ps', ['-axww', '-o', 'pid=,command='], { timeout: 10_000, maxBuffer: 1 << 26 });
  return stdout.split('\n').map((line) => ({ pid: Number.parseInt(line, 10), command: line.trimStart().replace(/^\d+\s+/, '') }));
}

/** Something that tells this run of process `pid` from a later one with the same id; `undefined` if it does not run. */
export async function processIdentity(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === 'linux') {
      const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8');
      // After the command in brackets: state is the 1st field, start time in clock ticks since boot the 20th.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
    }
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], { timeout: 10_000 });
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Sends a signal; true if the process was there. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
