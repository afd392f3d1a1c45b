/** What public compose files do besides the plain way: jobs that nobody waits for, directories that several share, empty commands. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import { composeFiles } from './files.ts';
import { importCompose } from './import.ts';
import { Jail } from './jail.ts';
import { checkWritten, manifestFiles } from './write.ts';

const base = mkdtempSync(join(tmpdir(), 'tagboat-habits-'));
test.after(() => rmSync(base, { recursive: true }));
let count = 0;

interface Read {
  readonly product: string;
  readonly config: Readonly<Record<string, ContainerConfig>>;
  /** `code place: message`, without those that every file has. */
  readonly said: readonly string[];
}

function lay(files: Readonly<Record<string, string>>): string {
  const directory = join(base, `case-${count++}`, 'shop');
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  return directory;
}

/** @param named the file or directory that is imported. What comes of it has to validate. */
function read(files: Readonly<Record<string, string>> | string, named = 'compose.yaml', within?: string): Read {
  const directory = lay(typeof files === 'string' ? { 'compose.yaml': files } : files);
  const found = composeFiles([join(directory, named)], within === undefined ? undefined : join(directory, within));
  const { product, images, findings } = importCompose({ jail: new Jail(found.directory), files: found.files, shownPrefix: '', besides: found.besides, profiles: [], envTexts: undefined, product: undefined });
  if (images.length > 0) assert.equal(checkWritten(manifestFiles({ product, images, node: 'harbor', newNode: true, prefix: 'p' }), 'harbor', true), []);
  return {
    product,
    config: Object.fromEntries(images.map(({ name, config }) => [name, config ?? {}])),
    said: findings.map(({ code, file, line, message }) => `${code} ${file}:${line}: ${message}`),
  };
}

const service = (yaml: string, name = 'a', rest = ''): Read => read(`services:\n  ${name}:\n    image: nginx\n${yaml.replace(/^/gm, '    ')}\n${rest}`);

test('variables that are handed through and not set are told once, and lose nothing', () => {
  const { config, said } = read({ 'compose.yaml': 'services:\n  a:\n    image: nginx\n    environment: [ ONE, TWO, THREE, FOUR, FIVE, SIX, SEVEN, KNOWN ]\n', '.env': 'KNOWN=yes\n' });
  assert.equal(config['a']?.environment, { KNOWN: 'yes' });
  assert.equal(said, ['HandedThrough compose.yaml:4: ONE, TWO, THREE, FOUR, FIVE and 2 more: handed through from where compose runs and not set; the container does not get them']);
});

test('an empty entry point gives its place to the command', () => {
  assert.equal(service('entrypoint: [ "" ]\ncommand: sh -c "a b"').config['a'], { restartPolicy: 'no', command: ['sh', '-c', 'a b'] });
  assert.equal(service('command: [ run, it ]\nentrypoint: ""').config['a'], { restartPolicy: 'no', command: ['run', 'it'] });
  assert.match(service('entrypoint: []').said.join(), 'NotCarriedOver compose.yaml:4: entrypoint: an empty one');
});

test('an empty command is the image’s own, as for the engine', () => {
  const { config, said } = service('command: []');
  assert.equal(config['a'], { restartPolicy: 'no' });
  assert.match(said.join(), /^NoEffect compose.yaml:4: command/);
  assert.equal(service('entrypoint: [ x ]\ncommand: []').said, []);
});

test('a service that is named as a job is one, if nobody restarts it, calls it or asks how it is', () => {
  for (const name of ['shop-migrate', 'init', 'create-bucket', 'web_setup', 'pull-model']) {
    const { config, said } = service('command: x', name);
    assert.equal(Object.values(config)[0]?.expectedState, { state: 'exited' }, name);
    assert.match(said.join(), 'seems to be a job');
  }
  assert.is(service('restart: on-failure', 'migrations').config['migrations']?.restartPolicy, 'on-failure');
  for (const yaml of ['restart: always', 'ports: [ "80:80" ]', 'healthcheck: { test: "true" }', 'scale: 0']) {
    assert.is(service(yaml, 'init').config['init']?.expectedState, undefined, yaml);
  }
  for (const name of ['initial', 'scheduler', 'db']) assert.is(service('command: x', name).config[name]?.expectedState, undefined, name);
});

test('a service that says itself that nobody restarts it may be a job, which is told', () => {
  assert.match(service('restart: "no"', 'fetch').said.join(), 'MayEnd compose.yaml:4: fetch is not restarted when it ends');
  assert.match(service('deploy: { restart_policy: { condition: none } }', 'fetch').said.join(), 'MayEnd');
  for (const yaml of ['command: x', 'deploy: { resources: { limits: { memory: 64m } } }', 'restart: "no"\nports: [ "80:80" ]']) assert.equal(service(yaml, 'fetch').said, [], yaml);
});

