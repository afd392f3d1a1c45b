// @timeout 400
/** `follow: digest`: an image that is pushed under the same tag deploys itself, a bad one is tried boundedly and the old one serves on. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { askForDigest } from '../../agents/core/registry-client.ts';
import { createDockerEngine } from '../../agents/docker/engine.ts';
import { PASSWORD, startRegistry, USER } from '../../agents/testing/registry.ts';
import { seal } from '../../proto/sealed.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { dockerOrSkip, NODE, sweepPrefixes } from './story.ts';

const test = suite('followed tags');
const docker = await dockerOrSkip('followed tags on a Docker node');

if (docker !== null) {
  test('a pushed image deploys itself, and the registry is asked with the sealed credentials', async () => {
    const registry = await startRegistry('token');
    const prefix = `follow${process.pid}`;
    for (const tag of ['1.0.0', '1.1.0']) for await (const _chunk of (await docker.createImage({ fromImage: 'tagboat-test-web', tag })) as AsyncIterable<Buffer>);
    for await (const _chunk of (await docker.createImage({ fromImage: 'busybox', tag: '1.36' })) as AsyncIterable<Buffer>);
    await registry.push(docker, 'tagboat-test-web:1.0.0', 'acme/web:stable');
    const stack = await Stack.start({ 'node.yaml': NODE }, { engine: createDockerEngine(process.env['DOCKER_HOST'] === undefined ? {} : { host: process.env['DOCKER_HOST'] }) });
    try {
      const recipients = await sleepUntil(async () => {
        const [node] = await stack.get<{ recipients: string[] }[]>('/nodes');
        return node === undefined || node.recipients.length === 0 ? null : node.recipients;
      }, { what: 'the public key of the node' });
      const image = `${registry.host}/acme/web:stable`;
      const commit = await stack.push({
        'registry.yaml': `apiVersion: tagboat/v1\nkind: Registry\nmetadata: { name: private }\nspec: { type: v2, url: "${registry.host}", credentials: { username: ${USER}, password: { sealed: { harbor: ${await seal(Buffer.from(PASSWORD), { team: 'acme', node: 'harbor' }, recipients)} } } } }\n`,
        'product.yaml': 'apiVersion: tagboat/v1\nkind: Product\nmetadata: { name: shop }\nspec: { type: simple }\n',
        'version.yaml': `apiVersion: tagboat/v1\nkind: Version\nmetadata: { name: shop }\nspec: { images: [ { name: web, image: "${image}", registry: private, config: { stopGrace: 0s, healthCheck: { http: { path: /healthz, port: 8080 }, interval: 200ms } } } ] }\n`,
        'deployment.yaml': `apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: shop }\nspec: { product: shop, node: harbor, prefix: ${prefix}, follow: digest, followSchedule: "* * * * * *", retries: 0 }\n`,
      });
      const digestNow = async (): Promise<string> => {
        const answer = await askForDigest(image, { host: registry.host, asked: true, credentials: { username: USER, password: PASSWORD } }, AbortSignal.timeout(60_000));
        return 'digest' in answer ? answer.digest : answer.fault;
      };
      const first = await stack.settled('shop', 'main', commit);
      assert.is(first.containers[0]?.digest, await digestNow());
      assert.is((await stack.history('shop'))[0]?.attempts.length, 1, 'nothing has moved');

      await registry.push(docker, 'tagboat-test-web:1.1.0', 'acme/web:stable');
      const second = await digestNow();
      assert.is.not(first.containers[0]?.digest, second);
      await stack.until('shop', 'the pushed image', (row) => row.status === 'successful' && row.health === 'healthy' && row.containers[0]?.digest === second);
      const [record, ...more] = await stack.history('shop');
      assert.is(more.length, 0, 'the same record (R12)');
      assert.match(JSON.stringify(record?.attempts[0]), /an image was pushed under the same tag \(follow: digest\)/);

      // It has no web server: it never becomes healthy.
      await registry.push(docker, 'busybox:1.36', 'acme/web:stable');
      await stack.until('shop', 'the bad image to fail', (row) => row.status === 'failed');
      await stack.until('shop', 'the good one to serve', (row) => row.containers[0]?.digest === second && row.containers[0].state === 'running');
      const tries = (await stack.history('shop'))[0]?.attempts.length;
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      assert.is((await stack.history('shop'))[0]?.attempts.length, tries, 'it is not tried for ever (R23)');

      await registry.push(docker, 'tagboat-test-web:1.0.0', 'acme/web:stable');
      await stack.until('shop', 'the mended image', (row) => row.status === 'successful' && row.containers[0]?.digest === first.containers[0]?.digest);
      assert.ok(registry.asked.some((line) => line.startsWith(`${USER} repository:acme/web:pull`)));
    } finally {
      await stack.stop();
      await sweepPrefixes(docker, [prefix]);
      await registry.stop();
    }
  });
}

test.run();
