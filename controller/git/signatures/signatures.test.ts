// @timeout 240
/** Signatures that git, ssh-keygen and gpg made, and what becomes of them in hostile hands. git itself is asked for its opinion. */
import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SigningKey, TrustedMember } from '../../model/trust.ts';
import { sshKeyBlob } from '../../model/trust.ts';
import { TestRepository } from '../../testing/git-repository.ts';
import type { Signature } from '../../testing/signing.ts';
import { commitSigned, gpgOrSkip, PgpHome, sshSignature } from '../../testing/signing.ts';
import { signedCommit, signedTag } from './signed-object.ts';
import { signerOf } from './signer.ts';
import { sshString } from './ssh-wire.ts';

const test = suite('signatures of commits and tags');
const KINDS = { ed25519: ['-t', 'ed25519'], p256: ['-t', 'ecdsa', '-b', '256'], p384: ['-t', 'ecdsa', '-b', '384'], p521: ['-t', 'ecdsa', '-b', '521'], rsa: ['-t', 'rsa', '-b', '2048'] } as const;
let directory: string;
let repository: TestRepository;
let pgp: PgpHome;
let ada: Signature & { readonly file: string };
let eve: Signature & { readonly file: string };
const withGpg = await gpgOrSkip('signatures of OpenPGP');

test.before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tagboat-sign-'));
  repository = await TestRepository.create('signed');
  pgp = new PgpHome(directory);
  ada = await sshSignature(directory, 'ada');
  eve = await sshSignature(directory, 'eve');
});
test.after(async () => {
  if (withGpg) await pgp.close();
  await repository.remove();
  rmSync(directory, { recursive: true, force: true });
});

function members(...keys: SigningKey[]): TrustedMember[] {
  return [{ email: 'nobody@example.test', keys: [] }, { email: 'ada@example.test', keys }];
}

function raw(type: 'commit' | 'tag', oid: string): Buffer {
  return execFileSync('git', ['-C', repository.directory, 'cat-file', type, oid]);
}

/** The signer, or why there is none. */
async function judged(bytes: Buffer, keys: readonly SigningKey[], now = new Date()): Promise<string> {
  const signer = await signerOf(signedCommit(bytes), members(...keys), now);
  return 'why' in signer ? signer.why : signer.member;
}

/** Puts the signature of `payload` into it as git does. */
function withHeader(payload: string, armoured: string, name = 'gpgsig'): Buffer {
  const [head, ...message] = payload.split('\n\n');
  return Buffer.from(`${head}\n${name} ${armoured.trimEnd().replaceAll('\n', '\n ')}\n\n${message.join('\n\n')}`, 'latin1');
}

function armour(payload: string | Buffer, file = ada.file, namespace = 'git', hash = 'sha512'): string {
  return execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-n', namespace, '-O', `hashalg=${hash}`, '-f', file], { input: payload, encoding: 'latin1', stdio: ['pipe', 'pipe', 'ignore'] });
}

/** What a signature with SHA-256 is over. */
function framed(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from('SSHSIG'), sshString('git'), sshString(''), sshString('sha256'), sshString(createHash('sha256').update(payload).digest())]);
}

function envelope(blob: Buffer, signature: Buffer): string {
  const bytes = Buffer.concat([Buffer.from('SSHSIG\0\0\0\x01'), sshString(blob), sshString('git'), sshString(''), sshString('sha256'), sshString(signature)]);
  return `-----BEGIN SSH SIGNATURE-----\n${bytes.toString('base64').replaceAll(/.{70}/g, '$&\n')}\n-----END SSH SIGNATURE-----\n`;
}

function sshInteger(bytes: Buffer): Buffer {
  return sshString(bytes[0]! >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes.subarray(bytes.findIndex((byte) => byte !== 0)));
}

/** Whether git takes it for Ada's. */
async function gitSays(bytes: Buffer): Promise<boolean> {
  const allowed = join(directory, 'allowed');
  writeFileSync(allowed, `ada@example.test ${ada.listed.key}\n`);
  const oid = await repository.git(['hash-object', '-t', 'commit', '-w', '--stdin', '--literally'], bytes);
  return repository.git(['-c', `gpg.ssh.allowedSignersFile=${allowed}`, 'verify-commit', oid]).then(() => true, () => false);
}

for (const [name, kind] of Object.entries(KINDS)) {
  test(`git signs with an SSH key: ${name}`, async () => {
    const key = await sshSignature(directory, `key-${name}`, kind);
    const bytes = raw('commit', await commitSigned(repository, key, { 'a.txt': name }, `By ${name}`));
    assert.is(await judged(bytes, [eve.listed, { ...key.listed, key: `restrict,pty ${key.listed.key}` }]), 'ada@example.test');
    assert.match(await judged(bytes, [eve.listed]), /^is signed with SHA256:\S{43}, which no member lists$/);
    assert.match(await judged(Buffer.from(bytes.toString('latin1').replace('By ', 'by '), 'latin1'), [key.listed]), /that is not of this content$/);
  });
}

