/** The commands as people call them: what they print and how they end. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { Command } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { seal } from '../../proto/sealed.ts';
import { packageRoot } from '../package-root.ts';
import type { Problem } from '../model/problem.ts';
import { TestRepository } from '../testing/git-repository.ts';
import { registerPlan } from './plan.ts';
import { registerRender } from './render.ts';
import { registerValidate } from './validate.ts';

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in this process; nothing here ends the process. */
async function run(...args: string[]): Promise<Ran> {
  const program = new Command('tagboat').exitOverride();
  registerValidate(program);
  registerRender(program);
  const out: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' };
  const originals = { stdout: process.stdout.write, stderr: process.stderr.write };
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].write = ((text: string) => {
      out[name] += text;
      return true;
    }) as typeof process.stdout.write;
  }
  process.exitCode = 0;
  try {
    await program.parseAsync(['node', 'tagboat', ...args]);
    return { code: Number(process.exitCode), ...out };
  } finally {
    Object.assign(process.stdout, { write: originals.stdout });
    Object.assign(process.stderr, { write: originals.stderr });
    process.exitCode = 0;
  }
}

/** The native command in a work tree. */
function gitIn(root: string): (...args: string[]) => Promise<void> {
  const settings = ['-c', 'user.name=a', '-c', 'user.email=a@example.org', '-c', 'commit.gpgsign=false', '-c', 'tag.gpgsign=false'];
  return (...args) =>
    new Promise((resolve, reject) => {
      execFile('git', [...settings, ...args], { cwd: root, timeout: 120_000 }, (error) => (error === null ? resolve() : reject(error)));
    });
}

const quickstart = join(packageRoot(), 'examples', 'quickstart');
const scratch = mkdtempSync(join(tmpdir(), 'tagboat-cli-'));
test.after(() => rmSync(scratch, { recursive: true, force: true }));

test('the quickstart is valid and uses no image but the two that are always there', async () => {
  const { code, stdout } = await run('validate', quickstart);
  assert.is(code, 0);
  assert.match(stdout, 'no problems');
  const rendered = JSON.parse((await run('render', quickstart, '--format', 'json')).stdout) as { deployments: { images: { image: string }[] }[] };
  assert.equal([...new Set(rendered.deployments.flatMap(({ images }) => images.map(({ image }) => image)))].sort(), ['busybox:1.36', 'nginx:1.27']);
});

test('versions in other repositories are not looked at, which is said and is no error', async () => {
  const away = join(scratch, 'away');
  cpSync(quickstart, away, { recursive: true });
  writeFileSync(join(away, 'products', 'far.yaml'), 'apiVersion: tagboat/v1\nkind: Product\nmetadata: { name: far }\nspec: { type: complex, source: { repository: "https://git.example.test/far.git" } }\n');
  writeFileSync(join(away, 'deployments', 'far.yaml'), 'apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: far }\nspec: { product: far, version: 1.0.0, node: harbor, prefix: far }\n');
  const { code, stdout } = await run('validate', away);
  assert.is(code, 0);
  assert.match(stdout, /products\/far.yaml:4:\d+ {2}SourceNotRead \(warning\) {2}the versions of product far are in https:\/\/git.example.test\/far.git, where this command did not look/);
});

test('problems: all of them, with place and hint, and exit code 1', async () => {
  const broken = join(scratch, 'broken');
  cpSync(quickstart, broken, { recursive: true });
  writeFileSync(join(broken, 'deployments', 'new.yaml'), 'apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: new }\nspec:\n  product: shop\n  node: harbour\n  prefix: shop\n');
  writeFileSync(join(broken, 'nodes', 'bad.yaml'), 'apiVersion: tagboat/v1\nkind: Node\nmetadata: { name: bad }\nspec: { type: docker, typ: x }\n');
  const text = await run('validate', broken);
  assert.is(text.code, 1);
  assert.match(text.stdout, 'deployments/new.yaml:6:9  UnknownReference  there is no Node harbour\n    Did you mean harbor?\n');
  assert.match(text.stdout, 'nodes/bad.yaml:4:23  SchemaViolation  spec has no key typ\n');
  assert.match(text.stdout, '2 problems');
  const json = JSON.parse((await run('validate', broken, '--format', 'json')).stdout) as { problems: unknown[]; counts: { errors: number } };
  assert.equal([json.problems.length, json.counts.errors], [2, 2]);
});

