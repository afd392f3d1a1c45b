// @timeout 400
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Command } from 'commander';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { addKey, Secrets } from '../../agents/core/secrets.ts';
import { unseal } from '../../proto/sealed.ts';
import { seedNode, seedTeam } from '../web/testing/harbour.ts';
import { saveRecipients } from '../store/nodes.ts';
import { OPERATOR_TOKEN, testController } from '../web/testing/controller.ts';
import { loadManifests } from './load-manifests.ts';
import { registerSeal } from './seal.ts';

const test = suite('tagboat seal');
const directory = mkdtempSync(join(tmpdir(), 'tagboat-seal-'));
test.after(() => rmSync(directory, { recursive: true, force: true }));

/** A node's own directory with its keys. */
async function node(name: string): Promise<{ secrets: Secrets; identities: string[]; home: string }> {
  const home = join(directory, 'keys', name);
  const secrets = await Secrets.open(home);
  secrets.serve({ team: 'acme', node: name });
  return { secrets, home, identities: readFileSync(join(home, 'secrets.key'), 'utf8').split('\n').filter((line) => line.startsWith('AGE-')) };
}

async function run(args: readonly string[], input: string | Buffer, env: Record<string, string> = {}): Promise<{ code: number; out: string; err: string }> {
  const ran = { code: -1, out: '', err: '' };
  const program = new Command().exitOverride();
  const io = { env, directory, out: (text: string) => void (ran.out += text), err: (text: string) => void (ran.err += text), exit: (code: number) => void (ran.code = code) };
  registerSeal(program, io, Readable.from([Buffer.from(input)]));
  for (const command of program.commands) command.exitOverride();
  await program.parseAsync(['node', 'tagboat', 'seal', ...args]).catch(() => void (ran.code = 2));
  return ran;
}

const TEAM = 'apiVersion: tagboat/v1\nkind: Team\nmetadata: { name: acme }\nspec: {}\n';
function nodeYaml(name: string, recipients: readonly string[]): string {
  return `apiVersion: tagboat/v1\nkind: Node\nmetadata: { name: ${name} }\nspec: { type: docker${recipients.length === 0 ? '' : `, recipients: [${recipients.join(', ')}]`} }\n`;
}

test('offline, from recipients in the repository: one ciphertext for each node, ready to paste', async () => {
  const [harbor, pier] = await Promise.all([node('harbor'), node('pier')]);
  writeFileSync(join(directory, 'team.yaml'), [TEAM, nodeYaml('harbor', harbor.secrets.recipients), nodeYaml('pier', pier.secrets.recipients)].join('---\n'));
  const dead = { TAGBOAT_URL: 'http://127.0.0.1:9' };
  const { code, out, err } = await run(['--all-nodes', '--name', 'PASSWORD'], 'pa55 word\n', dead);
  assert.is(code, 0, err);
  assert.ok(out.split('\n').every((line) => line.length <= 110));
  assert.not.match(out + err, /pa55/);
  const { PASSWORD } = parse(out) as { PASSWORD: { sealed: Record<string, string> } };
  assert.equal(Object.keys(PASSWORD.sealed), ['harbor', 'pier']);
  assert.is(String(await harbor.secrets.open(PASSWORD)), 'pa55 word', 'without the line break of the terminal');
  assert.is(String(await pier.secrets.open(PASSWORD)), 'pa55 word');
  assert.match(await unseal(PASSWORD.sealed['harbor'] ?? '', { team: 'rivals', node: 'harbor' }, harbor.identities).then(String, (error: Error) => error.message), /sealed for node harbor of team acme/);

  writeFileSync(join(directory, 'key.bin'), Buffer.from([1, 0, 10]));
  const file = await run(['--node', 'harbor', '--file', 'key.bin', '--format', 'json'], '', dead);
  assert.equal(await harbor.secrets.open(JSON.parse(file.out) as { sealed: Record<string, string> }), Buffer.from([1, 0, 10]), 'a file byte by byte');
});

