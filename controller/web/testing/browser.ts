/** A real Chromium for tests of pages, and axe-core to look at them as a screen reader's friend does. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core';

/** `TAGBOAT_CHROMIUM` names another one, or with `none` none at all. */
const NAMED = process.env['TAGBOAT_CHROMIUM'];
const PROGRAMS = NAMED === undefined ? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'] : [NAMED];
/** It talks to nobody but the pages under test. */
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

export interface TestBrowser {
  /** A window of its own, with its own cookies. */
  context(options?: BrowserContextOptions): Promise<BrowserContext>;
  close(): Promise<void>;
}

/** Null, and said loudly, where there is no Chromium; CI demands one (TAGBOAT_REQUIRE_BROWSER). */
export async function browserOrSkip(what: string): Promise<TestBrowser | null> {
  const executablePath = PROGRAMS.find((path) => existsSync(path));
  if (executablePath === undefined) {
    console.log(`SKIPPED ${what}: needs Chromium; install the package chromium, or set TAGBOAT_CHROMIUM`);
    if (process.env['TAGBOAT_REQUIRE_BROWSER'] === '1') throw new Error(`${what} needs Chromium, and there is none`);
    return null;
  }
  const home = await mkdtemp(join(tmpdir(), 'tagboat-chromium-'));
  const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS, timeout: 180_000, env: { ...process.env, HOME: home, TMPDIR: home } });
  return {
    context: async (options = {}) => {
      const context = await browser.newContext(options);
      context.setDefaultTimeout(90_000);
      return context;
    },
    close: async () => {
      await browser.close();
      await rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

interface AxeResult {
  readonly passes: readonly unknown[];
  readonly violations: readonly { readonly id: string; readonly help: string; readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[] }[];
}

/** What axe-core objects to, one line each: by its rules for WCAG 2.2 A and AA and its best practices, or by these alone. */
export async function axeObjections(page: Page, rules?: readonly string[]): Promise<readonly string[]> {
  const result = await page.evaluate<AxeResult>(`${axe.source}; axe.run(document, ${JSON.stringify({ resultTypes: ['violations'], ...(rules !== undefined && { runOnly: { type: 'rule', values: rules } }) })})`);
  if (result.passes.length < (rules?.length ?? 10)) throw new Error(`axe-core looked at next to nothing on ${page.url()}`);
  return result.violations.flatMap(({ id, help, nodes }) => nodes.slice(0, 5).map((node) => `${id}: ${help}: ${node.html.slice(0, 200)} (${(node.failureSummary ?? '').replaceAll('\n', ' ').slice(0, 200)})`));
}
