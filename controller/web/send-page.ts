/** How a handler answers with a page: it says what is on it, the frame comes from here. */
import type { Request, Response } from 'express';
import { positive } from './context.ts';
import type { WebContext } from './context.ts';
import { href } from './html.ts';
import type { Html } from './html.ts';
import { layout } from './layout.ts';
import type { Crumb } from './layout.ts';

export interface TeamPage {
  /** The first segment after the team's name (`nodes`); '' for the overview. */
  readonly section: string;
  /** What follows the team in the breadcrumb; the last one is this page. */
  readonly crumbs: readonly Crumb[];
  readonly body: Html;
}

const HOME: Crumb = { text: 'Teams', href: '/' };

export function sendTeamPage(context: WebContext, request: Request, response: Response, team: string, page: TeamPage): void {
  const crumbs = [HOME, { text: team, href: href('teams', team) }, ...page.crumbs];
  const title = [...page.crumbs.map(({ text }) => text).reverse(), team].join(' · ');
  response.type('html').send(layout({ title, crumbs, team: { name: team, section: page.section }, version: context.version, renew: renewal(request), body: page.body }).markup);
}

export function sendPage(context: WebContext, request: Request, response: Response, title: string, body: Html): void {
  response.type('html').send(layout({ title, crumbs: [HOME], version: context.version, renew: renewal(request), body }).markup);
}

function renewal(request: Request): 'script' | number {
  return positive(request, 'refresh', 3_600) ?? 'script';
}