test('render names the place of each value and hides ciphertext', async () => {
  const ciphertext = await seal(Buffer.from('canary'), { team: 'acme', node: 'harbor' }, [await identityToRecipient(await generateX25519Identity())]);
  const sealed = join(scratch, 'sealed');
  cpSync(quickstart, sealed, { recursive: true });
  writeFileSync(join(sealed, 'bundles', 'secret.yaml'), `apiVersion: tagboat/v1\nkind: ConfigBundle\nmetadata: { name: keys }\nspec: { config: { secrets: { KEY: { sealed: { harbor: ${ciphertext} } } } } }\n`);
  const file = join(sealed, 'deployments', 'extra.yaml');
  writeFileSync(file, 'apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: extra }\nspec: { product: shop, node: harbor, prefix: extra, bundles: [ keys ], environment: { TZ: Europe/Budapest } }\n');
  for (const format of ['text', 'yaml', 'json']) {
    const { code, stdout } = await run('render', sealed, '--deployment', 'extra', '--format', format);
    assert.is(code, 0);
    assert.not.match(stdout, ciphertext.slice(0, 20));
    assert.match(stdout, /sealed [0-9a-f]{12}/);
    assert.match(stdout, 'Europe/Budapest');
    if (format !== 'json') assert.match(stdout, 'deployments/extra.yaml:4:91 (deployment)');
    assert.match(stdout, format === 'json' ? '"file": "bundles/defaults.yaml"' : /LOG_LEVEL.*info.*bundles\/defaults\.yaml:8:16 \(bundle defaults\)/);
  }
});

test('wrong use ends with 2', async () => {
  assert.is((await run('validate', join(scratch, 'nowhere'))).code, 2);
  assert.is((await run('validate', quickstart, '--rev', 'no-such-revision')).code, 2);
  assert.is((await run('render', quickstart, '--deployment', 'nobody')).code, 2);
});

test('a revision is judged by the policy of the commit before it; files that nobody committed are not', async () => {
  const repository = await TestRepository.create('judged', scratch);
  const team = (policy: string): string => `apiVersion: tagboat/v1\nkind: Team\nmetadata: { name: acme }\nspec:\n  members: [ { name: Ada, email: ada@example.test } ]\n  policy: { ${policy} }\n`;
  const first = await repository.commit({ 'team.yaml': team('requireKnownAuthors: true') });
  const off = await repository.commit({ 'team.yaml': team('requireKnownAuthors: false') }, 'off', { author: { name: 'Eve', email: 'eve@example.test' } });
  const after = await repository.commit({ 'notes.txt': 'x' }, 'on', { author: { name: 'Eve', email: 'eve@example.test' } });
  const judged = async (rev: string): Promise<unknown[]> => {
    const { code, stdout } = await run('validate', repository.directory, '--rev', rev, '--format', 'json');
    return [code, (JSON.parse(stdout) as { problems: Problem[] }).problems.map(({ code: of, file, line }) => [of, file, line])];
  };
  assert.equal(await judged(first), [0, []]);
  assert.equal(await judged(off), [1, [['CommitRefused', 'team.yaml', 6]]]);
  assert.equal(await judged(after), [0, []]);
  const planned = async (...args: string[]): Promise<string> => {
    let out = '';
    const program = new Command('tagboat').exitOverride();
    registerPlan(program, { env: {}, directory: repository.directory, out: (text) => void (out += text), err: (text) => void (out += text), exit: () => undefined });
    await program.parseAsync(['plan', ...args], { from: 'user' });
    return out;
  };
  assert.match(await planned('--head', off), /team\.yaml:6:\d+ +warning CommitRefused: as the head of the branch it would not be deployed: commit \w+ is written by Eve/);
  assert.not.match(await planned('--head', after), 'CommitRefused');
  assert.match(await planned('--head', after, '--base', first), 'CommitRefused');

  const plain = join(scratch, 'plain');
  mkdirSync(plain);
  writeFileSync(join(plain, 'team.yaml'), team('requireSignedCommits: true').replace('ada@example.test', 'ada@example.test, keys: [ { type: ssh, key: "ssh-ed25519 AAAAC3Nza" }, { type: gpg, key: none } ]'));
  const { code, stdout } = await run('validate', plain);
  assert.is(code, 0);
  assert.equal(stdout.match(/^team\.yaml:5:\d+ +SigningKeyInvalid \(warning\) +this key of Ada is no public (SSH|OpenPGP) key; nothing that it signs counts/gm)?.length, 2, stdout);
});

test('an empty directory is a problem', async () => {
  const { code, stdout } = await run('validate', mkdtempSync(join(scratch, 'empty-')));
  assert.is(code, 1);
  assert.match(stdout, 'RepositoryEmpty');
});