test('waiting for the check of an image is told: nobody asks it here', () => {
  const { said } = read('services:\n  db: { image: db }\n  kept: { image: kept, healthcheck: { interval: 5s, test: "true" } }\n  web:\n    image: web\n    depends_on:\n      db: { condition: service_healthy }\n      kept: { condition: service_healthy }\n');
  assert.equal(said, ['Differs compose.yaml:7: db has no test in its healthcheck; one of its image is not asked, and it counts as healthy once it has run for a while']);
});

test('who only reads a directory gets the volume of who writes it', () => {
  const { config, said } = read('services:\n  reader: { image: r, volumes: [ "./geo:/geo:ro", "~/up:/up:ro" ] }\n  writer: { image: w, volumes: [ "${PWD}/geo/:/data", "~/up:/up" ] }\n');
  assert.equal(config['reader']?.volumes, [{ name: 'geo', path: '/geo', readOnly: true }, { name: 'up', path: '/up', readOnly: true }]);
  assert.equal(config['writer']?.volumes, [{ name: 'geo', path: '/data' }, { name: 'up', path: '/up' }]);
  assert.equal(said.map((one) => one.split(' ')[0]), ['BecameVolume', 'BecameVolume']);
  assert.match(service('volumes: [ "./geo:/geo:ro" ]').said.join(), 'FileMissing compose.yaml:4: ./geo is not there');
});

test('directories of the same name in different places are different volumes', () => {
  const { config } = read({ 'compose.yaml': 'include: [ one/c.yaml, two/c.yaml ]\n', 'one/c.yaml': 'services: { a: { image: a, volumes: [ "./data:/d" ] } }\n', 'two/c.yaml': 'services: { b: { image: b, volumes: [ "./data:/d" ] } }\n' });
  assert.equal([config['a']?.volumes?.[0]?.name, config['b']?.volumes?.[0]?.name], ['data', 'data-2']);
});

test('one directory in another is told where they become two volumes', () => {
  const { said } = read('services:\n  a: { image: a, volumes: [ "./library:/all" ] }\n  b:\n    image: b\n    volumes: [ "./library/thumbs:/thumbs" ]\n  c: { image: c, volumes: [ "./library-2:/other" ] }\n');
  assert.equal(said.filter((one) => one.startsWith('Differs')), ['Differs compose.yaml:5: ./library/thumbs lies in ./library; the volumes thumbs and library have nothing in common']);
});

test('certificates are copied, keys and databases are not', () => {
  const certificate = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n';
  const key = '-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n';
  const { config, said } = read({
    'compose.yaml': 'services:\n  a:\n    image: a\n    volumes:\n      - ./ca.pem:/ca.pem:ro\n      - ./both.pem:/both.pem:ro\n      - ./own.pem:/own.pem\n      - ./acme.json:/acme.json\n      - ./site.sqlite3:/site.sqlite3\n',
    'ca.pem': certificate, 'both.pem': certificate + key, 'own.pem': 'x\n', 'acme.json': '{}\n', 'site.sqlite3': '',
  });
  assert.equal(Object.keys(config['a']?.docker?.files ?? {}), ['/ca.pem']);
  assert.equal(said.map((one) => one.split(':')[0] + one.slice(one.indexOf(':'), one.indexOf(':') + 2)), ['FileCopied compose.yaml:5', 'SecretToSeal compose.yaml:6', 'SecretToSeal compose.yaml:7', 'DirectoryOfNode compose.yaml:8', 'DirectoryOfNode compose.yaml:9']);
});

test('a volume that its driver keeps in memory is memory', () => {
  const { config, said } = read('services:\n  a: { image: a, volumes: [ "m:/m" ] }\n  b:\n    image: b\n    volumes: [ "m:/n:ro" ]\nvolumes:\n  m: { driver_opts: { type: tmpfs, device: tmpfs, o: "size=64m" } }\n');
  assert.equal([config['a']?.volumes, config['b']?.volumes], [[{ path: '/m', type: 'tmpfs', size: '64Mi' }], [{ path: '/n', type: 'tmpfs', size: '64Mi', readOnly: true }]]);
  assert.equal(said, ['Differs compose.yaml:5: the volume m is in memory; a and b have one each']);
  assert.match(service('volumes: [ "m:/m" ]', 'a', 'volumes: { m: { driver_opts: { type: tmpfs, device: tmpfs, o: "uid=5" } } }').said.join(), 'driver_opts');
});

test('the whole directory of the compose file goes nowhere, built or not', () => {
  assert.match(service('volumes: [ ".:/etc/vpn" ]').said.join(), 'DirectoryOfNode compose.yaml:4: . is all that lies beside');
  assert.match(service('build: .\nvolumes: [ ".:/code" ]').said.join(), 'DirectoryOfNode compose.yaml:5: . is where the image is made from');
  assert.match(service('volumes: [ "./Caddyfile:/etc/caddy/Caddyfile" ]').said.join(), 'FileMissing');
});

