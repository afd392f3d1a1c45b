import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ImageConfigs } from './image-config.ts';
import type { ImageDemands } from './image-rules.ts';

const test = suite('what an image says of itself');
const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const BASIC = `Basic ${Buffer.from('bot:c4n4ry').toString('base64')}`;
const CONFIG = JSON.stringify({ architecture: 'any', config: { Labels: { 'org.dyrectorio.env.REGION': 'required', odd: 7 }, Env: ['PATH=/bin', 'EMPTY', 7] } });
const MANIFEST = JSON.stringify({ schemaVersion: 2, config: { digest: digestOf(CONFIG) }, layers: [] });
const DEMANDS: ImageDemands = { labels: { 'org.dyrectorio.env.REGION': 'required' }, variables: ['PATH', 'EMPTY'] };

interface World {
  readonly heard: string[];
  readonly configs: ImageConfigs;
  ask(digest: string): Promise<ImageDemands | undefined>;
}

/** A registry that holds these texts by digest and wants a password; `elsewhere`: blobs lie in a store beside it. */
async function registry(texts: readonly string[], work: (world: World) => Promise<void>, elsewhere = false): Promise<void> {
  const heard: string[] = [];
  const content = new Map(texts.map((text) => [digestOf(text), text]));
  const serve = createServer((request, response) => {
    const [, kind = '', digest = ''] = /\/(manifests|blobs|store)\/(.+)$/.exec(request.url ?? '') ?? [];
    heard.push(`${request.method} ${kind} ${digest.slice(7, 12)} ${request.headers.authorization ?? '-'}`);
    if (kind !== 'store' && request.headers.authorization !== BASIC) return void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    if (kind === 'blobs' && elsewhere) return void response.writeHead(307, { location: `http://127.0.0.1:${(serve.address() as AddressInfo).port}/store/${digest}` }).end();
    const text = content.get(digest);
    response.writeHead(text === undefined ? 404 : 200).end(text);
  });
  await new Promise<void>((resolve) => serve.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(serve.address() as AddressInfo).port}`;
  const configs = new ImageConfigs();
  try {
    await work({ heard, configs, ask: (digest) => configs.demandsOf(`${host}/acme/web:1`, digest, { host, asked: true, credentials: { username: 'bot', password: 'c4n4ry' } }, AbortSignal.timeout(60_000)) });
  } finally {
    serve.closeAllConnections();
    serve.close();
  }
}

test('labels and variables come with the password of the registry, and are remembered', async () => {
  await registry([CONFIG, MANIFEST], async ({ ask, heard }) => {
    assert.equal(await ask(digestOf(MANIFEST)), DEMANDS);
    assert.equal(heard.map((line) => line.split(' ').slice(0, 2).join(' ')), ['GET manifests', 'GET manifests', 'GET blobs']);
    assert.equal(await ask(digestOf(MANIFEST)), DEMANDS);
    assert.is(heard.length, 3);
  });
});

test('of an index, the image of this processor or the first that is a system', async () => {
  const entry = (text: string, os: string, architecture: string): unknown => ({ digest: digestOf(text), platform: { os, architecture } });
  const other = JSON.stringify({ config: { digest: digestOf('{}') } });
  const index = JSON.stringify({ manifests: [entry('attestation', 'unknown', 'unknown'), entry(other, 'linux', 's390x'), entry(MANIFEST, 'linux', process.arch === 'x64' ? 'amd64' : process.arch)] });
  const foreign = JSON.stringify({ manifests: [entry('attestation', 'unknown', 'unknown'), entry(MANIFEST, 'linux', 's390x')] });
  await registry([CONFIG, MANIFEST, other, index, foreign], async ({ ask }) => {
    assert.equal(await ask(digestOf(index)), DEMANDS);
    assert.equal(await ask(digestOf(foreign)), DEMANDS);
  });
});

test('a blob that lies elsewhere is fetched without the password (R1)', async () => {
  await registry([CONFIG, MANIFEST], async ({ ask, heard }) => {
    assert.equal(await ask(digestOf(MANIFEST)), DEMANDS);
    assert.match(heard.at(-1) ?? '', /^GET store \w+ -$/);
  }, true);
});

test('what is not there, not whole, too large, without settings or no JSON tells nothing, and is asked for again', async () => {
  const forged = JSON.stringify({ config: { digest: digestOf('something else') } });
  const large = JSON.stringify({ config: { Labels: { a: 'x'.repeat(5_000_000) } } });
  const ofLarge = JSON.stringify({ config: { digest: digestOf(large) } });
  const bare = '{"config":null}';
  const ofBare = JSON.stringify({ config: { digest: digestOf(bare) } });
  await registry([forged, large, ofLarge, bare, ofBare, 'no json', '[]', 'null'], async ({ ask, heard }) => {
    for (const digest of [forged, ofLarge, ofBare, 'no json', '[]', 'null', 'absent'].map(digestOf)) assert.is(await ask(digest), undefined);
    for (const digest of ['latest', 'sha256:../../x', 'md5:abc']) assert.is(await ask(digest), undefined);
    const before = heard.length;
    await ask(digestOf('absent'));
    assert.ok(heard.length > before);
  });
  assert.is(await new ImageConfigs().demandsOf('127.0.0.1:9/acme/web:1', digestOf('x'), undefined, AbortSignal.timeout(60_000)), undefined);
});

test.run();
