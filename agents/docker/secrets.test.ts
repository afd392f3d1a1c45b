// @timeout 400
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seal } from '../../proto/sealed.ts';
import type { ContainerConfig, Secret } from '../../schemas/gen/types.ts';
import { addKey, Secrets } from '../core/secrets.ts';
import type { AttemptEnd } from '../core/engine.ts';
import { engineForTests, type EngineWorld } from '../testing/engine.ts';
import { contextOf, type TestContext } from '../testing/spec.ts';

const world = engineForTests('secrets');
const test = suite('secrets on a Docker engine');

if (world !== undefined) {
  const { docker, engine } = world;
  const directory = mkdtempSync(join(tmpdir(), 'tagboat-secrets-'));
  const secrets = await Secrets.open(directory);
  secrets.serve({ team: world.team, node: 'harbor' });
  test.after(() => world.cleanUp());
  test.after(() => rmSync(directory, { recursive: true, force: true }));

  async function sealed(text: string | Buffer, more: Omit<Secret, 'sealed'> = {}): Promise<Secret> {
    return { sealed: { harbor: await seal(Buffer.from(text), { team: world!.team, node: 'harbor' }, secrets.recipients) }, ...more };
  }
  const context = (attemptId: number): TestContext => contextOf(attemptId, { secrets });
  const SLEEP: ContainerConfig = { command: ['sh', '-c', 'trap "exit 0" TERM; while true; do sleep 1; done'], stopGrace: '1s', healthCheck: { settle: '0s' } };

  test('a secret is a variable or a file of that one container, and nothing differs afterwards (R24)', async () => {
    const prefix = world.prefix('files');
    const binary = Buffer.from([0, 1, 2, 255, 10]);
    const spec = world.spec(prefix, {
      web: {
        image: 'busybox:1.36',
        config: {
          ...SLEEP,
          user: 'app',
          environment: { PLAIN: 'seen' },
          secrets: { PASSWORD: await sealed('canary-variable'), KEY: await sealed(binary, { file: '/run/secrets/deep/key' }), WIDE: await sealed('canary-wide', { file: '/tmp/wide', mode: '0444' }) },
        },
      },
      other: { image: 'busybox:1.36', config: SLEEP },
    });
    const end = await engine.deploy(spec, undefined, context(1));
    assert.is(end.outcome, 'succeeded', JSON.stringify(end.outcome === 'failed' && end.reason));
    assert.match(await run(world, `${prefix}-web`, 'echo "$PASSWORD $PLAIN"'), /canary-variable seen/);
    assert.match(await run(world, `${prefix}-web`, 'stat -c "%a %u %g %s" /run/secrets/deep/key /tmp/wide; stat -c %a /tmp'), /400 1000 1000 5\s+444 1000 1000 11\s+(1777|755)/);
    assert.match(await run(world, `${prefix}-web`, 'cat /tmp/wide'), /canary-wide/);
    const inspected = JSON.stringify(await docker.getContainer(`${prefix}-web`).inspect());
    assert.ok(inspected.includes('canary-variable'), 'a variable cannot be hidden from whoever may inspect this container');
    assert.not.ok(inspected.includes('canary-wide'));
    assert.not.ok(JSON.stringify(await docker.getContainer(`${prefix}-other`).inspect()).includes('canary'));

    const baseline = await engine.baseline(spec, AbortSignal.timeout(60_000));
    assert.not.ok(JSON.stringify(baseline).includes('canary'), 'what is kept on the node holds no secret');
    const memory = { spec, attemptId: 1n, digests: [], baseline };
    const [observed] = await engine.observe(world.team, new Map([[prefix, memory]]), AbortSignal.timeout(60_000));
    assert.equal(observed?.drift, []);
    assert.not.ok(JSON.stringify(observed, (_key, value: unknown) => (typeof value === 'bigint' ? 0 : value)).includes('canary'));

    const repeated = context(2);
    await engine.deploy(spec, memory, repeated);
    assert.ok(repeated.steps.every((step) => !/^(switch|start|clean)/.test(step)), repeated.steps.join('\n'));
    assert.not.ok(repeated.steps.join().includes('canary'));
  });

  test('helpers get their own secrets, and those of the container if they ask for them', async () => {
    const prefix = world.prefix('helpers');
    const spec = world.spec(prefix, {
      web: {
        image: 'busybox:1.36',
        config: {
          ...SLEEP,
          volumes: [{ name: 'data', path: '/data' }],
          secrets: { OUTER: await sealed('outer-value') },
          initContainers: [
            { name: 'one', image: 'busybox:1.36', useParentConfig: true, secrets: { INNER: await sealed('inner-value', { file: '/inner' }) }, command: ['sh', '-c', 'echo "$OUTER $(cat /inner)" > /data/seen'], volumes: [{ name: 'data', path: '/data' }] },
            { name: 'two', image: 'busybox:1.36', command: ['sh', '-c', 'test -z "$OUTER" && test ! -e /inner'] },
          ],
        },
      },
    });
    const end = await engine.deploy(spec, undefined, context(1));
    assert.is(end.outcome, 'succeeded', JSON.stringify(end.outcome === 'failed' && end.reason));
    assert.match(await run(world, `${prefix}-web`, 'cat /data/seen'), /outer-value inner-value/);
  });

  test('what does not open fails the attempt before anything is touched', async () => {
    const prefix = world.prefix('closed');
    const config = { ...SLEEP, secrets: { TOKEN: await sealed('good') } };
    assert.is((await engine.deploy(world.spec(prefix, { web: { image: 'busybox:1.36', config } }), undefined, context(1))).outcome, 'succeeded');
    const before = (await docker.getContainer(`${prefix}-web`).inspect()).Id;
    const stranger = await addKey(join(directory, 'stranger'));
    const foreign = await seal(Buffer.from('x'), { team: world.team, node: 'pier' }, secrets.recipients);
    const rows: readonly (readonly [Secret, RegExp])[] = [
      [{ sealed: { harbor: await seal(Buffer.from('x'), { team: world.team, node: 'harbor' }, [stranger]) } }, /secret TOKEN of image web does not open: it is sealed to age1.*this node has no such key/],
      [{ sealed: { harbor: foreign } }, /was sealed for node pier of team/],
      [{ sealed: { harbor: 'YWdlLWVuY3J5cHRpb24ub3JnL3Yx' } }, /not what tagboat seal prints/],
      [await sealed(Buffer.from([65, 0, 66])), /holds bytes that no environment variable can hold; give it a file/],
    ];
    for (const [attempt, [secret, reason]] of rows.entries()) {
      const end = await engine.deploy(world.spec(prefix, { web: { image: 'busybox:1.36', config: { ...config, secrets: { TOKEN: secret } } } }), undefined, context(attempt + 2));
      assert.is(codeOf(end), 'SecretUnopenable');
      assert.match(end.outcome === 'failed' ? end.reason : '', reason);
      assert.match(end.outcome === 'failed' ? end.reason : '', /nothing was touched/i);
    }
    assert.is((await docker.getContainer(`${prefix}-web`).inspect()).Id, before);
  });

  test('a file for a user that the image does not know is refused, and the old container serves on', async () => {
    const prefix = world.prefix('nobody');
    const config = { ...SLEEP, user: 'nobody-here', secrets: { KEY: await sealed('x', { file: '/key' }) } };
    const end = await engine.deploy(world.spec(prefix, { web: { image: 'busybox:1.36', config } }), undefined, context(1));
    assert.is(codeOf(end), 'ContainerCreateFailed');
    assert.match(end.outcome === 'failed' ? end.reason : '', /no user nobody-here/);
  });
}

function codeOf(end: AttemptEnd): string {
  return end.outcome === 'failed' ? end.code : end.outcome;
}

async function run({ docker }: EngineWorld, container: string, script: string): Promise<string> {
  const exec = await docker.getContainer(container).exec({ Cmd: ['sh', '-c', script], AttachStdout: true, AttachStderr: true, Tty: true });
  const stream = await exec.start({ Tty: true });
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

test.run();
