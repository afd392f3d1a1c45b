// @timeout 400
/** `tagboat import compose` as people call it, and what it wrote on a real engine. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { engineForTests } from '../../agents/testing/engine.ts';
import type { AttemptEnd } from '../../agents/core/engine.ts';
import { freePort } from '../../agents/testing/ports.ts';
import { contextOf } from '../../agents/testing/spec.ts';
import { resolveImages } from '../model/resolve-images.ts';
import { desiredDeployment } from '../plan/desired.ts';
import { registerImport } from './import.ts';
import { loadManifests } from './load-manifests.ts';
import { registerValidate } from './validate.ts';

const scratch = mkdtempSync(join(tmpdir(), 'tagboat-import-'));
const world = engineForTests('what a compose file became');
test.after(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await world?.cleanUp();
});

interface Ran {
  readonly code: number;
  readonly out: string;
}

async function run(...args: string[]): Promise<Ran> {
  const program = new Command('tagboat').exitOverride();
  registerImport(program);
  registerValidate(program);
  const originals = { stdout: process.stdout.write, stderr: process.stderr.write };
  let out = '';
  const take = ((text: string) => ((out += text), true)) as typeof process.stdout.write;
  Object.assign(process.stdout, { write: take });
  Object.assign(process.stderr, { write: take });
  process.exitCode = 0;
  try {
    await program.parseAsync(['node', 'tagboat', ...args]);
    return { code: Number(process.exitCode), out };
  } finally {
    Object.assign(process.stdout, { write: originals.stdout });
    Object.assign(process.stderr, { write: originals.stderr });
    process.exitCode = 0;
  }
}

function project(name: string, compose: string, files: Readonly<Record<string, string>> = {}): { file: string; output: string } {
  const directory = join(scratch, name);
  mkdirSync(directory);
  for (const [path, text] of Object.entries({ 'compose.yaml': compose, ...files })) writeFileSync(join(directory, path), text);
  return { file: join(directory, 'compose.yaml'), output: join(scratch, `${name}-manifests`) };
}

const SHOP = `
x-web: &web
  image: tagboat-test-web:\${VERSION:-1.0.0}
  restart: unless-stopped
  stop_grace_period: 0s
services:
  db:
    image: tagboat-test-db:16
    restart: always
    volumes: [ "data:/data" ]
    healthcheck: { test: [ CMD, test, -s, /data/born ], interval: 1s, retries: 60 }
  migrate:
    image: busybox:1.36
    command: sh -c "test -s /data/born && echo done"
    volumes: [ "data:/data" ]
    depends_on: { db: { condition: service_healthy } }
  web_one:
    <<: *web
    container_name: front
    depends_on: { migrate: { condition: service_completed_successfully } }
    healthcheck: { test: "wget -q -O - http://127.0.0.1:8080/healthz", interval: 1s, retries: 60 }
    tmpfs: [ /scratch ]
    cap_drop: [ ALL ]
    init: true
  page:
    image: nginx:1.27
    restart: unless-stopped
    depends_on: [ web_one ]
    configs: [ { source: page, target: /www/index.html } ]
    healthcheck: { test: "wget -q -O - http://front:8080/healthz && wget -q -O - http://web_one:8080/ && wget -q -O - http://127.0.0.1/ | grep -q imported", interval: 1s, retries: 60 }
volumes: { data: }
configs: { page: { content: "imported page\\n" } }
`;

test('a file that is carried over wholly ends with 0, and what was written is valid', async () => {
  const { file, output } = project('shop', SHOP);
  const imported = await run('import', 'compose', file, '--output', output, '--product', 'store', '--prefix', 'st');
  assert.is(imported.code, 0, imported.out);
  const valid = await run('validate', output);
  assert.is(valid.code, 0, valid.out);
  assert.match(readFileSync(join(output, 'deployments', 'store.yaml'), 'utf8'), /node: docker-host\n {2}prefix: st\n/);
  const again = await run('import', 'compose', file, '--output', output, '--product', 'store');
  assert.is(again.code, 2, 'nothing is written over unasked');
  assert.is((await run('import', 'compose', file, '--output', output, '--product', 'store', '--force')).code, 0);
  const second = await run('import', 'compose', file, '--output', output, '--product', 'other', '--format', 'json');
  assert.is(second.code, 0);
  assert.ok(!(JSON.parse(second.out) as { written: string[] }).written.some((path) => path.includes('nodes')), 'the node is there already');
  assert.is((await run('validate', output)).code, 0);
});

test('what is lost is told with place and hint, and the rest is written', async () => {
  const { file, output } = project('lost', 'services:\n  a:\n    image: x\n    runtime: nvidia\n');
  const { code, out } = await run('import', 'compose', file, '--output', output);
  assert.is(code, 1);
  assert.match(out, `${file}:4:5  NotCarriedOver  runtime: `);
  assert.ok(existsSync(join(output, 'products', 'lost', 'version.yaml')));
  const nothing = project('nothing', 'services: { a: { labels: [ x ] } }');
  assert.is((await run('import', 'compose', nothing.file, '--output', nothing.output)).code, 1);
  assert.not.ok(existsSync(nothing.output));
});

test('further files and directories: what was named is laid over each other, an override that was not is told', async () => {
  const { file, output } = project('layers', 'services: { a: { image: one } }', { 'compose.override.yaml': 'services: { a: { image: two } }', 'more.yaml': 'services: { b: { image: more } }' });
  const alone = await run('import', 'compose', file, '--output', output, '--force');
  assert.is(alone.code, 0, alone.out);
  assert.match(alone.out, 'compose.override.yaml  OverrideAside (note)');
  const images = (): string => readFileSync(join(output, 'products', 'layers', 'version.yaml'), 'utf8');
  assert.match(images(), 'image: one');
  assert.is((await run('import', 'compose', file, join(dirname(file), 'more.yaml'), '--output', output, '--force')).code, 0);
  assert.match(images(), 'image: more');
  const directory = await run('import', 'compose', dirname(file), '--output', output, '--force');
  assert.is(directory.code, 0, directory.out);
  assert.match(images(), 'image: two');
  assert.not.match(directory.out, 'OverrideAside');
});

test('compose need not be said: it is what import knows', async () => {
  const { file, output } = project('short', 'services: { a: { image: busybox } }');
  const { code, out } = await run('import', file, '--output', output);
  assert.is(code, 0, out);
  assert.match(readFileSync(join(output, 'products', 'short', 'version.yaml'), 'utf8'), 'image: busybox');
});

test('wrong use ends with 2', async () => {
  const { file, output } = project('use', 'services: { a: { image: x } }');
  assert.is((await run('import', 'compose', join(scratch, 'no-such.yaml'))).code, 2);
  assert.is((await run('import', 'compose', file, '--output', output, '--product', 'Not a name')).code, 2);
  assert.is((await run('import', 'compose', file, project('elsewhere', 'services: { b: { image: x } }').file, '--output', output)).code, 2, 'files of two directories');
  assert.is((await run('import', 'compose', scratch)).code, 2, 'a directory without a compose file');
  assert.is((await run('import', 'compose', file, '--output', output, '--env-file', join(scratch, 'gone.env'))).code, 2);
});

/** Habits of published files: a job that nothing waits for, a reader of the writer's directory, a cleared entry point, a volume in memory. */
const HABITS = `
services:
  store:
    image: tagboat-test-db:16
    restart: always
    volumes: [ "./state/data:/data" ]
    healthcheck: { test: [ CMD, test, -s, /data/born ], interval: 1s, retries: 60 }
  store-init:
    image: busybox:1.36
    entrypoint: [ ]
    command: [ sh, -c, "echo $$((6 * 7)) > /quick/answer && grep -qx 42 /quick/answer" ]
    volumes: [ "quick:/quick" ]
  reader:
    image: busybox:1.36
    restart: unless-stopped
    stop_grace_period: 0s
    entrypoint: sh -c
    command: [ "while true; do sleep 1; done" ]
    volumes: [ "./state/data:/data:ro", "quick:/quick" ]
    depends_on: { store: { condition: service_healthy } }
    healthcheck: { test: "test -s /data/born && ! touch /data/mine && grep ' /quick ' /proc/mounts | grep -q tmpfs", interval: 1s, retries: 60 }
volumes: { quick: { driver_opts: { type: tmpfs, device: tmpfs, o: "size=1m" } } }
`;

