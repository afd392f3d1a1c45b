/** Tables for terminals. What comes from elsewhere cannot steer the terminal. */
import { stripVTControlCharacters } from 'node:util';

/** How a word is painted; the words mean the same as on the pages. */
const TONES: Readonly<Record<string, number>> = {
  synced: 32, healthy: 32, successful: 32, connected: 32, active: 32,
  'out-of-sync': 33, progressing: 33, preparing: 33, 'in-progress': 33, enrolling: 33, unknown: 33, warning: 33,
  blocked: 31, degraded: 31, missing: 31, failed: 31, unreachable: 31, error: 31,
  obsolete: 2, downgraded: 2, revoked: 2, expired: 2,
};

export type Paint = (text: string) => string;

/** Paints status words; leaves everything as it is where colours are not wanted. */
export function painter(colours: boolean): Paint {
  if (!colours) return (text) => text;
  return (text) => {
    const tone = TONES[text.trim().split(' ')[0] ?? ''];
    return tone === undefined ? text : `\u001b[${String(tone)}m${text}\u001b[0m`;
  };
}

/** Columns; the last one is not padded. */
export function columns(rows: readonly (readonly string[])[], paint: Paint = (text) => text): string {
  const safe = rows.map((row) => row.map(printable));
  const widths = widthsOf(safe);
  return safe.map((row) => `${row.map((text, index) => paint(index === row.length - 1 ? text : text.padEnd(widths[index] ?? 0))).join('  ').trimEnd()}\n`).join('');
}

/**
 * Columns where they fit into `width` characters. Where they do not, the last column goes to a line of its own below its row; where even that
 * is too wide, each row is a card: its first cell, and below it the others with their headings.
 */
export function fittedColumns(rows: readonly (readonly string[])[], width: number, paint: Paint = (text) => text): string {
  const safe = rows.map((row) => row.map(printable));
  const widths = widthsOf(safe);
  const wide = (some: readonly number[]): number => some.reduce((sum, one) => sum + one, 0) + 2 * (some.length - 1);
  if (wide(widths) <= width) return columns(rows, paint);
  const heads = safe[0] ?? [];
  if (wide(widths.slice(0, -1)) <= width) {
    const table = columns(safe.map((row) => row.slice(0, -1)), paint).split('\n');
    return safe.map((row, index) => `${table[index] ?? ''}\n${index === 0 || row.at(-1) === '' ? '' : wrap(row.at(-1) ?? '', width, '    ')}`).join('');
  }
  const label = Math.max(...heads.slice(1).map((head) => head.length));
  return safe
    .slice(1)
    .map(([first = '', ...rest]) => `${first}\n${rest.map((text, index) => (text === '' ? '' : `  ${(heads[index + 1] ?? '').toLowerCase().padEnd(label)}  ${hanging(text, width, label + 4, paint)}\n`)).join('')}`)
    .join('');
}

/** Lines of at most `width` characters, broken at spaces, each behind `indent`. */
export function wrap(text: string, width: number, indent: string): string {
  const room = Math.max(width - indent.length, 16);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').flatMap((one) => one.match(new RegExp(`.{1,${String(room)}}`, 'gu')) ?? [])) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(line);
  return lines.map((one) => `${indent}${one}\n`).join('');
}

/** Without control characters: a commit author or a log line may hold escape sequences. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ');
}

/** A log line for a terminal: colours and cursor moves are taken out whole, tabs stay. */
export function printableLog(text: string): string {
  return stripVTControlCharacters(text).split('\t').map(printable).join('\t');
}

function hanging(text: string, width: number, indent: number, paint: Paint): string {
  return wrap(text, width, ' '.repeat(indent)).trim().split('\n').map((line, index) => (index === 0 ? paint(line) : line)).join('\n');
}

function widthsOf(rows: readonly (readonly string[])[]): number[] {
  return rows.reduce<number[]>((widest, row) => row.map((text, index) => Math.max(widest[index] ?? 0, text.length)), []);
}
