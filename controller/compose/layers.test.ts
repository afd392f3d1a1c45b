/** Files that lie over each other: further files, documents, includes with several paths, `!reset` and `!override`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import { importCompose } from './import.ts';
import { Jail } from './jail.ts';
import { checkWritten, manifestFiles } from './write.ts';

const base = mkdtempSync(join(tmpdir(), 'tagboat-layers-'));
test.after(() => rmSync(base, { recursive: true }));
let count = 0;

interface Read {
  readonly product: string;
  readonly config: Readonly<Record<string, ContainerConfig>>;
  readonly image: Readonly<Record<string, string>>;
  readonly codes: readonly string[];
}

/** Lays those of `names` over each other; what comes of them has to validate. */
function read(files: Readonly<Record<string, string>>, names: readonly string[] = ['compose.yaml']): Read {
  const directory = join(base, `case-${count++}`, 'shop');
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  const { product, images, findings } = importCompose({ jail: new Jail(directory), files: names, shownPrefix: '', profiles: [], envTexts: undefined, product: undefined });
  if (images.length > 0) assert.equal(checkWritten(manifestFiles({ product, images, node: 'harbor', newNode: true, prefix: 'p' }), 'harbor', true), []);
  return {
    product,
    config: Object.fromEntries(images.map(({ name, config }) => [name, config ?? {}])),
    image: Object.fromEntries(images.map(({ name, image }) => [name, image])),
    codes: findings.map(({ code, file, line }) => `${code} ${file}:${line}`),
  };
}

const LOWER = `
services:
  web:
    image: web:1
    command: serve
    ports: [ "80:80", "443:443" ]
    environment: { MODE: plain, LEVEL: info }
    healthcheck: { test: [ CMD, probe ], interval: 10s }
    logging: { driver: json-file, options: { max-size: 5m } }
  debug: { image: "debug:1" }
networks: { default: { name: shared } }
`;

test('a further file is laid over the first, and its paths count from there', () => {
  const over = 'services:\n  web:\n    image: web:2\n    ports: [ "8080:8080" ]\n    environment: [ MODE=over ]\n    healthcheck: { interval: 5s }\n    logging: { driver: local }\n    volumes: [ "./web.conf:/etc/web.conf" ]\n  more: { image: more }\n';
  const { config, image, codes } = read({ 'compose.yaml': LOWER, 'prod/over.yaml': over, 'web.conf': 'of the root\n' }, ['compose.yaml', 'prod/over.yaml']);
  assert.equal(image, { web: 'web:2', debug: 'debug:1', more: 'more' });
  const { web } = config;
  assert.equal(web?.ports?.map(({ external }) => external), [80, 443, 8080]);
  assert.equal(web?.environment, { MODE: 'over', LEVEL: 'info' });
  assert.equal([web?.healthCheck?.command, web?.healthCheck?.interval], [['probe'], '5s']);
  assert.equal(web?.logConfig, { driver: 'local' }, 'options of one driver are not another’s');
  assert.equal(web?.docker?.files, { '/etc/web.conf': { content: 'of the root\n' } });
  assert.equal(codes, ['FileCopied prod/over.yaml:8']);
});

test('!reset takes away, !override takes the place, at each depth', () => {
  const over = 'services:\n  web:\n    ports: !override [ "81:80" ]\n    environment: !reset null\n    command: !reset\n    healthcheck: { interval: !reset null }\n  debug: !reset null\nnetworks: { default: !reset }\n';
  const { config, codes } = read({ 'compose.yaml': LOWER, 'over.yaml': over }, ['compose.yaml', 'over.yaml']);
  assert.equal(config, { web: { restartPolicy: 'no', ports: [{ internal: 80, external: 81 }], healthCheck: { command: ['probe'], interval: '30s', timeout: '30s' }, logConfig: { driver: 'json-file', options: { 'max-size': '5m' } } } });
  assert.equal(codes, []);
  const extending = read({ 'compose.yaml': 'services:\n  a: { image: x, cap_add: [ NET_ADMIN ], tty: true, stop_grace_period: !reset null }\n  b: { extends: a, cap_add: !override [ SYS_TIME ], tty: !reset null }\n' });
  assert.equal([extending.config['b']?.capabilities, extending.config['b']?.tty, extending.codes], [{ add: ['SYS_TIME'] }, undefined, []]);
});

test('documents of one file lie over each other, and empty ones are nothing', () => {
  const { image, codes } = read({ 'compose.yaml': '---\n# only words\n---\nservices: { a: { image: one } }\n---\nservices: { a: { image: two } }\n---\n' });
  assert.equal([image, codes], [{ a: 'two' }, []]);
});

test('an include of several files, with a directory that its paths count from', () => {
  const { config, codes } = read({
    'compose.yaml': 'include:\n  - path: [ part/base.yaml, part/over.yaml ]\n    project_directory: place\n',
    'part/base.yaml': 'services: { a: { image: "a:${TAG}", env_file: a.env } }\n',
    'part/over.yaml': 'services: { a: { tty: true } }\n',
    'place/.env': 'TAG=9\n',
    'place/a.env': 'FROM=place\n',
  });
  assert.equal(config['a'], { restartPolicy: 'no', environment: { FROM: 'place' }, tty: true });
  assert.equal(codes, ['FileCopied part/base.yaml:1']);
});

