// @timeout 600
/** One push moves a port, or an address of the proxy, from one deployment of a node to another, on a real engine. */
import { request } from 'node:http';
import { join } from 'node:path';
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { createDockerEngine } from '../../agents/docker/engine.ts';
import { runAgent } from '../../agents/main.ts';
import { freePort, freePorts } from '../../agents/testing/ports.ts';
import { silentLogger } from '../log.ts';
import { TestRepository } from './git-repository.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { NODE, dockerOrSkip, sweepPrefixes } from './story.ts';

const test = suite('what moves from one deployment to another');
const PRODUCT = 'apiVersion: tagboat/v1\nkind: Product\nmetadata: { name: shop }\nspec: { type: simple }\n';
const HEALTH = 'healthCheck: { http: { path: /healthz, port: 8080 }, interval: 200ms, retries: 200 }';
const VERSION = `apiVersion: tagboat/v1\nkind: Version\nmetadata: { name: shop }\nspec: { images: [ { name: web, image: "tagboat-test-web:1.0.0", config: { stopGrace: 1s, ${HEALTH} } } ] }\n`;
const SICK = 'environment: { HEALTHY: "0" }, healthCheck: { http: { path: /healthz, port: 8080 }, interval: 200ms, retries: 5 }';
const NOTHING = 'labels: { moved: away }';
const found = await dockerOrSkip('what moves from one deployment to another');

