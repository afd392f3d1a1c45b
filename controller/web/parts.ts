/** Small pieces that several pages are made of. */
import { href, html } from './html.ts';
import type { Html } from './html.ts';

/** How a word is marked: never by colour alone, for not everybody sees it. */
const MARKS: Readonly<Record<string, readonly [tone: string, glyph: string]>> = {
  synced: ['good', '✓'],
  'out-of-sync': ['busy', '⇅'],
  blocked: ['bad', '✕'],
  healthy: ['good', '●'],
  progressing: ['busy', '◐'],
  degraded: ['bad', '▲'],
  missing: ['bad', '○'],
  unknown: ['dull', '?'],
  preparing: ['busy', '…'],
  'in-progress': ['busy', '◐'],
  successful: ['good', '✓'],
  failed: ['bad', '✕'],
  obsolete: ['dull', '↷'],
  downgraded: ['dull', '↶'],
  connected: ['good', '●'],
  unreachable: ['bad', '○'],
  enrolling: ['busy', '…'],
  revoked: ['dull', '✕'],
  succeeded: ['good', '✓'],
  superseded: ['dull', '↷'],
  cancelled: ['dull', '■'],
  lost: ['bad', '?'],
  queued: ['busy', '…'],
  running: ['busy', '◐'],
  restarting: ['bad', '↻'],
  exited: ['bad', '■'],
  dead: ['bad', '✕'],
  unhealthy: ['bad', '▲'],
  starting: ['busy', '◐'],
  error: ['bad', '✕'],
  warning: ['busy', '▲'],
  drifted: ['busy', '≠'],
};

/** A word in a pill. A container that runs is fine; an attempt that runs is under way: `tone` decides where words differ. */
export function pill(word: string, tone?: 'good' | 'busy' | 'bad' | 'dull'): Html {
  const [usual, glyph] = MARKS[word] ?? ['dull', '·'];
  return html`<span class="pill ${tone ?? usual}"><span aria-hidden="true">${tone === 'good' ? '●' : glyph}</span> ${word}</span>`;
}

const GLYPHS = { good: '✓', busy: '◐', bad: '▲', dull: '·' } as const;

/** The glyph of a tone alone, before words that say the rest. */
export function mark(tone: 'good' | 'busy' | 'bad' | 'dull'): Html {
  return html`<span class="mark ${tone}" aria-hidden="true">${GLYPHS[tone]}</span>`;
}

/** `1 error`, `2 errors`. */
export function plural(count: number, word: string): string {
  return `${String(count)} ${word}${count === 1 ? '' : 's'}`;
}

export function badge(word: string): Html {
  return html`<span class="badge">${word}</span>`;
}

/** A moment, said as people say it; the exact time is in the element. `polled`: scripts keep it up to date. */
export function time(at: Date | string | null, now: Date, polled?: 'polled'): Html {
  if (at === null) return html`<span class="quiet">never</span>`;
  const date = typeof at === 'string' ? new Date(at) : at;
  return html`<time datetime="${date.toISOString()}" title="${date.toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC')}"${polled !== undefined && html` data-polled`}>${ago(date, now)}</time>`;
}

function ago(at: Date, now: Date): string {
  const seconds = Math.round((now.getTime() - at.getTime()) / 1_000);
  const distance = Math.abs(seconds);
  const said = (count: number, unit: string): string => `${seconds < 0 ? 'in ' : ''}${String(count)} ${unit}${count === 1 ? '' : 's'}${seconds < 0 ? '' : ' ago'}`;
  if (distance < 5) return 'just now';
  if (distance < 60) return said(distance, 'second');
  if (distance < 3_600) return said(Math.floor(distance / 60), 'minute');
  if (distance < 86_400) return said(Math.floor(distance / 3_600), 'hour');
  if (distance < 30 * 86_400) return said(Math.floor(distance / 86_400), 'day');
  return at.toISOString().slice(0, 10);
}

/** `0.4 s`, `12 s`, `3 min 20 s`. */
export function seconds(ms: number): string {
  const all = ms / 1_000;
  if (all < 10) return `${all.toFixed(1)} s`;
  if (all < 120) return `${String(Math.round(all))} s`;
  return `${String(Math.floor(all / 60))} min ${String(Math.round(all % 60))} s`;
}

/** How long something took, or has taken up to now. */
export function duration(from: Date | null, to: Date | null, now: Date): string {
  if (from === null) return '';
  return seconds(Math.max(0, (to ?? now).getTime() - from.getTime()));
}

export function commit(id: string | null): Html {
  return id === null ? html`<span class="quiet">none yet</span>` : html`<code class="commit" title="${id}">${id.slice(0, 10)}</code>`;
}

/** Image and digest as one line; the whole digest is in the title. */
export function image(reference: string, digest: string): Html {
  const short = digest.startsWith('sha256:') ? `@${digest.slice(7, 19)}` : '';
  return html`<code class="image" title="${digest === '' ? reference : `${reference} ${digest}`}">${reference}${short === '' ? '' : html`<span class="digest">${short}</span>`}</code>`;
}

export function deploymentLink(team: string, name: string): Html {
  return html`<a href="${href('teams', team, 'deployments', name)}">${name}</a>`;
}

export function productLink(team: string, name: string | null): Html {
  return name === null ? html`<span class="quiet">unknown</span>` : html`<a href="${href('teams', team, 'products', name)}">${name}</a>`;
}

/** To the version's row on its product's page. */
export function productVersionLink(team: string, product: string, kind: string, version: string): Html {
  return html`<a href="${href('teams', team, 'products', product)}#version-${kind}-${encodeURIComponent(version)}">${version}</a>`;
}

export function nodeLink(team: string, name: string | null): Html {
  return name === null ? html`<span class="quiet">unknown</span>` : html`<a href="${href('teams', team, 'nodes', name)}">${name}</a>`;
}

/** One sentence below a pill; nothing when all is fine. */
export function why(text: string): Html | false {
  return text !== '' && html`<p class="why">${text}</p>`;
}

/** One cell of a table that becomes a card on a narrow screen; the label is shown there. */
export function cell(label: string, content: Html | string | number): Html {
  return html`<td role="cell" data-label="${label}"><div>${content}</div></td>`;
}

/** A table whose roles survive being laid out as cards. */
export function table(caption: string, columns: readonly string[], rows: readonly Html[], widths?: 'deployments'): Html {
  return html`<table role="table"${widths !== undefined && html` data-columns="${widths}"`}><caption class="hidden">${caption}</caption>
<thead role="rowgroup"><tr role="row">${columns.map((column) => html`<th role="columnheader" scope="col">${column}</th>`)}</tr></thead>
<tbody role="rowgroup">${rows}</tbody></table>`;
}
