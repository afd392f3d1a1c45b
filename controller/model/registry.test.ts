import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { seal } from '../../proto/sealed.ts';
import type { RegistrySpec } from '../../schemas/gen/types.ts';
import type { Manifest } from './manifest.ts';
import { checkRegistries, registryHost, targetRegistries } from './registry.ts';

const HOSTS: readonly (readonly [RegistrySpec, string])[] = [
  [{ type: 'hub' }, 'docker.io'],
  [{ type: 'github', organisation: 'acme' }, 'ghcr.io'],
  [{ type: 'gitlab' }, 'registry.gitlab.com'],
  [{ type: 'gitlab', url: 'https://registry.acme.example:5050/' }, 'registry.acme.example:5050'],
  [{ type: 'google' }, 'gcr.io'],
  [{ type: 'google', url: 'europe-docker.pkg.dev' }, 'europe-docker.pkg.dev'],
  [{ type: 'v2', url: 'http://Registry.example.org:5000/path' }, 'registry.example.org:5000'],
  [{ type: 'unchecked', url: 'mirror.example.org' }, 'mirror.example.org'],
];
for (const [spec, host] of HOSTS) test(`${spec.type} ${spec.url ?? ''} is ${host}`, () => assert.is(registryHost(spec), host));

const key = await identityToRecipient(await generateX25519Identity());
const other = await identityToRecipient(await generateX25519Identity());
const password = { sealed: { harbor: await seal(Buffer.from('x'), { team: 'acme', node: 'harbor' }, [key]), pier: 'YWdl' } };

function manifest<K extends 'Registry' | 'Deployment'>(kind: K, name: string, spec: unknown): Manifest<K> {
  const position = (pointer: string): { file: string; line: number; column: number } => ({ file: `${name}${pointer}`, line: 1, column: 1 });
  return { kind, name, spec, file: name, line: 1, column: 1, position, keyPosition: position } as unknown as Manifest<K>;
}
const registries = new Map([['ghcr', manifest('Registry', 'ghcr', { type: 'github', credentials: { username: 'bot', password } })]]);
function codes(image: string, registry: string | undefined, node = 'harbor', recipients: readonly string[] = []): string[] {
  const deployment = manifest('Deployment', 'shop', { product: 'shop', node, prefix: 'shop' });
  const images = [{ name: 'web', image, dependsOn: [], config: {}, ...(registry !== undefined && { registry }) }];
  return checkRegistries({ deployment, images, registries, recipients }).map(({ code, file }) => `${code} ${file}`);
}

test('an image of another host than its registry’s is a problem (R1)', () => {
  assert.equal(codes('ghcr.io/acme/web:1', 'ghcr'), []);
  assert.equal(codes('ghcr.io.evil.example/acme/web:1', 'ghcr'), ['RegistryMismatch ghcr/spec']);
  assert.equal(codes('acme/web:1', 'ghcr'), ['RegistryMismatch ghcr/spec']);
  assert.equal(codes('acme/web:1', 'docker-hub'), []);
  assert.equal(codes('ghcr.io/acme/web:1', 'docker-hub'), ['RegistryMismatch shop/spec/product']);
  assert.equal(codes('ghcr.io/acme/web:1', 'gone'), ['UnknownReference shop/spec/product']);
  assert.equal(codes('whatever.example/web:1', undefined), []);
});

test('a password that will not open on the node is known beforehand', () => {
  assert.equal(codes('ghcr.io/acme/web:1', 'ghcr', 'harbor', [key]), []);
  assert.equal(codes('ghcr.io/acme/web:1', 'ghcr', 'harbor', [other]), ['SecretUnopenable ghcr/spec/credentials/password/sealed/harbor']);
  assert.equal(codes('ghcr.io/acme/web:1', 'ghcr', 'pier'), ['SealedInvalid ghcr/spec/credentials/password/sealed/pier']);
  assert.equal(codes('ghcr.io/acme/web:1', 'ghcr', 'mole'), ['SecretNotSealed ghcr/spec/credentials/password/sealed']);
});

test('an agent gets the registries that its images name, with its own ciphertext alone', () => {
  const images = [{ name: 'web', image: 'ghcr.io/acme/web:1', registry: 'ghcr', dependsOn: [], config: {} }, { name: 'db', image: 'postgres:16', registry: 'docker-hub', dependsOn: [], config: {} }];
  const [found, ...more] = targetRegistries(images, registries, 'harbor');
  assert.equal([found?.name, found?.host, found?.type, more.length], ['ghcr', 'ghcr.io', 'github', 0]);
  assert.equal(Object.keys(found?.credentials?.password.sealed ?? {}), ['harbor']);
  assert.equal(targetRegistries([{ ...images[0]!, registry: 'other' }], registries, 'harbor'), []);
});

test.run();
