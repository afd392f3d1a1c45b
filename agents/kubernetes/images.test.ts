/** What a cluster has to fetch: images by digest and with credentials. */
// @timeout 900
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AttemptEnd, TargetMemory } from '../core/engine.ts';
import type { ContainerConfig, TargetSpec } from '../../schemas/gen/types.ts';
import { connectDocker } from '../docker/connect.ts';
import { clusterForTests } from '../testing/cluster.ts';
import { pulled } from '../testing/engine.ts';
import { opener } from '../testing/everything-in-a-cluster.ts';
import { PASSWORD, startRegistry, USER } from '../testing/registry.ts';
import { contextOf } from '../testing/spec.ts';

const world = await clusterForTests('images');
const test = suite('images of a cluster');

if (world !== undefined) {
  const { engine } = world;
  const signal = new AbortController().signal;
  test.after(() => world.cleanUp());

  const check = { http: { path: '/healthz', port: 8080 }, interval: '1s', retries: 60 };
  const web = (version: string, config: ContainerConfig = {}) => ({ image: `tagboat-test-web:${version}`, config: { ports: [{ internal: 8080, external: 80 }], healthCheck: check, ...config } });

  async function remember(spec: TargetSpec, attemptId: number, end: AttemptEnd): Promise<TargetMemory> {
    assert.is(end.outcome, 'succeeded', end.outcome === 'succeeded' ? '' : end.reason);
    const digests = end.outcome === 'succeeded' ? end.digests : [];
    return { spec, attemptId: BigInt(attemptId), digests, baseline: JSON.parse(JSON.stringify(await engine.baseline(spec, signal))) as unknown };
  }
  async function deployed(spec: TargetSpec, attemptId = 1, previous?: TargetMemory): Promise<TargetMemory> {
    return remember(spec, attemptId, await engine.deploy(spec, previous, contextOf(attemptId)));
  }
  function failedEnd(end: AttemptEnd): Extract<AttemptEnd, { outcome: 'failed' }> {
    if (end.outcome !== 'failed') throw new Error(`it ${end.outcome}`);
    return end;
  }
  /** An engine that is only the cluster's may not have it yet. */
  async function images(prefix: string): Promise<string[]> {
    const deployments = await world!.list('Deployment', prefix);
    return deployments.map((one) => `${one.metadata.name} ${one.spec.template.spec.containers[0].image} ${one.status.availableReplicas ?? 0}/${one.spec.replicas}`).sort();
  }

  test('a tag is pinned to the digest that its registry has, and moves with it', async () => {
    const prefix = world.prefix('pin');
    const reference = `${world.registry}/library/tagboat-test-web:1.0.0`;
    const spec = world.spec(prefix, { web: { ...web('1.0.0'), image: reference } });
    const memory = await deployed(spec);
    const digest = memory.digests[0]?.digest ?? '';
    const pinned = `${world.registry}/library/tagboat-test-web@${digest}`;
    assert.match(digest, /^sha256:/);
    assert.equal(await images(prefix), [`web ${pinned} 1/1`]);
    const frozen = world.spec(prefix, { web: { ...web('1.0.0'), image: reference, digest } });
    const before = (await world.list('Pod', prefix))[0].metadata.uid;
    await deployed(frozen, 2, memory);
    assert.is((await world.list('Pod', prefix))[0].metadata.uid, before, 'freezing what runs replaces nothing');
  });

  test('nodes pull with the credentials of the registry that the image names, and a renewed password restarts nothing', async () => {
    const registry = await startRegistry('basic');
    try {
      const { docker } = connectDocker({ host: process.env['DOCKER_HOST'] ?? '' });
      await registry.push(docker, await pulled(docker, 'tagboat-test-web:1.0.0'), 'acme/web:1.0.0');
      const prefix = world.prefix('pull');
      const of = (words: string): TargetSpec => {
        const spec = world!.spec(prefix, { web: { ...web('1.0.0'), image: `${registry.host}/acme/web:1.0.0` } }, { timeouts: { attempt: '5m', pull: '2m', health: '4m' }, registries: [{ name: 'private', type: 'v2', host: registry.host, credentials: { username: USER, password: { sealed: { harbor: words } } } }] });
        return { ...spec, images: spec.images.map((image) => ({ ...image, registry: 'private' })) };
      };
      const wrong = failedEnd(await engine.deploy(of('sealed-wrong'), undefined, contextOf(1, { secrets: opener })));
      assert.is(wrong.code, 'RegistryUnauthorized', wrong.reason);
      const memory = await remember(of(`sealed-${PASSWORD}`), 2, await engine.deploy(of(`sealed-${PASSWORD}`), undefined, contextOf(2, { secrets: opener })));
      assert.match((await images(prefix))[0] ?? '', /acme\/web@sha256:/);
      assert.not.match(JSON.stringify(memory.baseline), new RegExp(`${PASSWORD}|${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`));
      const before = (await world!.list('Pod', prefix)).map((one) => one.metadata.uid);
      await remember(of('sealed-renewed'), 3, await engine.deploy(of('sealed-renewed'), memory, contextOf(3, { secrets: opener })));
      assert.equal((await world!.list('Pod', prefix)).map((one) => one.metadata.uid), before);
    } finally {
      await registry.stop();
    }
  });

  test('what an image demands of its environment is read from its registry before anything is applied; `unchecked` is not asked', async () => {
    const registry = await startRegistry('basic');
    const { docker } = connectDocker({ host: process.env['DOCKER_HOST'] ?? '' });
    const repo = `tagboat-rules-${process.pid}`;
    try {
      const container = await docker.createContainer({ Image: await pulled(docker, 'tagboat-test-web:1.0.0') });
      await container.commit({ repo, tag: '1', changes: 'LABEL org.dyrectorio.env.REGION=required,string\nLABEL org.dyrectorio.env.KEY=required,secret,int' });
      await container.remove();
      await registry.push(docker, `${repo}:1`, 'acme/rules:1');
      const prefix = world.prefix('demanding');
      const of = (config: ContainerConfig, type: 'v2' | 'unchecked' = 'v2'): TargetSpec => {
        const spec = world!.spec(prefix, { web: { ...web('1.0.0', config), image: `${registry.host}/acme/rules:1` } }, { timeouts: { attempt: '5m', pull: '2m', health: '4m' }, registries: [{ name: 'private', type, host: registry.host, credentials: { username: USER, password: { sealed: { harbor: `sealed-${PASSWORD}` } } } }] });
        return { ...spec, images: spec.images.map((image) => ({ ...image, registry: 'private' })) };
      };
      const unmet = failedEnd(await engine.deploy(of({ environment: { KEY: '1' } }), undefined, contextOf(1, { secrets: opener })));
      assert.is(unmet.code, 'EnvironmentIncomplete', unmet.reason);
      assert.match(unmet.reason, /web: KEY is a secret and stands in clear.*; web: REGION is required and not set; nothing was touched/);
      const word = failedEnd(await engine.deploy(of({ environment: { REGION: 'eu' }, secrets: { KEY: { sealed: { harbor: 'sealed-word' } } } }), undefined, contextOf(2, { secrets: opener })));
      assert.match(word.reason, /web: KEY has to be a whole number; nothing/);
      assert.is(await world.get('Namespace', undefined, prefix), undefined);
      await remember(of({}, 'unchecked'), 3, await engine.deploy(of({}, 'unchecked'), undefined, contextOf(3, { secrets: opener })));
      const met = of({ environment: { REGION: 'eu' }, secrets: { KEY: { sealed: { harbor: 'sealed-12' } } } });
      await remember(met, 4, await engine.deploy(met, undefined, contextOf(4, { secrets: opener })));
    } finally {
      await registry.stop();
      await docker.getImage(`${repo}:1`).remove({ force: true }).catch(() => undefined);
    }
  });

}

test.run();