if (found !== null) {
  const docker = found;
  const prefixes = ['a', 'b', 'c'].map((letter) => `take${process.pid}${letter}`);
  const host = process.env['DOCKER_HOST'];
  const connection = host === undefined ? {} : { host };
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const firstPort = await freePorts(3);
  let stack: Stack;

  const manifest = (name: string, config: string, index = name === 'one' ? 0 : 1): string => `apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: ${name} }\nspec: { product: shop, node: harbor, prefix: ${prefixes[index]}, retries: 0, config: { ${config} } }\n`;
  const publishes = (port: number): string => `ports: [ { internal: 8080, external: ${port} } ]`;
  const exposes = (domain: string): string => `expose: http, routing: { domain: ${domain}, port: 8080 }`;
  const push = async (one: string | null, two: string): Promise<string> => stack.push({ 'one.yaml': one === null ? null : manifest('one', one), 'two.yaml': manifest('two', two) });
  const both = async (commit: string): Promise<void> => {
    for (const name of ['two', 'one']) await stack.settled(name, 'main', commit);
  };
  const attempts = async (commit: string): Promise<string[]> =>
    (await stack.db.pool.any(sql.type(z.object({ what: z.string() }))`select kind || ' ' || deployment || ' ' || coalesce(outcome, state) as what from attempt where team = 'acme' and commit_id = ${commit} order by started_at`)).map(({ what }) => what);
  const answers = (port: number, domain = 'localhost'): Promise<number> =>
    new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, path: '/healthz', headers: { host: domain }, agent: false, timeout: 20_000 }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).on('error', reject).end();
    });

  /** A worker of the proxy that is being replaced may answer for a moment yet. */
  const serves = async (domain: string): Promise<unknown> => sleepUntil(async () => (await answers(httpPort, domain)) === 200, { what: `an answer for ${domain}`, timeoutMs: 60_000, intervalMs: 100 });

  test.before(async () => {
    stack = await Stack.start({ 'node.yaml': NODE, 'product.yaml': PRODUCT, 'version.yaml': VERSION }, { engine: createDockerEngine({ ...connection, proxy: { name: `tagboat-take${process.pid}`, httpPort, httpsPort } }) });
  });
  test.after(async () => {
    await stack.stop();
    await sweepPrefixes(docker, prefixes);
    await docker.getContainer(`tagboat-take${process.pid}`).remove({ force: true }).catch(() => undefined);
  });

  test('one push moves a port, and the first try is the last', async () => {
    await both(await push(publishes(firstPort), NOTHING));
    const moved = await push(NOTHING, publishes(firstPort));
    await both(moved);
    assert.equal(await attempts(moved), ['deploy one succeeded', 'deploy two succeeded']);
    assert.is(await answers(firstPort), 200);
    const chain = await push(publishes(firstPort), publishes(firstPort + 1));
    await both(chain);
    assert.equal(await attempts(chain), ['deploy two succeeded', 'deploy one succeeded'], 'whoever comes first by name');
  });

  test('ports that two deployments would swap stay, and both say what to do', async () => {
    const swap = await push(publishes(firstPort + 1), publishes(firstPort));
    for (const [name, other] of [['one', 'two'], ['two', 'one']] as const) {
      const row = await stack.until(name, 'the swap to be told', ({ sync }) => sync === 'blocked');
      assert.match(row.reason, `from ${other}, which itself waits for ${name}: neither can go first`);
    }
    assert.equal(await attempts(swap), []);
    assert.equal(await Promise.all([answers(firstPort), answers(firstPort + 1)]), [200, 200]);
    const way = await push(NOTHING, publishes(firstPort));
    await both(way);
    await stack.settled('one', 'main', await push(publishes(firstPort + 1), publishes(firstPort)));
    assert.equal(await Promise.all([answers(firstPort), answers(firstPort + 1)]), [200, 200]);
  });

  test('a removal lets go as well, and an address of the proxy moves like a port', async () => {
    await both(await push(exposes('shop.example.org'), NOTHING));
    const moved = await push(exposes('old.example.org'), exposes('shop.example.org'));
    await both(moved);
    assert.equal(await attempts(moved), ['deploy one succeeded', 'deploy two succeeded']);
    for (const domain of ['shop.example.org', 'old.example.org']) await serves(domain);
    const removal = await push(null, exposes('old.example.org'));
    await stack.settled('two', 'main', removal);
    assert.equal(await attempts(removal), ['remove one succeeded', 'deploy two succeeded']);
    await serves('old.example.org');
  });

  test('who takes waits for who fails to let go, and both go with the commit that mends it', async () => {
    await both(await push(publishes(firstPort), NOTHING));
    const broken = await push(SICK, publishes(firstPort));
    await stack.until('one', 'the failure', ({ status }) => status === 'failed');
    const waiting = await stack.until('two', 'the wait', ({ status }) => status === 'preparing');
    assert.match(waiting.reason, `waits for one: one has port ${firstPort}/tcp of the node until its own attempt has succeeded`);
    assert.match(await stack.look('/deployments/two'), `one has port ${firstPort}/tcp of the node`);
    assert.equal(await attempts(broken), ['deploy one failed']);
    assert.is(await answers(firstPort), 200, 'what ran before has it still');
    const alone = await push(SICK, `${publishes(firstPort)}, ${NOTHING}`);
    await stack.until('two', 'its own push to wait, too', ({ status, commit, reason }) => status === 'preparing' && commit === alone && reason.startsWith('waits for one'));
    assert.equal(await attempts(alone), []);
    const mended = await push(NOTHING, publishes(firstPort));
    await both(mended);
    assert.equal(await attempts(mended), ['deploy one succeeded', 'deploy two succeeded']);
    assert.is(await answers(firstPort), 200);
  });

  test('nobody waits for another team: the attempt says what it met', async () => {
    const other = await TestRepository.create('other');
    const stop = new AbortController();
    let agent: Promise<void> | undefined;
    await stack.stopAgent();
    await stack.controller.stop();
    const port = firstPort + 2;
    await other.commit({ 'node.yaml': NODE, 'product.yaml': PRODUCT, 'version.yaml': VERSION, 'theirs.yaml': manifest('theirs', publishes(port), 2) });
    try {
      await stack.startController({ TAGBOAT_TEAMS_1_NAME: 'other', TAGBOAT_TEAMS_1_REPOSITORY: other.directory, TAGBOAT_TEAMS_1_POLL: '* * * * * *' });
      await stack.startAgent();
      const { controller } = stack;
      const { token } = await controller.nodes.mintEnrolment('other', 'harbor', 'test');
      agent = runAgent({ directory: join(stack.home, 'other'), controller: `127.0.0.1:${controller.agentPort}`, enrolment: { address: `127.0.0.1:${controller.enrolPort}`, fingerprint: controller.fingerprint, token }, engine: createDockerEngine(connection), version: '0.0.0-test', log: silentLogger() }, stop.signal);
      await sleepUntil(() => answers(port).catch(() => 0), { what: 'the other team to serve', timeoutMs: 180_000, intervalMs: 200 });
      // Their push lets go of it only in what cannot be read by us.
      await other.commit({ 'theirs.yaml': manifest('theirs', SICK, 2) });
      const commit = await push(NOTHING, publishes(port));
      const row = await stack.until('two', 'the refusal', ({ status }) => status === 'failed');
      assert.match(row.reason, /^PortInUse: /);
      assert.ok((await attempts(commit)).includes('deploy two failed'));
    } finally {
      stop.abort();
      await agent;
      await other.remove();
    }
  });
}

test.run();
