// @timeout 1500
// @serial
/**
 * An agent in its container becomes the version that its manifest wants, on a real engine and under a real controller: a good one, and every kind of
 * bad one; with `kill -9` of either side in the middle. Versions are images made from the one of the Dockerfile.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { packageVersion } from '../package-root.ts';
import { buildImage, docker, IMAGE } from './image.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { deploymentManifest, dockerOrSkip, PRODUCT, sweepPrefixes } from './story.ts';

const NAME = 'tagboat-agent-of-a-test';
const OLD = packageVersion();
const REGISTRY = process.env['TAGBOAT_TEST_REGISTRY'] ?? '';
const REPOSITORY = `${REGISTRY}/tagboat-update`;
const PREFIX = `update${process.pid}`;
/** What is said when it is too late for them: longer than a start takes here, shorter than a person's patience. */
const DEADLINE = '25s';

interface NodeRow {
  readonly name: string;
  readonly status: string;
  readonly agentVersion: string;
  readonly wantedAgentVersion: string | null;
  readonly agentUpdate: { readonly version: string; readonly code: string; readonly reason: string } | null;
}
interface Inspected {
  readonly Id: string;
  readonly Name: string;
  readonly Config: { readonly Image: string };
  readonly State: { readonly Pid: number; readonly Running: boolean; readonly StartedAt: string };
  readonly HostConfig: { readonly RestartPolicy: { readonly Name: string } };
}

const test = suite('another version of an agent');
const home = mkdtempSync(join(tmpdir(), 'tagboat-update-'));
let stack: Stack;

const node = (version?: string): string => `apiVersion: tagboat/v1\nkind: Node\nmetadata: { name: pier }\nspec: { type: docker${version === undefined ? '' : `, agentVersion: ${version}`} }\n`;
const VERSION = `apiVersion: tagboat/v1
kind: Version
metadata: { name: shop }
spec: { images: [ { name: web, image: "tagboat-test-web:1.0.0", config: { healthCheck: { settle: 6s }, stopGrace: 1s } } ] }
`;
const pier = async (): Promise<NodeRow | undefined> => (await stack.get<NodeRow[]>('/nodes')).find(({ name }) => name === 'pier');
const want = (version: string): Promise<string> => stack.push({ 'nodes/pier.yaml': node(version) }, `agent ${version}`);

/** All containers of the agent: one, but for the time of an exchange. */
function containers(): readonly Inspected[] {
  const ids = docker('ps', '--all', '--quiet', '--filter', `name=${NAME}`).trim().split('\n').filter((id) => id !== '');
  return ids.flatMap((id) => {
    try {
      return JSON.parse(docker('inspect', id)) as Inspected[];
    } catch {
      return []; // gone meanwhile
    }
  });
}
const successor = (): Inspected | undefined => containers().find(({ Name }) => Name === `/${NAME}-next`);

async function until(what: string, condition: (row: NodeRow) => boolean, timeoutMs = 180_000): Promise<NodeRow> {
  let last: NodeRow | undefined;
  try {
    return await sleepUntil(async () => ((last = await pier()) !== undefined && condition(last) ? last : null), { what, timeoutMs, intervalMs: 200 });
  } catch (error) {
    const logs = containers().map(({ Id, Name }) => `${Name}: ${execFileSync('sh', ['-c', `docker logs --tail 15 ${Id} 2>&1 || true`], { encoding: 'utf8' })}`);
    throw new Error(`${String(error)}; the node is ${JSON.stringify(last)}\n${logs.join('\n')}`);
  }
}

async function alone(version: string): Promise<Inspected> {
  await until(`${version} to be connected`, (row) => row.status === 'connected' && row.agentVersion === version);
  await sleepUntil(() => containers().length === 1 && containers()[0]?.Name === `/${NAME}`, { what: 'one container with the name', timeoutMs: 120_000, intervalMs: 300 });
  const [only] = containers();
  assert.is(only?.State.Running, true);
  assert.is(only?.HostConfig.RestartPolicy.Name, 'unless-stopped', 'whoever is left is brought back');
  return only!;
}

function image(version: string, ...steps: readonly string[]): void {
  execFileSync('docker', ['build', '--quiet', '--tag', `${REPOSITORY}:${version}`, '-'], { input: [`FROM ${IMAGE}`, ...steps].join('\n'), env: { ...process.env, DOCKER_BUILDKIT: '0' }, stdio: ['pipe', 'ignore', 'pipe'] });
}
const says = (version: string): string => `RUN sed -i 's/"version": "${OLD}"/"version": "${version}"/' /opt/tagboat/package.json`;

