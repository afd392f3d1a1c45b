import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { canonicalJson } from '../model/canonical.ts';
import type { Manifest, ManifestSet } from '../model/manifest.ts';
import { resolveImages, resolveVersionImages } from '../model/resolve-images.ts';
import { targetClaims } from '../model/target-claims.ts';
import { checkClaims } from './check-claims.ts';
import { checkReferences, named } from './check-references.ts';
import { teamManifest } from './check-team.ts';
import { parseManifestFile } from './parse-file.ts';
import { buildManifestSet } from './read-set.ts';

const doc = (kind: string, name: string, spec: string): string => `apiVersion: tagboat/v1\nkind: ${kind}\nmetadata: { name: ${name} }\nspec:\n${spec.trim().split('\n').map((line) => `  ${line.trimEnd()}`).join('\n')}\n---\n`;
const setOf = (...documents: string[]): ManifestSet => {
  const set = buildManifestSet([{ path: 'a.yaml', parsed: parseManifestFile('a.yaml', new TextEncoder().encode(documents.join(''))) }]);
  assert.equal(set.problems, []);
  return set;
};
const BASE = [doc('Node', 'harbor', 'type: docker'), doc('Node', 'cloud', 'type: kubernetes'), doc('Product', 'shop', 'type: complex')];
const version = (images: string): string => doc('Version', 'shop', `images:\n${images}`);
const WEB = version('  - { name: web, image: "nginx:1.27" }');
const deployment = (more: string, name = 'live', node = 'harbor'): string => doc('Deployment', name, `product: shop\nnode: ${node}\nprefix: shop\n${more}`);
/** Codes with the text at their places, which is what a person sees underlined. */
const check = (documents: string[], options = {}): string[] => {
  const text = documents.join('').split('\n');
  return checkReferences(setOf(...documents), options).map(({ code, severity, line, column }) => {
    const word = /^[^\s,{}[\]]+/.exec((text[line - 1] ?? '').slice(column - 1))?.[0] ?? '';
    return `${code} ${word}${severity === 'warning' ? ' (warning)' : ''}`;
  });
};

test('a repository where everything is there has no problems', () => {
  assert.equal(check([...BASE, WEB, deployment('branch: main')]), []);
});

test('unknown names, each at its value', () => {
  const images = version('  - { name: web, image: nginx, registry: nowhere, dependsOn: [ ghost ] }');
  const found = check([...BASE, images, doc('Deployment', 'live', 'product: shop\nnode: harbour\nprefix: shop\nbundles: [ logs ]\ndependsOn: [ base ]\nimages: { wbe: {} }'), doc('Deployment', 'other', 'product: shopp\nnode: harbor\nprefix: other')]);
  assert.equal(found.sort(), ['UnknownReference base', 'UnknownReference ghost', 'UnknownReference harbour', 'UnknownReference logs', 'UnknownReference nowhere', 'UnknownReference shopp', 'UnknownReference wbe:']);
  const hints = checkReferences(setOf(...BASE, WEB, deployment('branch: main', 'live', 'harbr'))).map(({ hint }) => hint);
  assert.equal(hints, ['Did you mean harbor?']);
});

test('what is missing because its own manifest has a fault leads to that manifest', () => {
  const set = buildManifestSet([{ path: 'a.yaml', parsed: parseManifestFile('a.yaml', new TextEncoder().encode([doc('Node', 'harbor', 'type: vm'), BASE[2], doc('Version', 'shop', 'images: []'), deployment('branch: main')].join(''))) }]);
  assert.equal(checkReferences(set).map(({ message, hint }) => `${message}: ${hint}`), ['product shop has no Version manifest here: Its manifest is there but has a problem: a.yaml:17.', 'there is no Node harbor: Its manifest is there but has a problem: a.yaml:5.']);
});