test('render reads a version that has a tag at its tag', async () => {
  const root = join(scratch, 'tagged');
  cpSync(quickstart, root, { recursive: true });
  const git = gitIn(root);
  await git('init', '-q', '-b', 'main');
  await git('add', '.');
  await git('commit', '-qm', 'one');
  await git('tag', 'shop/1.0.0');
  writeFileSync(join(root, 'products', 'shop', 'version.yaml'), 'apiVersion: tagboat/v1\nkind: Version\nmetadata: { name: shop }\nspec: { images: [ { name: other, image: busybox:1.36 } ] }\n');
  writeFileSync(join(root, 'deployments', 'old.yaml'), 'apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: old }\nspec: { product: shop, version: 1.0.0, node: harbor, prefix: old }\n');
  const { stdout } = await run('render', root, '--deployment', 'old');
  assert.match(stdout, 'old: shop 1.0.0 on harbor/old (tag shop/1.0.0)');
  assert.match(stdout, 'web: nginx:1.27, after worker');
});

test('a version that is named is checked: at its tag, else as the files at hand have it; a clone may lack the tag', async () => {
  const root = join(scratch, 'versions');
  cpSync(quickstart, root, { recursive: true });
  const write = (fault: string): void => writeFileSync(join(root, 'products', 'shop', 'version.yaml'), `apiVersion: tagboat/v1\nkind: Version\nmetadata: { name: shop }\nspec: { images: [ { name: web, image: busybox:1.36, config: { ${fault} } } ] }\n`);
  const found = async (): Promise<string[]> => (JSON.parse((await run('validate', root, '--format', 'json')).stdout) as { problems: Problem[] }).problems.map(({ code, severity, message }) => `${code} ${severity}${/ \(version read at tag .*\)$/.exec(message)?.[0] ?? ''}`);
  write('replicas: 3');
  for (const name of ['shop-staging', 'shop-production']) rmSync(join(root, 'deployments', `${name}.yaml`));
  writeFileSync(join(root, 'deployments', 'old.yaml'), 'apiVersion: tagboat/v1\nkind: Deployment\nmetadata: { name: old }\nspec: { product: shop, version: 1.0.0, node: harbor, prefix: old }\n');
  assert.equal(await found(), ['FieldNotSupported error'], 'no repository');
  const at = (JSON.parse((await run('validate', root, '--format', 'json')).stdout) as { problems: Problem[] }).problems.map(({ file, line, column, message }) => `${file}:${line}:${column} ${message}`);
  assert.equal(at, ['deployments/old.yaml:4:46 replicas of image web (products/shop/version.yaml:4:73) is not for docker nodes: a Docker host runs each container once']);
  const git = gitIn(root);
  await git('init', '-q', '-b', 'main');
  await git('add', '.');
  await git('commit', '-qm', 'one');
  assert.equal(await found(), ['FieldNotSupported error'], 'still to be tagged');
  await git('tag', 'shop/v1.0.0');
  await git('tag', 'shop/next');
  write('replicas: 1');
  assert.equal(await found(), ['FieldNotSupported error (version read at tag shop/v1.0.0)', 'TagNotSemver warning']);
  await git('commit', '-qam', 'two');
  await git('tag', '-f', 'shop/v1.0.0');
  await git('tag', '-d', 'shop/next');
  write('replicas: 3');
  assert.equal(await found(), []);
  await git('tag', '-d', 'shop/v1.0.0');
  await git('remote', 'add', 'origin', '/nowhere');
  assert.equal(await found(), ['FieldNotSupported warning'], 'the tag may be there');
});

test('a deployment of the branch at hand needs the version here', async () => {
  const root = join(scratch, 'no-version');
  cpSync(quickstart, root, { recursive: true });
  rmSync(join(root, 'products', 'shop', 'version.yaml'));
  const errorsOf = async (): Promise<Problem[]> => (JSON.parse((await run('validate', root, '--format', 'json')).stdout) as { problems: Problem[] }).problems.filter(({ severity }) => severity === 'error');
  assert.is((await errorsOf()).length, 2, 'where there is no repository, there is no other branch');
  await gitIn(root)('init', '-q', '-b', 'main');
  assert.equal(await errorsOf(), [], 'the branch that is named may have it');
  for (const name of ['shop-staging', 'shop-production']) {
    const file = join(root, 'deployments', `${name}.yaml`);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^  branch: main\n/m, ''));
  }
  const { code, stdout } = await run('validate', root, '--format', 'json');
  const errors = (JSON.parse(stdout) as { problems: Problem[] }).problems.filter(({ severity }) => severity === 'error');
  assert.is(code, 1);
  assert.ok(errors.length > 0 && errors.every(({ code: one, file }) => one === 'VersionUnreadable' && file.startsWith('deployments/')));
});

test.run();
