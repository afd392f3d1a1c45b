import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import pg from 'pg';
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seedAudit, seedDeployment, seedHarbour, seedNode, seedObserved, seedProduct, seedRecord, seedTeam } from '../web/testing/harbour.ts';
import { startWeb } from '../web/server.ts';
import { OPERATOR_TOKEN, testController } from '../web/testing/controller.ts';
import type { TestController } from '../web/testing/controller.ts';
import { registerAudit } from './audit.ts';
import { ControllerClient, processIo } from './client.ts';
import { registerNode } from './node.ts';
import { registerStatus } from './status.ts';
import { columns } from './table.ts';
import { registerToken } from './token.ts';

const test = suite('commands that ask the controller');
let controller: TestController;
let directory = '';
test.before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tagboat-cli-'));
  controller = await testController();
  const { pool } = controller.db;
  await seedHarbour(pool);
  await seedTeam(pool, 'fine');
  await seedNode(pool, 'fine', 'harbor', 'connected');
  await seedProduct(pool, 'fine', 'shop', [{ name: '1.0.0' }]);
  await seedDeployment(pool, 'fine', { name: 'shop', node: 'harbor', version: '1.0.0' });
  await seedRecord(pool, 'fine', { deployment: 'shop', node: 'harbor', version: '1.0.0', status: 'successful', live: true });
  await seedObserved(pool, 'fine', { node: 'harbor', prefix: 'shop' }, 'healthy');
  await seedAudit(pool, 'fine', 5);
});
test.after(async () => {
  await controller.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[], env: Record<string, string> = { TAGBOAT_URL: controller.url, TAGBOAT_TOKEN: OPERATOR_TOKEN }, positional = false): Promise<Ran> {
  let [code, out, err] = [-1, '', ''];
  const io = { env, directory, out: (text: string) => void (out += text), err: (text: string) => void (err += text), exit: (value: number) => void (code = value) };
  const program = new Command('tagboat').exitOverride();
  if (positional) program.enablePositionalOptions();
  registerStatus(program, io);
  registerAudit(program, io);
  registerNode(program, io);
  registerToken(program, io);
  await program.parseAsync([...args], { from: 'user' });
  return { code, out, err };
}

test('status is a table, and its exit code says whether something is wrong', async () => {
  const acme = await run(['status', '--team', 'acme']);
  assert.is(acme.code, 1);
  assert.match(acme.out, /^DEPLOYMENT +VERSION +TARGET +STATUS +SYNC +HEALTH +REASON$/m);
  assert.match(acme.out, /^shop-staging +1\.10\.0 +lighthouse\/shop-staging +failed +out-of-sync +healthy +HealthCheckFailed: web did not become healthy within 30s$/m);
  assert.match(acme.out, /^shop-production .* healthy \(drifted\)$/m);
  assert.match(acme.out, 'deployments/docs.yaml:7:9  error UnknownReference: there is no product handbook');
  const fine = await run(['status', '--team', 'fine']);
  assert.is(fine.code, 0, fine.out + fine.err);
  const all = await run(['status', '--format', 'json']);
  assert.is(all.code, 1);
  assert.equal((JSON.parse(all.out) as { name: string; deployments: unknown[] }[]).map((team) => [team.name, team.deployments.length]), [['acme', 6], ['fine', 1]]);
});

test('wrong use is 2, what cannot be reached is 3, what is not there is 1', async () => {
  assert.is((await run(['status'], { TAGBOAT_URL: controller.url })).code, 2);
  const wrong = await run(['status', '--token', 'c4n4ry-wrong']);
  assert.is(wrong.code, 2);
  assert.match(wrong.err, 'TAGBOAT_TOKEN');
  assert.not.match(wrong.err, 'c4n4ry');
  assert.is((await run(['status', '--format', 'xml'])).code, 2);
  assert.is((await run(['status', '--url', 'harbor'])).code, 2);
  assert.is((await run(['audit', '--team', 'fine', '--limit', '0'])).code, 2);
  const several = await run(['audit']);
  assert.is(several.code, 2);
  assert.match(several.err, 'there are several teams: acme, fine');
  const gone = await startWeb(() => undefined, { host: '127.0.0.1', port: 0 });
  await gone.stop();
  const away = await run(['status', '--url', gone.url]);
  assert.is(away.code, 3);
  assert.match(away.err, `${gone.url} cannot be reached (ECONNREFUSED)`);
  const none = await run(['status', '--team', 'none']);
  assert.is(none.code, 1);
  assert.match(none.err, 'there is no team none');
});

test('the token of a controller in this directory is used, but never sent to another machine', async () => {
  mkdirSync(join(directory, '.tagboat'), { recursive: true });
  writeFileSync(join(directory, '.tagboat', 'operator.token'), `${OPERATOR_TOKEN}\n`);
  try {
    assert.is((await run(['status', '--team', 'fine'], { TAGBOAT_URL: controller.url })).code, 0);
    const seen: (string | undefined)[] = [];
    const original = globalThis.fetch;
    globalThis.fetch = (_input, init) => {
      seen.push(new Headers(init?.headers).get('authorization') ?? undefined);
      return Promise.reject(new Error('not sent'));
    };
    try {
      for (const url of ['http://tagboat.example.org', 'http://127.0.0.1.example.org', 'http://127.example.org', 'http://localhost@example.org']) assert.is((await run(['status'], { TAGBOAT_URL: url })).code, 3);
    } finally {
      globalThis.fetch = original;
    }
    assert.equal(seen, [undefined, undefined, undefined, undefined]);
  } finally {
    rmSync(join(directory, '.tagboat'), { recursive: true });
  }
});

test('a token of this directory that belongs to another controller keeps nobody from what everybody may read', async () => {
  const open = await testController({ public: true });
  mkdirSync(join(directory, '.tagboat'), { recursive: true });
  writeFileSync(join(directory, '.tagboat', 'operator.token'), 'tgo_of-another-controller-0123456789\n');
  try {
    await seedTeam(open.db.pool, 'seen');
    const { code, out, err } = await run(['status'], { TAGBOAT_URL: open.url });
    assert.is(code, 0, err);
    assert.match(out, /^seen /);
    assert.is((await run(['node', 'enroll', 'dock', '--team', 'seen'], { TAGBOAT_URL: open.url })).code, 2);
    assert.is((await run(['status'], { TAGBOAT_URL: open.url, TAGBOAT_TOKEN: 'wrong' })).code, 2, 'a token that was named counts');
  } finally {
    rmSync(join(directory, '.tagboat'), { recursive: true });
    await open.stop();
  }
});

test('an answer that is not ours is not taken for one, and a token does not follow a redirect', async () => {
  const asked: string[] = [];
  const other = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (request.url?.startsWith('/moved')) response.writeHead(302, { location: '/elsewhere' }).end();
    else response.end('<html>hello</html>');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const url = `http://127.0.0.1:${String((other.address() as { port: number }).port)}`;
  try {
    assert.is((await run(['status'], { TAGBOAT_URL: url, TAGBOAT_TOKEN: 'x' })).code, 1);
    assert.is((await run(['status'], { TAGBOAT_URL: `${url}/moved`, TAGBOAT_TOKEN: 'x' })).code, 3);
    assert.not.ok(asked.includes('/elsewhere'));
  } finally {
    other.closeAllConnections();
    other.close();
  }
});

test('audit lists, newest first', async () => {
  const { code, out } = await run(['audit', '--team', 'fine', '--limit', '2']);
  assert.is(code, 0);
  assert.equal(out.trim().split('\n').map((line) => line.split(/\s+/)[0]), ['#', '5', '4']);
  assert.equal((JSON.parse((await run(['audit', '--team', 'fine', '--limit', '2', '--format', 'json'])).out) as { next: number }).next, 4);
});

for (const positional of [false, true]) {
  test(`verify proves the chain through the controller and from the database alike (positional options: ${String(positional)})`, async () => {
    const env = { TAGBOAT_URL: controller.url, TAGBOAT_TOKEN: OPERATOR_TOKEN };
    const asked = await run(['audit', 'verify', '--team', 'fine', '--format', 'json'], env, positional);
    assert.is(asked.code, 0, asked.err);
    const direct = await run(['audit', 'verify', '--team', 'fine', '--format', 'json', '--database-url', controller.db.url], {}, positional);
    assert.is(direct.code, 0, direct.err);
    assert.equal(JSON.parse(direct.out), JSON.parse(asked.out));
    assert.equal((JSON.parse(asked.out) as { fine: { checked: number; ok: boolean } }).fine.checked, 5);
    assert.match((await run(['audit', 'verify'], env, positional)).out, /^acme: 7 rows are as they were written; the head is row 7, [0-9a-f]{64}$/m);
  });
}

test('verify finds what an intruder changed, either way', async () => {
  await seedTeam(controller.db.pool, 'broken');
  await seedAudit(controller.db.pool, 'broken', 4);
  const intruder = new pg.Client({ connectionString: controller.db.url });
  await intruder.connect();
  try {
    await intruder.query(`set session_replication_role = replica`);
    await intruder.query(`update audit_row set actor = 'nobody' where team = 'broken' and id = 3`);
  } finally {
    await intruder.end();
  }
  for (const more of [[], ['--database-url', controller.db.url]]) {
    const { code, out } = await run(['audit', 'verify', ...more]);
    assert.is(code, 1);
    assert.match(out, /^broken: BROKEN at row 3: the content of the row does not match its hash$/m);
    assert.match(out, /^fine: 5 rows/m);
  }
  const away = await run(['audit', 'verify', '--team', 'fine', '--format', 'json']);
  assert.is(away.code, 0, 'one team alone');
});

test('enroll prints the line, and nothing but the line, on stdout', async () => {
  const { code, out, err } = await run(['node', 'enroll', 'dock', '--team', 'acme']);
  assert.is(code, 0, err);
  assert.is(out, 'npx tagboat agent docker --join join-word\n');
  assert.match(err, /on the Docker host.*2026-01-01T00:15:00.000Z/);
  assert.match(controller.asked.join('\n'), /^enrol acme\/dock cli:\S+$/m);
  assert.is((JSON.parse((await run(['node', 'enroll', 'dock', '--team', 'acme', '--format', 'json'])).out) as { join: string }).join, 'join-word');
  const cluster = await run(['node', 'enroll', 'cluster', '--team', 'acme']);
  assert.is(cluster.out, 'kind: Namespace\n', 'for a cluster: the manifest, and nothing but the manifest');
  assert.match(cluster.err, /kubectl apply -f -/);
  const unknown = await run(['node', 'enroll', 'nowhere', '--team', 'acme']);
  assert.is(unknown.code, 1);
  assert.match(unknown.err, /^NodeUnknown: /);
});

test('revoke says what it did', async () => {
  const { code, out } = await run(['node', 'revoke', 'pier', '--team', 'acme']);
  assert.is(code, 0);
  assert.match(out, 'Node pier of team acme is revoked');
  assert.match(controller.asked.at(-1) ?? '', /^revoke acme\/pier cli:/);
});

test('texts of others cannot steer the terminal', () => {
  assert.is(columns([['a\u001b[2J\u0007', 'x'], ['b', 'y\r\nz\u202e']]), 'a [2J   x\nb       y z\n');
});

test('the process itself is the default', async () => {
  assert.is(processIo.directory, process.cwd());
  assert.instance(await ControllerClient.find({ url: 'http://127.0.0.1:1' }, processIo), ControllerClient);
});

test('tokens are made, listed and revoked; only the token itself is on standard output', async () => {
  await controller.db.pool.query(sql.unsafe`update team set members = '[{"name": "Ann", "email": "ann@example.org", "role": "admin"}]' where name = 'fine'`);
  const made = await run(['token', 'create', '--team', 'fine', '--profile', 'Ann@example.org', '--role', 'admin', '--label', 'ci', '--expires', '1h']);
  assert.is(made.code, 0, made.err);
  assert.match(made.out, /^tgb_[0-9a-f]{12}_[\w-]{43}\n$/);
  assert.match(made.err, /^Token [0-9a-f]{12} of ann@example.org, role admin, for team fine, until 20/);
  const own = { TAGBOAT_URL: controller.url, TAGBOAT_TOKEN: made.out.trim() };
  assert.is((await run(['status'], own)).code, 0);
  assert.match((await run(['token', 'list'], own)).out, /^ID +PROFILE .*\n[0-9a-f]{12}  ann@example.org  fine  admin  active .* ci\n$/);
  const reader = await run(['token', 'create', '--format', 'json'], own);
  const second = JSON.parse(reader.out) as { id: string; role: string; profile: string; token: string };
  assert.equal([second.role, second.profile], ['user', 'ann@example.org']);
  assert.is((await run(['token', 'create', '--role', 'owner'], own)).code, 2);
  assert.is((await run(['token', 'create', '--all-teams'], own)).code, 2);
  assert.is((await run(['token', 'create', '--expires', 'soon'], own)).code, 2);
  assert.is((await run(['token', 'create', '--team', 'fine', '--profile', 'nobody@example.org'])).code, 1);
  assert.is((await run(['token', 'list', '--team', 'fine'], { ...own, TAGBOAT_TOKEN: second.token })).code, 2);
  assert.is((await run(['token', 'list', '--team', 'acme'], own)).code, 1);
  assert.is((await run(['token', 'revoke', second.id, '--team', 'fine'], own)).code, 0);
  assert.is((await run(['status'], { ...own, TAGBOAT_TOKEN: second.token })).code, 2);
  assert.is((await run(['token', 'revoke', 'f'.repeat(12), '--team', 'fine'])).code, 1);
  assert.match((await run(['token', 'list'])).out, 'revoked');
});

test.run();
