// @timeout 900
/**
 * The agent killed with SIGKILL after every change that an update makes on a real engine, then started again. The exhaustive version, with
 * many more scenarios, runs on the simulated engine (agents/containers/crash.test.ts); this one shows that a real one agrees.
 */
// @serial
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TargetMemory } from '../core/engine.ts';
import { pooled } from '../core/pool.ts';
import { containersOf, engineForTests } from '../testing/engine.ts';
import { killAt } from '../testing/kill-at.ts';
import { contextOf } from '../testing/spec.ts';
import { rollOut } from '../containers/rollout.ts';
import { connectDocker } from './connect.ts';
import { DockerRuntime } from './docker-runtime.ts';

const world = engineForTests('kill');
const test = suite('killed agents on a Docker engine');

if (world !== undefined) {
  const { docker, engine, team } = world;
  test.after(() => world.cleanUp());
  const script = fileURLToPath(new URL('../testing/killed-agent.ts', import.meta.url));

  const check = { http: { path: '/', port: 8080 }, interval: '100ms', startPeriod: '40s' };
  function specs(prefix: string, broken: boolean) {
    const image = (version: string, environment = {}) => ({ image: `tagboat-test-web:${version}`, config: { environment, stopGrace: '0s', healthCheck: check } });
    return {
      before: world!.spec(prefix, { a: image('1.0.0'), b: { ...image('1.0.0'), strategy: 'recreate', dependsOn: ['a'] }, gone: image('1.0.0') }),
      after: world!.spec(prefix, { a: image('1.1.0'), b: { ...image('1.1.0', broken ? { CRASH: '1' } : {}), strategy: 'recreate', dependsOn: ['a'] } }),
    };
  }

  async function picture(prefix: string): Promise<string[]> {
    const rows = await containersOf(docker, `tagboat.dev/prefix=${prefix}`);
    return rows.map((row) => `${row.Names[0]?.slice(1)} ${row.Labels['tagboat.dev/reference']} ${row.State}`).sort();
  }

  for (const broken of [false, true]) {
    test(`${broken ? 'a failing' : 'an'} update, killed after every change`, async () => {
      const counted = world.prefix(`count${broken ? 'f' : ''}`);
      const { before, after } = specs(counted, broken);
      await engine.deploy(before, undefined, contextOf(1));
      const counting = killAt(new DockerRuntime(connectDocker({ host: world.host })), undefined, { changesOnly: true });
      const whole = await rollOut(counting.runtime, after, undefined, contextOf(2));
      assert.is(whole.outcome, broken ? 'failed' : 'succeeded', JSON.stringify(whole.outcome === 'failed' && whole.reason));
      await engine.remove({ team, deployment: 'x', prefix: counted, removeVolumes: false }, contextOf(3));

      const calls = Array.from({ length: counting.calls() }, (_, index) => index + 1);
      // A few targets side by side, each used again and again: setting up takes longer than dying.
      await pooled([0, 1, 2, 3], async (lane) => {
        const prefix = world.prefix(`lane${lane}${broken ? 'f' : ''}`);
        const spec = specs(prefix, broken);
        let attemptId = 0;
        for (const call of calls.filter((one) => one % 4 === lane)) {
          await engine.deploy(spec.before, undefined, contextOf(++attemptId));
          const memory: TargetMemory = { spec: spec.before, attemptId: BigInt(attemptId), digests: [], baseline: null };
          const old = await picture(prefix);
          const died = await runAndDie({ host: world.host, spec: spec.after, attemptId: ++attemptId, point: { call, when: 'after' } });
          const left = await picture(prefix);
          const end = await engine.deploy(spec.after, memory, contextOf(attemptId, { resumed: true }));
          const title = `change ${call} (${died}), found ${left.join(', ')}: ${end.outcome === 'succeeded' ? '' : end.reason}`;
          assert.is(end.outcome, broken ? 'failed' : 'succeeded', title);
          const wanted = broken ? old : ['a', 'b'].map((name) => `${prefix}-${name} tagboat-test-web:1.1.0 running`);
          assert.equal(await picture(prefix), wanted, title);
          if (end.outcome === 'failed') assert.ok(end.restored, title);
        }
      });
    });
  }

  function runAndDie(order: object): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(process.execPath, ['--import', 'tsx', script, JSON.stringify(order)], { timeout: 120_000 }, (error, stdout, stderr) => {
        if (error?.signal === 'SIGKILL') return resolve('killed');
        // The number of calls varies a little with how often health was asked.
        if (error === null) return resolve(`ended ${stdout}`);
        reject(new Error(`the child failed: ${stderr}`, { cause: error }));
      });
    });
  }
}

test.run();