test('what is not signed is not; what carries a signature of something else neither', async () => {
  const bytes = raw('commit', await repository.commit({ 'b.txt': 'b' }));
  const text = bytes.toString('latin1');
  assert.is(await judged(bytes, [ada.listed]), 'is not signed');
  const other = raw('commit', await commitSigned(repository, ada, { 'b.txt': 'c' }));
  const stolen = /gpgsig ([^]*?-----END SSH SIGNATURE-----)/.exec(other.toString('latin1'))![1]!.replaceAll('\n ', '\n');
  assert.match(await judged(withHeader(text, stolen), [ada.listed]), /not of this content/);
  assert.is(await judged(withHeader(text, armour(text)), [ada.listed]), 'ada@example.test');
  assert.is(await judged(withHeader(text, armour(text, ada.file, 'git', 'sha256')), [ada.listed]), 'ada@example.test');
  assert.is(await judged(withHeader(text, armour(text, ada.file, 'file')), [ada.listed]), 'has a signature that cannot be read', 'made for a file');
  const short = await sshSignature(directory, 'short', ['-t', 'rsa', '-b', '1024']);
  assert.is(await judged(withHeader(text, armour(text, short.file)), [short.listed]), 'has a signature that cannot be read', 'a short RSA key');
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { n, e } = rsa.publicKey.export({ format: 'jwk' });
  const blob = Buffer.concat([sshString('ssh-rsa'), ...[e, n].map((number) => sshInteger(Buffer.from(number!, 'base64url')))]);
  const listed = { type: 'ssh', key: `ssh-rsa ${blob.toString('base64')}` } as const;
  for (const [format, hash, says] of [['rsa-sha2-256', 'sha256', 'ada@example.test'], ['ssh-rsa', 'sha1', 'has a signature that cannot be read']] as const) {
    const signature = Buffer.concat([sshString(format), sshString(sign(hash, framed(Buffer.from(text)), rsa.privateKey))]);
    assert.is(await judged(withHeader(text, envelope(blob, signature)), [listed]), says, format);
  }
});

test('the payload is that of git: other headers stay, signatures of either hash go, several count for none', async () => {
  const head = raw('commit', await repository.commit({ 'c.txt': 'c' })).toString('latin1');
  const signedInside = `mergetag object ${'1'.repeat(40)}\n type commit\n tag v1\n tagger A <a@b> 0 +0000\n \n gpgsig is a word here\n -----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----`;
  const payload = head.replace('\n\n', `\nencoding ISO-8859-1\n${signedInside}\nHG:extra one\n  two\n\ngpgsig no header: caf\xe9\n`);
  const bytes = withHeader(payload, armour(Buffer.from(payload, 'latin1')));
  assert.is(await judged(bytes, [ada.listed]), 'ada@example.test');
  assert.ok(await gitSays(bytes));
  const first = Buffer.from(bytes.toString('latin1').replace(/(tree .*\n)([^]*?)(gpgsig -[^]*?END SSH SIGNATURE-----\n)/, '$1$3$2'), 'latin1');
  assert.not.equal(first, bytes);
  assert.is(await judged(first, [ada.listed]), 'ada@example.test');
  assert.ok(await gitSays(first));
  const both = withHeader(bytes.toString('latin1'), armour('another form of it'), 'gpgsig-sha256');
  assert.is(await judged(both, [ada.listed]), 'ada@example.test');
  assert.ok(await gitSays(both));
  const only256 = withHeader(payload, armour(Buffer.from(payload, 'latin1')), 'gpgsig-sha256');
  assert.is(await judged(only256, [ada.listed]), 'is not signed');
  assert.not(await gitSays(only256));
  const twice = withHeader(bytes.toString('latin1'), armour(bytes, eve.file));
  assert.is(await judged(twice, [ada.listed]), 'has several signatures');
});

test('a tag is signed up to its last signature', async () => {
  await repository.git([...ada.config, 'tag', '-s', '-m', 'First\n\n-----BEGIN SSH SIGNATURE-----\nis text\n', 'shop/1.0.0']);
  const bytes = raw('tag', 'shop/1.0.0');
  const signer = async (content: Buffer): Promise<unknown> => signerOf(signedTag(content), members(ada.listed), new Date());
  assert.equal(await signer(bytes), { member: 'ada@example.test' });
  assert.match(JSON.stringify(await signer(Buffer.from(bytes.toString('latin1').replace('tag shop/1.0.0', 'tag shop/9.0.0'), 'latin1'))), /not of this content/);
  await repository.tag('shop/1.1.0', 'refs/heads/main', { message: 'Plain' });
  assert.equal(await signer(raw('tag', 'shop/1.1.0')), { why: 'is not signed' });
});