test('one repository, one Team manifest, named like the team', () => {
  const team = (name: string): string => doc('Team', name, `members: [ { name: A, email: ${name}@example.test } ]`);
  assert.equal(check([team('acme')]), []);
  assert.equal(check([doc('Team', 'acme', 'members: [ { name: A, email: a@example.test }, { name: B, email: A@example.test, role: owner } ]')]), ['DuplicateName A@example.test'], 'a profile has one role');
  assert.equal(check([team('acme')], { team: 'acme' }), []);
  assert.equal(check([team('acme')], { team: 'harbour' }), ['TeamMismatch acme (warning)']);
  assert.equal(check([team('rivals'), team('acme')], { team: 'acme' }), ['TeamMismatch rivals']);
  assert.equal(check([team('acme'), team('rivals')]), ['TeamMismatch rivals']);
  assert.is(teamManifest(setOf(team('rivals'), team('acme')), 'acme')?.name, 'acme', 'only its members are let in');
});

test('signed commits are asked for only where somebody can sign', () => {
  const team = (keys: string, policy = 'requireSignedCommits: true'): string => doc('Team', 'acme', `members: [ { name: A, email: a@example.test${keys} } ]\npolicy: { ${policy} }`);
  const key = `ssh-ed25519 ${Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from([0, 0, 0, 32]), Buffer.alloc(32)]).toString('base64')}`;
  assert.equal(check([team('')]), ['NobodyCanSign requireSignedCommits: (warning)']);
  assert.equal(check([team(', keys: [ { type: ssh, key: nonsense } ]')]), ['SigningKeyInvalid nonsense (warning)', 'NobodyCanSign requireSignedCommits: (warning)']);
  assert.equal(check([team(`, keys: [ { type: ssh, key: ${key} } ]`)]), []);
  assert.equal(check([team('', 'requireKnownAuthors: true')]), []);
});

test('known authors are asked for only where somebody is known', () => {
  const team = (members: string, policy = 'requireKnownAuthors: true'): string => doc('Team', 'acme', `${members}policy: { ${policy} }`);
  assert.equal(check([team('')]), ['NobodyIsKnown requireKnownAuthors: (warning)']);
  assert.equal(check([team('members: []\n')]), ['NobodyIsKnown requireKnownAuthors: (warning)']);
  assert.equal(check([team('members: []\n', 'requireKnownAuthors: true, requireSignedCommits: true')]), ['NobodyIsKnown requireKnownAuthors: (warning)', 'NobodyCanSign requireSignedCommits: (warning)']);
  assert.equal(check([team('members: [ { name: A, email: a@example.test } ]\n')]), []);
  assert.equal(check([team('', 'requireKnownAuthors: false')]), []);
});

test('Docker Hub needs no manifest', () => {
  assert.equal(check([...BASE, version('  - { name: web, image: nginx, registry: docker-hub }'), deployment('branch: main')]), []);
});

test('a target has one owner: the recorded one, else the first (R10)', () => {
  const documents = [...BASE, WEB, deployment('branch: main', 'one'), deployment('branch: main', 'two')];
  const set = setOf(...documents);
  const refused = (owners?: Map<string, string>): string[] => checkReferences(set, owners === undefined ? {} : { recordedOwners: owners }).map(({ code, object }) => `${code} ${object}`);
  assert.equal(refused(), ['TargetTaken Deployment/two']);
  assert.equal(refused(new Map([['harbor/shop', 'two']])), ['TargetTaken Deployment/one']);
  assert.equal(refused(new Map([['harbor/shop', 'gone']])), ['TargetTaken Deployment/two']);
  assert.is(targetClaims(set).get('harbor/shop')?.owner.name, 'one');
});

