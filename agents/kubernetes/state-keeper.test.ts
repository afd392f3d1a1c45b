import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clusterOrSkip } from '../../controller/testing/cluster.ts';
import { sleepUntil } from '../../controller/testing/sleep-until.ts';
import type { TestCluster } from '../../controller/testing/cluster.ts';
import { openStateKeeper } from './state-keeper.ts';
import type { StateKeeper } from './state-keeper.ts';

const NAMESPACE = `state-${process.pid}`;

function tell(cluster: TestCluster): void {
  const test = suite('the state of an agent in a cluster');
  const made: string[] = [];
  const complaints: string[] = [];
  const home = (): string => {
    made.push(mkdtempSync(join(tmpdir(), 'tagboat-state-')));
    return made.at(-1)!;
  };
  const keeper = async (directory: string, name = 'agent-a'): Promise<StateKeeper> =>
    openStateKeeper({ kubeconfig: cluster.kubeconfig, namespace: NAMESPACE, name, directory, log: { warn: (_fields, text) => void complaints.push(text) } });
  const put = (directory: string, path: string, text: string): void => {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  const never = new AbortController().signal;

  test.before(() => cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } }));
  test.after(async () => {
    await cluster.sweep([NAMESPACE]);
    for (const directory of made) rmSync(directory, { recursive: true, force: true });
  });

  test('a directory comes back whole on another machine, and nothing of another agent with it', async () => {
    const first = home();
    put(first, 'identity.json', '{"key":"c4n4ry"}');
    put(first, 'journal/targets/shop.json', 'x'.repeat(3_000_000));
    put(first, 'journal/attempts/7.json', 'seven');
    put(first, 'journal/lock', '1');
    await (await keeper(first)).save();
    const other = home();
    put(other, 'identity.json', 'other');
    await (await keeper(other, 'agent-b')).save();

    const second = home();
    await (await keeper(second)).restore(never);
    assert.is(readFileSync(join(second, 'identity.json'), 'utf8'), '{"key":"c4n4ry"}');
    assert.is(readFileSync(join(second, 'journal/targets/shop.json'), 'utf8').length, 3_000_000);
    assert.is(readFileSync(join(second, 'journal/attempts/7.json'), 'utf8'), 'seven');
    assert.not(existsSync(join(second, 'journal/lock')), 'a lock belongs to a process');
  });

  test('follows the directory; what is done with goes, an identity never does (R4)', async () => {
    const directory = home();
    const stop = new AbortController();
    const one = await keeper(directory, 'agent-c');
    await one.restore(never);
    const done = one.run(stop.signal);
    const secrets = async (): Promise<number> => (await cluster.list('secrets', NAMESPACE).then((all) => all as { metadata: { labels?: Record<string, string> } }[])).filter((item) => item.metadata.labels?.['tagboat.dev/agent-state'] === 'agent-c').length;
    const until = (count: number): Promise<unknown> => sleepUntil(async () => (await secrets()) === count, { what: `${count} Secrets`, timeoutMs: 120_000, intervalMs: 100 });
    put(directory, 'identity.json', 'me');
    put(directory, 'journal/attempts/1.json', 'one');
    await until(2);
    unlinkSync(join(directory, 'journal/attempts/1.json'));
    unlinkSync(join(directory, 'identity.json'));
    await until(1);
    put(directory, 'controller', 'host:1');
    stop.abort();
    await done;
    assert.is(await secrets(), 2, 'what was written last is kept on the way out');
  });

  test('a directory that lives is not overwritten; a Secret that leads elsewhere is left alone', async () => {
    const directory = home();
    put(directory, 'identity.json', 'newer');
    await cluster.apply(
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'evil', namespace: NAMESPACE, labels: { 'tagboat.dev/agent-state': 'agent-a' }, annotations: { 'tagboat.dev/path': '../evil' } }, data: { file: 'aGVsbG8=' } },
    );
    await (await keeper(directory)).restore(never);
    assert.is(readFileSync(join(directory, 'identity.json'), 'utf8'), 'newer');
    assert.not(existsSync(join(directory, '..', 'evil')));
    assert.match(complaints.join('\n'), /none of its own/);
  });

  test('while it stands back nothing is written, also after a restart; then it is what another one has kept since', async () => {
    const mine = home();
    const stop = new AbortController();
    const one = await keeper(mine, 'agent-d');
    await one.restore(never);
    const done = one.run(stop.signal);
    put(mine, 'identity.json', 'first');
    put(mine, 'journal/attempts/1.json', 'one');
    assert.is(await one.save(), true);
    one.standBack();
    put(mine, 'identity.json', 'stale');
    assert.is(await one.save(), false);
    stop.abort();
    await done;

    const other = home();
    const two = await keeper(other, 'agent-d');
    await two.restore(never);
    assert.is(readFileSync(join(other, 'identity.json'), 'utf8'), 'first');
    put(other, 'identity.json', 'renewed');
    put(other, 'journal/attempts/2.json', 'two');
    unlinkSync(join(other, 'journal/attempts/1.json'));
    await two.save();

    const again = await keeper(mine, 'agent-d');
    await again.restore(never);
    assert.is(await again.save(), false, 'as before the restart');
    assert.is(readFileSync(join(mine, 'identity.json'), 'utf8'), 'renewed');
    assert.is(readFileSync(join(mine, 'journal/attempts/2.json'), 'utf8'), 'two');
    assert.not(existsSync(join(mine, 'journal/attempts/1.json')), 'what was done with meanwhile');
    again.resume();
    put(mine, 'identity.json', 'third');
    assert.is(await again.save(), true);
    await two.restore(never);
    assert.is(readFileSync(join(other, 'identity.json'), 'utf8'), 'renewed', 'a directory that does not stand back is left alone');
  });

  test('without the right to its state it does not start as somebody else', async () => {
    await cluster.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'nobody', namespace: NAMESPACE } });
    const config = JSON.parse(await cluster.kubectl(['config', 'view', '--raw', '--minify', '--output', 'json'])) as { users: { user: object }[] };
    config.users[0]!.user = { token: await cluster.tokenOf({ namespace: NAMESPACE, name: 'nobody' }) };
    const directory = home();
    const kubeconfig = join(directory, 'kubeconfig');
    writeFileSync(kubeconfig, JSON.stringify(config));
    const powerless = await openStateKeeper({ kubeconfig, namespace: NAMESPACE, name: 'agent-a', directory, log: { warn: () => undefined } });
    try {
      await powerless.restore(never);
      assert.unreachable();
    } catch (error) {
      assert.match(String(error), /cannot be read: .*forbidden/);
    }
  });

  test.run();
}

const cluster = await clusterOrSkip('the state of an agent in a cluster');
if (cluster !== null) tell(cluster);
