/** The public schemas: what they show as an example is valid, what they print as a default is what happens. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEPLOYMENT_DEFAULTS, HEALTH_DEFAULTS } from '../controller/model/defaults.ts';
import { DEFAULT_EVENTS } from '../controller/model/notification.ts';
import { SCHEMAS } from './gen/documents.ts';
import { validateContainerConfig, validateDeployment, validateTargetSpec } from './gen/validators.ts';

type Node = Record<string, unknown>;

const ajv = new Ajv2020({ schemas: Object.values(SCHEMAS) as object[], allErrors: true, strictTypes: false, strictRequired: false });

/** Every schema inside a schema, with its pointer. */
function* nodes(value: unknown, pointer = ''): Generator<[string, Node]> {
  if (value === null || typeof value !== 'object') return;
  if (!Array.isArray(value) && pointer !== '') yield [pointer, value as Node];
  for (const [key, inner] of Object.entries(value)) if (key !== 'examples' && key !== 'default') yield* nodes(inner, `${pointer}/${key}`);
}

for (const [stem, schema] of Object.entries(SCHEMAS)) {
  test(`${stem}: every example is valid where it stands`, () => {
    let count = 0;
    for (const [pointer, node] of [['', schema as Node] as const, ...nodes(schema)]) {
      const shown = [...(Array.isArray(node['examples']) ? (node['examples'] as unknown[]) : []), ...('default' in node ? [node['default']] : [])];
      const validate = shown.length === 0 ? undefined : ajv.getSchema(`${String(schema['$id'])}#${pointer}`);
      for (const example of shown) {
        count += 1;
        assert.ok(validate?.(example), `${stem}#${pointer}: ${JSON.stringify(example)}: ${JSON.stringify(validate?.errors)}`);
      }
    }
    assert.ok(count > 0);
  });

  test(`${stem}: every property has a description and an example, every map of properties is closed`, () => {
    for (const [pointer, node] of nodes(schema)) {
      // Conditions only narrow what is described elsewhere.
      if (/\/(if|then|else|dependentSchemas|not|anyOf)(\/|$)/.test(pointer)) continue;
      if (/\/properties\/[^/]+$/.test(pointer)) assert.ok(typeof node['description'] === 'string' && Array.isArray(node['examples']), `${stem}#${pointer} lacks hover`);
      if (node['type'] === 'object') assert.ok('additionalProperties' in node, `${stem}#${pointer} is open`);
    }
  });
}

test('printed defaults are the ones in the code', () => {
  const property = (stem: string, definition: string, name: string): unknown =>
    ((((SCHEMAS[stem] as Node)['$defs'] as Node)[definition] as Node)['properties'] as Record<string, Node>)[name]?.['default'];
  for (const key of ['strategy', 'retries', 'followSchedule', 'protected', 'removeVolumes', 'selfHeal'] as const) assert.is(property('deployment', 'DeploymentSpec', key), DEPLOYMENT_DEFAULTS[key]);
  for (const key of ['attempt', 'pull', 'health'] as const) assert.is(property('deployment', 'DeploymentTimeouts', key), DEPLOYMENT_DEFAULTS.timeouts[key]);
  assert.equal(property('notification', 'NotificationSpec', 'events'), DEFAULT_EVENTS);
  for (const [key, value] of Object.entries(HEALTH_DEFAULTS)) assert.is(property('container-config', 'HealthCheck', key), value);
});

test('an agent refuses a field that it does not know, at any depth', () => {
  const spec: Node = structuredClone((((SCHEMAS['target-spec'] as Node)['$defs'] as Node)['TargetSpec'] as unknown as { examples: Node[] }).examples[0] as Node);
  assert.ok(validateTargetSpec(spec));
  assert.not(validateTargetSpec({ ...spec, extra: 1 }));
  const [image] = spec['images'] as unknown as [Node];
  assert.not(validateTargetSpec({ ...spec, images: [{ ...image, config: { ...(image['config'] as Node), gpu: 1 } }] }));
  assert.not(validateTargetSpec({ ...spec, specVersion: 2 }));
});

test('an agent takes a configuration that is the deployment example merged', () => {
  assert.ok(validateContainerConfig({ environment: { REGION: 'eu', WORKERS: '4' }, healthCheck: { settle: '0s' } }));
  assert.not(validateContainerConfig({ healthCheck: { http: { port: 80 }, tcp: { port: 80 } } }));
  assert.not(validateDeployment({ apiVersion: 'tagboat/v1', kind: 'Deployment', metadata: { name: 'a' }, spec: { product: 'p', node: 'n', prefix: 'p', version: '1.0.0', branch: 'main' } }));
});

test.run();
