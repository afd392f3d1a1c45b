/** No field of the configuration is dropped in silence on a Docker host: each has an effect that a test sees, or is refused (SPEC §2). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { unsupportedFields } from '../../controller/model/node-support.ts';
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import { validateContainerConfig } from '../../schemas/gen/validators.ts';
import { refuseUnsupported } from '../containers/supported.ts';
import { INSIDE, OUTSIDE, samples } from '../testing/effects.ts';
import { everything } from '../testing/everything.ts';
import { schemaFields } from '../testing/schema-fields.ts';
import { specOf } from '../testing/spec.ts';

const PROBE = { tcp: { port: 1 } };
const VOLUME = { name: 'data', path: '/data' };

/** A configuration that asks for it, by the beginning of the field's path. */
const REFUSED: Readonly<Record<string, ContainerConfig>> = {
  kubernetes: { kubernetes: { ingressClass: 'nginx' } },
  'healthCheck.start': { healthCheck: { start: PROBE } },
  'healthCheck.live': { healthCheck: { live: PROBE } },
  'healthCheck.ready': { healthCheck: { ready: PROBE } },
  'volumes[].class': { volumes: [{ ...VOLUME, class: 'fast' }] },
  'volumes[].accessMode': { volumes: [{ ...VOLUME, accessMode: 'ReadWriteMany' }] },
};

/** Values, not fields, that are refused. */
const REFUSED_VALUES: readonly ContainerConfig[] = [
  { replicas: 2 },
  { expose: 'https', routing: { port: 8080 } },
  { expose: 'http', routing: { domain: 'shop.example.org' } },
  { expose: 'http', routing: { port: 8080 }, networkMode: 'host' },
  { volumes: [{ ...VOLUME, size: '1Gi' }] },
  { volumes: [{ path: '/a', type: 'bind', source: '/a', size: '1Gi' }] },
  { expectedState: { state: 'exited' }, restartPolicy: 'always' },
  { networkMode: 'host', networks: ['proxy'] },
  { networkMode: 'none', docker: { aliases: ['a'] } },
  { networkMode: 'host', ports: [{ internal: 80, external: 80 }] },
  { networkMode: 'host', portRanges: [{ internal: { from: 1, to: 2 }, external: { from: 1, to: 2 } }] },
];

/** Proved where they are at home: sealed secrets need keys (secrets.test.ts), routes a proxy (proxy/proxy.test.ts). */
const ELSEWHERE = /(^|\.)secrets\{\}\.|^expose$|^routing\./;

const isRefused = (field: string): boolean => Object.keys(REFUSED).some((prefix) => field === prefix || field.startsWith(`${prefix}.`));
const seen = new Set([...INSIDE.flatMap(({ fields }) => fields), ...OUTSIDE]);

test('each field is seen at work or refused', () => {
  const forgotten = schemaFields().filter((field) => !seen.has(field) && !isRefused(field) && !ELSEWHERE.test(field));
  assert.equal(forgotten, [], 'add each to agents/testing/effects.ts, or refuse it');
  const known = new Set(schemaFields());
  assert.equal([...seen].filter((field) => !known.has(field) || isRefused(field)), [], 'gone from the schema, or refused');
});

for (const config of [...Object.values(REFUSED), ...REFUSED_VALUES]) {
  test(`validation and agent refuse ${JSON.stringify(config)}`, () => {
    assert.ok(validateContainerConfig(config), JSON.stringify(validateContainerConfig.errors));
    const [found] = unsupportedFields('docker', config);
    assert.ok(found !== undefined && found.pointer.length > 1 && found.reason.length > 10);
    assert.throws(() => refuseUnsupported(specOf('shop', { web: { image: 'web:1', config } })), (error: { code?: string }) => error.code === 'Unsupported');
  });
}

test('what is seen at work is refused nowhere', () => {
  const world = { port: 1000, network: 'n', directory: '/tmp' };
  for (const config of [everything(1000, 'n'), ...Object.values(samples(world)).map((sample) => sample.config)]) {
    assert.ok(validateContainerConfig(config), JSON.stringify([config, validateContainerConfig.errors]));
    assert.equal(unsupportedFields('docker', config), []);
    refuseUnsupported(specOf('shop', { web: { image: 'web:1', config } }));
  }
});

test('what only a Docker host knows is refused on a cluster', () => {
  assert.equal(unsupportedFields('kubernetes', { docker: { init: true }, ports: [{ internal: 80, external: 80, address: '127.0.0.1' }] }).map(({ pointer }) => pointer), ['/docker', '/ports/0/address']);
});

test.run();
