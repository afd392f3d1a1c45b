import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { generateX25519Identity, identityToRecipient, Decrypter } from 'age-encryption';
import { LARGEST_SECRET_BYTES, recipientsOf, seal, SealedError, unseal } from './sealed.ts';

const PLACE = { team: 'acme', node: 'harbor' };

async function key(): Promise<{ identity: string; recipient: string }> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

async function faultOf(work: Promise<unknown>): Promise<string> {
  return work.then(() => 'opened', (error: unknown) => (error instanceof SealedError ? error.fault : String(error)));
}

test('a value opens on its node with any of the keys it was sealed to, byte by byte', async () => {
  const [old, current, other] = await Promise.all([key(), key(), key()]);
  const value = Buffer.from([0, 255, 10, 13, 200, 0]);
  const sealed = await seal(value, PLACE, [old.recipient, current.recipient]);
  assert.equal(recipientsOf(sealed), [old.recipient, current.recipient]);
  for (const identities of [[old.identity], [current.identity], [other.identity, current.identity]]) assert.equal(await unseal(sealed, PLACE, identities), value);
  assert.is(await faultOf(unseal(sealed, PLACE, [other.identity])), 'no-key');
  const wrapped = sealed.replaceAll(/.{60}/g, '$&\n  ');
  assert.equal(await unseal(wrapped, PLACE, [old.identity]), value, 'white space does not count');
});

test('team and node are inside: a copy does not open elsewhere, and the text says where it belongs', async () => {
  const { identity, recipient } = await key();
  const sealed = await seal(Buffer.from('s3cret'), PLACE, [recipient]);
  for (const place of [{ team: 'rivals', node: 'harbor' }, { team: 'acme', node: 'pier' }]) {
    assert.is(await faultOf(unseal(sealed, place, [identity])), 'elsewhere');
  }
  const message = await unseal(sealed, { team: 'acme', node: 'pier' }, [identity]).catch((error: Error) => error.message);
  assert.match(String(message), /sealed for node harbor of team acme, and this is node pier/);
  assert.not.match(String(message), /s3cret/);
});

test('it is an age file, and its length does not tell that of a small value', async () => {
  const { identity, recipient } = await key();
  const [short, longer] = await Promise.all([seal(Buffer.from('a'), PLACE, [recipient]), seal(Buffer.from('a'.repeat(60)), PLACE, [recipient])]);
  assert.is(short.length, longer.length);
  const plain = new Decrypter();
  plain.addIdentity(identity);
  assert.match(await plain.decrypt(Buffer.from(short, 'base64'), 'text'), /"team":"acme","node":"harbor"/);
});

test('what is not a sealed value is none: damaged, cut, foreign, changed', async () => {
  const { identity, recipient } = await key();
  const sealed = await seal(Buffer.from('s3cret'), PLACE, [recipient]);
  const bytes = Buffer.from(sealed, 'base64');
  const foreign = Buffer.from(bytes.toString('latin1').replace('tagboat.dev/recipient', 'tagboat.dev/recipienz'), 'latin1').toString('base64');
  for (const text of ['', 'secret', 'YWdlLWVuY3J5cHRpb24ub3JnL3Yx', `${sealed}!`, bytes.subarray(0, 100).toString('base64'), foreign, 'a'.repeat(100_000)]) {
    assert.is(recipientsOf(text), undefined);
    assert.is(await faultOf(unseal(text, PLACE, [identity])), 'malformed');
  }
  assert.is(await faultOf(unseal(sealed.slice(0, -60), PLACE, [identity])), 'malformed', 'cut');
  const other = await key();
  const renamed = Buffer.from(bytes.toString('latin1').replace(recipient, other.recipient), 'latin1').toString('base64');
  assert.equal(recipientsOf(renamed), [other.recipient]);
  assert.is(await faultOf(unseal(renamed, PLACE, [identity])), 'malformed', 'the header is under the MAC');
  const flipped = Buffer.from(bytes);
  flipped[flipped.length - 1]! ^= 1;
  assert.is(await faultOf(unseal(flipped.toString('base64'), PLACE, [identity])), 'malformed');
});

test('sizes and recipients that cannot be are refused before anything is encrypted', async () => {
  const { recipient } = await key();
  const refused = (work: Promise<unknown>): Promise<boolean> => work.then(() => false, (error: unknown) => error instanceof RangeError);
  assert.ok(await refused(seal(Buffer.alloc(LARGEST_SECRET_BYTES + 1), PLACE, [recipient])));
  assert.ok(await refused(seal(Buffer.from('x'), PLACE, [])));
  assert.ok(await refused(seal(Buffer.from('x'), PLACE, ['age1nonsense'])));
  assert.ok(await refused(seal(Buffer.from('x'), PLACE, [`${recipient.slice(0, -1)}${recipient.endsWith('q') ? 'p' : 'q'}`])));
  const largest = await seal(Buffer.alloc(LARGEST_SECRET_BYTES, 7), PLACE, Array.from({ length: 10 }, () => recipient));
  assert.ok(largest.length <= 131_072, 'the largest fits into the schema');
});

test.run();
