// @timeout 900
/** Every command as people start it: a process of its own, what it prints, how it ends. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { packageRoot } from '../package-root.ts';
import { allCommands, commandTree } from './command-tree.ts';
import { completionScript } from './completion-scripts.ts';
import { createProgram } from './program.ts';
import { OPERATOR_TOKEN, testController } from '../web/testing/controller.ts';
import type { TestController } from '../web/testing/controller.ts';
import { seedDeployment, seedHarbour, seedNode, seedObserved, seedProduct, seedRecord, seedTeam } from '../web/testing/harbour.ts';

const test = suite('commands as processes');
let controller: TestController;
let directory = '';
const TSX = import.meta.resolve('tsx');
const PROGRAM = join(packageRoot(), 'controller/cli/tagboat.ts');

test.before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tagboat-process-'));
  controller = await testController();
  const { pool } = controller.db;
  await seedHarbour(pool);
  await seedTeam(pool, 'fine');
  await seedNode(pool, 'fine', 'harbor', 'connected');
  await seedProduct(pool, 'fine', 'shop', [{ name: '1.0.0' }]);
  await seedDeployment(pool, 'fine', { name: 'shop', node: 'harbor', version: '1.0.0' });
  await seedRecord(pool, 'fine', { deployment: 'shop', node: 'harbor', version: '1.0.0', status: 'successful', live: true });
  await seedObserved(pool, 'fine', { node: 'harbor', prefix: 'shop' }, 'healthy');
  await pool.query(sql.unsafe`update team set members = '[{"name": "Ann", "email": "ann@example.org", "role": "admin"}]' where name = 'fine'`);
});
test.after(async () => {
  await controller.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Without what decides about colours besides the terminal: Node.js has none where CI is set. */
function environment(more: Readonly<Record<string, string>> = {}): Record<string, string | undefined> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(TAGBOAT_|NO_COLOR|FORCE_COLOR|COLORTERM|CI$)/.test(name)));
  return { ...inherited, TAGBOAT_URL: controller.url, TAGBOAT_TOKEN: OPERATOR_TOKEN, ...more };
}

async function run(args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', TSX, PROGRAM, ...args], { cwd: directory, env: environment(more), timeout: 180_000, maxBuffer: 16 * 1024 * 1024 }, (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err }));
  });
}

const tree = commandTree(createProgram());
const bash = completionScript('bash', tree);

test('every command has help with examples', () => {
  // A group has no help of its own to show; these are both.
  const leaves = allCommands(tree).slice(1).filter(({ commands, path }) => commands.length === 0 || path === 'tagboat audit' || path === 'tagboat controller').map(({ path }) => path.split(' ').slice(1));
  const shown = leaves.map((path) => path.join(' '));
  for (const wanted of ['controller', 'agent docker', 'agent simulated', 'demo', 'init', 'validate', 'render', 'plan', 'status', 'logs', 'audit', 'audit verify', 'node enroll', 'node revoke', 'token create', 'token list', 'token revoke', 'completion']) assert.ok(shown.includes(wanted), wanted);
  for (const path of leaves) {
    let out = '';
    let command = createProgram();
    for (const name of path) command = command.commands.find((one) => one.name() === name) ?? command;
    command.configureOutput({ writeOut: (text) => (out += text) }).outputHelp();
    assert.match(out, `Usage: tagboat ${path.join(' ')}`);
    assert.match(out, /\nExamples:\n {2}\S/, `${path.join(' ')} has no example; add one to examples.ts`);
    assert.not.match(out, '\u001b');
  }
});

