// @timeout 1000
// @serial
/**
 * The printed line for a Docker host, run as a person pastes it: under dash with curl and under busybox with its wget, against a real controller and a real
 * engine, with the image of the Dockerfile. systemd runs nowhere here: its unit is judged by `systemd-analyze` and started by a stand-in.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { decodeJoin, encodeJoin } from '../../proto/join.ts';
import { packageRoot, packageVersion } from '../package-root.ts';
import { buildImage, docker } from './image.ts';
import { sleepUntil } from './sleep-until.ts';
import { Stack } from './stack.ts';
import { dockerOrSkip } from './story.ts';

const NODES = ['harbor', 'pier'].map((name) => `apiVersion: tagboat/v1\nkind: Node\nmetadata: { name: ${name} }\nspec: { type: docker }\n`).join('---\n');
const TOOLS = ['sha256sum', 'grep', 'mkdir', 'chmod', 'cat', 'rm', 'mv', 'sleep', 'timeout', 'dirname', 'sed', 'kill', 'nohup'];
const NAME = 'tagboat-agent';

interface Ran {
  readonly code: number;
  readonly said: string;
}

const test = suite('the line that installs an agent');
const home = mkdtempSync(join(tmpdir(), 'tagboat-install-'));
const state = join(home, 'state');
let stack: Stack;
/** Containers of others on the engine. */
let foreign: readonly string[] = [];

/** A PATH with these programs and no others: `sh` and every tool are busybox, or Debian's. */
function path(name: string, programs: Readonly<Record<string, string>>): string {
  const directory = join(home, name);
  mkdirSync(directory, { recursive: true });
  for (const [program, target] of Object.entries(programs)) symlinkSync(target, join(directory, program));
  return directory;
}
const which = (name: string): string => execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
const debian = path('debian', { ...Object.fromEntries([...TOOLS, 'curl', 'docker'].map((tool) => [tool, which(tool)])), sh: which('dash') });
const busybox = path('busybox', { ...Object.fromEntries([...TOOLS, 'sh', 'wget'].map((tool) => [tool, which('busybox')])), docker: which('docker') });

/** Typed into a shell, as a person does, so that the line is in no argument. Fails when the word shows up in one meanwhile. */
async function paste(line: string, bin: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const { DOCKER_HOST, DOCKER_API_VERSION } = process.env;
  const child = spawn(join(bin, 'sh'), [], { cwd: home, env: { PATH: bin, HOME: home, ...(DOCKER_HOST !== undefined && { DOCKER_HOST }), ...(DOCKER_API_VERSION !== undefined && { DOCKER_API_VERSION }), TAGBOAT_UNIT_DIRECTORY: join(home, 'units'), TAGBOAT_INSTALL_PATIENCE: '240', ...env } });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => void (said += chunk.toString()));
  const word = /tagboat-join:[\w-]{100,}/.exec(line)?.[0] ?? 'no word';
  const seen = new Set<string>();
  const watch = setInterval(() => {
    for (const pid of readdirSync('/proc').filter((one) => /^\d+$/.test(one) && Number(one) !== process.pid)) {
      for (const file of ['cmdline', 'environ']) if (read(`/proc/${pid}/${file}`).includes(word)) seen.add(`${file} ${read(`/proc/${pid}/comm`)}`);
    }
  }, 25);
  const code = await new Promise<number>((resolve) => {
    child.on('close', (status) => resolve(status ?? -1));
    child.stdin.end(`${line}\n`);
  });
  clearInterval(watch);
  assert.equal([...seen], [], 'processes that show the word');
  assert.not.match(said, new RegExp(word));
  return { code, said };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const mint = (): Promise<{ command: string; join: string }> => stack.controller.nodes.mintEnrolment('acme', 'pier', 'test');
const pier = async (): Promise<{ status: string; agentVersion: string } | undefined> => (await stack.get<{ name: string; status: string; agentVersion: string }[]>('/nodes')).find(({ name }) => name === 'pier');
const enrolled = async (): Promise<string[]> => (await stack.get<{ rows: { action: string; object: string; result: string }[] }>('/audit?limit=1000')).rows.filter(({ action, object }) => action === 'node.enrolled' && object === 'node/pier').map(({ result }) => result);
/** Names of all containers, but for pods, where the engine is a cluster's, too. */
const everything = (): string[] => docker('ps', '--all', '--format', '{{.Names}}').trim().split('\n').filter((name) => name !== '' && !name.startsWith('k8s_'));
/** What has no name is gone: see docker-runtime.ts. */
const agents = (): string[] => docker('ps', '--all', '--filter', 'label=tagboat.dev/agent', '--format', '{{.Names}} {{.State}}').trimEnd().split('\n').filter((line) => line !== '' && !line.startsWith(' '));
const connected = (): Promise<unknown> => sleepUntil(async () => (await pier())?.status === 'connected', { what: 'the agent', timeoutMs: 180_000 });