test('an address of a Docker node has one owner: the recorded one, else the first; a cluster has ingress controllers for that', () => {
  const exposed = version('  - { name: web, image: nginx, config: { expose: http, ports: [ { internal: 80 } ], routing: { domain: shop.example.org } } }');
  const on = (name: string, more: string, node = 'harbor'): string => doc('Deployment', name, `product: shop\nnode: ${node}\nprefix: ${name}\n${more}`);
  const override = (routing: string): string => `branch: main\nimages: { web: { routing: ${routing} } }`;
  const refused = (...deployments: string[]): string[] => checkClaims(setOf(...BASE, exposed, ...deployments)).map(({ code, severity, object, line, message }) => `${code} ${severity} ${object} at ${line}: ${message}`);
  assert.equal(refused(on('one', 'branch: main'), on('two', override('{ path: / }')), on('three', override('{ domain: other.example.org }')), on('four', override('{ path: /api }'))), [
    'RouteTaken error Deployment/two at 24: image web of deployment two wants shop.example.org/ on node harbor, which leads to image web of deployment one (a.yaml:26)',
  ]);
  assert.equal(refused(on('one', override('{ path: /api }')), on('two', override('{ path: /api/ }'))).length, 1, 'a slash at the end is no other path');
  assert.equal(refused(on('one', 'version: 1.0.0'), on('two', 'branch: main')).map((text) => text.split(' ')[1]), ['warning'], 'the tag may say otherwise');
  assert.equal(refused(on('one', 'branch: main', 'cloud'), on('two', 'branch: main', 'cloud')), []);
  assert.equal(refused(on('one', 'branch: main\nimages: { web: { expose: none } }'), on('two', 'branch: main')), []);
  const twice = version('  - { name: a, image: x, config: { expose: http, routing: { port: 80 } } }\n  - { name: b, image: x, config: { expose: https, routing: { port: 80, path: / } } }');
  assert.equal(checkClaims(setOf(...BASE, twice, on('one', 'branch: main'))).map(({ message }) => message), ['image b of deployment one wants */ on node harbor, which leads to image a of deployment one (a.yaml:27)']);
});

test('a port of a Docker node belongs to one deployment: the first; who else publishes it is warned', () => {
  const publishing = version('  - { name: web, image: nginx, config: { ports: [ { internal: 80, external: 8080 } ] } }\n  - { name: dns, image: nginx }');
  const on = (name: string, images: string, more = 'branch: main', node = 'harbor'): string => doc('Deployment', name, `product: shop\nnode: ${node}\nprefix: ${name}\n${more}${images === '' ? '' : `\nimages: { ${images} }`}`);
  const found = (...deployments: string[]): string[] => checkClaims(setOf(...BASE, publishing, ...deployments)).map(({ code, severity, object, line, message }) => `${code} ${severity} ${object} at ${line}: ${message}`);
  const web = (config: string): string => `web: { ${config} }`;
  assert.equal(found(on('one', ''), on('two', ''), on('three', web('ports: [ { internal: 80, external: 8081 } ]'))), [
    'PortTaken warning Deployment/two at 24: image web of deployment two publishes port 8080/tcp of node harbor, which image web of deployment one publishes (a.yaml:27)',
  ]);
  assert.equal(found(on('one', ''), on('two', web('ports: [], portRanges: [ { internal: { from: 1, to: 100 }, external: { from: 8000, to: 8099 } } ]'))).map((text) => text.split(', ')[0]), ['PortTaken warning Deployment/two at 44: image web of deployment two publishes port 8080/tcp of node harbor']);
  for (const [address, other, expected] of [['127.0.0.1', '127.0.0.2', 0], ['127.0.0.1', '127.0.0.1', 1], ['0.0.0.0', '127.0.0.1', 1], ['127.0.0.1', '', 1], ['0.0.0.0', '', 1], ['"::"', '0.0.0.0', 0], ['"::"', '"::1"', 1]] as const) {
    const at = (place: string): string => web(`ports: [ { internal: 80, external: 8080${place === '' ? '' : `, address: ${place}`} } ]`);
    assert.is(found(on('one', at(address)), on('two', at(other))).length, expected, `${address} and ${other}`);
    assert.is(found(on('one', at(other)), on('two', at(address))).length, expected, `${other} and ${address}`);
  }
  for (const free of ['ports: [ { internal: 80, external: 8080, protocol: udp } ]', 'ports: [ { internal: 8080 } ]', 'replicas: 0', 'networkMode: host']) assert.equal(found(on('one', ''), on('two', web(free))), [], free);
  assert.equal(found(on('one', '', 'branch: main', 'cloud'), on('two', '', 'branch: main', 'cloud')), [], 'each Service of a cluster has ports of its own');
  assert.equal(found(on('one', 'dns: { ports: [ { internal: 53, external: 8080 } ] }')), [], 'two images of one deployment are a PortConflict');
  assert.equal(found(on('one', ''), on('one-too', '').replace('prefix: one-too', 'prefix: one')), [], 'one target, and who does not own it is told so');
});