function start(join_: string, of: string): void {
  const state = join(home, 'state');
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const socket = (process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock').replace('unix://', '');
  const flags = ['--network', 'host', '--user', '0:0', '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--volume', `${socket}:/var/run/docker.sock`, '--volume', `${state}:/var/lib/tagboat`, '--label', 'tagboat.dev/agent=install'];
  docker('run', '--detach', '--name', NAME, '--restart', 'unless-stopped', ...flags, of, 'agent', 'docker', '--directory', '/var/lib/tagboat', '--join', join_, '--update-deadline', DEADLINE);
}

test.before(async () => {
  image('0.8.0', 'USER 0', says('0.8.0'), 'USER node');
  image('0.8.1', 'USER 0', says('0.8.1'), 'USER node');
  image('0.8.2', 'USER 0', says('0.8.2'), 'USER node');
  image('0.9.1', 'ENTRYPOINT ["sh", "-c", "echo cannot start >&2; exit 7"]');
  image('0.9.2', 'USER 0', says('0.9.2'), "RUN sed -i 's/tagboat-controller/nobody/' /opt/tagboat/dist/proto/join.js", 'USER node');
  image('0.9.3');
  docker('tag', IMAGE, `${REPOSITORY}:${OLD}`);
  docker('push', '--quiet', `${REPOSITORY}:0.8.0`);
  const files = { 'nodes/pier.yaml': node(), 'nodes/harbor.yaml': node().replace('pier', 'harbor'), 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': VERSION };
  stack = await Stack.start(files, { engine: createSimulatedEngine(), settings: { TAGBOAT_AGENT_IMAGE: `${REPOSITORY}:${OLD}` } });
  start((await stack.controller.nodes.mintEnrolment('acme', 'pier', 'test')).join, `${REPOSITORY}:${OLD}`);
  await alone(OLD);
});
test.after(async () => {
  for (const { Id } of containers()) docker('rm', '--force', Id);
  await stack.stop();
  rmSync(home, { recursive: true, force: true });
});

const BAD: readonly (readonly [version: string, what: string, reason: RegExp])[] = [
  ['0.9.0', 'whose image does not exist', /is not to be had/],
  ['0.9.1', 'that crashes', /exit code 7: cannot start/],
  ['0.9.3', 'whose image holds another one', new RegExp(`holds version ${OLD.replaceAll('.', '\\.')} and not 0\\.9\\.3`)],
  ['0.9.2', 'that starts and cannot connect', /had not taken it after 25 s/],
];
for (const [version, what, reason] of BAD) {
  test(`${what} leaves the old one, which says why and does not try again`, async () => {
    const [before] = containers();
    await want(version);
    const row = await until(`the failure of ${version}`, ({ agentUpdate, status }) => agentUpdate?.version === version && status === 'connected');
    assert.is(row.agentUpdate?.code, 'AgentUpdateFailed');
    assert.match(row.agentUpdate?.reason ?? '', reason);
    assert.match(row.agentUpdate?.reason ?? '', /tried again after/);
    assert.is((await alone(OLD)).Id, before?.Id);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    assert.equal(containers().map(({ Id }) => Id), [before?.Id], 'not tried again at once');
  });
}

test('comes when the attempt in hand is done, by digest, and the old container goes', async () => {
  await stack.push({ 'deployments/shop.yaml': deploymentManifest(PREFIX, '  branch: main\n').replace('harbor', 'pier') });
  await stack.until('shop', 'the attempt to begin', ({ status }) => status === 'in-progress');
  await want('0.8.0');
  const now = await alone('0.8.0');
  assert.match(now.Config.Image, /^127\.0\.0\.1:\d+\/tagboat-update@sha256:/);
  const row = await pier();
  assert.is(row?.agentUpdate, null);
  await stack.settled('shop', 'main');
  const [{ attempts }] = await stack.history('shop') as unknown as [{ attempts: { outcome: string; finishedAt: string }[] }];
  assert.equal(attempts.map(({ outcome }) => outcome), ['succeeded']);
  assert.ok(Date.parse(now.State.StartedAt) >= Date.parse(attempts[0]!.finishedAt) - 500, `${now.State.StartedAt} is after ${attempts[0]!.finishedAt}`);
});

test('kill -9 of the old one while a bad one is on trial: it comes back, and goes on', async () => {
  const [before] = containers();
  await want('0.9.2');
  await sleepUntil(() => successor()?.State.Running === true, { what: 'the one on trial', timeoutMs: 120_000, intervalMs: 100 });
  const pid = await sleepUntil(() => containers().find(({ Id }) => Id === before?.Id)?.State.Pid, { what: 'the one that watches' });
  process.kill(pid, 'SIGKILL');
  await until('the failure', ({ agentUpdate, status }) => agentUpdate?.version === '0.9.2' && status === 'connected');
  assert.is((await alone('0.8.0')).Id, before?.Id);
});

test('kill -9 of the old one while a good one is on trial: the good one is left', async () => {
  await want('0.8.1');
  await sleepUntil(() => successor()?.State.Running === true, { what: 'the one on trial', timeoutMs: 120_000, intervalMs: 50 });
  const old = containers().find(({ Name }) => Name === `/${NAME}`);
  if (old !== undefined && old.State.Pid > 0) process.kill(old.State.Pid, 'SIGKILL');
  await alone('0.8.1');
});

test('kill -9 of the new one at once after its start: the old one goes on', async () => {
  const [before] = containers();
  await want('0.8.2');
  const pid = await sleepUntil(() => successor()?.State.Pid, { what: 'the one on trial', timeoutMs: 120_000, intervalMs: 20 });
  process.kill(pid, 'SIGKILL');
  const row = await until('the end of it', ({ agentUpdate, status }) => agentUpdate?.version === '0.8.2' && status === 'connected');
  assert.match(row.agentUpdate?.reason ?? '', /exit code 137/);
  assert.is((await alone('0.8.1')).Id, before?.Id);
  await stack.settled('shop', 'main');
});

const engine = await dockerOrSkip('another version of an agent');
if (engine !== null && REGISTRY === '') console.log('SKIPPED another version of an agent: needs the registry of .ci/engine');
if (engine !== null && REGISTRY !== '') {
  test.after(() => sweepPrefixes(engine, [PREFIX]));
  buildImage();
  test.run();
}
