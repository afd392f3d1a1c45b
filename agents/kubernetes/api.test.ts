/** Refusals for a moment, as of an API server that has just started: no real one does that on demand, so one on loopback says no when it is told to. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiFailure } from './api-failure.ts';
import { KubeApi } from './api.ts';
import { Connection } from './connect.ts';

const test = suite('requests to an API server');
const folder = mkdtempSync(join(tmpdir(), 'tagboat-api-'));
let refusals = 0;
let asked = 0;
const server = createServer((_request, response) => {
  asked++;
  const refused = refusals > 0;
  if (refused) refusals--;
  response.writeHead(refused ? 401 : 200, { 'Content-Type': 'application/json' }).end(JSON.stringify(refused ? { kind: 'Status', reason: 'Unauthorized', message: 'Unauthorized' } : { gitVersion: 'v1' }));
});
const VERSION = { method: 'GET', path: '/version' } as const;

test.before(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)));
test.after(() => {
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

test('who was let in before asks again when he is refused, who never was does not', async () => {
  const kubeconfig = join(folder, 'kubeconfig');
  const cluster = { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'insecure-skip-tls-verify': true };
  writeFileSync(kubeconfig, JSON.stringify({ apiVersion: 'v1', kind: 'Config', 'current-context': 'c', clusters: [{ name: 'c', cluster }], users: [{ name: 'u', user: { token: 't' } }], contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }] }));
  const api = new KubeApi(await Connection.open({ kubeconfig }));
  refusals = 10;
  const first = await api.call(VERSION).then(() => undefined, (error: ApiFailure) => error);
  assert.equal([first?.status, asked], [401, 2], 'once more, with credentials that were read again');
  refusals = 0;
  await api.call(VERSION);
  refusals = 4;
  assert.equal(await api.call(VERSION), { gitVersion: 'v1' });
  assert.is(refusals, 0);
});

test.run();
