/** Resident memory of a controller and of an agent as built processes, quiet after the quickstart example was deployed on a simulated node. */
import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { freePort } from '../../agents/testing/ports.ts';

const QUIET_MS = 20_000;
const root = packageRoot();
execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
const home = mkdtempSync(join(tmpdir(), 'tagboat-memory-'));
const repository = join(home, 'repository');
cpSync(join(root, 'examples', 'quickstart'), repository, { recursive: true });
const git = (...args: string[]): unknown => execFileSync('git', ['-c', 'user.name=Bench', '-c', 'user.email=bench@example.test', ...args], { cwd: repository, stdio: 'ignore' });
git('init', '--initial-branch=main');
git('add', '--all');
git('commit', '-m', 'all');

const entry = join(root, 'dist', 'controller', 'cli', 'tagboat.js');
const start = (args: string[], env: NodeJS.ProcessEnv): ChildProcess => spawn(process.execPath, [entry, ...args], { cwd: home, env: { ...process.env, ...env }, stdio: 'ignore' });
const [http, agents, enrolment] = [await freePort(), await freePort(), await freePort()];
const url = `http://127.0.0.1:${http}`;
const controller = start(['controller'], {
  TAGBOAT_PUBLIC: 'true',
  TAGBOAT_LISTENERS_HTTP_PORT: String(http),
  TAGBOAT_LISTENERS_AGENTS_PORT: String(agents),
  TAGBOAT_LISTENERS_ENROLMENT_PORT: String(enrolment),
  TAGBOAT_TEAMS_0_NAME: 'acme',
  TAGBOAT_TEAMS_0_REPOSITORY: repository,
  TAGBOAT_TEAMS_0_POLL: '*/2 * * * * *',
});
let agent: ChildProcess | undefined;
try {
  await sleepUntil(async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok, { timeoutMs: 60_000, what: 'the controller' });
  const token = readFileSync(join(home, '.tagboat', 'operator.token'), 'utf8').trim();
  const minted = (await (await fetch(`${url}/api/v1/teams/acme/nodes/harbor/enrolments`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })).json()) as { join: string };
  agent = start(['agent', 'simulated', '--join', minted.join, '--directory', join(home, 'agent')], {});
  await sleepUntil(async () => ((await (await fetch(`${url}/api/v1/teams/acme/deployments`)).json()) as { sync: string }[]).every((row) => row.sync === 'synced'), { timeoutMs: 60_000, what: 'the example' });
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  const resident = (child: ChildProcess): number => Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024);
  console.table({ 'controller (without PostgreSQL), MiB': { resident: resident(controller) }, 'agent, MiB': { resident: resident(agent) } });
} finally {
  agent?.kill('SIGTERM');
  controller.kill('SIGTERM');
  await sleepUntil(() => controller.exitCode !== null || controller.signalCode !== null, { timeoutMs: 20_000, what: 'the end of the controller' }).catch(() => controller.kill('SIGKILL'));
  rmSync(home, { recursive: true, force: true });
}
