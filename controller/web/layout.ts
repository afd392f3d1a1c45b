/** The frame of every page. It works without any script; the one it has only renews the page's content. */
import { STYLE_URL } from './style-sheet.ts';
import { SCRIPT_URL } from './live-script.ts';
import { href, html } from './html.ts';
import type { Html } from './html.ts';
import { teamNav } from './team-nav.ts';

export interface Crumb {
  readonly text: string;
  readonly href: string;
}

export interface Account {
  readonly who: string;
  readonly csrf: string;
}

export interface PageFrame {
  readonly title: string;
  readonly crumbs: readonly Crumb[];
  /** Pages of a team have its bar; `section` is the segment after the team's name. */
  readonly team?: { readonly name: string; readonly section: string; readonly watch?: { readonly kind: 'deployment'; readonly name: string } };
  /** Who is signed in with a browser session, and what the form to leave has to bring along. `null`: nobody; may sign in. Absent: neither is said. */
  readonly account?: Account | null | undefined;
  /** The version of Tagboat. */
  readonly version: string;
  /**
   * `script`: the page renews its content. A number: the browser itself reloads after so many seconds (`?refresh=5`), for
   * screens on a wall without scripts.
   */
  readonly renew: 'script' | 'never' | number;
  readonly body: Html;
}

export function layout(frame: PageFrame): Html {
  const last = frame.crumbs.length - 1;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${typeof frame.renew === 'number' && html`<meta http-equiv="refresh" content="${frame.renew}">`}
<title>${frame.title} · Tagboat</title>
<link rel="icon" href="/assets/tagboat.svg" type="image/svg+xml">
<link rel="stylesheet" href="${STYLE_URL}">
${frame.renew === 'script' && html`<script src="${SCRIPT_URL}" defer></script>`}
</head>
<body${frame.team !== undefined && html` data-events="${href('api', 'v1', 'teams', frame.team.name, 'events')}"`}${frame.team?.watch !== undefined && html` data-kind="${frame.team.watch.kind}" data-name="${frame.team.watch.name}"`}>
<a class="skip" href="#main">Skip to content</a>
<header class="bar">
<a class="brand" href="/"><img src="/assets/tagboat.svg" alt="" width="30" height="30"> Tagboat</a>
<nav aria-label="Breadcrumb"><ol>${frame.crumbs.map((crumb, index) => html`<li><a href="${crumb.href}"${index === last && html` aria-current="page"`}>${crumb.text}</a></li>`)}</ol></nav>
<span id="live" role="status"></span><span id="announce" class="hidden" aria-live="polite"></span>
${accountBox(frame.account)}</header>
${frame.team !== undefined && teamNav(frame.team.name, frame.team.section)}
<main id="main" tabindex="-1">
${frame.body}
</main>
<footer>Tagboat ${frame.version}. Git is the only way in: to change something, push a commit.</footer>
</body>
</html>
`;
}

function accountBox(account: Account | null | undefined): Html | false {
  if (account === undefined) return false;
  if (account === null) return html`<a class="account" href="/sign-in">Sign in</a>`;
  return html`<form class="account" method="post" action="/sign-out"><input type="hidden" name="csrf" value="${account.csrf}"><span>${account.who}</span> <button type="submit">Sign out</button></form>`;
}