test('what it prints passes validation; damaged, missing and outdated values are problems with their place', async () => {
  const harbor = await node('harbor');
  const { out } = await run(['--node', 'harbor', '--name', 'PASSWORD'], 'pa55 word');
  const home = join(directory, 'repository');
  mkdirSync(home, { recursive: true });
  const indent = (text: string, by: string): string => text.trimEnd().split('\n').map((line) => by + line).join('\n');
  const write = async (block: string, keys: readonly string[], on = 'harbor'): Promise<string[]> => {
    writeFileSync(join(home, 'all.yaml'), [
      TEAM,
      nodeYaml('harbor', keys),
      nodeYaml('pier', []),
      'apiVersion: tagboat/v1\nkind: Product\nmetadata: { name: shop }\nspec: { type: simple }\n',
      'apiVersion: tagboat/v1\nkind: Version\nmetadata: { name: shop }\nspec: { images: [ { name: web, image: web } ] }\n',
      `apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: shop }\nspec:\n  product: shop\n  node: ${on}\n  prefix: shop\n  secrets:\n${indent(block, '    ')}\n`,
    ].join('---\n'));
    const lines = readFileSync(join(home, 'all.yaml'), 'utf8').split('\n');
    return (await loadManifests(home, undefined)).problems.map(({ code, line }) => `${code} at ${(lines[line - 1] ?? '').trim().slice(0, 20)}`);
  };
  assert.equal(await write(out, harbor.secrets.recipients), []);
  assert.equal(await write(out.replace(/      \S{96}\n/, ''), harbor.secrets.recipients), ['SealedInvalid at harbor: >-']);
  assert.equal(await write(out, [await addKey(join(directory, 'keys', 'stranger'))]), ['SecretUnopenable at harbor: >-']);
  assert.equal(await write(out, harbor.secrets.recipients, 'pier'), ['SecretNotSealed at harbor: >-']);
  assert.equal(await write('PASSWORD: { sealed: { harbor: hunter2hunter2 } }', harbor.secrets.recipients), ['SealedInvalid at PASSWORD: { sealed: ']);
  assert.equal(await write('PASSWORD: hunter2hunter2', harbor.secrets.recipients), ['SchemaViolation at PASSWORD: hunter2hun'], 'a value in clear is no secret');
  const file = `${out.trimEnd()}\n  file: /data/secret\nOTHER:\n${indent(out.split('\n').slice(1).join('\n'), '')}\n  file: /data/secret\n`;
  assert.equal(await write(file, harbor.secrets.recipients), ['SchemaViolation at file: /data/secret'], 'two secrets, one file');
});

test('from the controller: the current key alone, for nodes whose manifests say nothing', async () => {
  const controller = await testController();
  try {
    await seedTeam(controller.db.pool, 'acme');
    for (const name of ['mole', 'quay']) await seedNode(controller.db.pool, 'acme', name, 'connected');
    const mole = await node('mole');
    const old = mole.secrets.recipients;
    await addKey(mole.home);
    await mole.secrets.refresh();
    await saveRecipients(controller.db.pool, 'acme', 'mole', [...mole.secrets.recipients, 'age1nonsense']);
    const env = { TAGBOAT_URL: controller.url, TAGBOAT_TOKEN: OPERATOR_TOKEN };
    const empty = join(directory, 'empty');
    mkdirSync(empty);
    const { out, code, err } = await run([empty, '--node', 'mole'], 'pa55', env);
    assert.is(code, 0, err);
    const block = parse(out) as { sealed: Record<string, string> };
    assert.is(String(await mole.secrets.open(block)), 'pa55');
    const header = Buffer.from((block.sealed['mole'] ?? '').replaceAll(/\s/g, ''), 'base64').toString('latin1');
    assert.ok(!header.includes(old[0] ?? '?'), 'not sealed to what was rotated away');
    const silent = await run([empty, '--node', 'quay'], 'pa55', env);
    assert.match(`${silent.code} ${silent.err}`, /^2 .*quay has told no public key yet/);
    assert.match((await run([empty, '--node', 'nowhere'], 'pa55', env)).err, /NodeUnknown/);
    const { rows } = (await controller.json('/api/v1/teams/acme/audit')) as { rows: { actor: string; action: string }[] };
    assert.equal(rows.map((row) => `${row.actor} ${row.action}`), ['agent:mole node.secret-keys']);
  } finally {
    await controller.stop();
  }
});

test('wrong use is said before anything is read or asked', async () => {
  assert.is((await run([], 'x')).code, 2);
  assert.is((await run(['--node', 'harbor', '--all-nodes'], 'x')).code, 2);
  assert.is((await run(['--node', 'harbor'], '')).code, 2);
  assert.is((await run(['--node', 'harbor', '--file', 'missing'], 'x')).code, 2);
  assert.equal([(await run(['missing', '--node', 'harbor'], 'x')).code, (await run(['--node', 'harbor', '--name', 'two words'], 'x')).code], [2, 2]);
  assert.match((await run(['--node', 'harbor'], Buffer.alloc(60_000))).err, /longer than/);
  const away = await run([join(directory, 'empty'), '--node', 'harbor', '--team', 'acme'], 'x', { TAGBOAT_URL: 'http://127.0.0.1:9' });
  assert.match(`${away.code} ${away.err}`, /^3 .*no recipients of harbor/);
});

test.run();
