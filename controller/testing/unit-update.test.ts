// @timeout 1500
// @serial
/**
 * An agent that systemd started becomes the version that its manifest wants, on a real engine and under a real controller: a good one, and every kind of
 * bad one; with `kill -9` of either process in the middle. systemd runs nowhere here: a stand-in restarts the unit and kills its group. The installed version
 * is what the image of the Dockerfile holds, laid down on this host; the others are images made from it.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
import { TestUnit } from './unit.ts';
import type { UnitProcess } from './unit.ts';

const OLD = packageVersion();
const REGISTRY = process.env['TAGBOAT_TEST_REGISTRY'] ?? '';
const REPOSITORY = `${REGISTRY}/tagboat-unit`;
const PREFIX = `unit${process.pid}`;
/** What is said when it is too late for them: longer than a start takes here, shorter than a person's patience. */
const DEADLINE = '20s';

interface NodeRow {
  readonly name: string;
  readonly status: string;
  readonly agentVersion: string;
  readonly agentUpdate: { readonly version: string; readonly code: string; readonly reason: string } | null;
}

const test = suite('another version of a unit');
const home = mkdtempSync(join(tmpdir(), 'tagboat-unit-'));
const directory = join(home, 'state');
const installed = join(home, 'installed');
let stack: Stack;
let unit: TestUnit;

const node = (version?: string): string => `apiVersion: tagboat/v1\nkind: Node\nmetadata: { name: pier }\nspec: { type: docker${version === undefined ? '' : `, agentVersion: ${version}`} }\n`;
const VERSION = `apiVersion: tagboat/v1
kind: Version
metadata: { name: shop }
spec: { images: [ { name: web, image: "tagboat-test-web:1.0.0", config: { healthCheck: { settle: 6s }, stopGrace: 1s } } ] }
`;
const pier = async (): Promise<NodeRow | undefined> => (await stack.get<NodeRow[]>('/nodes')).find(({ name }) => name === 'pier');
const want = (version: string): Promise<string> => stack.push({ 'nodes/pier.yaml': node(version) }, `agent ${version}`);
/** The process below the one that systemd knows. */
const child = (): UnitProcess | undefined => unit.processes().find(({ parent }) => parent === unit.main);
const laidDown = (): string[] => {
  try {
    return readdirSync(join(directory, 'versions'), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name.replace(/-[0-9a-f]{12}$/, '')).sort();
  } catch {
    return [];
  }
};

async function until(what: string, condition: (row: NodeRow) => boolean, timeoutMs = 180_000): Promise<NodeRow> {
  let last: NodeRow | undefined;
  try {
    return await sleepUntil(async () => ((last = await pier()) !== undefined && condition(last) ? last : null), { what, timeoutMs, intervalMs: 200 });
  } catch (error) {
    throw new Error(`${String(error)}; the node is ${JSON.stringify(last)}; its processes: ${JSON.stringify(unit.processes())}\n${unit.output.split('\n').slice(-30).join('\n')}`);
  }
}

/** One agent, and the launcher where it is not the installed version. */
async function serves(version: string, below: boolean): Promise<number> {
  await until(`${version} to be connected`, (row) => row.status === 'connected' && row.agentVersion === version);
  await sleepUntil(() => unit.processes().length === (below ? 2 : 1), { what: 'the processes of the unit', timeoutMs: 60_000, intervalMs: 100 });
  const serving = below ? child() : unit.processes()[0];
  assert.match(serving?.command ?? '', below ? `/versions/${version}-` : installed);
  return serving?.pid ?? 0;
}

async function failed(version: string): Promise<string> {
  const { agentUpdate } = await until(`the failure of ${version}`, (row) => row.agentUpdate?.version === version && row.agentUpdate.code !== '' && row.status === 'connected');
  assert.is(agentUpdate?.code, 'AgentUpdateFailed', agentUpdate?.reason);
  assert.match(agentUpdate?.reason ?? '', /tried again after/);
  assert.is(docker('ps', '--all', '--quiet', '--filter', 'label=tagboat.dev/agent-version').trim(), '', 'no container is left');
  return agentUpdate?.reason ?? '';
}

function image(version: string, ...steps: readonly string[]): void {
  execFileSync('docker', ['build', '--quiet', '--tag', `${REPOSITORY}:${version}`, '-'], { input: [`FROM ${REPOSITORY}:${OLD}`, ...steps].join('\n'), env: { ...process.env, DOCKER_BUILDKIT: '0' }, stdio: ['pipe', 'ignore', 'pipe'] });
}
const says = (version: string): string => `RUN sed -i 's/"version": "${OLD}"/"version": "${version}"/' /opt/tagboat/package.json`;