/** Of several files: an override, variables from files, a published port at one address, tmpfs. */
const LAYERS: Readonly<Record<string, string>> = {
  'compose.override.yaml': 'services:\n  app:\n    ports: !override [ "127.0.0.1:${PORT}:8080" ]\n    environment: { WORD: over }\n',
  '.env': 'PORT=PORT_OF_THE_TEST\nTAG=1.1.0\n',
  'app.env': 'WORD=file\nOTHER="${TAG} and more"\n',
  'conf/probe.sh': '#!/bin/sh\ntest "$WORD $OTHER" = "over 1.1.0 and more" && touch /scratch/x\n',
};
const LAYERED = `
services:
  app:
    image: tagboat-test-web:\${TAG:?say which}
    restart: unless-stopped
    env_file: app.env
    stop_grace_period: 0s
    ports: [ "8080:8080" ]
    tmpfs: [ "/scratch:size=1m" ]
    ulimits: { nofile: { soft: 500, hard: 600 } }
    volumes: [ "./conf:/conf:ro" ]
    healthcheck: { test: [ CMD, sh, /conf/probe.sh ], interval: 1s, retries: 60 }
`;

if (world !== undefined) {
  test('what several files became deploys', async () => {
    const port = String(await freePort());
    const { file, output } = project('several', LAYERED, {});
    mkdirSync(join(dirname(file), 'conf'));
    for (const [path, text] of Object.entries(LAYERS)) writeFileSync(join(dirname(file), path), text.replace('PORT_OF_THE_TEST', port));
    const imported = await run('import', 'compose', dirname(file), '--output', output, '--product', 'several');
    assert.is(imported.code, 0, imported.out);
    const end = await deployed(output, 'several', 'several');
    assert.is(end.outcome, 'succeeded', JSON.stringify(end.outcome === 'failed' && [end.reason, end.evidence]));
    assert.is(await (await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(60_000) })).text().then((text) => text.length > 0), true);
  });

  const deployed = async (output: string, name: string, wish: string): Promise<AttemptEnd> => {
    const { set } = await loadManifests(output, undefined);
    const deployment = set.byKind.Deployment.get(name);
    const version = set.byKind.Version.get(name);
    assert.ok(deployment !== undefined && version !== undefined);
    const resolved = resolveImages({ version, versionBundles: [], deployment, deploymentBundles: [] });
    const desired = desiredDeployment({
      team: world.team, deployment, deploymentBundles: [], resolved, registries: set.byKind.Registry, blob: '',
      version: { kind: 'rolling', name: 'main', commit: '0'.repeat(40), frozen: false, content: { commit: '0'.repeat(40), tagObject: null, images: resolved.images, files: {} } },
    });
    return world.engine.deploy({ ...desired.spec, prefix: world.prefix(wish) }, undefined, contextOf(1));
  };

  test('what was written deploys', async () => {
    const { file, output } = project('deployed', SHOP);
    assert.is((await run('import', 'compose', file, '--output', output, '--product', 'shop')).code, 0);
    const end = await deployed(output, 'shop', 'compose');
    const prefix = world.prefix('compose');
    assert.is(end.outcome, 'succeeded', JSON.stringify(end.outcome === 'failed' && [end.reason, end.evidence]));
    assert.equal(end.containers.map(({ name, state, health }) => `${name.slice(prefix.length + 1)} ${state} ${health}`).sort(), ['db running healthy', 'migrate exited none', 'page running healthy', 'web-one running healthy']);
  });

  test('what the habits of published files became deploys', async () => {
    const { file, output } = project('habits', HABITS);
    const imported = await run('import', 'compose', file, '--output', output, '--product', 'habits');
    assert.is((await run('validate', output)).code, 0);
    const end = await deployed(output, 'habits', 'habits');
    const prefix = world.prefix('habits');
    assert.is(end.outcome, 'succeeded', `${JSON.stringify(end.outcome === 'failed' && [end.reason, end.evidence])}\n${imported.out}`);
    assert.equal(end.containers.map(({ name, state, health }) => `${name.slice(prefix.length + 1)} ${state} ${health}`).sort(), ['reader running healthy', 'store running healthy', 'store-init exited none']);
  });
}

test.run();
