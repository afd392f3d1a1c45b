/** How a handler answers with a page: it says what is on it, the frame comes from here. */
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { Request, Response } from 'express';
import { callerOf } from './access.ts';
import { positive } from './context.ts';
import type { WebContext } from './context.ts';
import { formToken } from './cookies.ts';
import { href } from './html.ts';
import type { Html } from './html.ts';
import { layout } from './layout.ts';
import type { Account, Crumb } from './layout.ts';

export interface TeamPage {
  /** The first segment after the team's name (`nodes`); '' for the overview. */
  readonly section: string;
  /** The one thing that the page is about; other things' changes do not renew it. */
  readonly watch?: { readonly kind: 'deployment'; readonly name: string };
  /** What follows the team in the breadcrumb; the last one is this page. */
  readonly crumbs: readonly Crumb[];
  readonly body: Html;
}

const HOME: Crumb = { text: 'Teams', href: '/' };

export async function sendTeamPage(context: WebContext, request: Request, response: Response, team: string, page: TeamPage): Promise<void> {
  const crumbs = [HOME, { text: team, href: href('teams', team) }, ...page.crumbs];
  const title = [...page.crumbs.map(({ text }) => text).reverse(), team].join(' · ');
  await send(request, response, layout({ title, crumbs, team: { name: team, section: page.section, ...(page.watch !== undefined && { watch: page.watch }) }, version: context.version, account: accountOf(response), renew: renewal(request), body: page.body }));
}

export async function sendPage(context: WebContext, request: Request, response: Response, title: string, body: Html): Promise<void> {
  await send(request, response, layout({ title, crumbs: [HOME], version: context.version, account: accountOf(response), renew: renewal(request), body }));
}

const compress = promisify(gzip);
/** Smaller pages are one or two packets anyway. */
const COMPRESS_FROM = 8_192;

/** A table of a thousand rows shrinks to a twentieth, off the main thread. */
async function send(request: Request, response: Response, page: Html): Promise<void> {
  const bytes = Buffer.from(page.markup);
  response.type('html').vary('Accept-Encoding');
  if (bytes.byteLength < COMPRESS_FROM || request.acceptsEncodings(['gzip', 'identity']) !== 'gzip') {
    response.send(bytes);
    return;
  }
  response.set('Content-Encoding', 'gzip').send(await compress(bytes, { level: constants.Z_BEST_SPEED }));
}

function renewal(request: Request): 'script' | number {
  return positive(request, 'refresh', 3_600) ?? 'script';
}

/** A browser session can be left; somebody who reads because everybody may can sign in. A token in a header is a program's. */
function accountOf(response: Response): Account | null | undefined {
  const { kind, profile, session } = callerOf(response);
  if (session !== '') return { who: profile ?? 'operator', csrf: formToken(session) };
  return kind === 'public' ? null : undefined;
}