test.before(async () => {
  foreign = everything();
  stack = await Stack.start({ 'nodes/all.yaml': NODES }, { engine: createSimulatedEngine() });
});
test.after(async () => {
  for (const name of [NAME, `${NAME}-previous`]) docker('rm', '--force', name);
  await stack.stop();
  rmSync(home, { recursive: true, force: true });
});

test('is refused by shellcheck in no point', () => {
  execFileSync('shellcheck', ['--shell', 'sh', join(packageRoot(), 'agents', 'install.sh')], { stdio: ['ignore', 'inherit', 'inherit'] });
});

test('runs no other script than the one that it was printed for', async () => {
  const server = createServer((_request, response) => response.end('touch run-by-mistake\n')).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { command } = await mint();
  for (const bin of [debian, busybox]) {
    const { code, said } = await paste(command.replace(stack.controller.url, `http://127.0.0.1:${(server.address() as AddressInfo).port}`), bin);
    assert.is(code, 3);
    assert.match(said, /nothing was run/);
  }
  server.close();
  assert.is((await paste(command.replace(stack.controller.url, 'http://127.0.0.1:9'), debian)).code, 3);
  assert.not.ok(existsSync(join(home, 'run-by-mistake')));
});

test('says what is missing: the engine, its answer, the word', async () => {
  const { command } = await mint();
  const line = `${command} --directory ${state}`;
  const bare = path('bare', { ...Object.fromEntries([...TOOLS, 'curl'].map((tool) => [tool, which(tool)])), sh: which('dash') });
  const none = await paste(line, bare);
  assert.is(none.code, 1);
  assert.match(none.said, /no docker command/);
  const silent = await paste(line, debian, { DOCKER_HOST: `unix://${home}/nowhere.sock` });
  assert.is(silent.code, 3);
  assert.match(silent.said, /does not answer/);
  const wordless = await paste(line.replace(/TAGBOAT_JOIN=[\w:-]+/, 'TAGBOAT_JOIN='), debian);
  assert.is(wordless.code, 2);
  assert.match(wordless.said, /never enrolled/);
  const damaged = await paste(line.replace(/(TAGBOAT_JOIN=tagboat-join:.{20})/, '$1%'), debian);
  assert.is(damaged.code, 2);
  assert.is((await paste(`${line} --unknown`, debian)).code, 2);
  assert.equal(agents(), []);
});

test('touches no container of others, whatever its name', async () => {
  docker('run', '--detach', '--name', NAME, 'busybox:1.36', 'sleep', '600');
  const { command } = await mint();
  const { code, said } = await paste(`${command} --directory ${state}`, debian);
  assert.is(code, 1);
  assert.match(said, /not the agent of this host/);
  assert.match((await paste(`${command} --uninstall`, debian)).said, /no agent here/);
  assert.is(docker('inspect', '--format', '{{.State.Running}}', NAME).trim(), 'true');
  docker('rm', '--force', NAME);
});

test('refuses a controller with another authority before the token is sent, and leaves nothing', async () => {
  const { command, join: word } = await mint();
  const other = encodeJoin({ ...decodeJoin(word)!, fingerprint: `sha256:${'0'.repeat(64)}` });
  const { code, said } = await paste(`${command.replace(word, other)} --directory ${state}`, debian);
  assert.is(code, 1);
  assert.match(said, /the token was not sent/);
  assert.equal(agents(), []);
  assert.equal(await enrolled(), []);

  const first = await paste(`${command} --directory ${state}`, debian);
  assert.is(first.code, 0, first.said);
  assert.match(first.said, /is connected/);
  await connected();
  assert.is((await pier())?.agentVersion, packageVersion());
  assert.equal(await enrolled(), ['accepted'], 'the token was good still');
});