test('a container that borrows the network of another is told where it is instead', () => {
  const { config, said } = read('services:\n  vpn: { image: v }\n  a: { image: a, network_mode: "service:vpn" }\n');
  assert.is(config['a']?.networkMode, undefined);
  assert.match(said.join(), 'NotCarriedOver compose.yaml:3: network_mode: the network of another container (service:vpn) cannot be shared; a is on the target’s own');
});

test('files of an image are told once', () => {
  const said = service('volumes:\n  - { type: image, source: other, target: /o, image: { subpath: x } }\n  - { type: image, source: other, target: /p }').said;
  assert.equal(said.map((one) => one.split(':').slice(0, 2).join(':')), ['NotCarriedOver compose.yaml:5', 'NotCarriedOver compose.yaml:6']);
});

test('options of tmpfs that the engine sets in any case are no loss', () => {
  const { config, said } = service('tmpfs: [ "/t:size=1m,mode=1777,noexec,nosuid,nodev", "/r:ro" ]');
  assert.equal(config['a']?.volumes, [{ path: '/t', type: 'tmpfs', size: '1Mi' }, { path: '/r', type: 'tmpfs', readOnly: true }]);
  assert.equal(said, []);
  assert.match(service('tmpfs: "/t:exec"').said.join(), 'the option exec is not carried over');
});

test('no domain to look names up in is said to the engine by a dot', () => {
  assert.equal(service('dns_search: ""').config['a']?.docker?.dns, { search: ['.'] });
});

test('a switch is no secret, whatever it is called', () => {
  assert.equal(service('environment: { ALLOW_EMPTY_PASSWORD: "yes", USE_TOKEN: false }').said, []);
  assert.match(service('environment: { TOKEN: abc }').said.join(), 'SecretInClear');
});

test('a file where every service waits for a profile says which', () => {
  const { config, said } = read('services: { a: { image: a, profiles: [ x ] }, b: { image: b, profiles: [ y ] } }\n');
  assert.equal(config, {});
  assert.match(said.join(), 'NothingChosen compose.yaml:0: every service belongs to a profile: a, b');
});

test('files of the directory above are read where it is named', () => {
  const files = { 'deploy/prod/compose.yaml': 'services:\n  a: { image: a, env_file: ../a.env, volumes: [ "../../etc/x.conf:/x.conf:ro" ] }\n', 'deploy/a.env': 'A=1\n', 'etc/x.conf': 'x\n' };
  const alone = read(files, 'deploy/prod/compose.yaml');
  assert.is(alone.said.filter((one) => one.startsWith('PathOutside compose.yaml:2')).length, 2);
  const { product, config, said } = read(files, 'deploy/prod/compose.yaml', '.');
  assert.is(product, 'prod');
  assert.equal([config['a']?.environment, config['a']?.docker?.files], [{ A: '1' }, { '/x.conf': { content: 'x\n' } }]);
  assert.ok(said.every((one) => one.startsWith('FileCopied deploy/prod/compose.yaml:2')), said.join());
  assert.throws(() => composeFiles([join(lay(files), 'deploy/prod/compose.yaml')], join(lay(files), 'etc')), /does not lie in/);
});

test('COMPOSE_FILE beside a directory’s files counts where the directory is named', () => {
  const files = { '.env': 'MORE=:more.yaml\nCOMPOSE_FILE=compose.yaml${MORE}\n', 'compose.yaml': 'services: { a: { image: a } }\n', 'more.yaml': 'services: { b: { image: b } }\n', 'compose.override.yaml': 'services: { c: { image: c } }\n' };
  assert.equal(Object.keys(read(files, '.').config), ['a', 'b']);
  const alone = read(files);
  assert.equal(Object.keys(alone.config), ['a']);
  assert.match(alone.said.join(), 'OverrideAside more.yaml:0: compose takes more.yaml along');
  assert.throws(() => read({ ...files, '.env': 'COMPOSE_FILE=gone.yaml\n' }, '.'), /no file gone\.yaml, which COMPOSE_FILE names/);
  assert.throws(() => read({ ...files, '.env': 'COMPOSE_FILE=../../../x.yaml\n' }, '.'), /no file/);
});

test('amounts that mean nothing to an engine are told where they are written, and left out', () => {
  const { config, said } = service('cpu_quota: 1\nmem_limit: 64m\nmem_reservation: 128m\ntmpfs: [ "/t:size=0" ]');
  assert.equal(config['a']?.resources, { limits: { memory: '64Mi' } });
  assert.equal(config['a']?.volumes, [{ path: '/t', type: 'tmpfs' }]);
  assert.equal(said.map((one) => one.slice(0, 64)).sort(), [
    'NotCarriedOver compose.yaml:4: limits.cpu of image a is 0.00001:',
    'NotCarriedOver compose.yaml:6: image a is promised more memory (',
  ]);
});

test.run();