test('circles of images and of deployments, once each', () => {
  const images = version('  - { name: a, image: x, dependsOn: [ b ] }\n  - { name: b, image: x, dependsOn: [ a ] }\n  - { name: c, image: x, dependsOn: [ c ] }');
  const other = doc('Deployment', 'other', 'product: shop\nnode: harbor\nprefix: other\ndependsOn: [ live ]');
  const problems = checkReferences(setOf(...BASE, images, deployment('dependsOn: [ other ]'), other));
  assert.equal(problems.map(({ code, message }) => `${code} ${message}`), [
    'DependencyCycle images wait for each other: a → b → a',
    'DependencyCycle images wait for each other: c → c',
    'DependencyCycle deployments wait for each other: live → other → live',
  ]);
});

test('a simple product has no version to choose (R5)', () => {
  const simple = [BASE[0] as string, doc('Product', 'shop', 'type: simple'), WEB];
  assert.equal(check([...simple, deployment('branch: main')], { branch: 'main' }), []);
  assert.equal(check([...simple, deployment('branch: main')]), [], 'nobody knows the branch here');
  assert.equal(check([...simple, deployment('branch: main')], { branch: 'trunk' }), ['SimpleProductVersion branch:']);
  assert.equal(check([...simple, deployment('version: 1.0.0')]), ['SimpleProductVersion version:']);
  assert.equal(check([...simple, deployment('retries: 1')]), []);
});

test('versions are semver numbers, branches are followed ones', () => {
  assert.equal(check([...BASE, WEB, deployment('version: latest')]), ['SchemaViolation latest']);
  assert.equal(check([...BASE, WEB, deployment('version: v1.2.0')]), ['SchemaViolation v1.2.0'], 'the v belongs to the tag');
  assert.equal(check([...BASE, WEB, deployment('branch: main')], { branch: 'trunk' }), ['BranchNotWatched main']);
  const globs = [...BASE.slice(0, 2), doc('Product', 'shop', 'type: complex\nrolling: { branches: [ "preview/*" ] }'), WEB];
  assert.equal(check([...globs, deployment('branch: preview/a')]), []);
  assert.equal(check([...globs, deployment('branch: main')]), ['BranchNotWatched main']);
});

test('ports of the node: twice in a target, spans included, udp apart from tcp', () => {
  const two = version(`
    - { name: a, image: x, config: { ports: [ { internal: 1, external: 8080 }, { internal: 2, external: 53, protocol: udp } ] } }
    - { name: b, image: x, config: { portRanges: [ { internal: { from: 8000, to: 9000 }, external: { from: 8000, to: 9000 } } ], ports: [ { internal: 2, external: 53 } ] } }`);
  const problems = checkReferences(setOf(...BASE, two, deployment('branch: main')));
  assert.equal(problems.map(({ code, message }) => `${code}: ${message}`), ['PortConflict: images a and b both publish port 8080/tcp of the node']);
  assert.equal(check([...BASE, version('  - { name: a, image: x, config: { portRanges: [ { internal: { from: 1, to: 2 }, external: { from: 5, to: 9 } } ] } }'), deployment('branch: main')]), ['SchemaViolation ']);
  const at = (...addresses: string[]): string => addresses.map((address, index) => `    - { name: i${index}, image: x, config: { ports: [ { internal: 1, external: 80${address === '' ? '' : `, address: "${address}"`} } ] } }`).join('\n');
  assert.equal(check([...BASE, version(at('127.0.0.1', '::1', '127.0.0.2')), deployment('branch: main')]), []);
  for (const pair of [['127.0.0.1', ''], ['::1', '::'], ['0.0.0.0', '127.0.0.1'], ['127.0.0.1', '127.0.0.1'], ['0.0.0.0', '']]) assert.equal(check([...BASE, version(at(...pair)), deployment('branch: main')]).length, 1, pair.join(' and '));
});

test('a published port and start-first exclude each other; auto does not mind', () => {
  const images = version('  - { name: web, image: x, config: { ports: [ { internal: 1, external: 80 } ] } }');
  assert.equal(check([...BASE, images, deployment('strategy: start-first')]), ['StrategyImpossible start-first']);
  assert.equal(check([...BASE, images, deployment('config: { strategy: start-first }')]), ['StrategyImpossible start-first']);
  assert.equal(check([...BASE, images, deployment('strategy: auto')]), []);
  assert.equal(check([...BASE, images, deployment('strategy: start-first\nimages: { web: { strategy: recreate } }')]), []);
  assert.equal(check([...BASE, images, deployment('strategy: start-first', 'live', 'cloud')]), []);
});