test('leaves an agent with the engine and its own directory, and with nothing else; the token is nowhere', async () => {
  const [inspected] = JSON.parse(docker('inspect', NAME)) as [{ HostConfig: { Binds: string[]; RestartPolicy: { Name: string }; CapDrop: string[]; ReadonlyRootfs: boolean; Privileged: boolean } }];
  const { Binds, RestartPolicy, CapDrop, ReadonlyRootfs, Privileged } = inspected.HostConfig;
  // The command line of Docker sends them in any order.
  assert.equal(Binds.map((bind) => bind.split(':')[1]).sort(), ['/var/lib/tagboat', '/var/run/docker.sock']);
  assert.equal([RestartPolicy.Name, CapDrop, ReadonlyRootfs, Privileged], ['unless-stopped', ['ALL'], true, false]);
  assert.is(statSync(state).mode & 0o777, 0o700);
  for (const text of [JSON.stringify(inspected), execFileSync('sh', ['-c', `docker logs ${NAME} 2>&1`], { encoding: 'utf8' }), execFileSync('grep', ['-r', '', state], { encoding: 'utf8' })]) assert.not.match(text, /tgb_|tagboat-join/);
  assert.equal(everything().filter((name) => !foreign.includes(name)), [NAME], 'it deployed nothing, and what enrolled it is gone');
});

test('run again it is one agent, the same; a new line enrols it anew; a used one leaves it as it was', async () => {
  const identity = readFileSync(join(state, 'identity.json'), 'utf8');
  const again = await paste((await mint()).command.replace(/TAGBOAT_JOIN=[\w:-]+/, 'TAGBOAT_JOIN=') + ` --directory ${state}`, busybox);
  assert.is(again.code, 0, again.said);
  assert.is(readFileSync(join(state, 'identity.json'), 'utf8'), identity);
  assert.equal(agents(), [`${NAME} running`]);

  const { command } = await mint();
  const anew = await paste(`${command} --directory ${state}`, busybox);
  assert.is(anew.code, 0, anew.said);
  assert.not.equal(readFileSync(join(state, 'identity.json'), 'utf8'), identity);
  const same = await paste(`${command} --directory ${state}`, debian);
  assert.is(same.code, 0, same.said);
  assert.equal(await enrolled(), ['accepted', 'accepted']);

  const elsewhere = join(home, 'elsewhere');
  const before = docker('inspect', '--format', '{{.Id}}', NAME);
  const used = await paste(`${command} --directory ${elsewhere}`, debian);
  assert.is(used.code, 1);
  assert.match(used.said, /EnrolmentRefused[\s\S]*agent from before runs again/);
  assert.is(docker('inspect', '--format', '{{.Id}}', NAME), before);
  assert.equal(agents(), [`${NAME} running`]);
  await connected();
});

test('flags of the agent follow the line, are kept for the next one, and are not kept where they did not work', async () => {
  const certificates = join(home, 'certificates of the host');
  mkdirSync(certificates);
  const line = `${(await mint()).command.replace(/TAGBOAT_JOIN=[\w:-]+/, 'TAGBOAT_JOIN=')} --directory ${state}`;
  const given = (): readonly [string, readonly string[]] => {
    const [{ Args, HostConfig }] = JSON.parse(docker('inspect', NAME)) as [{ Args: string[]; HostConfig: { Binds: string[] } }];
    return [Args.slice(Args.indexOf('/var/lib/tagboat') + 1).join('|'), HostConfig.Binds.filter((bind) => !bind.includes(':/var/'))];
  };
  const asked = await paste(`${line} --proxy-port 8088 --acme-contact ops@example.org --certificates '${certificates}'`, debian);
  assert.is(asked.code, 0, asked.said);
  const expected = [`--proxy-port|8088|--acme-contact|ops@example.org|--certificates|${certificates}`, [`${certificates}:${certificates}:ro`]];
  assert.equal(given(), expected);
  assert.is((await paste(line, busybox)).code, 0);
  assert.equal(given(), expected, 'a line without any');

  const wrong = await paste(`${line} --proxy-port none`, debian);
  assert.is(wrong.code, 3);
  assert.match(wrong.said, /--proxy-port none is no port[\s\S]*agent from before runs again/);
  assert.equal(given(), expected);
  assert.match((await paste(`${line} --certificates ${home}/nowhere`, debian)).said, /nowhere is not there/);
  assert.is((await paste(`${line} --acme-contact`, debian)).code, 2);
  assert.is((await paste(line, debian)).code, 0);
  assert.equal(given(), expected, 'what did not work was forgotten');

  assert.is((await paste(`${line} --defaults`, busybox)).code, 0);
  assert.equal(given(), ['', []]);
  await connected();
});

