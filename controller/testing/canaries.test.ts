// @timeout 400
/**
 * R27: canaries in every secret that there is, through a whole run — success, failure whose log prints the secret, restore, logs, pages — and
 * then a search through everything that left a process.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createDockerEngine } from '../../agents/docker/engine.ts';
import { PASSWORD, startRegistry, USER } from '../../agents/testing/registry.ts';
import { seal } from '../../proto/sealed.ts';
import { CanarySearch, everyFile } from './canary-search.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { dockerOrSkip, NODE, sweepPrefixes } from './story.ts';

const test = suite('canaries (R27)');
const docker = await dockerOrSkip('canaries on a Docker node');

const CANARIES = {
  variable: 'c4n4ry-variable-"quoted"+/1',
  file: 'c4n4ry-file-line-one\nc4n4ry-file-line-two',
  registry: PASSWORD,
  git: 'c4n4ry-git-token-1234',
  webhook: 'c4n4ry-webhook-secret-1234',
};

const search = new CanarySearch();

if (docker !== null) {
  test('nothing that leaves a process holds a secret', async () => {
    const registry = await startRegistry('basic');
    const restoreFrames = search.hearFrames();
    const prefix = `canary${process.pid}`;
    for await (const _chunk of (await docker.createImage({ fromImage: 'busybox', tag: '1.36' })) as AsyncIterable<Buffer>);
    await registry.push(docker, 'busybox:1.36', 'acme/web:1.0.0');
    const stack = await Stack.start({ 'node.yaml': NODE }, {
      engine: createDockerEngine(process.env['DOCKER_HOST'] === undefined ? {} : { host: process.env['DOCKER_HOST'] }),
      onLog: (line) => search.hear('logs', line),
      settings: { TAGBOAT_TEAMS_0_CREDENTIALS_TYPE: 'token', TAGBOAT_TEAMS_0_CREDENTIALS_TOKEN: CANARIES.git, TAGBOAT_TEAMS_0_WEBHOOK_SECRET: CANARIES.webhook },
    });
    try {
      const recipients = await sleepUntil(async () => {
        const [node] = await stack.get<{ recipients: string[] }[]>('/nodes');
        return node === undefined || node.recipients.length === 0 ? null : node.recipients;
      }, { what: 'the public key of the node' });
      const sealed = async (value: string): Promise<string> => `{ harbor: ${await seal(Buffer.from(value), { team: 'acme', node: 'harbor' }, recipients)} }`;
      const files = async (script: string): Promise<Record<string, string>> => ({
        'registry.yaml': `apiVersion: tagboat/v1\nkind: Registry\nmetadata: { name: private }\nspec: { type: v2, url: "http://${registry.host}", credentials: { username: ${USER}, password: { sealed: ${await sealed(CANARIES.registry)} } } }\n`,
        'product.yaml': 'apiVersion: tagboat/v1\nkind: Product\nmetadata: { name: shop }\nspec: { type: simple }\n',
        'version.yaml': `apiVersion: tagboat/v1\nkind: Version\nmetadata: { name: shop }\nspec:\n  images:\n    - { name: web, image: "${registry.host}/acme/web:1.0.0", registry: private, config: { stopGrace: 0s, healthCheck: { settle: 300ms }, command: [ sh, -c, ${JSON.stringify(script)} ] } }\n    - { name: other, image: "busybox:1.36", config: { stopGrace: 0s, healthCheck: { settle: 0s }, command: [ sleep, "600" ] } }\n`,
        'deployment.yaml': `apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: shop }\nspec:\n  product: shop\n  node: harbor\n  prefix: ${prefix}\n  retries: 0\n  images: { web: { secrets: { PASSWORD: { sealed: ${await sealed(CANARIES.variable)} }, KEY: { file: /run/secrets/key, sealed: ${await sealed(CANARIES.file)} } } } }\n`,
      });
      const printing = 'echo "the password is $PASSWORD"; echo "$PASSWORD" >&2; cat /run/secrets/key';
      await stack.push(await files(`${printing}; sleep 600`));
      await stack.settled('shop', 'main');
      const logs = await fetch(`${stack.controller.url}/api/v1/teams/acme/deployments/shop/logs?container=web&tail=50`, { signal: AbortSignal.timeout(60_000) });
      const lines = await logs.text();
      assert.match(lines, /the password is \[secret\]/, 'the log is there, and masked');
      search.hear('container logs', lines);

      await stack.push(await files(`${printing}; echo "cannot log in with $PASSWORD"; exit 3`));
      await stack.until('shop', 'the failure', (row) => row.status === 'failed');
      const [failed] = await stack.history('shop');
      const evidence = failed?.attempts.flatMap((attempt) => attempt.evidence.flatMap((one) => one.logLines)) ?? [];
      assert.ok(evidence.some((line) => line.endsWith('cannot log in with [secret]')), JSON.stringify(failed));
      await stack.until('shop', 'the restored container', (row) => row.containers.length === 2 && row.containers.every((one) => one.state === 'running'));

      await look(stack);
      for (const container of await docker.listContainers({ all: true })) {
        const name = container.Names[0]?.slice(1) ?? '';
        const inspected = JSON.stringify(await docker.getContainer(container.Id).inspect().catch(() => ''));
        if (name === `${prefix}-web`) assert.ok(inspected.includes('c4n4ry-variable') && !inspected.includes('c4n4ry-file'), 'a variable shows in its own container, a file does not');
        else search.hear('other containers', `${name}: ${inspected}`);
      }
      const secrets = { ...CANARIES, operator: readFileSync(operatorToken(stack), 'utf8').trim(), age: 'AGE-SECRET-KEY-' };
      const found = search.find(secrets, ['logs', 'frames of the agent', 'frames of the controller', 'rows', 'pages', 'node', 'commands', 'other containers']);
      assert.equal(found, []);
    } finally {
      restoreFrames();
      await stack.stop();
      await sweepPrefixes(docker, [prefix]);
      await registry.stop();
    }
  });
}

function operatorToken(stack: Stack): string {
  return everyFile(stack.home).find((path) => path.endsWith('operator.token')) ?? '';
}

/** Pages, API, metrics, rows of every table, what the agent keeps, and what the commands print. */
async function look(stack: Stack): Promise<void> {
  const team = '/teams/acme';
  const api = ['', '/nodes', '/products', '/deployments', '/deployments/shop/history', '/audit', '/reviews', '/live-state'].map((path) => `/api/v1${team}${path}`);
  for (const path of ['/', team, `${team}/deployments/shop`, `${team}/products/shop`, `${team}/nodes/harbor`, `${team}/audit`, '/metrics', '/readyz', '/no-such-page', '/api/v1/teams', ...api]) {
    const response = await fetch(stack.controller.url + path, { signal: AbortSignal.timeout(60_000) });
    await search.hearAnswer('pages', response);
  }
  await search.hearRows(stack.db.url);
  search.hearFiles('node', join(stack.home, 'agent'), /secrets\.key$/);
  const tagboat = fileURLToPath(new URL('../cli/tagboat.ts', import.meta.url));
  for (const args of [['render', stack.repository.directory], ['render', stack.repository.directory, '--format', 'json'], ['plan', stack.repository.directory, '--base', 'HEAD~1', '--head', 'HEAD'], ['validate', stack.repository.directory]]) {
    const env = { ...process.env, TAGBOAT_URL: '', TAGBOAT_TOKEN: '' };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', 'tsx', tagboat, ...args], { env, timeout: 60_000 }).catch((error: unknown) => error as { stdout: string; stderr: string });
    search.hear('commands', `${args.join(' ')}\n${stdout}${stderr}`);
  }
  assert.match(search.at('commands'), /sealed [0-9a-f]{12}/);
}

test.run();
