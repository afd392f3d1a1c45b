// @timeout 1500
// @serial
// @own-server
/** What fails, and what must come of it: controller and agent are processes that are killed, on a real Docker engine. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type Dockerode from 'dockerode';
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { containersOf } from '../../agents/testing/engine.ts';
import { verifyAudit } from '../store/audit-verify.ts';
import type { TestDatabase } from './database.ts';
import { testDatabase } from './database.ts';
import type { FaultProxy } from './fault-proxy.ts';
import { faultProxy } from './fault-proxy.ts';
import { TestRepository } from './git-repository.ts';
import { GitServer } from './git-server.ts';
import type { ControllerProcess } from './processes.ts';
import { controllerProcess, Killable } from './processes.ts';
import { sleepUntil } from './sleep-until.ts';
import { NODE, PRODUCT, deploymentManifest, dockerOrSkip, sweepPrefixes, versionManifest } from './story.ts';

const PREFIX = `fault${process.pid}`;
const BAD = '        environment: { HEALTHY: "0" }\n';
const attemptRow = z.object({ id: z.number(), state: z.string(), outcome: z.string().nullable(), code: z.string().nullable(), commit: z.string() });
const found = await dockerOrSkip('the failures of faults.test.ts');

if (found !== null) {
  const docker: Dockerode = found;
  const test = suite('failures of real processes');
  const home = mkdtempSync(join(tmpdir(), 'tagboat-faults-'));
  let repository: TestRepository;
  let server: GitServer;
  let db: TestDatabase;
  let first: ControllerProcess;
  let second: ControllerProcess;
  let agent: Killable;
  let proxy: FaultProxy;
  let turn = 0;

  const said = (): string => `\ncontroller: ${first.process.output.slice(-3_000)}\nagent: ${agent.output.slice(-3_000)}`;
  const attemptsOf = (commit: string): Promise<readonly z.infer<typeof attemptRow>[]> =>
    db.pool.any(sql.type(attemptRow)`select id, state, outcome, code, commit_id as commit from attempt where commit_id = ${commit} and kind = 'deploy' order by id`);
  const stepsOf = (attempt: number): Promise<number> => db.pool.oneFirst(sql.type(z.object({ n: z.number() }))`select count(*)::int as n from attempt_event where attempt_id = ${attempt}`);

  /** The next of three images, so that each push is an update. */
  const push = async (config = ''): Promise<{ commit: string; tag: string }> => {
    const tag = ['1.0.0', '1.1.0', '1.2.0'][turn++ % 3]!;
    // A number in the file keeps two failing contents apart (R23 counts tries of one content).
    const commit = await repository.commit({ 'products/shop/version.yaml': `${versionManifest(tag, config)}# ${turn}\n` }, `turn ${turn}`);
    return { commit, tag };
  };
  const until = async <T>(what: string, condition: () => T | Promise<T>, timeoutMs = 150_000): Promise<NonNullable<T>> => {
    try {
      return await sleepUntil(condition, { what, timeoutMs, intervalMs: 5 });
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : ''}${said()}`, { cause: error });
    }
  };
  const reached = (commit: string, point: string): Promise<boolean> =>
    until(`${point} of ${commit}`, async () => {
      const [attempt] = await attemptsOf(commit);
      if (attempt === undefined) return false;
      if (attempt.state === 'done') return true; // it was quicker than we look; the checks hold all the same
      if (point === 'queued') return true;
      if (point === 'running') return attempt.state === 'running';
      return point !== 'done' && (await stepsOf(attempt.id)) >= Number(point);
    });
  /** Ended once and for all, told once in the audit log, and what runs is what was said. */
  const ended = async (commit: string, outcome: string, tag: string): Promise<number> => {
    await until(`the end of ${commit}`, async () => (await attemptsOf(commit))[0]?.state === 'done');
    const attempts = await attemptsOf(commit);
    assert.equal(attempts.map((attempt) => attempt.outcome), [outcome], `one attempt, ${outcome}${said()}`);
    const id = attempts[0]!.id;
    const told = await db.pool.oneFirst(sql.type(z.object({ n: z.number() }))`select count(*)::int as n from audit_row where action = 'attempt.deploy' and detail ->> 'attempt' = ${String(id)}`);
    assert.is(told, 1, 'one audit row of the attempt');
    assert.is((await verifyAudit(db.pool)).firstBroken, undefined);
    const records = await db.pool.any(sql.type(z.object({ status: z.string() }))`select status from record where prefix = ${PREFIX}`);
    assert.equal(records.map((record) => record.status), [outcome === 'succeeded' ? 'successful' : 'failed'], 'R12: one record of a rolling version');
    const containers = (await containersOf(docker)).filter((item) => item.Names[0]!.startsWith(`/${PREFIX}-`));
    assert.equal(containers.map((item) => item.Names[0]).sort(), [`/${PREFIX}-db`, `/${PREFIX}-web`], 'one container of each image');
    const web = await docker.getContainer(`${PREFIX}-web`).inspect();
    assert.ok(web.State.Running);
    const address = Object.values(web.NetworkSettings.Networks)[0]!.IPAddress;
    assert.is((await (await fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(60_000) })).text()).trim(), tag);
    return stepsOf(id);
  };
  /** Kills what is running the update at that point, starts it again; milliseconds until all was well. */
  const killAt = async (victim: Killable, point: string): Promise<number> => {
    const { commit, tag } = await push();
    await reached(commit, point);
    await victim.kill();
    const since = performance.now();
    victim.start();
    await ended(commit, 'succeeded', tag);
    return Math.round(performance.now() - since);
  };

  test.before(async () => {
    await sweepPrefixes(docker, [PREFIX]);
    repository = await TestRepository.create('acme');
    await repository.commit({ 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1.2.0') }, 'first');
    server = await GitServer.start({ root: join(repository.directory, '..') });
    db = await testDatabase();
    for (const name of ['one', 'two']) mkdirSync(join(home, name));
    const key = join(home, 'authority.key');
    first = await controllerProcess(join(home, 'one'), key, db.url, `${server.url}/acme.git`);
    second = await controllerProcess(join(home, 'two'), key, db.url, `${server.url}/acme.git`);
    proxy = await faultProxy(first.agentPort);
    agent = new Killable([], home, {});
    first.process.start();
    await until('the node of the first poll', async () => (await db.pool.oneFirst(sql.type(z.object({ n: z.number() }))`select count(*)::int as n from node`)) === 1);
    await until('the page', () => fetch(`${first.url}/healthz`).then((response) => response.ok, () => false));
    const token = readFileSync(join(home, 'one/.tagboat/operator.token'), 'utf8').trim();
    const minted = await fetch(`${first.url}/api/v1/teams/acme/nodes/harbor/enrolments`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'x-tagboat-user': 'test' }, signal: AbortSignal.timeout(60_000) });
    const enrolment = z.object({ join: z.string() }).parse(await minted.json());
    agent = new Killable(['agent', 'docker', '--join', enrolment.join, '--controller', `127.0.0.1:${proxy.port}`, '--directory', join(home, 'agent')], home, {});
    agent.start();
    const commit = await repository.commit({ 'deployments/shop.yaml': deploymentManifest(PREFIX, '  branch: main\n') }, 'deploy');
    await ended(commit, 'succeeded', '1.2.0');
  });
  test.after(async () => {
    for (const process of [agent, first.process, second.process]) await process.kill();
    await proxy.close();
    await server.close();
    await db.drop();
    await repository.remove();
    await sweepPrefixes(docker, [PREFIX]);
    rmSync(home, { recursive: true, force: true });
  });

  /** The moments of an update: an undisturbed one tells how many steps there are. */
  const points = async (): Promise<string[]> => {
    const { commit, tag } = await push();
    const steps = await ended(commit, 'succeeded', tag);
    assert.ok(steps > 0);
    return ['queued', 'running', ...Array.from({ length: steps }, (_, index) => String(index + 1)), 'done'];
  };

  const settle = async (): Promise<{ tag: string }> => {
    const { commit, tag } = await push();
    await ended(commit, 'succeeded', tag);
    return { tag };
  };

  test('agentKilled: at every step of an update', async () => {
    const times: string[] = [];
    for (const point of await points()) times.push(`${point} ${await killAt(agent, point)} ms`);
    console.log(`agentKilled: ${times.join(', ')}`);
  });

  test('controllerKilled: at every step of an update', async () => {
    const times: string[] = [];
    for (const point of await points()) times.push(`${point} ${await killAt(first.process, point)} ms`);
    console.log(`controllerKilled: ${times.join(', ')}`);
  });

  test('agentKilled: during an update that fails its health check', async () => {
    const { tag: serving } = await settle();
    for (const point of ['running', '1', '2', '3']) {
      const { commit } = await push(BAD);
      await reached(commit, point);
      await agent.kill();
      agent.start();
      await ended(commit, 'failed', serving);
    }
  });

  const journal = join(home, 'agent/journal/attempts');
  const journalHolds = (): boolean => readdirSync(journal).some((name) => resultIn(join(journal, name)) !== null);
  /** Null also of what is being written, or gone by now. */
  function resultIn(file: string): unknown {
    try {
      return file.endsWith('.json') ? (JSON.parse(readFileSync(file, 'utf8')) as { result: unknown }).result : null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return null;
    }
  }

  test('controllerKilled: after it began an attempt, before the agent heard of it', async () => {
    await settle();
    proxy.hold('down');
    const { commit, tag } = await push();
    await reached(commit, 'running');
    await first.process.kill();
    proxy.cut();
    proxy.mend();
    first.process.start();
    await ended(commit, 'succeeded', tag);
  });

  test('controllerKilled: the result is with the agent and was never heard', async () => {
    await settle();
    const { commit, tag } = await push();
    await reached(commit, 'running');
    proxy.hold('up');
    await until('the result in the journal', journalHolds);
    assert.is((await attemptsOf(commit))[0]!.state, 'running', 'nobody has heard it');
    await first.process.kill();
    proxy.cut();
    proxy.mend();
    first.process.start();
    await ended(commit, 'succeeded', tag);
  });

  for (const victim of ['controller', 'agent'] as const) {
    test(`${victim}Killed: the result is stored and its acknowledgement was lost`, async () => {
      await settle();
      const { commit, tag } = await push();
      await reached(commit, '1');
      proxy.hold('down');
      await until('the stored result', async () => (await attemptsOf(commit))[0]?.state === 'done');
      assert.ok(journalHolds(), 'the agent still has it to say');
      const killed = victim === 'agent' ? agent : first.process;
      await killed.kill();
      proxy.cut();
      proxy.mend();
      killed.start();
      await until('the acknowledgement of the result that came twice', () => !journalHolds());
      await ended(commit, 'succeeded', tag);
    });
  }

  test('lineCut: for a minute in the middle of an attempt', async () => {
    await settle();
    const { commit, tag } = await push();
    await reached(commit, '1');
    proxy.cut();
    await sleep(60_000);
    proxy.mend();
    const since = performance.now();
    await ended(commit, 'succeeded', tag);
    console.log(`lineCut: ended ${Math.round(performance.now() - since)} ms after the line was back`);
  });

  if (process.env['TAGBOAT_TEST_DATABASE_URL'] !== undefined) console.log('SKIPPED databaseRestarted: needs a PostgreSQL of its own');
  else
    test('databaseRestarted: in the middle of an attempt', async () => {
      await settle();
      const { commit, tag } = await push();
      await reached(commit, '1');
      const since = performance.now();
      await db.restart();
      await ended(commit, 'succeeded', tag);
      assert.ok(first.process.running, 'the controller rides it out');
      assert.ok(agent.running);
      console.log(`databaseRestarted: ended after ${Math.round(performance.now() - since)} ms`);
    });

  test('twoControllers: the one with the agent is killed in the middle of an attempt', async () => {
    await settle();
    second.process.start();
    await until('the second page', () => fetch(`${second.url}/healthz`).then((response) => response.ok, () => false));
    const holder = (): Promise<string> => db.pool.oneFirst(sql.type(z.object({ holder: z.string() }))`select holder from lease where name like 'team:%' and expires_at > clock_timestamp()`);
    const before = await holder();
    await sleep(2_500);
    assert.is(await holder(), before, 'one replica polls; the other waits');
    const { commit, tag } = await push();
    await reached(commit, '1');
    proxy.point(second.agentPort);
    await first.process.kill();
    const since = performance.now();
    await ended(commit, 'succeeded', tag);
    const endedMs = Math.round(performance.now() - since);
    const next = await push();
    await ended(next.commit, 'succeeded', next.tag);
    assert.is.not(await holder(), before, 'the second polls now');
    console.log(`twoControllers: ended after ${endedMs} ms, polls taken over within ${Math.round(performance.now() - since)} ms`);
  });

  test.run();
}
