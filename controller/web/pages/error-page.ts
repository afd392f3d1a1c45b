/** A page that says what went wrong. It asks for nothing that needs a token. */
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { layout } from '../layout.ts';

export interface WebError {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

const TITLES: Readonly<Record<number, string>> = { 401: 'A token is needed', 404: 'Not found', 400: 'That address is not understood', 503: 'Not available just now' };

export function errorPage(error: WebError, version: string): Html {
  const title = TITLES[error.status] ?? 'Something went wrong';
  if (error.status === 401) {
    return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>${title} · Tagboat</title></head>
<body><main><h1>${title}</h1><p>${error.message}. ${error.hint}</p></main></body></html>
`;
  }
  return layout({
    title,
    crumbs: [{ text: 'Teams', href: '/' }],
    version,
    // An address that is not there does not come by itself.
    renew: error.status === 503 ? 5 : 'never',
    body: html`<section class="card"><h1>${title}</h1><p>${error.message}.</p><p class="quiet">${error.hint}</p><p><a href="/">All teams</a></p></section>`,
  });
}