test('security keys: what they sign is what OpenSSH takes for signed', async () => {
  const payload = Buffer.from('tree x\n\nmessage\n');
  const application = sshString('ssh:tagboat');
  const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();
  const touched = Buffer.from([1, 0, 0, 0, 7]);
  const signed = Buffer.concat([sha256(Buffer.from('ssh:tagboat')), touched, sha256(framed(payload))]);
  const ed = generateKeyPairSync('ed25519');
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [x, y] = ['x', 'y'].map((name) => Buffer.from((ec.publicKey.export({ format: 'jwk' }) as Record<string, string>)[name]!, 'base64url')) as [Buffer, Buffer];
  const pair = sign('sha256', signed, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
  const cases = [
    { type: 'sk-ssh-ed25519@openssh.com', key: sshString(Buffer.from(ed.publicKey.export({ format: 'jwk' }).x!, 'base64url')), value: sign(null, signed, ed.privateKey) },
    { type: 'sk-ecdsa-sha2-nistp256@openssh.com', key: Buffer.concat([sshString('nistp256'), sshString(Buffer.concat([Buffer.from([4]), x, y]))]), value: Buffer.concat([sshInteger(pair.subarray(0, 32)), sshInteger(pair.subarray(32))]) },
  ];
  for (const { type, key, value } of cases) {
    const blob = Buffer.concat([sshString(type), key, application]);
    const signature = Buffer.concat([sshString(type), sshString(value), touched]);
    const armoured = envelope(blob, signature);
    const listed = { type: 'ssh', key: `${type} ${blob.toString('base64')} token` } as const;
    assert.equal(await signerOf({ payload, signature: armoured }, members(listed), new Date()), { member: 'ada@example.test' }, type);
    assert.ok('why' in (await signerOf({ payload: Buffer.from('other'), signature: armoured }, members(listed), new Date())));
    const file = join(directory, `${type}.sig`);
    writeFileSync(file, armoured);
    assert.match(execFileSync('ssh-keygen', ['-Y', 'check-novalidate', '-n', 'git', '-s', file], { input: payload, encoding: 'utf8' }), /Good "git" signature/);
  }
});

test('a signature that is cut, changed or huge is none, and nothing throws', async () => {
  const text = raw('commit', await repository.commit({ 'd.txt': 'd' })).toString('latin1');
  const whole = Buffer.from(armour(text).replaceAll(/-----.*-----|\n/g, ''), 'base64');
  const wrapped = (bytes: Buffer): string => `-----BEGIN SSH SIGNATURE-----\n${bytes.toString('base64')}\n-----END SSH SIGNATURE-----\n`;
  assert.is(await judged(withHeader(text, wrapped(whole)), [ada.listed]), 'ada@example.test');
  for (let at = 0; at < whole.length; at += 1) {
    assert.is.not(await judged(withHeader(text, wrapped(whole.subarray(0, at))), [ada.listed]), 'ada@example.test', `cut at ${String(at)}`);
    const changed = Buffer.from(whole);
    changed[at]! ^= 0xff;
    assert.is.not(await judged(withHeader(text, wrapped(changed)), [ada.listed]), 'ada@example.test', `changed at ${String(at)}`);
  }
  assert.is.not(await judged(withHeader(text, wrapped(Buffer.concat([whole, Buffer.from([0])]))), [ada.listed]), 'ada@example.test', 'something is left over');
  assert.is(await judged(withHeader(text, wrapped(Buffer.alloc(1_000_000, 1))), [ada.listed]), 'has a signature that is too large');
  for (const odd of ['', 'gpgsig', '-----BEGIN SSH SIGNATURE-----', '-----BEGIN PGP SIGNATURE-----\n\n=\n-----END PGP SIGNATURE-----', `-----BEGIN PGP SIGNATURE-----\n\n${'/'.repeat(9_000)}\n-----END PGP SIGNATURE-----`, '-----BEGIN SIGNED MESSAGE-----\nMII\n-----END SIGNED MESSAGE-----']) {
    assert.match(await judged(withHeader(text, odd), [ada.listed, { type: 'gpg', key: 'no key' }, { type: 'ssh', key: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample' }]), /^has a signature that (cannot be read|is neither SSH nor OpenPGP)$/);
  }
  assert.is(await judged(Buffer.from('gpgsig '), []), 'has a signature that is neither SSH nor OpenPGP');
  assert.is(await judged(Buffer.alloc(0), []), 'is not signed');
});

test('keys as authorized_keys and .pub files have them', () => {
  const [type, base64] = ada.listed.key.split(' ') as [string, string];
  for (const text of [`${type} ${base64}`, `${type} ${base64} Ada Lovelace\r\n`, `from="10.0.0.0/8",restrict ${type} ${base64}`]) assert.is(sshKeyBlob(text)?.type, type);
  for (const text of ['', type, `ssh-rsa ${base64}`, `${type} ${base64.slice(0, 20)}!`, `${type} AAAA`]) assert.is(sshKeyBlob(text), undefined, text);
});

const pgpTest = withGpg ? test : test.skip;

pgpTest('OpenPGP: keys and subkeys of gpg count while they are valid', async () => {
  const key = await pgp.make('ada', 'ed25519');
  const bytes = raw('commit', await commitSigned(repository, await pgp.signature(key), { 'e.txt': '1' }));
  const { listed } = await pgp.signature(key);
  assert.is(await judged(bytes, [eve.listed, listed]), 'ada@example.test');
  assert.match(await judged(Buffer.from(bytes.toString('latin1').replace('\n\nchange', '\n\nchanged'), 'latin1'), [listed]), /^has a signature with the OpenPGP key [0-9a-f]{16} that is not of this content/);
  const rsa = await pgp.make('rosa', 'rsa2048');
  const byRsa = raw('commit', await commitSigned(repository, await pgp.signature(rsa), { 'e.txt': '2' }));
  assert.match(await judged(byRsa, [listed]), /^is signed with the OpenPGP key [0-9a-f]{16}, which no member lists$/);
  assert.is(await judged(byRsa, [listed, (await pgp.signature(rsa)).listed]), 'ada@example.test');

  await pgp.gpg('--quick-add-key', key, 'rsa2048', 'sign');
  const subkey = /^sub:(?:[^:]*:){3}([0-9A-F]{16}):/m.exec(await pgp.gpg('--with-colons', '--list-keys', key))![1]!;
  const bySubkey = raw('commit', await commitSigned(repository, await pgp.signature(`${subkey}!`), { 'e.txt': '3' }));
  assert.is(await judged(bySubkey, [(await pgp.signature(key)).listed]), 'ada@example.test');
  assert.match(await judged(bySubkey, [listed]), /which no member lists/, 'the key as it was before it had that subkey');

  await repository.git([...(await pgp.signature(key)).config, 'tag', '-s', '-u', `${key}!`, '-m', 'By gpg', 'shop/2.0.0']);
  assert.equal(await signerOf(signedTag(raw('tag', 'shop/2.0.0')), members(listed), new Date()), { member: 'ada@example.test' });

  const revocation = join(directory, 'pgp', 'openpgp-revocs.d', `${key}.rev`);
  await pgp.gpg('--import', revocation.replace('.rev', '.asc')).catch(async () => {
    const text = execFileSync('sed', ['s/^:---/---/', revocation], { encoding: 'utf8' });
    writeFileSync(join(directory, 'revoked.asc'), text);
    await pgp.gpg('--import', join(directory, 'revoked.asc'));
  });
  assert.match(await judged(bytes, [(await pgp.signature(key)).listed]), /or was revoked$/);
});

pgpTest('OpenPGP: what has expired does not count, whenever it is said to have been made', async () => {
  const then = ['--faked-system-time', '20240101T000000'];
  const key = await pgp.make('old', 'ed25519', '20240201T000000', then);
  // The clock of each program begins there and goes on: what signs must not begin before the key was made.
  const later = ['--faked-system-time', '20240101T010000'];
  const signature = await pgp.signature(key, later);
  const bytes = raw('commit', await commitSigned(repository, signature, { 'f.txt': '1' }));
  assert.match(await judged(bytes, [signature.listed]), /has expired or was revoked$/, 'signed while it was valid, which anybody can claim who has it');
  assert.is(await judged(bytes, [signature.listed], new Date('2024-01-02')), 'ada@example.test', 'it was good in its time');
  const lasting = await pgp.make('lasting', 'ed25519', 'never', then);
  const shortLived = await pgp.signature(lasting, [...later, '--default-sig-expire', '1d']);
  const expired = raw('commit', await commitSigned(repository, shortLived, { 'f.txt': '2' }));
  assert.match(await judged(expired, [shortLived.listed]), /has expired or was revoked$/);
  assert.is(await judged(expired, [shortLived.listed], new Date('2024-01-01T12:00:00Z')), 'ada@example.test');
  const early = await pgp.signature(lasting, ['--faked-system-time', '20990101T000000']);
  assert.match(await judged(raw('commit', await commitSigned(repository, early, { 'f.txt': '3' })), [early.listed]), /is not of this content/, 'made in the future');
});

test.run();
