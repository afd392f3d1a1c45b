/** Constructs of compose files as people write them, each in a miniature of its own. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContainerConfig, VersionImage } from '../../schemas/gen/types.ts';
import { importCompose } from './import.ts';
import type { Imported } from './import.ts';
import { Jail } from './jail.ts';
import { checkWritten, manifestFiles } from './write.ts';

const base = mkdtempSync(join(tmpdir(), 'tagboat-compose-'));
test.after(() => rmSync(base, { recursive: true }));
let count = 0;

interface Read extends Imported {
  /** By image name. */
  readonly by: Readonly<Record<string, VersionImage>>;
  readonly codes: readonly string[];
}

/** Imports `files` with `compose.yaml` as the first; what comes of it has to validate. */
function read(files: Readonly<Record<string, string>> | string, options: { profiles?: string[]; env?: string } = {}): Read {
  const directory = join(base, `case-${count++}`, 'shop');
  mkdirSync(directory, { recursive: true });
  for (const [path, text] of Object.entries(typeof files === 'string' ? { 'compose.yaml': files } : files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
    if (path.endsWith('.sh')) chmodSync(join(directory, path), 0o755);
  }
  const result = importCompose({ jail: new Jail(directory), files: ['compose.yaml'], shownPrefix: '', profiles: options.profiles ?? [], envTexts: options.env === undefined ? undefined : [options.env], product: undefined });
  if (result.images.length > 0) {
    const written = manifestFiles({ product: result.product, images: result.images, node: 'harbor', newNode: true, prefix: 'p' });
    assert.equal(checkWritten(written, 'harbor', true), []);
  }
  return { ...result, by: Object.fromEntries(result.images.map((image) => [image.name, image])), codes: result.findings.map(({ code, line, column }) => `${code} ${line}:${column}`) };
}

const one = (yaml: string, more = ''): ContainerConfig => read(`services:\n  a:\n    image: nginx\n${yaml.replace(/^/gm, '    ')}\n${more}`).by['a']?.config ?? {};
const errors = (result: Read): string[] => result.findings.filter(({ severity }) => severity !== 'note').map(({ code }) => code);

test('what is all carried over has nothing to tell', () => {
  const result = read(`
services:
  db:
    image: postgres:16
    restart: always
    environment: { POSTGRES_DB: shop }
    volumes: [ "data:/var/lib/postgresql/data" ]
    healthcheck: { test: [ CMD, pg_isready ], interval: 10s, timeout: 5s, retries: 5, start_period: 1m30s }
  web:
    image: nginx:1.27
    restart: unless-stopped
    depends_on: { db: { condition: service_healthy } }
    ports: [ "8080:80" ]
volumes: { data: }
`);
  assert.equal(result.findings, []);
  assert.is(result.product, 'shop');
  assert.equal(result.by['db'], {
    name: 'db',
    image: 'postgres:16',
    config: {
      restartPolicy: 'always',
      environment: { POSTGRES_DB: 'shop' },
      volumes: [{ name: 'data', path: '/var/lib/postgresql/data' }],
      healthCheck: { command: ['pg_isready'], interval: '10s', timeout: '5s', startPeriod: '90s', retries: 5 },
    },
  });
  assert.equal(result.by['web'], { name: 'web', image: 'nginx:1.27', dependsOn: ['db'], config: { restartPolicy: 'unless-stopped', ports: [{ internal: 80, external: 8080 }] } });
});

test('ports in every spelling', () => {
  assert.equal(one('ports: [ "80:8080", "127.0.0.1:5000:5000/udp", "[::1]:6000:6000", 7000:7000/tcp, ":2283:2283", "9000-9002:8000-8002", "127.0.0.1:1-2:1-2" ]'), {
    restartPolicy: 'no',
    ports: [
      { internal: 8080, external: 80 },
      { internal: 5000, external: 5000, protocol: 'udp', address: '127.0.0.1' },
      { internal: 6000, external: 6000, address: '::1' },
      { internal: 7000, external: 7000 },
      { internal: 2283, external: 2283 },
      { internal: 1, external: 1, address: '127.0.0.1' },
      { internal: 2, external: 2, address: '127.0.0.1' },
    ],
    portRanges: [{ internal: { from: 8000, to: 8002 }, external: { from: 9000, to: 9002 } }],
  });
  assert.equal(one('ports: [ { target: 80, published: "8080", host_ip: 0.0.0.0, protocol: udp, mode: host, name: web, app_protocol: http } ]\nexpose: [ "80/udp", 443, "1-2" ]').ports, [
    { internal: 80, external: 8080, protocol: 'udp' }, { internal: 443 }, { internal: 1 }, { internal: 2 },
  ]);
  const odd = read('services:\n  a:\n    image: x\n    ports:\n      - 3000\n      - "8000-8010:80"\n      - "80:80/sctp"\n      - "99999:80"\n      - "a:b"\n      - "1-2:1-3"\n');
  assert.equal(odd.codes, ['Differs 5:9', 'Differs 6:9', 'NotCarriedOver 7:9', 'ComposeInvalid 8:9', 'ComposeInvalid 9:9', 'ComposeInvalid 10:9']);
  assert.equal(odd.by['a']?.config?.ports, [{ internal: 3000 }, { internal: 80, external: 8000 }]);
});

test('variables in all forms, from .env or a file that was named', () => {
  const yaml = 'services:\n  a:\n    image: "web:${TAG:-1}"\n    environment:\n      A: "$ONE ${TWO-x} ${EMPTY:-d} ${EMPTY-d} ${SET:+yes} ${NONE:+no} $$KEPT ${DEEP:-${DEEPER:-end}}"\n';
  const result = read({ 'compose.yaml': yaml, '.env': '# c\nexport ONE=1 # note\nEMPTY=\nSET="a\\nb"\nQ=\'$ONE\'\n' });
  assert.is(result.by['a']?.image, 'web:1');
  assert.is(result.by['a']?.config?.environment?.['A'], '1 x d  yes  $KEPT end');
  assert.equal(result.findings, []);
  assert.is(read(yaml, { env: 'TAG=2\nONE=9' }).by['a']?.image, 'web:2');
  const missing = read('services:\n  a:\n    image: x\n    environment:\n      - A=${NOPE}\n      - B=${MUST:?say it}\n      - C=${bad-\n      - HANDED\n');
  assert.equal(missing.codes, ['HandedThrough 5:7', 'VariableUnset 5:9', 'VariableRequired 6:9', 'InterpolationSyntax 7:9']);
  assert.match(missing.findings[2]?.message ?? '', 'say it');
  process.env['TAGBOAT_TEST_CANARY'] = 'of the caller';
  assert.is(read('services: { a: { image: x, environment: { A: "${TAGBOAT_TEST_CANARY}" } } }').by['a']?.config?.environment?.['A'], '');
});

test('environment and env_file: lists, maps, numbers as written, files in their order, not required', () => {
  const result = read({
    'compose.yaml': 'services:\n  a:\n    image: x\n    environment: [ A=over, "E=a=b" ]\n    env_file:\n      - one.env\n      - { path: two.env, required: true, format: raw }\n      - { path: gone.env, required: false }\n  b:\n    image: x\n    env_file: one.env\n    environment: { VERSION: 1.10, ON: yes, NUM: 0o17, T: true, NOTHING: "" }\n',
    'one.env': 'A=file\nB="two words"\nC=$B!\nM="line\nnext"\n',
    'two.env': 'C="raw $B"\nD=4\n',
  });
  assert.equal(result.by['a']?.config?.environment, { A: 'over', B: 'two words', C: '"raw $B"', M: 'line\nnext', D: '4', E: 'a=b' });
  assert.equal(result.by['b']?.config?.environment, { A: 'file', B: 'two words', C: 'two words!', M: 'line\nnext', VERSION: '1.10', ON: 'yes', NUM: '0o17', T: 'true', NOTHING: '' });
  assert.equal(errors(result), []);
});

test('anchors, merge keys and extensions, as in big files', () => {
  const result = read(`
# a comment before the document
---
x-env: &env
  LEVEL: info
x-check: &check { interval: 5s, retries: 9 }
x-base: &base
  image: base:1
  restart: unless-stopped
  logging: &log { driver: json-file, options: { max-size: 5m, tag: "{{.Name}}" } }
  environment: &own { <<: *env, NAME: base }
  depends_on: &deps { db: { condition: service_healthy } }
services:
  db: { image: "db:1", healthcheck: { <<: *check, test: "ok $$HOME" } }
  a: { <<: *base, command: run a }
  b:
    <<: [ { tty: true }, *base ]
    environment: { <<: *own, NAME: b }
    depends_on: { <<: *deps, a: { condition: service_started } }
  c: { image: "c:1", logging: *log, environment: { <<: *env } }
`);
  assert.equal(result.findings, []);
  assert.equal(result.by['db']?.config?.healthCheck, { command: ['/bin/sh', '-c', 'ok $HOME'], interval: '5s', timeout: '30s', retries: 9 });
  assert.equal(result.by['a'], { name: 'a', image: 'base:1', dependsOn: ['db'], config: { restartPolicy: 'unless-stopped', logConfig: { driver: 'json-file', options: { 'max-size': '5m', tag: '{{.Name}}' } }, environment: { LEVEL: 'info', NAME: 'base' }, args: ['run', 'a'] } });
  assert.equal(result.by['b']?.dependsOn, ['db', 'a']);
  assert.equal(result.by['b']?.config?.environment, { LEVEL: 'info', NAME: 'b' });
  assert.is(result.by['b']?.config?.tty, true);
});

test('extends in the file and in another, include, profiles', () => {
  const files = {
    'compose.yaml': 'include: [ more/extra.yaml, { path: [ db.yaml ] } ]\nservices:\n  web:\n    extends: { file: common/base.yaml, service: app }\n    environment: [ B=web ]\n    ports: [ "81:81" ]\n    command: serve\n    volumes: [ "./web.conf:/etc/app.conf" ]\n  job: { extends: web, profiles: [ jobs ], depends_on: [ db ] }\n  always: { image: x, depends_on: { job: { condition: service_started, required: false } } }\n',
    'common/base.yaml': 'services:\n  app:\n    extends: { service: root }\n    environment: { A: app, B: app }\n    ports: [ "80:80" ]\n    labels: [ l=1 ]\n    volumes: [ "./app.conf:/etc/app.conf", "./own.conf:/etc/own.conf" ]\n  root: { image: root:1, cap_add: [ NET_ADMIN ] }\n',
    'common/own.conf': 'own\n',
    'common/app.conf': 'app\n',
    'web.conf': 'web\n',
    'more/extra.yaml': 'services:\n  extra: { image: "e:${E}" }\n',
    'more/.env': 'E=7\n',
    'db.yaml': 'services: { db: { image: db } }\n',
  };
  const result = read(files);
  assert.equal(Object.keys(result.by).sort(), ['always', 'db', 'extra', 'web']);
  assert.is(result.by['extra']?.image, 'e:7');
  const web = result.by['web']?.config;
  assert.equal([web?.environment, web?.ports?.map((port) => port.external), web?.labels, web?.args, web?.capabilities], [{ A: 'app', B: 'web' }, [80, 81], { l: '1' }, ['serve'], { add: ['NET_ADMIN'] }]);
  assert.equal(web?.docker?.files, { '/etc/app.conf': { content: 'web\n' }, '/etc/own.conf': { content: 'own\n' } });
  assert.equal(errors(result), []);
  const jobs = read({ ...files, 'compose.yaml': files['compose.yaml'].replace('ports: [ "81:81" ]', 'restart: always'), 'common/base.yaml': files['common/base.yaml'].replace('ports: [ "80:80" ]', 'tty: true') }, { profiles: ['jobs'] });
  assert.ok(jobs.by['job'] !== undefined && jobs.by['always']?.dependsOn?.includes('job'));
});

test('circles and strangers end: extends, include, paths outside, links outside', () => {
  const circles = read({ 'compose.yaml': 'include: [ b.yaml ]\nservices: { a: { extends: b, image: x }, b: { extends: a } }\n', 'b.yaml': 'include: [ compose.yaml ]\nservices: { c: { image: x } }\n' });
  assert.is(circles.findings.filter(({ code }) => code === 'Circle').length >= 2, true);
  const outside = read('include: [ ../other.yaml, "https://example.org/x.yaml" ]\nservices:\n  a:\n    image: x\n    env_file: [ ../a.env, /etc/passwd ]\n    extends: { file: ../../b.yaml, service: x }\n    volumes: [ "../up:/up", "./ok/../../up:/up2" ]\n    configs: [ c ]\nconfigs: { c: { file: /etc/passwd } }\n');
  assert.is(outside.findings.filter(({ code }) => code === 'PathOutside').length, 8);
  assert.not.match(JSON.stringify(outside.images), 'root:');

  const directory = join(base, 'links');
  mkdirSync(directory);
  symlinkSync('/etc/passwd', join(directory, 'link'));
  writeFileSync(join(directory, 'compose.yaml'), 'services: { a: { image: x, volumes: [ "./link:/a" ], env_file: link } }');
  const linked = importCompose({ jail: new Jail(directory), files: ['compose.yaml'], shownPrefix: '', profiles: [], envTexts: undefined, product: undefined });
  assert.equal(linked.findings.map(({ code }) => code), ['PathOutside', 'PathOutside']);
});

test('hostile YAML ends in findings, soon', () => {
  const bomb = `x0: &x0 [ a, a, a, a, a, a, a, a, a, a ]\n${Array.from({ length: 12 }, (_, n) => `x${n + 1}: &x${n + 1} [ ${Array(10).fill(`*x${n}`).join(', ')} ]`).join('\n')}\nservices: { a: { image: x, command: *x12 } }`;
  assert.ok(read(bomb).findings.length > 0);
  const merges = `x0: &x0 { ${Array.from({ length: 900 }, (_, n) => `k${n}: 1`).join(', ')} }\n${Array.from({ length: 300 }, (_, n) => `y${n}: { <<: *x0 }`).join('\n')}\nservices: { a: { image: x } }`;
  assert.ok(read(merges).findings.some(({ code }) => code === 'YamlSyntax'));
  for (const text of ['', '[]', 'services: []', 'services:\n  a: x', 'a: &a [ *a ]', '{', 'services: { a: { image: [ x ] } }', `${'['.repeat(5000)}`, 'services: { "__proto__": { image: x } }', 'services: { a: { image: x, <<: 1 } }', '!!binary x', 'web:\n  image: x\n']) {
    const result = read(text);
    assert.ok(text.includes('__proto__') || result.findings.length > 0, text);
  }
  assert.is(({} as { image?: string }).image, undefined);
});

test('commands: words as a shell splits them, lists as they are, block texts', () => {
  const rows: readonly (readonly [yaml: string, args: string[]])[] = [
    [`command: sh -c "echo 'a b' \\"c\\"; exec x"`, ['sh', '-c', `echo 'a b' "c"; exec x`]],
    [`command: '"55 23 * * * run it"'`, ['55 23 * * * run it']],
    ['command: >\n  server\n  --max 256mb\n  --yes', ['server', '--max', '256mb', '--yes']],
    ['command: [ a, 1, true, "b c" ]', ['a', '1', 'true', 'b c']],
    ['command:\n  - -c\n  - |\n    if x; then\n      y $$(id)\n    fi', ['-c', 'if x; then\n  y $(id)\nfi\n']],
    ["command: --flag='a b' c\\ d", ['--flag=a b', 'c d']],
  ];
  for (const [yaml, args] of rows) assert.equal(one(yaml).args, args, yaml);
  assert.equal(one('entrypoint: /bin/bash -c').command, ['/bin/bash', '-c']);
  assert.equal(errors(read("services: { a: { image: x, command: 'a \"b', entrypoint: [] } }")), ['ComposeInvalid', 'NotCarriedOver']);
});

test('health checks: kinds, times, disabled, of the image', () => {
  assert.equal(one('healthcheck: { test: "curl -f x || exit 1", interval: 1h1m1s, start_interval: 1s }').healthCheck, { command: ['/bin/sh', '-c', 'curl -f x || exit 1'], interval: '3661s', timeout: '30s' });
  assert.equal(one('healthcheck: { test: [ CMD-SHELL, "a | b" ], interval: 1500ms, timeout: 500us }').healthCheck, { command: ['/bin/sh', '-c', 'a | b'], interval: '1500ms', timeout: '1ms' });
  for (const off of ['{ disable: true }', '{ test: [ NONE ] }', '{ disable: true, test: x }']) assert.is(one(`healthcheck: ${off}`).healthCheck, undefined);
  assert.equal(read('services: { a: { image: x, healthcheck: { disable: false } } }').codes, ['Differs 1:41']);
});

test('volumes: named, anonymous, of the node, beside the file, of a home', () => {
  const result = read({
    'compose.yaml': `
services:
  a:
    image: x
    volumes:
      - my_data:/data:ro
      - /anonymous
      - /etc/localtime:/etc/localtime:ro
      - ./conf/app.conf:/etc/app.conf:ro,Z
      - ./entry.sh:/entry.sh
      - ./conf.d:/etc/conf.d:ro
      - ./data:/var/data
      - ./more.d:/etc/more.d
      - ~/state:/state
      - \${PWD}/conf/app.conf:/etc/two.conf
      - { type: bind, source: conf/app.conf, target: /etc/three.conf, read_only: true }
      - { type: volume, source: my_data, target: /again, volume: { nocopy: true } }
      - { type: tmpfs, target: /tmp, tmpfs: { size: 64m } }
      - type: volume
        target: /scratch
    tmpfs: [ /run, "/cache:size=1g,mode=1777" ]
volumes: { my_data: { driver: local } }
`,
    'conf/app.conf': 'a: 1\n',
    'entry.sh': '#!/bin/sh\n',
    'conf.d/a.conf': 'A\n',
    'conf.d/sub/b.conf': 'B\n',
  });
  assert.equal(result.by['a']?.config?.volumes, [
    { name: 'my-data', path: '/data', readOnly: true },
    { name: 'a-anonymous', path: '/anonymous' },
    { path: '/etc/localtime', type: 'bind', source: '/etc/localtime', readOnly: true },
    { name: 'data', path: '/var/data' },
    { name: 'more-d', path: '/etc/more.d' },
    { name: 'state', path: '/state' },
    { name: 'my-data', path: '/again' },
    { path: '/tmp', type: 'tmpfs', size: '64Mi' },
    { name: 'a-scratch', path: '/scratch' },
    { path: '/run', type: 'tmpfs' },
    { path: '/cache', type: 'tmpfs', size: '1Gi' },
  ]);
  assert.equal(result.by['a']?.config?.docker?.files, {
    '/etc/app.conf': { content: 'a: 1\n' },
    '/entry.sh': { content: '#!/bin/sh\n', mode: '0755' },
    '/etc/conf.d/a.conf': { content: 'A\n' },
    '/etc/conf.d/sub/b.conf': { content: 'B\n' },
    '/etc/two.conf': { content: 'a: 1\n' },
    '/etc/three.conf': { content: 'a: 1\n' },
  });
  assert.equal(errors(result), ['BecameVolume', 'BecameVolume', 'BecameVolume']);
});

test('volumes that cannot come along are told', () => {
  const result = read({
    'compose.yaml': 'services:\n  a:\n    image: x\n    volumes:\n      - ./gone.conf:/a\n      - ~/.ssh/id_rsa:/b:ro\n      - ./bin:/c\n      - nowhere:/d\n      - C:\\data:/e\n      - /srv:/f:rshared\n      - ext:/g\n      - nfs:/h\n      - ./in.conf:/g/in.conf\n      - ":/x"\nvolumes: { ext: { external: true }, nfs: { driver_opts: { type: nfs } } }\n',
    'bin/a': 'x\0y',
    'in.conf': 'x',
  });
  assert.equal(result.codes, ['NotCarriedOver 3:5', 'FileMissing 5:9', 'DirectoryOfNode 6:9', 'DirectoryOfNode 7:9', 'ComposeInvalid 8:9', 'NotCarriedOver 9:9', 'NotCarriedOver 10:9', 'OfTheNode 10:9', 'FileCopied 13:9', 'ComposeInvalid 14:9', 'NotCarriedOver 15:12', 'NotCarriedOver 15:57']);
});

test('what looks secret is not copied, and neither is what an image is made from', () => {
  const result = read({
    'compose.yaml': 'services:\n  a:\n    image: x\n    volumes:\n      - ./tls:/tls:ro\n      - ./.env:/app/.env\n      - ./key.txt:/k\n  b: { build: ., volumes: [ ".:/code", "./src:/src" ] }\n',
    '.env': 'DB_PASSWORD=canary-1\n',
    'tls/site.pem': 'canary-2',
    'tls/site.conf': 'listen 443;\n',
    'key.txt': '-----BEGIN EC PRIVATE KEY-----\ncanary-3\n',
    'src/a.js': '1\n',
  });
  assert.equal(result.by['a']?.config?.docker?.files, { '/tls/site.conf': { content: 'listen 443;\n' } });
  assert.equal(errors(result), ['SecretToSeal', 'SecretToSeal', 'SecretToSeal', 'BuildNotSupported', 'DirectoryOfNode', 'DirectoryOfNode']);
  assert.not.match(JSON.stringify(result), 'canary');
});

test('names: containers, services that are no labels, links, aliases, jobs', () => {
  const result = read(`
services:
  My_Web: { image: x, container_name: the-web, links: [ "db:database" ], depends_on: { migrate: { condition: service_completed_successfully } } }
  my-web: { image: x, networks: { default: { aliases: [ second ] } } }
  db: { image: x, volumes: [ "dd:/d" ] }
  migrate: { image: x, restart: on-failure:3, volumes_from: [ "db:ro" ] }
volumes: { dd: }
`);
  assert.equal(Object.keys(result.by), ['my-web-2', 'my-web', 'db', 'migrate']);
  assert.equal(result.by['my-web-2']?.dependsOn, ['migrate', 'db']);
  assert.equal([result.by['my-web-2'], result.by['my-web'], result.by['db']].map((image) => image?.config?.docker?.aliases), [['the-web', 'My_Web'], ['second'], ['database']]);
  assert.equal(result.by['migrate']?.config, { restartPolicy: 'on-failure', volumes: [{ name: 'dd', path: '/d', readOnly: true }], docker: { maxRestarts: 3 }, expectedState: { state: 'exited' } });
  assert.equal(errors(result), []);
});

test('networks: outside ones are joined, isolation is told, modes', () => {
  const result = read('services:\n  a: { image: x, networks: [ front, proxy ] }\n  b: { image: x, networks: { back: { ipv4_address: 10.0.0.2 } } }\n  c: { image: x, network_mode: host, ports: [ "80:80" ], container_name: c-name }\n  d: { image: x, network_mode: "service:a" }\nnetworks:\n  front:\n  back: { internal: true, driver: overlay, ipam: { config: [ { subnet: 10.0.0.0/24 } ] } }\n  proxy: { external: true, name: traefik }\n');
  assert.equal(result.by['a']?.config?.networks, ['traefik']);
  assert.equal(result.by['c']?.config, { restartPolicy: 'no', networkMode: 'host' });
  assert.equal(result.findings.map(({ code, message }) => `${code} ${message.split(/[ :]/)[0]}`), ['NetworksMerged a', 'NotCarriedOver ipv4_address', 'NoEffect ports', 'NoEffect container_name', 'NotCarriedOver network_mode', 'NotCarriedOver internal', 'NotCarriedOver driver', 'NotCarriedOver ipam']);
  assert.equal(read('services: { a: { image: x } }\nnetworks: { default: { name: shared } }').by['a']?.config?.networks, ['shared']);
});

test('limits, deploy and the rest of what an engine knows', () => {
  const config = one(`
deploy:
  mode: replicated
  replicas: 1
  resources: { limits: { cpus: "0.50", memory: 1.5G, pids: 100 }, reservations: { cpus: ".25", memory: 64M } }
  restart_policy: { condition: on-failure, max_attempts: 3 }
  update_config: { order: stop-first, parallelism: 2 }
cap_add: [ CAP_NET_ADMIN, sys_time ]
ulimits: { nofile: { soft: 1024, hard: 2048 }, nproc: 65535, memlock: { soft: -1, hard: -1 } }
sysctls: [ net.core.somaxconn=1024 ]
extra_hosts: [ "host.docker.internal:host-gateway", "v6=[::1]" ]
devices: [ "/dev/net/tun:/dev/net/tun", "/dev/a:/dev/b:r" ]
stop_grace_period: 1m30s
stop_signal: QUIT
shm_size: 128mb
user: "1000:1000"
`.trim().replace('cpus: ".25"', 'cpus: "0.25"'));
  assert.equal(config, {
    resources: { limits: { cpu: '0.5', memory: '1536Mi' }, requests: { cpu: '0.25', memory: '64Mi' } },
    restartPolicy: 'on-failure',
    strategy: 'recreate',
    capabilities: { add: ['NET_ADMIN', 'SYS_TIME'] },
    stopGrace: '90s',
    user: '1000:1000',
    docker: {
      pidsLimit: 100,
      maxRestarts: 3,
      ulimits: { nofile: { soft: 1024, hard: 2048 }, nproc: { soft: 65535, hard: 65535 }, memlock: { soft: -1, hard: -1 } },
      sysctls: { 'net.core.somaxconn': '1024' },
      extraHosts: { 'host.docker.internal': 'host-gateway', v6: '::1' },
      devices: [{ source: '/dev/net/tun' }, { source: '/dev/a', path: '/dev/b', permissions: 'r' }],
      stopSignal: 'SIGQUIT',
      shmSize: '128Mi',
    },
  });
  assert.equal(one('cpu_quota: 50000\ncpu_period: 100000\ncpu_shares: 512\nmem_limit: 512m\nmem_reservation: 128m').resources, { limits: { cpu: '0.5', memory: '512Mi' }, requests: { cpu: '0.5', memory: '128Mi' } });

test('GPUs: all, so many or these, asked for in either place', () => {
  assert.equal(one('gpus: all').docker?.gpus, [{}]);
  assert.equal(one('gpus: [ { driver: nvidia, count: 2 }, { count: all, capabilities: [ gpu ] } ]').docker?.gpus, [{ driver: 'nvidia', count: 2 }, {}]);
  assert.equal(one('deploy: { resources: { reservations: { devices: [ { driver: nvidia, device_ids: [ "0", 3 ], capabilities: [ gpu, utility ] } ] } } }').docker?.gpus, [{ driver: 'nvidia', ids: ['0', '3'], capabilities: ['gpu', 'utility'] }]);
  assert.equal(one('gpus: [ { count: 1 } ]\ndeploy: { resources: { reservations: { devices: [ { count: 1, capabilities: [ gpu ] } ] } } }').docker?.gpus, [{ count: 1 }], 'one wish, said twice');
  assert.is(one('gpus: [ { count: 0 } ]').docker, undefined);
});
});

test('secrets, builds, configs', () => {
  const result = read({
    'compose.yaml': 'services:\n  a:\n    build: { context: ., dockerfile: D }\n    secrets: [ db-password, { source: key, target: /k } ]\n    configs: [ plain, { source: file, target: /etc/f, mode: 0440 } ]\n  b: { build: ./b, image: "shop/b:1" }\n  c: { }\nsecrets: { db-password: { file: password.txt }, key: { external: true } }\nconfigs: { plain: { content: "n=${N}" }, file: { file: f.txt } }\n',
    '.env': 'N=5\n',
    'f.txt': 'F\n',
    'password.txt': 'canary-secret',
  });
  assert.equal(result.by['a']?.image, 'shop-a');
  assert.equal(result.by['a']?.config?.docker?.files, { '/plain': { content: 'n=5' }, '/etc/f': { content: 'F\n', mode: '0440' } });
  assert.equal(result.codes, ['BuildNotSupported 3:12', 'SecretToSeal 4:16', 'SecretToSeal 4:29', 'BuildNotSupported 6:15', 'ComposeInvalid 7:6']);
  assert.match(result.findings[1]?.hint ?? '', /--name DB_PASSWORD .*file: \/run\/secrets\/db-password/);
  assert.not.match(JSON.stringify(result), 'canary-secret');
});

test('values that a manifest cannot hold go by themselves', () => {
  const result = read('services:\n  a:\n    image: x\n    user: "bad user"\n    hostname: "under_score"\n    environment: { "1BAD": x, GOOD: y }\n    labels: { ok: 1 }\n    working_dir: relative\n    cap_add: [ "no caps" ]\n    dns: [ not-an-address ]\n');
  assert.equal(result.by['a']?.config?.environment, { GOOD: 'y' });
  assert.equal(result.by['a']?.config?.labels, { ok: '1' });
  assert.equal(result.findings.map(({ code, line }) => `${code} ${line}`), ['NotCarriedOver 4', 'NotCarriedOver 5', 'NotCarriedOver 6', 'NotCarriedOver 8', 'NotCarriedOver 9', 'NotCarriedOver 10']);
});

test.run();
