// @timeout 600
import { EventEmitter, once } from 'node:events';
import { sql } from 'slonik';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Page } from 'playwright-core';
import { sleepUntil } from '../testing/sleep-until.ts';
import { axeObjections, browserOrSkip } from './testing/browser.ts';
import { testController } from './testing/controller.ts';
import type { TestController } from './testing/controller.ts';
import { seedFleet } from './testing/fleet.ts';
import { seedHarbour } from './testing/harbour.ts';
import { seedTree } from './testing/tree.ts';
import { seedReviews } from './testing/reviews.ts';
import { seedVoyage } from './testing/voyage.ts';
import type { LogLine } from './context.ts';

const test = suite('pages in Chromium');
const browser = await browserOrSkip('pages in Chromium');
let controller: TestController;
const complaints: string[] = [];
/** What containers say from now on. */
const logged = new EventEmitter();

const VOYAGE = 'checkout-and-payment-orchestration-service-production';
const PAGES = ['/', '/teams/acme', '/teams/acme?view=where', '/teams/acme?show=fine', '/teams/fleet', '/teams/acme/deployments/shop-staging', '/teams/acme/deployments/shop-production', '/teams/acme/deployments/docs',
  `/teams/acme/deployments/${VOYAGE}`, `/teams/acme/deployments/${VOYAGE}/logs?container=checkout-web`, 'attempt',
  '/teams/acme/products', '/teams/acme/products/shop', '/teams/acme/products/lighthouse-keeper', '/teams/acme/nodes', '/teams/acme/nodes/harbor', '/teams/acme/nodes/pier', '/teams/acme/audit', '/teams/acme/reviews', '/teams/acme/reviews/pull%2F17', '/teams/acme/reviews/pull%2F12', '/teams/acme/deliveries', '/sign-in', '/teams/nobody'];

test.before(async () => {
  controller = await testController({ public: true });
  await seedHarbour(controller.db.pool);
  await seedReviews(controller.db.pool);
  await seedFleet(controller.db.pool, 'fleet', 20);
  await seedVoyage(controller.db.pool, 'acme');
  await seedTree(controller.db.pool, 'acme', 'lighthouse-keeper', 40);
  const failed = await controller.db.pool.oneFirst(sql.unsafe`select id from attempt where deployment = ${VOYAGE} and outcome = 'failed'`);
  PAGES[PAGES.indexOf('attempt')] = `/teams/acme/deployments/${VOYAGE}/attempts/${String(failed)}`;
  controller.logs = async function* read(of, signal): AsyncGenerator<LogLine> {
    for (let n = 1; n <= 60; n++) yield { at: new Date('2026-01-02T03:04:05Z'), stream: 'stdout', text: `request ${String(n)} of ${'a'.repeat(200)}` };
    if (!of.follow) return;
    const said = once(logged, 'line', { signal });
    yield { at: new Date('2026-01-02T03:04:06Z'), stream: 'stdout', text: String((await said)[0]) };
    await once(signal, 'abort');
  };
});
test.after(async () => {
  await browser?.close();
  await controller.stop();
});

/** A page whose console is listened to: the policy on content makes it speak up. */
async function open(options: { readonly colorScheme?: 'light' | 'dark'; readonly width?: number; readonly scripts?: boolean } = {}): Promise<Page> {
  const context = await browser!.context({ colorScheme: options.colorScheme ?? 'light', viewport: { width: options.width ?? 1280, height: 900 }, javaScriptEnabled: options.scripts ?? true, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of (404|503)/.test(message.text())) complaints.push(`${page.url()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`));
  return page;
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`axe-core objects to nothing in ${colorScheme}`, async () => {
    const page = await open({ colorScheme });
    for (const path of PAGES) {
      await page.goto(controller.url + path);
      assert.equal(await axeObjections(page, colorScheme === 'dark' ? ['color-contrast'] : undefined), [], `${path} in ${colorScheme}`);
    }
    await page.context().close();
  });
}

test('on a screen of 320 px nothing makes the page scroll sideways', async () => {
  const page = await open({ width: 320 });
  for (const path of PAGES) {
    await page.goto(controller.url + path);
    const wide = await page.evaluate<string[]>(`document.documentElement.scrollWidth <= 320 ? [] : [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > 321 && !one.closest('.scroll, pre')).map((one) => one.outerHTML.slice(0, 120))`);
    assert.equal(wide, [], path);
  }
  assert.equal(await page.goto(`${controller.url}/teams/acme`).then(() => axeObjections(page)), []);
  await page.context().close();
});

