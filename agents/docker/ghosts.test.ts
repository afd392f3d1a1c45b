/** What engines do with containers that end and are started again all the time, by chance alone: here they do it whenever they are asked. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connectDocker } from './connect.ts';
import { DockerRuntime } from './docker-runtime.ts';

const test = suite('containers that an engine cannot let go');
const signal = AbortSignal.timeout(60_000);

/** An engine that answers this, on a socket of its own. */
async function engine(answer: (request: IncomingMessage, response: ServerResponse) => void, work: (runtime: DockerRuntime) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tagboat-ghosts-'));
  const socketPath = join(folder, 'd.sock');
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  try {
    await work(new DockerRuntime({ ...connectDocker({ socketPath }), isSelf: () => false }));
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

test('one that was removed and is listed still is none', async () => {
  const row = { Image: 'web:1', ImageID: 'sha256:1', Status: 'Removal In Progress', State: 'removing', Labels: { 'tagboat.dev/team': 'acme', 'tagboat.dev/prefix': 'shop' }, Ports: [], Created: 1, NetworkSettings: { Networks: {} } };
  const rows = [{ ...row, Id: 'gone', Names: [] }, { ...row, Id: 'going', Names: ['/shop-web'] }, { ...row, Id: 'there', Names: ['/shop-db'], State: 'running', Status: 'Up 2 seconds' }];
  await engine((_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(rows)), async (runtime) => {
    assert.equal((await runtime.list(signal)).map(({ id, name, state }) => [id, name, state]), [['going', 'shop-web', 'dead'], ['there', 'shop-db', 'running']]);
  });
});

test('one that was not to be killed just now is removed at the next try; what does not get better is told', async () => {
  const asked: string[] = [];
  const message = 'Could not kill running container 270a3c43, cannot remove - Container 270a3c43 is not running';
  const refuse = (response: ServerResponse, text: string): void => void response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify({ message: text }));
  await engine(({ method, url }, response) => {
    asked.push(`${method} ${url?.replace(/^\/v[\d.]+/, '')}`);
    if (url?.includes('/broken') === true) return refuse(response, 'the disk is gone');
    if (url?.includes('/never') === true || asked.length === 1) return refuse(response, message);
    response.writeHead(204).end();
  }, async (runtime) => {
    await runtime.remove('loop', signal);
    assert.equal(asked, ['DELETE /containers/loop?force=true', 'DELETE /containers/loop?force=true']);
    const told = (id: string): Promise<string> => runtime.remove(id, signal).then(() => 'removed', String);
    assert.match(await told('never'), message);
    assert.match(await told('broken'), 'the disk is gone');
    assert.equal(asked.slice(2).map((one) => /containers\/(\w+)/.exec(one)?.[1]), ['never', 'never', 'never', 'broken']);
  });
});

test.run();