test('an image that does not start leaves the agent from before', async () => {
  const before = docker('inspect', '--format', '{{.Id}}', NAME);
  const { command } = await mint();
  const { code, said } = await paste(`${command.replace(/TAGBOAT_JOIN=[\w:-]+/, 'TAGBOAT_JOIN=')} --directory ${state} --image busybox:1.36`, debian);
  assert.is.not(code, 0);
  assert.match(said, /agent from before runs again/);
  assert.is(docker('inspect', '--format', '{{.Id}}', NAME), before);
  const missing = await paste(`${command.replace(/TAGBOAT_JOIN=[\w:-]+/, 'TAGBOAT_JOIN=')} --directory ${state} --image tagboat-test-nowhere:1`, debian);
  assert.is(missing.code, 3);
  assert.match(missing.said, /cannot be pulled/);
  await connected();
});

test('--uninstall takes the agent away, and neither its keys nor other containers', async () => {
  docker('run', '--detach', '--name', 'neighbour', 'busybox:1.36', 'sleep', '600');
  const { command } = await mint();
  const { code, said } = await paste(`${command} --uninstall --directory ${state}`, debian);
  assert.is(code, 0, said);
  assert.equal(agents(), []);
  assert.ok(existsSync(join(state, 'identity.json')));
  assert.is(docker('inspect', '--format', '{{.State.Running}}', 'neighbour').trim(), 'true');
  docker('rm', '--force', 'neighbour');
  await sleepUntil(async () => (await pier())?.status === 'unreachable', { what: 'the end of the line', timeoutMs: 180_000 });
});

test('--systemd lays a unit down that systemd takes, and starts it', async () => {
  const units = join(home, 'units');
  mkdirSync(units);
  const calls = join(home, 'calls');
  const pid = join(home, 'pid');
  const bin = path('systemd', { ...Object.fromEntries([...TOOLS, 'curl', 'docker', 'tr'].map((tool) => [tool, which(tool)])), sh: which('dash'), node: process.execPath });
  writeFileSync(join(bin, 'tagboat'), `#!/bin/sh\nexec ${process.execPath} --import ${import.meta.resolve('tsx')} ${join(packageRoot(), 'controller/cli/tagboat.ts')} "$@"\n`, { mode: 0o755 });
  writeFileSync(
    join(bin, 'systemctl'),
    `#!/bin/sh
echo "$*" >> ${calls}
case $1 in
  restart) command=$(sed -n 's/^ExecStart=//p' ${units}/${NAME}.service); eval "nohup $command > ${home}/unit.log 2>&1 &"; echo $! > ${pid} ;;
  stop | disable)
    main=$(cat ${pid}) left=600
    kill "$main"
    while [ $left -gt 0 ] && kill -0 "$main" 2> /dev/null && ! grep -q ') Z ' "/proc/$main/stat"; do sleep 0.1; left=$((left - 1)); done ;;
  is-active) kill -0 "$(cat ${pid})" ;;
esac
`,
    { mode: 0o755 },
  );
  const { command } = await mint();
  const { code, said } = await paste(`${command} --directory ${state} --systemd`, bin);
  assert.is(code, 0, said + read(join(home, 'unit.log')));
  await connected();
  assert.match(readFileSync(calls, 'utf8'), /^daemon-reload\nenable --quiet tagboat-agent\nrestart tagboat-agent\n/);
  const unit = join(units, `${NAME}.service`);
  assert.is(execFileSync('sh', ['-c', `systemd-analyze verify ${unit} 2>&1 | grep ${NAME} || true`], { encoding: 'utf8' }), '', 'what systemd says against it');
  assert.not.match(readFileSync(unit, 'utf8'), /tgb_|tagboat-join/);

  const again = await paste(`${command} --directory ${state} --acme-contact 'a"50%$b@example.org'`, bin);
  assert.is(again.code, 0, again.said);
  assert.match(readFileSync(unit, 'utf8'), /^ExecStart=.* "--acme-contact" "a\\"50%%\$\$b@example\.org"$/m);
  assert.is(execFileSync('sh', ['-c', `systemd-analyze verify ${unit} 2>&1 | grep ${NAME} || true`], { encoding: 'utf8' }), '', 'what systemd says against it');
  assert.match(readFileSync(calls, 'utf8'), /stop tagboat-agent\ndaemon-reload\nenable --quiet tagboat-agent\nrestart tagboat-agent\n/);
  assert.match((await paste(`${command} --container --directory ${state}`, bin)).said, /is the unit tagboat-agent/);
  assert.is((await paste(`${command} --uninstall`, bin)).code, 0);
  assert.not.ok(existsSync(unit));
  assert.ok(existsSync(join(state, 'identity.json')));
});

if ((await dockerOrSkip('the line that installs an agent')) !== null) {
  buildImage();
  test.run();
}
