/** What an engine says by mistake, which a real one cannot be made to say: a server that answers as one does. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connectDocker } from './connect.ts';
import { DockerRuntime } from './docker-runtime.ts';

test('what the engine still lists after its removal is not there', async () => {
  const row = (id: string, names: string[] | null, state: string): object => ({ Id: id, Names: names, Image: 'web:1', ImageID: 'sha256:1', Labels: {}, State: state, Status: '', Ports: [], Created: 1, NetworkSettings: { Networks: {} } });
  const server = createServer((request, response) => {
    assert.match(request.url ?? '', /\/containers\/json\?all=(1|true)/);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify([row('a', ['/shop-web'], 'running'), row('b', [], 'removing'), row('c', null, 'removing')]));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const runtime = new DockerRuntime(connectDocker({ host: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` }));
    assert.equal((await runtime.list(AbortSignal.timeout(60_000))).map(({ id, name }) => `${id} ${name}`), ['a shop-web']);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test.run();