test('what one kind of node cannot honour is an error at the field, whatever layer it is in', () => {
  const docker = 'config: { replicas: 2, kubernetes: { issuer: x }, healthCheck: { ready: { tcp: { port: 1 } } }, volumes: [ { name: a, path: /a, class: fast, size: 1Gi } ] }';
  assert.equal(check([...BASE, WEB, deployment(docker)]), ['FieldNotSupported 2', 'FieldNotSupported x', 'FieldNotSupported 1', 'FieldNotSupported fast', 'FieldNotSupported 1Gi']);
  assert.equal(check([...BASE, WEB, deployment(docker, 'live', 'cloud')]), []);
  const cluster = 'images: { web: { networkMode: bridge, networks: [ a ], logConfig: { driver: x }, restartPolicy: on-failure, ports: [ { internal: 80, external: 80, address: 127.0.0.1 } ], docker: { init: true } } }';
  assert.is(check([...BASE, WEB, deployment(cluster, 'live', 'cloud')]).length, 6);
  assert.equal(check([...BASE, WEB, deployment(cluster)]), []);
  const host = 'images: { web: { networkMode: host, networks: [ a ], ports: [ { internal: 80, external: 81 } ], routing: { domain: a.example }, expose: http } }';
  assert.equal(check([...BASE, WEB, deployment(host)]).filter((found) => found.startsWith('FieldNotSupported')).length, 3);
  assert.equal(check([...BASE, WEB, deployment('config: { replicas: 1 }')]), []);
});

test('what a cluster has no word for is an error, and each image of a cluster has ports of its own', () => {
  const cloud = (config: string): string[] => check([...BASE, WEB, deployment(`images: { web: { ${config} } }`, 'live', 'cloud')]);
  for (const wrong of [
    'user: postgres', 'expectedState: { state: waiting }', 'restartPolicy: no', 'expectedState: { state: exited }, restartPolicy: always', 'expectedState: { state: exited }, replicas: 2',
    'labels: { tier: "two words" }', 'kubernetes: { labels: { service: { "a b": c } } }', 'volumes: [ { path: /a, type: tmpfs, class: fast } ]', 'volumes: [ { path: /a, type: bind, source: /b, size: 1Gi } ]',
    'portRanges: [ { internal: { from: 1, to: 300 }, external: { from: 1, to: 300 } } ]', 'ports: [ { internal: 8080, external: 80 }, { internal: 80 } ]', 'expose: http, ports: [ { internal: 53, protocol: udp } ]',
    'kubernetes: { useLoadBalancer: true }', 'kubernetes: { loadBalancerAnnotations: { a: b } }',
  ]) assert.equal(cloud(wrong).map((found) => found.split(' ')[0]), ['FieldNotSupported'], wrong);
  for (const right of ['user: "1000:1000"', 'expectedState: { state: exited }, restartPolicy: on-failure', 'labels: { app.kubernetes.io/part-of: shop }', 'kubernetes: { useLoadBalancer: true }, ports: [ { internal: 8080, external: 80 }, { internal: 80 } ]', 'expose: http, routing: { port: 8080 }']) {
    assert.equal(cloud(right), [], right);
  }
  const two = version('  - { name: a, image: x, config: { ports: [ { internal: 1, external: 80 } ] } }\n  - { name: b, image: x, config: { ports: [ { internal: 1, external: 80 } ] } }');
  assert.equal(check([...BASE, two, deployment('branch: main', 'live', 'cloud')]), []);
});

test('a notification that waits for word of nobody is a warning at the name', () => {
  const chat = (more: string): string => doc('Notification', 'chat', `channel: slack\nurlFrom: chat\n${more}`);
  assert.equal(check([...BASE, WEB, deployment('branch: main'), chat('deployments: [ live, lvie ]\nnodes: [ harbor, pier ]')]), ['UnknownReference lvie (warning)', 'UnknownReference pier (warning)']);
});

