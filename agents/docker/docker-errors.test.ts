import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { engineError, registryCode } from './docker-errors.ts';

/** What engines and registries say, word for word. */
const REGISTRY: readonly (readonly [text: string, code: string])[] = [
  ['manifest unknown: manifest unknown', 'ImageUnknown'],
  ['manifest for nginx:nope not found: manifest unknown: manifest unknown', 'ImageUnknown'],
  ['name unknown: repository name not known to registry', 'ImageUnknown'],
  ['unauthorized: authentication required', 'RegistryUnauthorized'],
  ['pull access denied for x, repository does not exist or may require docker login: denied: requested access to the resource is denied', 'ImageUnknown'],
  ['denied: requested access to the resource is denied', 'RegistryUnauthorized'],
  ['Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', 'RegistryUnreachable'],
  ['Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: no such host', 'RegistryUnreachable'],
  ['Get "https://r/v2/": x509: certificate signed by unknown authority', 'RegistryUnreachable'],
  ['toomanyrequests: You have reached your pull rate limit', 'RegistryRateLimited'],
  ['write /var/lib/docker/tmp/x: no space left on device', 'ImagePullFailed'],
];

for (const [text, code] of REGISTRY) test(text, () => assert.is(registryCode(text), code));

test('errors of the engine', () => {
  const answer = (statusCode: number, message: string) => Object.assign(new Error(message), { statusCode, json: { message } });
  assert.is(engineError(answer(500, 'Bind for 0.0.0.0:80 failed: port is already allocated'), 'starting', 'ContainerStartFailed').code, 'PortInUse');
  assert.is(engineError(answer(500, 'listen tcp4 0.0.0.0:80: bind: address already in use'), 'starting').code, 'PortInUse');
  assert.is(engineError(answer(409, 'Conflict. The container name "/a" is already in use by container "b"'), 'creating').code, 'NameTaken');
  assert.is(engineError(answer(400, 'exec: "/x": no such file'), 'starting', 'ContainerStartFailed').code, 'ContainerStartFailed');
  const started = (text: string): string => engineError(answer(400, text), 'starting a', 'ContainerStartFailed').message;
  assert.match(started('failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/x": no such file'), /^starting a: exec: "\/x": no such file\. The image has no such command/);
  assert.match(started('Error starting userland proxy: listen tcp4 10.1.2.3:80: bind: cannot assign requested address'), /no such address/);
  assert.match(started('could not select device driver "" with capabilities: [[gpu]]'), /No driver of the node has such devices/);
  assert.match(started('unable to find user x: no matching entries in passwd file'), /use a number/);
  assert.match(started('invalid mount config for type "bind": bind source path does not exist: /x'), /Make it on the node/);
  assert.is(engineError(Object.assign(new Error('connect'), { code: 'ENOENT' }), 'listing').code, 'EngineUnreachable');
});

test.run();