/** As `npm install --global` would: other files in the same place. */
function install(version: string): void {
  const id = docker('create', `${REPOSITORY}:${version}`).trim();
  rmSync(installed, { recursive: true, force: true });
  docker('cp', `${id}:/opt/tagboat`, installed);
  docker('rm', '--volumes', id);
}

test.before(async () => {
  // What no Docker host needs is left out: it would be copied with every version.
  execFileSync('docker', ['build', '--quiet', '--tag', `${REPOSITORY}:${OLD}`, '-'], { input: `FROM ${IMAGE}\nUSER 0\nRUN cd /opt/tagboat/node_modules && rm -rf @kubernetes @slonik slonik @octokit axios`, env: { ...process.env, DOCKER_BUILDKIT: '0' }, stdio: ['pipe', 'ignore', 'pipe'] });
  for (const version of ['0.8.0', '0.8.1', '0.8.5']) image(version, says(version));
  image('0.9.1', says('0.9.1'), "RUN echo 'console.error(\"cannot start\"); process.exit(7)' > /opt/tagboat/dist/controller/cli/tagboat.js");
  image('0.9.2', says('0.9.2'), "RUN sed -i 's/tagboat-controller/nobody/' /opt/tagboat/dist/proto/join.js");
  image('0.9.3');
  image('0.9.4', says('0.9.4'), `RUN sed -i 's/"node": ">=20.19"/"node": ">=99"/' /opt/tagboat/package.json`);
  docker('push', '--quiet', `${REPOSITORY}:0.8.0`);
  install(OLD);
  const files = { 'nodes/pier.yaml': node(), 'nodes/harbor.yaml': node().replace('pier', 'harbor'), 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': VERSION };
  stack = await Stack.start(files, { engine: createSimulatedEngine(), settings: { TAGBOAT_AGENT_IMAGE: `${REPOSITORY}:${OLD}` } });
  mkdirSync(directory, { mode: 0o700 });
  const word = join(home, 'word');
  writeFileSync(word, (await stack.controller.nodes.mintEnrolment('acme', 'pier', 'test')).join);
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TAGBOAT_')));
  unit = new TestUnit([process.execPath, join(installed, 'dist/controller/cli/tagboat.js'), 'agent', 'docker', '--directory', directory, '--join-file', word, '--update-deadline', DEADLINE], env);
  unit.start();
  await serves(OLD, false);
});
test.after(async () => {
  // The rest of a set-up that failed says no more than its error.
  await (unit as TestUnit | undefined)?.stop();
  await (stack as Stack | undefined)?.stop();
  rmSync(home, { recursive: true, force: true });
});

const BAD: readonly (readonly [version: string, what: string, reason: RegExp])[] = [
  ['0.9.0', 'whose image does not exist', /is not to be had/],
  ['0.9.3', 'whose image holds another one', new RegExp(`holds version ${OLD.replaceAll('.', '\\.')} and not 0\\.9\\.3`)],
  ['0.9.4', 'that needs a newer Node.js', /needs Node\.js >=99, and this host has /],
  ['0.9.1', 'that crashes', /ended with exit code 7: cannot start/],
];
for (const [version, what, reason] of BAD) {
  test(`${what} leaves the installed one, which says why`, async () => {
    const before = unit.main;
    await want(version);
    assert.match(await failed(version), reason);
    assert.is(await serves(OLD, false), before, 'the same process');
    assert.equal(laidDown(), []);
  });
}

test('comes when the attempt in hand is done, by digest, and serves below a small process', async () => {
  const before = unit.main;
  await stack.push({ 'deployments/shop.yaml': deploymentManifest(PREFIX, '  branch: main\n').replace('harbor', 'pier') });
  await stack.until('shop', 'the attempt to begin', ({ status }) => status === 'in-progress');
  await want('0.8.0');
  await serves('0.8.0', true);
  assert.is(unit.main, before);
  assert.is((await pier())?.agentUpdate, null);
  await stack.settled('shop', 'main');
  const [{ attempts }] = await stack.history('shop') as unknown as [{ attempts: { outcome: string }[] }];
  assert.equal(attempts.map(({ outcome }) => outcome), ['succeeded']);
  assert.match((JSON.parse(readFileSync(join(directory, 'versions/current.json'), 'utf8')) as { image: string }).image, /^127\.0\.0\.1:\d+\/tagboat-unit@sha256:/);
});

test('is what the unit starts with from then on, and ends with it', async () => {
  await unit.restart();
  await serves('0.8.0', true);
  const launcher = unit.processes().find(({ pid }) => pid === unit.main)!;
  assert.ok(launcher.residentKb < child()!.residentKb * 0.8, `the launcher has ${launcher.residentKb} KB, the agent ${child()!.residentKb}`);
  const exits = unit.exits.length;
  await unit.stop();
  assert.is(unit.exits[exits], 0, 'in good order');
  unit.start();
  await serves('0.8.0', true);
});

test('kill -9 of the new one: systemd starts the unit, and the unit the new one; of the launcher: the same', async () => {
  const before = await serves('0.8.0', true);
  const exits = unit.exits.length;
  process.kill(before, 'SIGKILL');
  await sleepUntil(() => unit.exits.length > exits, { what: 'the end of the launcher', timeoutMs: 60_000 });
  assert.is(unit.exits[exits], 137);
  assert.is.not(await serves('0.8.0', true), before);
  await sleepUntil(async () => (await pier())?.status === 'connected' && child() !== undefined, { what: 'the new one', timeoutMs: 120_000 });

  const launcher = unit.main;
  process.kill(launcher, 'SIGKILL');
  await sleepUntil(() => unit.main !== launcher, { what: 'the restart', timeoutMs: 60_000 });
  await serves('0.8.0', true);
});

test('kill -9 of the guard while a bad one is on trial: it is tried, given up, and the one from before goes on', async () => {
  await want('0.9.2');
  await sleepUntil(() => child()?.command.includes('/versions/0.9.2-'), { what: 'the one on trial', timeoutMs: 90_000, intervalMs: 100 });
  process.kill(unit.main, 'SIGKILL');
  assert.match(await failed('0.9.2'), /had not taken it after 20 s/);
  await serves('0.8.0', true);
  assert.equal(laidDown(), ['0.8.0']);
});

test('kill -9 of the guard while a good one is on trial: the good one is left, and the one before is kept', async () => {
  await want('0.8.1');
  await sleepUntil(() => child()?.command.includes('/versions/0.8.1-'), { what: 'the one on trial', timeoutMs: 90_000, intervalMs: 20 });
  process.kill(unit.main, 'SIGKILL');
  await serves('0.8.1', true);
  await sleepUntil(() => laidDown().join() === '0.8.0,0.8.1', { what: 'what is laid down', timeoutMs: 60_000 });
  await stack.settled('shop', 'main');
});

test('that cannot be started any more gives way to the installed one, which says so', async () => {
  await unit.stop();
  const [name = ''] = readdirSync(join(directory, 'versions')).filter((one) => one.startsWith('0.8.1-'));
  writeFileSync(join(directory, 'versions', name, 'dist/controller/cli/tagboat.js'), 'process.exit(9);\n');
  const exits = unit.exits.length;
  unit.start();
  assert.match(await failed('0.8.1'), /ended soon after its start 3 times in a row/);
  assert.equal(unit.exits.slice(exits), [9, 9, 9]);
  await serves(OLD, false);
  assert.equal(laidDown(), []);
});

test('gives way to what a person has installed', async () => {
  await want('0.8.0');
  await serves('0.8.0', true);
  // As soon as it is installed the manifest wants it as well, or it would be exchanged again.
  install('0.8.5');
  await unit.stop();
  await want('0.8.5');
  await sleepUntil(async () => ((await stack.get<{ wantedAgentVersion: string | null }[]>('/nodes')).some(({ wantedAgentVersion }) => wantedAgentVersion === '0.8.5')), { what: 'the manifest', timeoutMs: 60_000 });
  unit.start();
  await serves('0.8.5', false);
  assert.equal(laidDown(), []);
  assert.match(unit.output, /another version was installed on this host; it serves/);
});

test('that is the installed one needs no image', async () => {
  await want('0.8.0');
  await serves('0.8.0', true);
  await want('0.8.5');
  await serves('0.8.5', false);
  assert.equal(laidDown(), []);
  assert.is((await pier())?.agentUpdate, null);
});

const engine = await dockerOrSkip('another version of a unit');
if (engine !== null && REGISTRY === '') console.log('SKIPPED another version of a unit: needs the registry of .ci/engine');
if (engine !== null && REGISTRY !== '') {
  test.after(() => sweepPrefixes(engine, [PREFIX]));
  buildImage();
  test.run();
}