test('init makes what validates and what an editor understands without a network; it overwrites nothing', async () => {
  const made = await run(['init', 'deployments', '--team', 'acme', '--owner', 'ann@example.org']);
  assert.is(made.code, 0, made.err);
  const home = join(directory, 'deployments');
  const valid = await run(['validate', 'deployments', '--format', 'json']);
  assert.is(valid.code, 0, valid.out);
  assert.equal((JSON.parse(valid.out) as { counts: { manifests: Record<string, number> } }).counts.manifests['Deployment'], 1);
  assert.is((await run(['render', 'deployments'])).code, 0);
  let checked = 0;
  for (const file of readdirSync(home, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'))) {
    const text = readFileSync(join(home, file), 'utf8');
    const hint = /^# yaml-language-server: \$schema=(\S+)$/m.exec(text)?.[1] ?? '';
    const path = join(home, file, '..', hint);
    assert.ok(existsSync(path), `${file}: ${hint}`);
    // As an editor does it: what a schema refers to is looked for beside it.
    const ajv = new Ajv2020({ strict: false, loadSchema: (uri) => Promise.resolve(JSON.parse(readFileSync(new URL(uri), 'utf8')) as object) });
    const schema = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    assert.is(schema['$id'], undefined);
    const validate = await ajv.compileAsync({ ...schema, $id: new URL(`file://${path}`).href });
    assert.ok(validate(parse(text)), JSON.stringify(validate.errors));
    assert.not.ok(validate({ ...(parse(text) as object), surprise: 1 }));
    checked++;
  }
  assert.is(checked, 6);
  for (const args of [['init', '--quiet'], ['add', '--all'], ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', 'commit', '--quiet', '-m', 'Begin']]) assert.is(spawnSync('git', args, { cwd: home }).status, 0);
  const first = await run(['plan', 'deployments'], { TAGBOAT_URL: '' });
  assert.match(first.out, /^Plan for team acme at \w+ \(nothing, because it is the first commit, not the live state\)\n\ndeploy hello /);
  const before = readFileSync(join(home, 'team.yaml'), 'utf8');
  const again = await run(['init', 'deployments', '--team', 'other']);
  assert.is(again.code, 2);
  assert.match(again.err, 'team.yaml');
  assert.is(readFileSync(join(home, 'team.yaml'), 'utf8'), before);
  mkdirSync(join(directory, 'half'));
  writeFileSync(join(directory, 'half', 'team.yaml'), 'mine');
  assert.is((await run(['init', 'half'])).code, 2);
  writeFileSync(join(directory, 'nowhere.yaml'), 'dataDirectory: /proc/nowhere\nteams: [ { name: acme, repository: /nowhere } ]\n');
  for (const command of [['agent', 'simulated', '--directory', '/proc/nowhere', '--controller', '127.0.0.1:1'], ['controller', '--config', 'nowhere.yaml'], ['init', '/proc/nowhere'], ['demo', '--port', '0', '--directory', '/proc/nowhere']]) {
    const { code, err } = await run(command);
    assert.is(code, 2, command.join(' '));
    assert.match(err, '/proc/nowhere cannot be made');
  }
  assert.equal(readdirSync(join(directory, 'half')), ['team.yaml'], 'nothing is half made');
  assert.is((await run(['init', 'cluster', '--node-type', 'kubernetes'])).code, 0);
  assert.is((await run(['validate', 'cluster'])).code, 0);
  for (const wrong of [['--team', 'A B'], ['--node-type', 'vm'], ['--owner', 'nobody'], ['--node', '../x']]) assert.is((await run(['init', 'wrong', ...wrong])).code, 2, wrong.join(' '));
  assert.not.ok(existsSync(join(directory, 'wrong')));
});

test('exit codes: 0 fine, 1 problems found, 2 wrong use, 3 could not reach something', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => closed.once('listening', resolve));
  const nowhere = `http://127.0.0.1:${String((closed.address() as AddressInfo).port)}`;
  await new Promise((resolve) => closed.close(resolve));
  writeFileSync(join(directory, 'broken.yaml'), 'apiVersion: tagboat/v1\nkind: Node\nmetadata: { name: UPPER }\nspec: { type: docker }\n');
  mkdirSync(join(directory, 'broken'));
  writeFileSync(join(directory, 'broken', 'node.yaml'), readFileSync(join(directory, 'broken.yaml')));
  const cases: readonly (readonly [number, readonly string[]])[] = [
    [0, ['--help']], [0, ['status', '--team', 'fine']], [0, ['audit', 'verify']], [0, ['token', 'list']], [0, ['node', 'enroll', 'dock', '--team', 'acme']], [0, ['node', 'revoke', 'pier', '--team', 'acme', '--format', 'json']],
    [1, ['status', '--team', 'acme']], [1, ['validate', 'broken']], [1, ['render', 'broken']], [1, ['logs', 'none', '--team', 'acme']], [1, ['token', 'revoke', 'ffffffffffff']],
    [2, []], [2, ['nonsense']], [2, ['status', '--nonsense']], [2, ['audit']], [2, ['completion', 'csh']], [2, ['token', 'create', '--team', 'fine']], [2, ['status', '--token', 'wrong']], [2, ['plan', '--format', 'xml']], [2, ['agent', 'docker']], [2, ['controller', '--config', 'none.yaml']], [2, ['demo', '--nonsense']], [2, ['demo', '--log-level', 'loud']], [2, ['agent', 'simulated', '--log-level', 'loud']], [2, ['agent', 'simulated', '--token-file', 'none']], [2, ['audit', 'verify', '--database-url', 'nonsense']],
    [3, ['status', '--url', nowhere]], [3, ['audit', 'verify', '--database-url', `postgres://nobody@127.0.0.1:${String(new URL(nowhere).port)}/x`]], [3, ['logs', 'shop-production', '--team', 'acme', '--container', 'web']],
  ];
  for (let at = 0; at < cases.length; at += 3) {
    await Promise.all(cases.slice(at, at + 3).map(async ([wanted, args]) => {
      const { code, out, err } = await run(args);
      assert.is(code, wanted, `tagboat ${args.join(' ')}: ${out}${err}`);
      if (wanted > 1 || (wanted === 1 && args[0] !== 'status' && args[0] !== 'validate')) assert.ok(err !== '', `tagboat ${args.join(' ')} says why`);
    }));
  }
});

test('logs are printed as they come; json for programs; a stream that breaks off is 3', async () => {
  controller.logs = async function* read() {
    yield { at: new Date('2026-01-02T03:04:05Z'), stream: 'stdout', text: 'one\u001b[31m' };
    yield { at: new Date('2026-01-02T03:04:06Z'), stream: 'stderr', text: 'two' };
  };
  const plain = await run(['logs', 'shop-production', '--team', 'acme', '--container', 'web', '--timestamps']);
  assert.equal(plain, { code: 0, out: '2026-01-02T03:04:05.000Z one\u001b[31m\n', err: '2026-01-02T03:04:06.000Z two\n' });
  const json = await run(['logs', 'shop-production', '--team', 'acme', '--container', 'web', '--format', 'json']);
  assert.equal(json.out.trim().split('\n').map((line) => (JSON.parse(line) as { stream: string }).stream), ['stdout', 'stderr']);
  controller.logs = async function* broken() {
    yield { at: new Date(), stream: 'stdout', text: 'one' };
    throw new Error('gone');
  };
  const cut = await run(['logs', 'shop-production', '--team', 'acme', '--container', 'web', '--follow']);
  assert.is(cut.code, 3, cut.err);
  assert.is(cut.out, 'one\n');
});

test('the audit log is filtered', async () => {
  const { out, code } = await run(['audit', '--team', 'acme', '--object', 'shop-3', '--actor', 'ann@', '--format', 'json']);
  assert.is(code, 0);
  assert.equal((JSON.parse(out) as { rows: { object: string }[] }).rows.map(({ object }) => object), ['deployment/shop-3']);
  assert.match((await run(['audit', '--team', 'acme', '--since', '1h', '--action', 'nothing.such'])).out, 'No such rows.');
});

test('bash completes commands, options and words, from the script alone', async () => {
  assert.is((await run(['completion', 'bash'])).out, bash);
  const complete = (line: string): string[] => {
    const words = line.split(' ');
    const script = `${bash}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${String(words.length - 1)}; _tagboat; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const ran = spawnSync('bash', ['--norc', '--noprofile', '-c', script], { cwd: directory, encoding: 'utf8', timeout: 120_000 });
    assert.is(ran.stderr, '');
    return ran.stdout.split('\n').filter((word) => word !== '').sort();
  };
  assert.equal(complete('tagboat sta'), ['status']);
  assert.ok(complete('tagboat ').includes('completion'));
  assert.equal(complete('tagboat node '), ['--help', '-h', 'enroll', 'revoke']);
  assert.equal(complete('tagboat token create --ro'), ['--role']);
  assert.equal(complete('tagboat token create --role a'), ['admin']);
  assert.equal(complete('tagboat plan --format m'), ['markdown']);
  assert.ok(complete('tagboat validate dep').includes('deployments'));
  assert.equal(complete('tagboat status --team x --fo'), ['--format']);
});

test('a reader that has seen enough (| head -1) is no failure', async () => {
  for (const command of ['--help', 'audit --team acme']) {
    const line = `(sleep 1; exec ${process.execPath} --import ${TSX} ${PROGRAM} ${command}) | true; echo "code \${PIPESTATUS[0]}"`;
    const { out, err } = await new Promise<Ran>((resolve) => execFile('bash', ['-c', line], { cwd: directory, env: environment() as NodeJS.ProcessEnv, timeout: 180_000 }, (_error, stdout, stderr) => resolve({ code: 0, out: stdout, err: stderr })));
    assert.equal([out, err], ['code 0\n', ''], command);
  }
});

test('colours and fitting are for terminals, and NO_COLOR is heard', async () => {
  if (spawnSync('script', ['--version']).error !== undefined) return console.log('no script(1) here: terminals are not tried');
  const terminal = async (command: string, more: Readonly<Record<string, string>> = {}, size = 44): Promise<string> => {
    const line = `stty cols ${String(size)}; ${process.execPath} --import ${TSX} ${PROGRAM} ${command}`;
    return new Promise((resolve) => execFile('script', ['-qec', line, '/dev/null'], { cwd: directory, env: environment({ TERM: 'xterm-256color', ...more }) as NodeJS.ProcessEnv, timeout: 180_000 }, (_error, out) => resolve(out.replaceAll('\r', ''))));
  };
  const coloured = await terminal('status --team acme');
  assert.match(coloured, '\u001b[31m');
  // eslint-disable-next-line no-control-regex
  for (const row of coloured.replaceAll(/\u001b\[\d+m/g, '').split('\n')) assert.ok(row.length <= 44, row);
  assert.match(await terminal('status --team fine', { NO_COLOR: '1' }, 0), /^shop +1\.0\.0 +harbor\/shop +successful +synced +healthy$/m);
  const plain = await terminal('status --team acme', { NO_COLOR: '1' });
  assert.match(plain, 'shop-staging');
  assert.not.match(plain, '\u001b');
  assert.match(await terminal('status --help'), '\u001b[1m');
  assert.not.match(await terminal('status --help', { NO_COLOR: '1' }), '\u001b');
  assert.not.match((await run(['status', '--team', 'acme'], { FORCE_COLOR: '1' })).out, '\u001b');
});

test.run();
