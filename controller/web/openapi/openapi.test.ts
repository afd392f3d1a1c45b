// @timeout 400
import { Ajv2020 } from 'ajv/dist/2020.js';
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSimulatedEngine } from '../../../agents/simulated/engine.ts';
import { Stack } from '../../testing/stack.ts';
import { deploymentManifest, NODE, PRODUCT, versionManifest } from '../../testing/story.ts';
import { testController } from '../testing/controller.ts';
import type { TestController } from '../testing/controller.ts';
import { seedHarbour } from '../testing/harbour.ts';
import { seedReviews } from '../testing/reviews.ts';
import { openApiDocument } from './document.ts';
import type { Schema } from './notation.ts';
import { OPERATIONS } from './operations.ts';
import type { Operation } from './operations.ts';
import { SCHEMAS } from './schemas.ts';

const test = suite('OpenAPI');
let controller: TestController;
test.before(async () => {
  controller = await testController();
  const { pool } = controller.db;
  await seedHarbour(pool);
  await pool.query(sql.unsafe`update team set members = '[{"name": "Ann", "email": "ann@example.org", "role": "owner"}]' where name = 'acme'`);
  await seedReviews(pool);
  await pool.query(sql.unsafe`insert into delivery (team, provider, event, outcome, status) values ('acme', 'github', 'push', 'polled', 202)`);
  await pool.query(sql.unsafe`insert into notification (team, name, channel, url_from, events) values ('acme', 'shop-staging', 'slack', 'chat', '{deployment-failed}')`);
  await pool.query(sql.unsafe`insert into notification_outbox (team, notification, event) values ('acme', 'shop-staging', 'test')`);
  controller.logs = async function* read() {
    yield { at: new Date(), stream: 'stdout', text: 'one' };
  };
});
test.after(() => controller.stop());

/** The documented shapes, but with nothing in them that is not documented. */
const strict = new Ajv2020({ strict: false, allErrors: true, formats: { 'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/ } });
strict.addSchema({ $id: 'https://tagboat.test/document', components: { schemas: closed(SCHEMAS) } });

function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const inner = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, closed(one)]));
  return 'properties' in inner && 'required' in inner ? { additionalProperties: false, ...inner } : inner;
}

function check(schema: Schema, value: unknown, where: string): void {
  const absolute = JSON.parse(JSON.stringify(closed(schema)).replaceAll('"#/components', '"https://tagboat.test/document#/components')) as object;
  const validate = strict.compile(absolute);
  assert.ok(validate(value), `${where}: ${JSON.stringify(validate.errors?.slice(0, 5))} in ${JSON.stringify(value).slice(0, 500)}`);
}

const expressPath = (path: string): string => `/api/v1${path.replaceAll(/\{ref\}/g, '*ref').replaceAll(/\{(\w+)\}/g, ':$1')}`;

test('what is documented is what there is, with what it needs', () => {
  const documented = OPERATIONS.map(({ method, path, need }) => `${method.toUpperCase()} ${expressPath(path)} ${need}`).sort();
  const there = controller.routes.filter(({ path }) => path.startsWith('/api/v1/')).map(({ method, path, need }) => `${method} ${path} ${need}`).sort();
  assert.equal(documented, there);
});

test('the document is whole: every reference leads somewhere, names are unique, schemas compile', async () => {
  const response = await controller.fetch('/api/v1/openapi.json');
  const document = (await response.json()) as { openapi: string; paths: Record<string, Record<string, { operationId: string }>> };
  assert.equal(document, JSON.parse(JSON.stringify(openApiDocument('0.1.0'))));
  assert.match(document.openapi, /^3\.1\./);
  for (const [, pointer = ''] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    assert.ok(pointer.split('/').reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], document) !== undefined, pointer);
  }
  const ids = Object.values(document.paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
  assert.is(new Set(ids).size, ids.length);
  const used = JSON.stringify(OPERATIONS) + JSON.stringify(SCHEMAS);
  for (const name of Object.keys(SCHEMAS)) assert.ok(name === 'Error' || used.includes(`schemas/${name}"`), `${name} is used`);
});

