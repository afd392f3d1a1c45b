import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import { validateContainerConfig } from '../../schemas/gen/validators.ts';
import { canonicalJson } from './canonical.ts';
import type { ConfigLayer } from './config-merge.ts';
import { mergeConfig } from './config-merge.ts';

const layer = (name: string, config: ContainerConfig, group?: string): ConfigLayer => ({
  layer: name,
  ...(group === undefined ? {} : { group }),
  config,
  position: () => ({ file: name, line: 1, column: 1 }),
});
const merge = (...configs: ContainerConfig[]): ContainerConfig => mergeConfig(configs.map((config, index) => layer(`l${index}`, config))).config;
const equal = (a: unknown, b: unknown): void => assert.is(canonicalJson(a), canonicalJson(b));

const text = fc.constantFrom('a', 'b', 'c');
const environment = fc.dictionary(fc.constantFrom('A', 'B', 'C'), text);
const probe = fc.oneof(
  fc.record({ command: fc.array(text, { minLength: 1, maxLength: 2 }) }),
  fc.record({ http: fc.record({ port: fc.constantFrom(80, 81) }) }),
  fc.record({ tcp: fc.record({ port: fc.constantFrom(80, 81) }) }),
  fc.constant({}),
);
const healthCheck = fc.tuple(probe, fc.record({ interval: fc.constantFrom('1s', '2s'), retries: fc.constantFrom(1, 2) }, { requiredKeys: [] })).map(([kind, rest]) => ({ ...kind, ...rest }));
const config = fc.record(
  {
    environment,
    labels: environment,
    args: fc.array(text, { maxLength: 3 }),
    tty: fc.boolean(),
    healthCheck,
    resources: fc.record({ limits: fc.record({ cpu: text.map(() => '1'), memory: fc.constantFrom('1Mi', '2Mi') }, { requiredKeys: [] }) }, { requiredKeys: [] }),
    expectedState: fc.oneof(fc.record({ state: fc.constant('exited' as const), exitCode: fc.constantFrom(0, 3) }), fc.record({ state: fc.constant('running' as const) })),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<ContainerConfig>;

test('merging is associative, so a frozen version may be merged beforehand', () => {
  fc.assert(fc.property(config, config, config, (a, b, c) => equal(merge(merge(a, b), c), merge(a, b, c))));
  fc.assert(fc.property(config, config, config, (a, b, c) => equal(merge(a, merge(b, c)), merge(a, b, c))));
});

test('nothing on either side changes nothing, and twice the same is the same', () => {
  fc.assert(fc.property(config, (a) => (equal(merge(a, {}), merge(a)), equal(merge({}, a), merge(a)), equal(merge(a, a), merge(a)))));
  fc.assert(fc.property(config, (a) => equal(merge(a), a)));
});

test('the stronger layer wins each key that it sets', () => {
  fc.assert(
    fc.property(config, config, (weak, strong) => {
      const merged = merge(weak, strong);
      equal({ ...merged.environment }, { ...weak.environment, ...strong.environment });
      if (strong.args !== undefined) equal(merged.args, strong.args);
      if (strong.tty !== undefined) assert.is(merged.tty, strong.tty);
    }),
  );
});

test('layers that are valid merge to what is valid: never two probes, never an exit code of a running container', () => {
  fc.assert(
    fc.property(fc.array(config, { maxLength: 5 }), (configs) => {
      for (const one of configs) assert.ok(validateContainerConfig(one));
      assert.ok(validateContainerConfig(merge(...configs)), JSON.stringify(validateContainerConfig.errors));
    }),
  );
});

test('every leaf names the strongest layer that set it', () => {
  const merged = mergeConfig([
    layer('version', { environment: { A: '1', B: '1' }, args: ['x'] }),
    layer('deployment', { environment: { B: '2' } }),
  ]);
  const layers = Object.fromEntries([...merged.provenance].map(([pointer, origin]) => [pointer, origin.layer]));
  assert.equal(layers, { '/environment/A': 'version', '/environment/B': 'deployment', '/args': 'version' });
});

test('bundles of one group conflict where they differ, unless a stronger layer decides it', () => {
  const bundles = [layer('one', { environment: { A: '1', B: '1' }, args: ['x'] }, 'bundles'), layer('two', { environment: { A: '2', B: '1' }, args: ['y'] }, 'bundles')];
  assert.equal(mergeConfig(bundles).conflicts.map(({ pointer }) => pointer), ['/environment/A', '/args']);
  assert.equal(mergeConfig([...bundles, layer('version', { environment: { A: '3' } })]).conflicts.map(({ pointer }) => pointer), ['/args']);
  assert.equal(mergeConfig([...bundles, layer('version', { environment: { A: '3' }, args: [] })]).conflicts, []);
});

test('bundles with different probes conflict although their keys differ', () => {
  const bundles = [layer('one', { healthCheck: { tcp: { port: 1 } } }, 'bundles'), layer('two', { healthCheck: { http: { port: 1 } } }, 'bundles')];
  assert.equal(mergeConfig(bundles).conflicts.map(({ pointer }) => pointer), ['/healthCheck']);
  assert.equal(mergeConfig([...bundles, layer('version', { healthCheck: { command: ['x'] } })]).conflicts, []);
});

test('without a stronger layer conflicts are those pairs that differ, in any order of bundles', () => {
  fc.assert(
    fc.property(environment, environment, (a, b) => {
      const differ = Object.keys(a).filter((key) => Object.hasOwn(b, key) && a[key] !== b[key]).sort();
      const found = (x: typeof a, y: typeof a): string[] =>
        mergeConfig([layer('x', { environment: x }, 'g'), layer('y', { environment: y }, 'g')]).conflicts.map(({ pointer }) => pointer.slice('/environment/'.length)).sort();
      assert.equal(found(a, b), differ);
      assert.equal(found(b, a), differ);
    }),
  );
});

test.run();