test('the keyboard reaches everything in the order of reading, and one can see where one is', async () => {
  const page = await open();
  await page.goto(`${controller.url}/teams/acme`);
  await page.keyboard.press('Tab');
  const focused = (): Promise<string> => page.evaluate<string>(`(document.activeElement.textContent || document.activeElement.name || '').trim()`);
  assert.is(await focused(), 'Skip to content');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.match(await focused(), /error/);
  await page.goto(`${controller.url}/teams/acme`);
  const order: string[] = [];
  for (let n = 0; n < 60; n++) {
    await page.keyboard.press('Tab');
    const where = await page.evaluate<{ text: string; visible: boolean; top: number } | null>(`(() => {
      const one = document.activeElement;
      if (one === document.body) return null;
      const style = getComputedStyle(one), box = one.getBoundingClientRect();
      return { text: (one.textContent || one.name || '').trim(), visible: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && box.width > 0, top: box.top };
    })()`);
    if (where === null) break;
    assert.ok(where.visible, `one sees the focus on ${where.text}`);
    order.push(where.text);
  }
  const at = (text: string): number => order.indexOf(text);
  for (const [before, after] of [['Skip to content', 'Tagboat'], ['Teams', 'Overview'], ['Overview', 'Audit'], ['Audit', 'List'], ['List', 'Filter'], ['Filter', 'shop-staging'], ['shop-staging', 'docs']] as const) {
    assert.ok(at(before) >= 0 && at(before) < at(after), `${before} before ${after} in ${order.join(' | ')}`);
  }
  await page.context().close();
});

test('without scripts one walks everywhere and filters', async () => {
  const page = await open({ scripts: false });
  await page.goto(controller.url);
  await page.click('text=acme');
  await page.click('nav.tabs >> text=Nodes');
  await page.click('text=harbor');
  await page.click('table >> text=shop-production');
  assert.match(await page.textContent('h1') ?? '', 'shop-production');
  await page.click('main >> text=shop');
  assert.match(await page.textContent('h1') ?? '', 'shop');
  await page.click('nav.tabs >> text=Overview');
  await page.selectOption('select[name=show]', 'failed');
  await page.click('text=Filter');
  assert.match(page.url(), 'show=failed');
  assert.is(await page.locator('tbody tr').count(), 1);
  await page.click('text=Show all');
  await page.click('text=What is where');
  assert.is(await page.locator('table.matrix').count(), 1);
  await page.click('nav.tabs >> text=Audit');
  assert.is(await page.locator('tbody tr').count(), 7);
  await page.context().close();
});

test('a change is seen and said without a reload; focus, unfolded parts and typed words stay', async () => {
  const page = await open();
  await page.goto(`${controller.url}/teams/acme`);
  await page.waitForSelector('body[data-listening]', { state: 'attached' });
  await page.evaluate(`window.mine = 'the same document'`);
  await page.fill('#f-q', 'typed');
  await page.focus('#d-old-shop a');
  const change = (sync: string, reason: string): Promise<unknown> => controller.db.pool.query(sql.unsafe`update deployment set sync = ${sync}, sync_reason = ${reason} where team = 'acme' and name = 'shop-production'`);
  await change('blocked', 'there is no bundle logging');
  await page.waitForSelector('#d-shop-production >> text=there is no bundle logging');
  assert.is(await page.evaluate(`window.mine`), 'the same document');
  assert.is(await page.inputValue('#f-q'), 'typed');
  assert.is(await page.evaluate<string>(`document.activeElement.textContent`), 'old-shop');
  await sleepUntil(async () => /shop-production: successful, blocked/.test((await page.textContent('#announce')) ?? ''), { what: 'the announcement' });
  await page.click('text=Pause updates');
  await change('synced', '');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  assert.is(await page.locator('#d-shop-production >> text=there is no bundle logging').count(), 1);
  await page.click('text=Resume updates');
  await page.waitForSelector('#d-shop-production >> text=there is no bundle logging', { state: 'detached' });
  await page.context().close();
});

test('the steps of an attempt appear as they happen, on its deployment alone', async () => {
  const page = await open();
  await page.goto(`${controller.url}/teams/acme/deployments/${VOYAGE}`);
  await page.waitForSelector('body[data-listening]', { state: 'attached' });
  await page.click('summary >> text=Plan');
  await controller.db.pool.query(sql.unsafe`insert into attempt_event (attempt_id, sequence, at, step, text) select id, 9, now(), 'clean', 'all containers are good' from attempt where deployment = ${VOYAGE} and state = 'running'`);
  await page.waitForSelector('.steps >> text=all containers are good');
  assert.is(await page.locator('details[id^=plan-][open]').count(), 0, 'what was folded stays folded');
  assert.ok(await page.locator('.attempts svg[aria-label*="pull"]').count() > 3);
  await page.context().close();
});

test('a log is followed with scripts, and shown without', async () => {
  const plain = await open({ scripts: false });
  const address = `${controller.url}/teams/acme/deployments/${VOYAGE}/logs?container=checkout-web`;
  await plain.goto(address);
  assert.match(await plain.textContent('#log') ?? '', 'request 60 of');
  await plain.context().close();
  const page = await open();
  await page.goto(address);
  await page.waitForSelector('text=Following');
  await sleepUntil(() => logged.listenerCount('line') > 0, { what: 'somebody who follows' });
  logged.emit('line', 'a line of this moment');
  await page.waitForSelector('#log >> text=a line of this moment');
  assert.is(((await page.textContent('#log')) ?? '').match(/request 1 of/g)?.length, 1);
  await page.context().close();
  await sleepUntil(() => logged.listenerCount('line') === 0, { what: 'the end of following' });
});

test('the policy on content was never broken and no script failed', () => {
  assert.equal(complaints, []);
});

if (browser !== null) test.run();
