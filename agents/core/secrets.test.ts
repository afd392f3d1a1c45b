import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seal } from '../../proto/sealed.ts';
import { specOf } from '../testing/spec.ts';
import { maskedLog } from './masked-log.ts';
import { addKey, Secrets } from './secrets.ts';

const PLACE = { team: 'acme', node: 'harbor' };
const test = suite<{ directory: string }>('secrets', { directory: '' });
test.before.each((context) => void (context.directory = mkdtempSync(join(tmpdir(), 'tagboat-secrets-'))));
test.after.each(({ directory }) => rmSync(directory, { recursive: true, force: true }));

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(() => 'opened', (error: { code?: string; message: string }) => `${String(error.code)}: ${error.message}`);
}

test('the key is made once, for this user only, and is the same after a restart', async ({ directory }) => {
  const first = await Secrets.open(directory);
  const path = join(directory, 'secrets.key');
  assert.is(statSync(path).mode & 0o777, 0o600);
  assert.is(first.recipients.length, 1);
  assert.equal((await Secrets.open(directory)).recipients, first.recipients);
  assert.match(readFileSync(path, 'utf8'), new RegExp(`# public key: ${String(first.recipients[0])}\nAGE-SECRET-KEY-1`));
});

test('processes that start at the same time have the same key, and no key that is added meanwhile is lost', async ({ directory }) => {
  const at = Array.from({ length: 5 }, () => Secrets.open(directory));
  const added = await Promise.all(Array.from({ length: 5 }, () => addKey(directory)));
  const recipients = (await Promise.all(at)).flatMap((one) => one.recipients);
  const { recipients: all } = await Secrets.open(directory);
  for (const one of [...recipients, ...added]) assert.ok(all.includes(one), `${one} is still in the file`);
  assert.ok(all.length <= 6, `${all.length} keys: one that was made for all, and five that were added`);
  assert.equal(readdirSync(directory), ['secrets.key']);
});

test('rotation: the new key comes first, an agent that runs sees it, and the old one goes on opening', async ({ directory }) => {
  const secrets = await Secrets.open(directory);
  secrets.serve(PLACE);
  const [old] = secrets.recipients;
  const before = { sealed: { harbor: await seal(Buffer.from('before'), PLACE, secrets.recipients) } };
  const made = await addKey(directory);
  const after = { sealed: { harbor: await seal(Buffer.from('after'), PLACE, [made]) } };
  assert.is(String(await secrets.open(after)), 'after');
  assert.is(String(await secrets.open(before)), 'before');
  assert.equal(secrets.recipients, [made, old!]);
});

test('what was sealed to a key that this node lacks is refused in words, and the file of keys stays as it is', async ({ directory }) => {
  const secrets = await Secrets.open(directory);
  secrets.serve(PLACE);
  const elsewhere = await addKey(join(directory, 'another'));
  const path = join(directory, 'secrets.key');
  const before = readFileSync(path, 'utf8');
  const block = { sealed: { harbor: await seal(Buffer.from('hunter2hunter2'), PLACE, [elsewhere]) } };
  const answer = await codeOf(secrets.open(block));
  assert.match(answer, /^SecretUnopenable: it is sealed to age1.*this node has no such key; the current key is age1.*Seal the value again/);
  assert.match(await codeOf(secrets.open({ sealed: { pier: block.sealed.harbor } })), /^SecretUnopenable: it is not sealed for node harbor/);
  assert.is(readFileSync(path, 'utf8'), before);
});

test('a file of keys that is none is left alone and said', async ({ directory }) => {
  const path = join(directory, 'secrets.key');
  writeFileSync(path, 'AGE-SECRET-KEY-1BROKEN\n');
  const answer = await codeOf(Secrets.open(directory));
  assert.match(answer, /^SecretsUnreadable: /);
  assert.not.match(answer, /BROKEN/);
  assert.is(readFileSync(path, 'utf8'), 'AGE-SECRET-KEY-1BROKEN\n');
});

test('what was opened is masked in every spelling, in logs and after a restart, too', async ({ directory }) => {
  const secrets = await Secrets.open(directory);
  secrets.serve(PLACE);
  const value = 'pa"ss/w+rd (1)';
  const file = 'first line of key\n----\nsecond line of key\n';
  const sealed = async (text: string): Promise<{ sealed: { harbor: string } }> => ({ sealed: { harbor: await seal(Buffer.from(text), PLACE, secrets.recipients) } });
  const spec = specOf('shop', { web: { image: 'web:1', config: { secrets: { PASSWORD: await sealed(value), KEY: { ...(await sealed(file)), file: '/key' } } } } });
  assert.is(secrets.scrub(`is ${value}`), `is ${value}`, 'not known yet');
  await secrets.recall([spec]);
  const texts = [value, JSON.stringify({ value }), encodeURIComponent(value), Buffer.from(value).toString('base64'), 'second line of key', JSON.stringify(file)];
  const clean = secrets.scrub({ lines: texts, count: 3n, nested: { text: `a ${value} b` } });
  assert.not.match(JSON.stringify(clean, (_key, item: unknown) => (typeof item === 'bigint' ? Number(item) : item)), /w\+rd|w%2Brd|line of key|cGEic3/);
  assert.is(clean.nested.text, 'a [secret] b');
  assert.is(clean.count, 3n);
  const said: unknown[] = [];
  const log = maskedLog({ info: (...line) => said.push(line), warn: (...line) => said.push(line) }, secrets);
  log.warn({ err: Object.assign(new Error(`bad ${value}`), { code: 'X' }), reason: value }, `text ${value}`);
  const [fields, text] = said[0] as [{ err: Error & { code: string }; reason: string }, string];
  assert.equal([fields.err.message, fields.err.code, fields.reason, text], ['bad [secret]', 'X', '[secret]', 'text [secret]']);
  assert.not.match(String(fields.err.stack), /w\+rd/);
});

test.run();
