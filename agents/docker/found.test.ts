// @timeout 400
/** What a push, a failing push and a removal make of containers and networks that somebody changed by hand, or that a crash left. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LABEL } from '../containers/labels.ts';
import { removeTarget } from '../containers/remove.ts';
import { rollOut } from '../containers/rollout.ts';
import { RuntimeError, type ContainerRuntime } from '../containers/runtime.ts';
import { containersOf, engineForTests, pulled } from '../testing/engine.ts';
import { contextOf, type SpecImage } from '../testing/spec.ts';
import { connectDocker } from './connect.ts';
import { DockerRuntime } from './docker-runtime.ts';

const world = engineForTests('found');
const test = suite('what a Docker agent finds on its node');

if (world !== undefined) {
  const { docker, engine } = world;
  const runtime = new DockerRuntime(connectDocker({ host: world.host }));
  let attempt = 100;
  test.after(() => world.cleanUp());

  const web = (word: string): SpecImage => ({ image: 'busybox:1.36', config: { command: ['sleep', '600'], environment: { WORD: word }, stopGrace: '0s' } });
  const bad: SpecImage = { image: 'busybox:1.36', config: { command: ['/no/such'], stopGrace: '0s' } };
  const context = () => contextOf(++attempt);
  const there = async (prefix: string): Promise<string[]> =>
    (await containersOf(docker, `${LABEL.team}=${world.team}`, `${LABEL.prefix}=${prefix}`)).map((row) => `${row.Names[0]?.slice(prefix.length + 2)} ${row.State}`).sort();
  const good = async (prefix: string, word: string): Promise<void> => {
    const end = await engine.deploy(world.spec(prefix, { web: web(word) }), undefined, context());
    assert.is(end.outcome, 'succeeded', end.outcome === 'failed' ? end.reason : '');
  };

  test('a paused container is put back paused, and replaced by what is good', async () => {
    const prefix = world.prefix('paused');
    await good(prefix, 'one');
    await docker.getContainer(`${prefix}-web`).pause();
    const { Id: id } = await docker.getContainer(`${prefix}-web`).inspect();
    const end = await engine.deploy(world.spec(prefix, { web: bad }), undefined, context());
    assert.ok(end.outcome === 'failed' && end.restored, JSON.stringify(end));
    const after = await docker.getContainer(`${prefix}-web`).inspect();
    assert.equal([after.Id, after.State.Paused], [id, true]);
    await good(prefix, 'two');
    assert.equal(await there(prefix), ['web running']);
  });

  test('what an attempt set aside stays there while another container has its name, and goes with it', async () => {
    const prefix = world.prefix('beside');
    await good(prefix, 'one');
    const { Config: config } = await docker.getContainer(`${prefix}-web`).inspect();
    const image = await pulled(docker, 'busybox:1.36');
    await (await docker.createContainer({ name: `${prefix}-web.old-77-r`, Image: image, Cmd: ['sleep', '600'], Labels: { ...config.Labels, [LABEL.attempt]: '76' } })).start();
    const end = await engine.deploy(world.spec(prefix, { web: bad }), undefined, context());
    assert.ok(end.outcome === 'failed' && end.code === 'ContainerStartFailed' && end.restored, JSON.stringify(end));
    assert.equal(await there(prefix), ['web running', 'web.old-77-r running']);
    await good(prefix, 'two');
    assert.equal(await there(prefix), ['web running']);
  });

  test('the old one runs again also where the engine does not let the new one go, and the next push goes through', async () => {
    const prefix = world.prefix('stuck');
    const spec = (one: SpecImage) => world.spec(prefix, { web: { ...one, strategy: 'recreate' } });
    await good(prefix, 'one');
    const stuck: ContainerRuntime['remove'] = () => Promise.reject(new Error('device or resource busy'));
    const end = await rollOut(replaced(runtime, 'remove', stuck), spec(bad), undefined, context());
    assert.ok(end.outcome === 'failed' && !end.restored && /device or resource busy/.test(end.reason), JSON.stringify(end));
    assert.equal(await there(prefix), ['web created', `web.old-${attempt}-r running`]);
    await good(prefix, 'two');
    assert.equal(await there(prefix), ['web running']);
  });

  test('an old container that the engine cannot remove is at rest, and stands in the way of no push', async () => {
    const prefix = world.prefix('lasting');
    const spec = (word: string) => world.spec(prefix, { api: web(word), web: web(word) });
    const succeeds = async (on: ContainerRuntime, word: string): Promise<readonly string[]> => {
      const end = await rollOut(on, spec(word), undefined, context());
      assert.is(end.outcome, 'succeeded', end.outcome === 'failed' ? end.reason : '');
      return there(prefix);
    };
    await succeeds(runtime, 'one');
    for (const name of ['api', 'web']) {
      const { Id: stuck } = await docker.getContainer(`${prefix}-${name}`).inspect();
      const ailing = replaced(runtime, 'remove', (id, signal) => (id === stuck ? Promise.reject(new Error('unable to remove filesystem')) : runtime.remove(id, signal)));
      const left = await succeeds(ailing, `two ${name}`);
      assert.equal(left.filter((one) => one.endsWith(' running')), ['api running', 'web running']);
      assert.ok(left.length > 2, left.join());
      assert.equal(await succeeds(ailing, `three ${name}`), left, 'nothing piles up');
      assert.equal(await succeeds(runtime, `four ${name}`), ['api running', 'web running']);
    }
  });

  test('a restore goes on where the engine fails for a moment, or its answer is lost', async () => {
    const prefix = world.prefix('moment');
    const spec = (one: SpecImage) => world.spec(prefix, { web: { ...one, strategy: 'recreate' } });
    await good(prefix, 'one');
    const calls: Record<string, number> = {};
    const spoilt = async (verb: string, at: number, work: () => Promise<void>): Promise<void> => {
      const mine = (calls[verb] = (calls[verb] ?? 0) + 1);
      if (verb === 'rename' || mine !== at) await work();
      if (mine === at) throw new RuntimeError('EngineError', `${verb}: something is wrong just now`);
    };
    // The second call of each is the restore's.
    const starting = replaced(runtime, 'start', (id, signal) => spoilt('start', 2, () => runtime.start(id, signal)));
    const renaming = replaced(starting, 'rename', (id, name, signal) => spoilt('rename', 2, () => runtime.rename(id, name, signal)));
    const end = await rollOut(renaming, spec(bad), undefined, context());
    assert.ok(end.outcome === 'failed' && end.restored, JSON.stringify(end));
    assert.equal([await there(prefix), calls], [['web running'], { rename: 3, start: 3 }]);
  });

  test('neither a network that cannot be removed nor a proxy that is broken keeps what is to be removed', async () => {
    const prefix = world.prefix('held');
    const routed: SpecImage = { ...web('one'), config: { ...web('one').config, expose: 'http', routing: { domain: 'held.example.org', port: 80 } } };
    // Deployed by who only notes the routes.
    const begun = await rollOut(runtime, world.spec(prefix, { web: routed }), undefined, context());
    assert.is(begun.outcome, 'succeeded', begun.outcome === 'failed' ? begun.reason : '');
    const held: ContainerRuntime['removeNetwork'] = () => Promise.reject(new Error('2 matches found based on name'));
    const broken = { lead: () => Promise.reject(new Error('the proxy does not answer')) } as unknown as Parameters<typeof removeTarget>[3];
    const told = context();
    const end = await removeTarget(replaced(runtime, 'removeNetwork', held), { team: world.team, deployment: prefix, prefix, removeVolumes: false }, told, broken);
    assert.is(end.outcome, 'succeeded', end.outcome === 'failed' ? end.reason : '');
    assert.equal(await there(prefix), []);
    for (const why of ['2 matches found', 'the proxy does not answer']) assert.ok(told.steps.some((step) => step.includes(why)), told.steps.join('\n'));
  });
}

/** The runtime, but for one verb. */
function replaced<Verb extends keyof ContainerRuntime>(runtime: ContainerRuntime, verb: Verb, by: ContainerRuntime[Verb]): ContainerRuntime {
  return new Proxy(runtime, {
    get(target, key) {
      const value: unknown = key === verb ? by : Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

test.run();
