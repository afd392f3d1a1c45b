// @timeout 600
/** The whole of `tagboat demo` as a process, with an embedded database and a simulated node. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runAgent } from '../../agents/main.ts';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { createLogger } from '../log.ts';
import { startController } from '../main.ts';
import { packageRoot } from '../package-root.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { demoConfig } from './demo.ts';

const directory = mkdtempSync(join(tmpdir(), 'tagboat-demo-'));
const children = new Set<ChildProcess>();
test.after(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

interface Row {
  readonly name: string;
  readonly status: string;
  readonly health: string;
}

/** The demo until it has said where its page is; `end` is Ctrl-C. */
async function demo(): Promise<{ readonly said: () => string; readonly url: string; readonly end: () => Promise<number> }> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TAGBOAT_')));
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), join(packageRoot(), 'controller/cli/tagboat.ts'), 'demo', '--simulated', '--port', '0', '--directory', directory], { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const exit = once(child, 'exit').finally(() => children.delete(child));
  const url = (): string | undefined => /page +(http:\S+)\/teams\//.exec(text)?.[1];
  await sleepUntil(() => url() !== undefined || child.exitCode !== null, { what: 'the address of the page', timeoutMs: 120_000 });
  assert.ok(url(), text);
  return {
    said: () => text,
    url: url()!,
    end: async () => {
      child.kill('SIGINT');
      return (await exit)[0] as number;
    },
  };
}

async function deployments(url: string, team: string): Promise<readonly Row[]> {
  const response = await fetch(`${url}/api/v1/teams/${team}/deployments`, { signal: AbortSignal.timeout(60_000) });
  return response.ok ? ((await response.json()) as Row[]) : [];
}

/** Record and attempts of each deployment: what a start must not add to. */
async function pasts(url: string, team: string): Promise<readonly unknown[]> {
  return Promise.all((await deployments(url, team)).map(async ({ name }) => {
    const response = await fetch(`${url}/api/v1/teams/${team}/deployments/${name}/history`, { signal: AbortSignal.timeout(60_000) });
    return [name, ((await response.json()) as { id: unknown; attempts: { id: unknown }[] }[]).map(({ id, attempts }) => [id, attempts.map((attempt) => attempt.id)])];
  }));
}

const areFine = (rows: readonly Row[]): boolean => rows.length > 0 && rows.every(({ status, health }) => status === 'successful' && health === 'healthy');

test('a directory that is new gets team acme, and is gone on with after a stop', async () => {
  const first = await demo();
  await sleepUntil(async () => areFine(await deployments(first.url, 'acme')), { what: 'deployments that are fine', timeoutMs: 120_000 });
  const before = await pasts(first.url, 'acme');
  assert.is(await first.end(), 0, first.said());
  assert.not.match(first.said(), 'kept from before');
  const second = await demo();
  await sleepUntil(async () => areFine(await deployments(second.url, 'acme')), { what: 'the same again', timeoutMs: 120_000 });
  assert.equal(await pasts(second.url, 'acme'), before, 'nothing was deployed anew');
  assert.is(await second.end(), 0, second.said());
});

test('a directory of an earlier demo, whose team had another name, goes on under that name', async () => {
  for (const part of ['simulated', 'operator.token']) rmSync(join(directory, part), { recursive: true });
  const log = createLogger({ level: 'silent', write: () => undefined });
  const controller = await startController(demoConfig({ directory, team: 'harbour', repository: join(directory, 'demo-repository'), port: '0', simulated: true }), log);
  const stop = new AbortController();
  await sleepUntil(() => controller.teams().every(({ state }) => state !== 'pending'), { what: 'the first poll', timeoutMs: 120_000 });
  const { token } = await controller.nodes.mintEnrolment('harbour', 'harbor', 'demo');
  const enrolment = { address: `127.0.0.1:${controller.enrolPort}`, fingerprint: controller.fingerprint, token };
  const engine = createSimulatedEngine({ stateFile: join(directory, 'simulated', 'containers.json') });
  const agent = runAgent({ directory: join(directory, 'simulated', 'agent'), controller: `127.0.0.1:${controller.agentPort}`, enrolment, engine, version: '0.1.0', log }, stop.signal);
  await sleepUntil(async () => areFine(await deployments(controller.url, 'harbour')), { what: 'deployments that are fine', timeoutMs: 120_000 });
  const before = await pasts(controller.url, 'harbour');
  stop.abort();
  await agent;
  await controller.stop();

  const later = await demo();
  assert.match(later.said(), /^ {2}team {9}harbour \(kept from before\)$/m);
  assert.match(later.said(), `${later.url}/teams/harbour`);
  await sleepUntil(async () => areFine(await deployments(later.url, 'harbour')), { what: 'the same again', timeoutMs: 120_000 });
  assert.equal(await pasts(later.url, 'harbour'), before);
  assert.is(await later.end(), 0, later.said());
});

test.run();
