/** Informers against a real API server: a place in its history that it has forgotten, a line that breaks, a kind that is not there. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clusterForTests } from '../testing/cluster.ts';
import type { ApiFailure } from './api-failure.ts';
import { KubeApi, type Call } from './api.ts';
import { Connection } from './connect.ts';
import { Informer, type ObjectHead } from './informer.ts';
import { pathOf, SERVICE_MONITOR, type Kind } from './kinds.ts';

const world = await clusterForTests('informer');
const test = suite('informers');

/** A real API, but the first list says that it ends long ago; and its watches can be broken. */
class OldApi extends KubeApi {
  readonly lists: string[] = [];
  readonly watches: string[] = [];
  #break: (() => void) | undefined;
  old = false;

  override async call<T>(call: Call, signal?: AbortSignal): Promise<T> {
    const answer = await super.call<T>(call, signal);
    this.lists.push(call.path);
    return this.old && this.lists.length === 1 ? { ...answer, metadata: { resourceVersion: '1' } } : answer;
  }

  override async stream(call: Call, signal: AbortSignal): ReturnType<KubeApi['stream']> {
    this.watches.push(String(call.query?.['resourceVersion']));
    const body = await super.stream(call, signal);
    this.#break = () => body.destroy(new Error('cut'));
    return body;
  }

  cut(): void {
    this.#break?.();
  }
}

if (world !== undefined) {
  const api = new OldApi(await Connection.open({ kubeconfig: world.kubeconfig }));
  const namespace = world.prefix('informer');
  const trim = (object: unknown): ObjectHead => object as ObjectHead;
  test.after(() => world.cleanUp());

  async function until(condition: () => boolean, what: string): Promise<void> {
    for (const end = Date.now() + 60_000; !condition(); ) {
      if (Date.now() > end) throw new Error(`${what} did not come`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }
  // A kind of the test's own: the server's memory of it begins with its definition, so place 1 is surely forgotten. That of a built-in kind may reach back to 1.
  const note: Kind = { kind: 'Note', apiVersion: `${namespace}.example.org/v1`, plural: 'notes' };
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const definition = `${note.plural}.${namespace}.example.org`;
  test.after(() => world.api.call({ method: 'DELETE', path: `${definitions}/${definition}` }));
  const define = async (): Promise<void> => {
    const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } };
    const spec = { group: `${namespace}.example.org`, scope: 'Namespaced', names: { kind: note.kind, plural: note.plural }, versions: [version] };
    await world.api.call({ method: 'POST', path: definitions, body: { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: definition }, spec } });
    for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
      const served = await world.api.call({ method: 'GET', path: pathOf(note, namespace) }).then(() => true, () => false);
      if (served) return;
      if (Date.now() > end) throw new Error('the kind of the test was not served');
    }
  };
  const add = (name: string): Promise<unknown> => world.api.call({ method: 'POST', path: pathOf(note, namespace), body: { apiVersion: note.apiVersion, kind: note.kind, metadata: { name, namespace } } });

  test('410 makes a new list; a line that broke is taken up where it was, and nothing is missed or told of twice', async () => {
    await world.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await define();
    api.old = true;
    const stop = new AbortController();
    const troubles: ApiFailure[] = [];
    const informer = new Informer({ api, kind: note, namespace, trim, onChange: () => undefined, onTrouble: (error) => troubles.push(error) });
    const running = informer.run(stop.signal);
    const names = (): string => [...informer.items].map((one) => one.metadata.name).sort().join();
    await until(() => api.lists.length === 2, 'the second list');
    assert.equal(api.watches[0], '1');
    await add('a');
    await until(() => names() === 'a', 'the first event');
    api.cut();
    await until(() => !informer.synced, 'the break');
    await add('b');
    await world.api.call({ method: 'DELETE', path: pathOf(note, namespace, 'a') });
    await until(() => informer.synced && names() === 'b', 'what happened meanwhile');
    assert.is(api.lists.length, 2, 'no list was needed');
    assert.ok(Number(api.watches.at(-1)) > 1);
    assert.is(troubles.length, 1);
    stop.abort();
    await running;
  });

  test('a kind that the cluster does not have is empty, not a trouble', async () => {
    const stop = new AbortController();
    const informer = new Informer({ api, kind: { ...SERVICE_MONITOR, apiVersion: 'nowhere.example.org/v1' }, namespace: undefined, trim, onChange: () => undefined, onTrouble: () => assert.unreachable() });
    const running = informer.run(stop.signal);
    await informer.ready(AbortSignal.timeout(60_000));
    assert.is(informer.synced, true);
    assert.equal([...informer.items], []);
    stop.abort();
    await running;
  });
}

test.run();