test('a public key with a wrong letter is found where it stands, before anybody seals to it', () => {
  const key = 'age1enyysehtzq40nv9v7sgsa75k465fyckvwlmrxq7jjhng6vajl36sg4lg42';
  assert.equal(check([doc('Node', 'pier', `type: docker\nrecipients: [ ${key} ]`)]), []);
  const mistyped = `${key.slice(0, -1)}${key.endsWith('q') ? 'p' : 'q'}`;
  assert.equal(check([doc('Node', 'pier', `type: docker\nrecipients: [ ${key}, ${mistyped} ]`)]), [`RecipientInvalid ${mistyped} (warning)`]);
});

test('a value that means nothing to an engine is an error or, where it is only idle, a warning', () => {
  const of = (config: string, node = 'harbor'): string[] => check([...BASE, WEB, deployment(`images: { web: { ${config} } }`, 'live', node)]);
  for (const node of ['harbor', 'cloud']) {
    for (const wrong of [
      'resources: { limits: { cpu: 0 } }', 'resources: { limits: { memory: 64m } }', 'resources: { limits: { memory: 999999999999999E } }', 'resources: { requests: { memory: 2Gi }, limits: { memory: 1G } }', 'resources: { requests: { cpu: 2 }, limits: { cpu: 500m } }',
      'volumes: [ { path: /a, type: tmpfs, size: 0 } ]', 'labels: { tagboat.dev/route: x }', 'expose: http, routing: { port: 80, uploadLimit: 500m }',
      'healthCheck: { tcp: { port: 80 }, interval: 0s }', 'healthCheck: { tcp: { port: 80 }, timeout: 0ms }',
    ]) assert.equal(of(wrong, node).map((found) => found.split(' ')[0]), ['ValueMeaningless'], `${wrong} on ${node}`);
    for (const idle of ['routing: { domain: a.example }', 'healthCheck: { interval: 1s }', 'healthCheck: { tcp: { port: 80 }, settle: 1s }']) assert.match(of(idle, node).join(), /^ValueMeaningless .*\(warning\)$/, `${idle} on ${node}`);
    for (const right of ['resources: { requests: { cpu: 0, memory: 64Mi }, limits: { cpu: 1m, memory: 64Mi } }', 'expose: none, routing: { domain: a.example }', 'healthCheck: { settle: 0s }', 'labels: { dev.tagboat/route: x }', 'volumes: [ { path: /a, type: tmpfs, size: 64Ki } ]']) assert.equal(of(right, node), [], `${right} on ${node}`);
  }
  assert.equal(of('docker: { files: { /etc/a/: { content: x } } }').map((found) => found.split(' ')[0]), ['ValueMeaningless']);
  assert.equal(of('expose: http, ports: [ { internal: 53, protocol: udp } ]'), ['FieldNotSupported http'], 'no request is led to a port of datagrams');
  assert.equal(of('expose: http, ports: [ { internal: 53, protocol: udp }, { internal: 80 } ]'), []);
});

test('what the engine would refuse or forget is said before', () => {
  const docker = (text: string, more = ''): string[] => check([...BASE, WEB, deployment(`images: { web: { docker: { ${text} }${more} } }`)]);
  assert.equal(docker('files: { /etc/a: { content: x } }'), []);
  assert.equal(docker('files: { /etc/a: { content: x } }, readOnly: true').length, 1);
  assert.equal(docker('files: { /data/a: { content: x } }', ', volumes: [ { name: d, path: /data } ]').length, 1);
  assert.equal(docker('files: { /data2: { content: x } }', ', volumes: [ { name: d, path: /data } ]'), []);
  assert.equal(docker('maxRestarts: 3').length, 1);
  assert.equal(docker('maxRestarts: 3', ', restartPolicy: on-failure'), []);
  assert.equal(docker('ulimits: { nofile: { soft: 3, hard: 2 } }').length, 1);
  assert.equal(docker('ulimits: { nofile: { soft: 3, hard: -1 } }'), []);
  assert.equal(check([...BASE, WEB, deployment('config: { initContainers: [ { name: a, image: x }, { name: a, image: x } ] }')]), ['DuplicateName a']);
});