async function ask(operation: Operation, values: Readonly<Record<string, string>>, at: (path: string, init: { method: string; headers: Record<string, string>; body?: string }) => Promise<Response>, body?: unknown): Promise<void> {
  const path = `/api/v1${operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? name))}${values['query'] ?? ''}`;
  for (const [type, piece] of Object.entries(operation.streams ?? { 'application/json': operation.answer ?? {} })) {
    const response = await at(path, { method: operation.method.toUpperCase(), headers: { accept: type, 'content-type': 'application/json' }, ...(body !== undefined && { body: JSON.stringify(body) }) });
    const where = `${operation.method} ${path}`;
    if (operation.answer === null) {
      assert.is(response.status, 204, where);
      assert.is(await response.text(), '');
      continue;
    }
    assert.is(response.status, operation.status ?? 200, where);
    assert.match(response.headers.get('content-type') ?? '', type);
    if (operation.id === 'watchTeam') {
      await response.body?.cancel();
      continue;
    }
    const text = await response.text();
    if (type === 'application/json') check(piece, JSON.parse(text), where);
    else if (type === 'application/x-ndjson') check(piece, JSON.parse(text.split('\n')[0] ?? ''), where);
    else if (type === 'text/event-stream') check(piece, JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? ''), where);
  }
}

test('every operation answers as documented, and with nothing else', async () => {
  const { id } = (await (await controller.fetch('/api/v1/teams/acme/tokens', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"profile": "ann@example.org"}' })).json()) as { id: string };
  const own = (await (await controller.fetch('/api/v1/tokens', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"profile": "ann@example.org"}' })).json()) as { id: string };
  for (const operation of OPERATIONS) {
    const names = operation.id.includes('History') || operation.id === 'getDeployment' ? ['shop-production', 'shop-staging', 'shop-preview', 'forgotten'] : ['shop-staging'];
    for (const name of names) {
      const values = { team: 'acme', name, node: 'dock', ref: 'pull/17', id: operation.path.startsWith('/teams') ? id : own.id };
      await ask(operation, values, (path, init) => controller.fetch(path, init), operation.body === undefined ? undefined : { profile: 'ann@example.org', role: 'user' });
    }
  }
});

test('errors have the documented shape', async () => {
  for (const [path, token, status] of [['/teams/acme', '', 401], ['/teams/none', undefined, 404], ['/teams/acme/audit?limit=0', undefined, 400]] as const) {
    const response = await controller.fetch(`/api/v1${path}`, token === undefined ? {} : { token });
    assert.is(response.status, status);
    check({ $ref: '#/components/schemas/Error' }, await response.json(), path);
  }
});

test('so does a whole controller with a node', async () => {
  const stack = await Stack.start({ 'team.yaml': 'apiVersion: tagboat/v1\nkind: Team\nmetadata: { name: acme }\nspec: {}\n', 'node.yaml': NODE, 'product.yaml': PRODUCT, 'version.yaml': versionManifest('1'), 'shop.yaml': deploymentManifest('shop', '  branch: main\n') }, { engine: createSimulatedEngine() });
  try {
    await stack.settled('shop', 'main');
    const at = (path: string, init: RequestInit): Promise<Response> => fetch(`${stack.controller.url}${path}`, { ...init, signal: AbortSignal.timeout(30_000) });
    for (const operation of OPERATIONS) {
      if (operation.method === 'get' && (operation.need === 'user' || operation.id === 'listTeams') && operation.id !== 'getReview') await ask(operation, { team: 'acme', name: 'shop', query: operation.id === 'readLogs' ? '?container=web&tail=1' : '' }, at);
    }
  } finally {
    await stack.stop();
  }
});

test.run();
