import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { seal } from '../../proto/sealed.ts';
import { faultOfSealed, sealedFor, sealedPlaces } from './sealed.ts';

const recipient = await identityToRecipient(await generateX25519Identity());
const other = await identityToRecipient(await generateX25519Identity());
const ciphertext = await seal(Buffer.from('x'), { team: 'acme', node: 'harbor' }, [recipient]);

test('blocks are found wherever they stand, a secret called sealed included', () => {
  const config = {
    environment: { sealed: 'just a word' },
    secrets: { A: { sealed: { harbor: 'a' } }, sealed: { sealed: { harbor: 'b' }, file: '/b' } },
    initContainers: [{ name: 'one', image: 'x', secrets: { 'C/D': { sealed: { harbor: 'c', pier: 'd' } } } }],
  };
  assert.equal([...sealedPlaces(config)].map(({ pointer }) => pointer), ['/secrets/A', '/secrets/sealed', '/initContainers/0/secrets/C~1D']);
  const own = sealedFor(config, 'pier');
  assert.equal(own.initContainers[0]?.secrets['C/D'], { sealed: { pier: 'd' } });
  assert.is(own.environment, config.environment, 'what has no block is the same object');
  const alone = { secrets: { A: { sealed: { harbor: 'a' } } } };
  assert.is(sealedFor(alone, 'harbor'), alone);
});

test('a node called like what every object has is a node like others', () => {
  assert.is(faultOfSealed({ sealed: { harbor: ciphertext } }, 'constructor', [])?.code, 'SecretNotSealed');
  assert.equal(sealedFor({ A: { sealed: { harbor: 'a' } } }, 'constructor'), { A: { sealed: {} } });
});

test('what will not open is known beforehand, as far as that can be', () => {
  const block = { sealed: { harbor: ciphertext, pier: 'YWdl' } };
  assert.is(faultOfSealed(block, 'harbor', []), undefined, 'nobody has told the keys');
  assert.is(faultOfSealed(block, 'harbor', [other, recipient]), undefined);
  assert.is(faultOfSealed(block, 'harbor', [other])?.code, 'SecretUnopenable');
  assert.is(faultOfSealed(block, 'pier', [other])?.code, 'SealedInvalid');
  assert.is(faultOfSealed(block, 'mole', [other])?.code, 'SecretNotSealed');
});

test.run();