test('bundles of one layer that differ are told with both places; a stronger layer decides', () => {
  const bundles = [doc('ConfigBundle', 'one', 'environment: { LEVEL: info }'), doc('ConfigBundle', 'two', 'config: { environment: { LEVEL: debug } }')];
  const both = (more: string): string[] => checkReferences(setOf(...BASE, WEB, ...bundles, deployment(`bundles: [ one, two ]\n${more}`))).map(({ code, message }) => `${code}: ${message}`);
  assert.equal(both('branch: main'), ['BundleConflict: bundle one (a.yaml:30) and bundle two (a.yaml:36) set environment.LEVEL differently for image web']);
  assert.equal(both('environment: { LEVEL: warn }'), []);
  assert.equal(both('images: { web: { environment: { LEVEL: warn } } }'), []);
});

test('the short environment and the long one are one map', () => {
  assert.equal(check([...BASE, WEB, deployment('environment: { A: 1 }\nconfig: { environment: { A: 2, B: 3 } }')]), ['SchemaViolation A:']);
});

test('names, image references and volumes inside a version', () => {
  const images = version(`
    - { name: a, image: Bad/Image, config: { configContainer: { image: x, volume: none, path: /c } } }
    - { name: c, image: x }
    - { name: b, image: x, config: { name: c } }
    - { name: d, image: x, config: { initContainers: [ { name: i, image: "UPPER" } ] } }`);
  const found = check([...BASE, images, deployment('branch: main')]);
  for (const wanted of ['ImageReference Bad/Image', 'DuplicateName c', 'UnknownReference none', 'ImageReference "UPPER"']) assert.ok(found.includes(wanted), `${wanted} in ${found.join('; ')}`);
  assert.ok(checkReferences(setOf(...BASE, images, deployment('branch: main'))).some(({ message }) => message === 'images c and b both make the container shop-c'));
});

test('what depends on the content of another version is a warning', () => {
  assert.equal(check([...BASE, WEB, deployment('version: 1.0.0\nimages: { old: {} }')]), ['UnknownReference old: (warning)']);
  assert.equal(check([...BASE, deployment('version: 1.0.0')]), ['UnknownReference shop (warning)']);
});

test('a frozen version merges to the same as its manifests did (R8, R18)', () => {
  const level = fc.constantFrom('a', 'b', 'c');
  const environment = fc.dictionary(fc.constantFrom('A', 'B', 'C'), level, { maxKeys: 3 });
  const json = (value: unknown): string => JSON.stringify(value);
  fc.assert(
    fc.property(environment, environment, environment, environment, environment, (bundle, image, upper, config, override) => {
      const set = setOf(
        ...BASE,
        doc('ConfigBundle', 'low', `environment: ${json(bundle)}`),
        doc('ConfigBundle', 'high', `environment: ${json(upper)}`),
        doc('Version', 'shop', `bundles: [ low ]\nimages: [ { name: web, image: x, config: { environment: ${json(image)} } } ]`),
        deployment(`bundles: [ high ]\nenvironment: ${json(config)}\nimages: { web: { environment: ${json(override)} } }`),
      );
      const manifest = set.byKind.Version.get('shop') as Manifest<'Version'>;
      const live = set.byKind.Deployment.get('live') as Manifest<'Deployment'>;
      const above = { deployment: live, deploymentBundles: named(live.spec.bundles, set.byKind.ConfigBundle) };
      const versionBundles = named(manifest.spec.bundles, set.byKind.ConfigBundle);
      const direct = resolveImages({ version: manifest, versionBundles, ...above });
      const frozen = resolveImages({ versionLayers: { images: resolveVersionImages(manifest, versionBundles).images }, ...above });
      assert.is(canonicalJson(frozen.images), canonicalJson(direct.images));
      assert.equal({ ...direct.images[0]?.config.environment }, { ...bundle, ...image, ...upper, ...config, ...override });
    }),
    { numRuns: 50 },
  );
});

test('images come after those they depend on', () => {
  const set = setOf(...BASE, version('  - { name: a, image: x, dependsOn: [ c ] }\n  - { name: b, image: x }\n  - { name: c, image: x, dependsOn: [ b ] }'));
  assert.equal(resolveVersionImages(set.byKind.Version.get('shop') as Manifest<'Version'>, []).images.map(({ name }) => name), ['b', 'c', 'a']);
});

test.run();
