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

test('what is removed and stopped is asked for until the engine has done it; what does not get better is told', async () => {
  const refusals: Record<string, readonly [number, string][]> = {
    alive: [[500, 'Could not kill running container 270a3c43, cannot remove - Container 270a3c43 is not running']],
    full: Array.from({ length: 3 }, () => [500, 'unable to remove filesystem for 90ae6a9d: unlinkat /data/containers/90ae6a9d: directory not empty'] as [number, string]),
    busy: [[409, 'removal of container busy is already in progress'], [500, 'unable to remove filesystem'], [409, 'removal of container busy is already in progress']],
    broken: Array.from({ length: 99 }, () => [500, 'the disk is gone'] as [number, string]),
    refused: [[403, 'not for you']],
    stopping: [[500, 'tried to kill container, but did not receive an exit event']],
  };
  const asked: Record<string, number> = {};
  await engine(({ url }, response) => {
    const id = /containers\/(\w+)/.exec(url ?? '')?.[1] ?? '';
    const [status, message] = refusals[id]?.[(asked[id] = (asked[id] ?? 0) + 1) - 1] ?? [id === 'busy' ? 404 : 204, 'No such container'];
    response.writeHead(status, { 'content-type': 'application/json' }).end(status === 204 ? undefined : JSON.stringify({ message }));
  }, async (runtime) => {
    const end = (work: Promise<void>): Promise<string> => work.then(() => 'done', (error: Error) => error.message);
    const remove = ['alive', 'full', 'busy', 'broken', 'refused'].map((id) => end(runtime.remove(id, signal)));
    assert.equal((await Promise.all([...remove, end(runtime.stop('stopping', 0, signal))])).map((one) => /done|the disk is gone|not for you/.exec(one)?.[0]), [
      'done', 'done', 'done', 'the disk is gone', 'not for you', 'done',
    ]);
    assert.equal(asked, { alive: 2, full: 4, busy: 4, broken: 7, refused: 1, stopping: 2 });
  });
});

test('a removal that somebody else never ends is waited for no longer than its deadline', async () => {
  await engine((_request, response) => void response.writeHead(409).end('{"message":"removal is already in progress"}'), async (runtime) => {
    assert.match(await runtime.remove('stuck', AbortSignal.timeout(500)).then(() => 'done', (error: Error) => error.message), /took too long when removing a container/);
  });
});

test.run();