test('what two files include is there once; what both define is told', () => {
  const files = { 'left.yaml': 'include: [ common.yaml ]\nservices: { l: { image: l } }\n', 'right.yaml': 'include: [ common.yaml ]\nservices: { r: { image: r } }\n', 'common.yaml': 'services: { c: { image: c, volumes: [ "kept:/kept" ] } }\nvolumes: { kept: }\n' };
  const diamond = read({ ...files, 'compose.yaml': 'include: [ left.yaml, right.yaml ]\n' });
  assert.equal([Object.keys(diamond.image), diamond.codes], [['c', 'l', 'r'], []]);
  const twice = read({ ...files, 'compose.yaml': 'include: [ left.yaml ]\nservices: { l: { image: other } }\nvolumes: { kept: { labels: [ a ] } }\n' });
  assert.equal(twice.codes, ['ComposeInvalid compose.yaml:2', 'ComposeInvalid compose.yaml:3']);
});

test('.env names the project and the profiles; a project that the file names counts in its own variables', () => {
  const yaml = 'name: own\nservices:\n  a: { image: "${COMPOSE_PROJECT_NAME}-a" }\n  b: { image: b, profiles: [ more ] }\n  c: { image: c, profiles: [ "", other ] }\n';
  const plain = read({ 'compose.yaml': yaml });
  assert.equal([plain.product, plain.image], ['own', { a: 'own-a', c: 'c' }]);
  const named = read({ 'compose.yaml': yaml, '.env': 'COMPOSE_PROJECT_NAME=named\nCOMPOSE_PROFILES=more,none\n' });
  assert.equal([named.product, named.image], ['named', { a: 'named-a', b: 'b' }]);
});

test('maps that share and lie over maps that share do not multiply', () => {
  const bomb = (name: string): string => `x-${name}0: &${name}0 { k: v }\n${Array.from({ length: 14 }, (_, n) => `x-${name}${n + 1}: &${name}${n + 1} { ${Array.from({ length: 9 }, (__, k) => `k${k}: *${name}${n}`).join(', ')} }`).join('\n')}\n`;
  const { codes } = read({ 'compose.yaml': `${bomb('a')}${bomb('b')}services:\n  one: { image: x, deploy: *a14 }\n  two: { extends: one, deploy: *b14 }\n` });
  assert.ok(codes.length > 0);
});

test('circles of services are cut where they close, strangers are named', () => {
  const { codes, image } = read({ 'compose.yaml': 'services:\n  a:\n    image: x\n    depends_on: [ b ]\n  b:\n    image: x\n    links: [ c ]\n  c:\n    image: x\n    depends_on: [ a, c ]\n  p:\n    provider: { type: cloud }\n  e:\n    image: "${NONE:-}"\n' });
  assert.equal(Object.keys(image), ['a', 'b', 'c']);
  assert.equal(codes, ['Circle compose.yaml:10', 'Circle compose.yaml:10', 'NotCarriedOver compose.yaml:12', 'ComposeInvalid compose.yaml:14']);
});

test('one port on several addresses is fine, one port twice is not', () => {
  const { config, codes } = read({ 'compose.yaml': 'services:\n  a:\n    image: x\n    ports: [ "127.0.0.1:80:80", "[::1]:80:80", "127.0.0.2:80:81", "53:53/udp" ]\n  b:\n    image: x\n    ports: [ "80:80", "53:53" ]\n    expose: [ 9 ]\n    ulimits: { nofile: { soft: 9, hard: 5 } }\n' });
  assert.equal(config['a']?.ports?.map(({ external, address = '*' }) => `${address} ${external}`), ['127.0.0.1 80', '::1 80', '127.0.0.2 80', '* 53']);
  assert.equal(config['b']?.ports, [{ internal: 80 }, { internal: 53, external: 53 }, { internal: 9 }]);
  assert.equal([...new Set(codes)], ['ComposeInvalid compose.yaml:7', 'ComposeInvalid compose.yaml:9']);
});

test('a network mode of its own says what of ports and names has no meaning', () => {
  const { codes } = read({ 'compose.yaml': 'services:\n  a:\n    image: x\n    network_mode: host\n    container_name: own\n    ports: [ "80:80" ]\n' });
  assert.equal(codes, ['NoEffect compose.yaml:5', 'NoEffect compose.yaml:6']);
});

test('a volume that its driver only binds is that directory; other options are told', () => {
  const { config, codes } = read({
    'compose.yaml': 'services:\n  a:\n    image: x\n    volumes: [ "d:/d", "share:/s:ro", "nfs:/n" ]\nvolumes:\n  d: { driver_opts: { type: none, o: bind, device: /srv/data } }\n  share: { driver: local, driver_opts: { type: none, o: "bind,rw", device: "${PWD}/share" } }\n  nfs: { driver_opts: { type: nfs, o: addr=1.2.3.4, device: ":/x" } }\n',
    'share/f': 'text\n',
  });
  assert.equal(config['a']?.volumes, [{ path: '/d', type: 'bind', source: '/srv/data' }, { name: 'nfs', path: '/n' }]);
  assert.equal(config['a']?.docker?.files, { '/s/f': { content: 'text\n' } });
  assert.equal(codes, ['OfTheNode compose.yaml:4', 'FileCopied compose.yaml:4', 'NotCarriedOver compose.yaml:8']);
});

test('tags that say what a value is anyhow, times in days, fractions without a zero', () => {
  const { config, codes } = read({ 'compose.yaml': 'x-b: &b { tty: true }\nservices:\n  a:\n    !!merge <<: *b\n    image: !!str x\n    cpus: .5\n    healthcheck: { test: t, start_period: 1d }\n    environment: { N: !!int 5 }\n' });
  assert.equal([config['a']?.tty, config['a']?.resources, config['a']?.healthCheck?.startPeriod, config['a']?.environment, codes], [true, { limits: { cpu: '0.5' } }, '86400s', { N: '5' }, []]);
});

test.run();
