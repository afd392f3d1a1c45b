// @timeout 600
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sleepUntil } from '../testing/sleep-until.ts';
import { testController } from './testing/controller.ts';
import type { TestController } from './testing/controller.ts';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { Stack } from '../testing/stack.ts';
import { deploymentManifest, NODE, PRODUCT, versionManifest } from '../testing/story.ts';
import { seedReviews } from './testing/reviews.ts';
import { seedFleet } from './testing/fleet.ts';
import { seedHarbour, seedTeam } from './testing/harbour.ts';

const test = suite('events of a team');
let controller: TestController;
const open = new Set<Watcher>();

interface Told {
  readonly id: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** A reader as browsers are: what it has got so far, and its line can be cut. */
class Watcher {
  readonly told: Told[] = [];
  readonly #stop = new AbortController();
  ended = false;
  raw = '';

  static async open(team: string, lastId = ''): Promise<Watcher> {
    const watcher = new Watcher();
    const response = await fetch(`${controller.url}/api/v1/teams/${team}/events`, { headers: { authorization: 'Bearer tgo_operator-c4n4ry-0123456789', ...(lastId !== '' && { 'last-event-id': lastId }) }, signal: watcher.#stop.signal });
    assert.is(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', 'text/event-stream');
    void watcher.#read(response);
    open.add(watcher);
    await sleepUntil(() => watcher.raw.includes('retry:'), { what: 'the first line', timeoutMs: 60_000 });
    return watcher;
  }

  async #read(response: Response): Promise<void> {
    let rest = '';
    try {
      for await (const chunk of response.body ?? []) {
        const text = Buffer.from(chunk as Uint8Array).toString('utf8');
        this.raw += text;
        const blocks = (rest + text).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) {
          const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
          if (field('event') !== '') this.told.push({ id: field('id'), event: field('event'), data: JSON.parse(field('data')) as Record<string, unknown> });
        }
      }
    } catch {
      // Cut.
    }
    this.ended = true;
  }

  close(): void {
    this.#stop.abort();
    open.delete(this);
  }

  async until(event: string, matches: (data: Record<string, unknown>) => boolean = () => true): Promise<Told> {
    return sleepUntil(() => this.told.find((one) => one.event === event && matches(one.data)) ?? null, { what: `an event ${event}; told: ${JSON.stringify(this.told)}`, timeoutMs: 60_000 });
  }
}

test.before(async () => {
  controller = await testController();
  await seedHarbour(controller.db.pool);
  await seedTeam(controller.db.pool, 'rival');
});
test.after.each(() => {
  for (const watcher of open) watcher.close();
});
test.after(() => controller.stop());

const change = (text: ReturnType<typeof sql.unsafe>): Promise<unknown> => controller.db.pool.query(text);

test('a deployment that changes is told with its row, whoever wrote it', async () => {
  const watcher = await Watcher.open('acme');
  await change(sql.unsafe`update deployment set sync = 'blocked', sync_reason = 'there is no bundle' where team = 'acme' and name = 'shop-production'`);
  const { data } = await watcher.until('deployment', ({ name }) => name === 'shop-production');
  assert.is(data['sync'], 'blocked');
  assert.is(data['status'], 'successful');
  assert.is(data['health'], 'healthy');
  assert.is(data['reason'], 'there is no bundle');
  await change(sql.unsafe`update deployment set sync = 'synced', sync_reason = '' where team = 'acme' and name = 'shop-production'`);
  await watcher.until('deployment', ({ name, sync }) => name === 'shop-production' && sync === 'synced');
});

test('steps of an attempt are told once each, in order, and its end', async () => {
  const watcher = await Watcher.open('acme');
  const id = await controller.db.pool.oneFirst(sql.unsafe`select id from attempt where team = 'acme' and deployment = 'shop-preview' and state = 'running'`);
  for (const [sequence, step] of [[2, 'start'], [3, 'health']] as const) {
    await change(sql.unsafe`insert into attempt_event (attempt_id, sequence, at, step, text) values (${id as number}, ${sequence}, now(), ${step}, 'goes on')`);
    await watcher.until('attempt', ({ events }) => (events as { sequence: number }[]).some((one) => one.sequence === sequence));
  }
  await change(sql.unsafe`update attempt set state = 'done', outcome = 'failed', code = 'PullFailed', reason = 'no such image', finished_at = now() where id = ${id as number}`);
  const { data } = await watcher.until('attempt', ({ state }) => state === 'done');
  assert.equal([data['outcome'], data['code'], data['deployment']], ['failed', 'PullFailed', 'shop-preview']);
  const sequences = watcher.told.filter((one) => one.event === 'attempt').flatMap((one) => (one.data['events'] as { sequence: number }[]).map(({ sequence }) => sequence));
  assert.equal(sequences, [1, 2, 3]);
  await watcher.until('deployment', ({ name }) => name === 'shop-preview');
});

test('polls, nodes and products are told; a heartbeat is not', async () => {
  const watcher = await Watcher.open('acme');
  await change(sql.unsafe`update node set last_seen_at = now() where team = 'acme'`);
  await change(sql.unsafe`update node set connected_by = null where team = 'acme' and name = 'lighthouse'`);
  assert.is((await watcher.until('node')).data['status'], 'unreachable');
  await change(sql.unsafe`update team set polled_at = now(), poll_failures = 2 where name = 'acme'`);
  assert.is((await watcher.until('poll')).data['pollFailures'], 2);
  await change(sql.unsafe`update version set ref_gone = true where team = 'acme' and name = '1.1.0'`);
  assert.is((await watcher.until('product')).data['name'], 'shop');
  assert.equal(watcher.told.filter(({ event }) => event === 'node').map(({ data }) => data['name']), ['lighthouse']);
});

test('a request to merge is told when it comes and when it goes', async () => {
  const watcher = await Watcher.open('acme');
  await seedReviews(controller.db.pool);
  await watcher.until('review', ({ ref }) => ref === 'pull/17');
  const before = watcher.told.length;
  await change(sql.unsafe`delete from review where team = 'acme' and ref = 'pull/17'`);
  await sleepUntil(() => watcher.told.slice(before).some(({ event, data }) => event === 'review' && data['ref'] === 'pull/17'), { what: 'the end of the request', timeoutMs: 60_000 });
});

test('nothing of another team is told (R1), and a team that is not there has no events', async () => {
  const watcher = await Watcher.open('rival');
  await change(sql.unsafe`update deployment set sync_reason = 'secret plan' where team = 'acme' and name = 'docs'`);
  await change(sql.unsafe`update team set polled_at = now() where name = 'rival'`);
  await watcher.until('poll');
  assert.not.match(watcher.raw, /acme|docs|secret/);
  assert.is((await controller.fetch('/api/v1/teams/nobody/events')).status, 404);
  assert.is((await controller.fetch('/api/v1/teams/acme/events', { token: '' })).status, 401);
});

test('a line that was cut is taken up where it was; what cannot be known is a refresh', async () => {
  const first = await Watcher.open('acme');
  await change(sql.unsafe`update team set poll_failures = 3 where name = 'acme'`);
  const { id } = await first.until('poll');
  first.close();
  const other = await Watcher.open('acme');
  await change(sql.unsafe`update team set poll_failures = 4 where name = 'acme'`);
  await other.until('poll');
  const again = await Watcher.open('acme', id);
  assert.is((await again.until('poll')).data['pollFailures'], 4);
  assert.not(again.told.some(({ event }) => event === 'refresh'));
  for (const lost of ['00000000-1', `${id.split('-')[0] ?? ''}-999999`, 'nonsense', '-', 'x'.repeat(5_000)]) await (await Watcher.open('acme', lost)).until('refresh');
});

test('very many changes at once are one refresh', async () => {
  const watcher = await Watcher.open('big');
  await change(sql.unsafe`select 1`);
  await seedFleet(controller.db.pool, 'bigger', 5);
  await change(sql.unsafe`insert into deployment (team, name) select 'big', 'd' || n from generate_series(1, 300) n`);
  await watcher.until('refresh');
  assert.not(watcher.told.some(({ event }) => event === 'deployment'));
});
test.before(() => seedTeam(controller.db.pool, 'big'));

test('a reader that takes nothing is dropped, and the others go on', async () => {
  await seedTeam(controller.db.pool, 'loud');
  await change(sql.unsafe`insert into deployment (team, name) select 'loud', 'd' || n from generate_series(1, 150) n`);
  const response = await fetch(`${controller.url}/api/v1/teams/loud/events`, { headers: { authorization: 'Bearer tgo_operator-c4n4ry-0123456789' } });
  const watcher = await Watcher.open('loud');
  const long = 'x'.repeat(20_000);
  for (let round = 1; round <= 8; round++) {
    await change(sql.unsafe`update deployment set sync_reason = ${`${String(round)} ${long}`} where team = 'loud'`);
    await sleepUntil(() => watcher.told.length >= round * 150, { what: `round ${String(round)}; told ${String(watcher.told.length)}`, timeoutMs: 60_000 });
  }
  // Had it been waited for, it would hang here after what was buffered.
  const end = await Promise.race([response.text().then(() => 'ended', () => 'cut'), sleep(60_000, undefined, { ref: false }).then(() => 'open')]);
  assert.is(end, 'cut');
  assert.not(watcher.ended);
});

test('what a push sets off is told while it happens, from the controller as it really runs', async () => {
  const stack = await Stack.start({ 'node.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('1'), 'shop.yaml': deploymentManifest('shop', '  branch: main\n') }, { engine: createSimulatedEngine() });
  try {
    await stack.settled('shop', 'main');
    const response = await fetch(`${stack.controller.url}/api/v1/teams/acme/events`);
    let raw = '';
    const reading = (async (): Promise<void> => {
      for await (const chunk of response.body ?? []) raw += Buffer.from(chunk as Uint8Array).toString('utf8');
    })().catch(() => undefined);
    const commit = await stack.push({ 'products/shop/version.yaml': versionManifest('2') });
    await stack.settled('shop', 'main', commit);
    await sleepUntil(() => /event: deployment\ndata: .*"status":"successful","sync":"synced","health":"healthy"/.test(raw), { what: `the success; told: ${raw.slice(-2_000)}`, timeoutMs: 60_000 });
    for (const told of [/event: attempt\ndata: .*"state":"running"/, /"step":"start"/, /event: attempt\ndata: .*"outcome":"succeeded"/, /event: poll/]) {
      await sleepUntil(() => told.test(raw), { what: `${String(told)} in ${raw.slice(-2_000)}` });
    }
    await stack.controller.stop();
    await reading;
  } finally {
    await stack.stop();
  }
});

test('the end of the controller ends every stream at once', async () => {
  const another = await testController({ public: true });
  await seedTeam(another.db.pool, 'acme');
  const response = await fetch(`${another.url}/api/v1/teams/acme/events`);
  const start = performance.now();
  await another.stop();
  await response.text().catch(() => '');
  assert.ok(performance.now() - start < 60_000);
});

test.run();
