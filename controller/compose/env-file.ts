/** `.env` and `env_file`: NAME=value lines. Pure. */
import { interpolate } from './interpolate.ts';

const LINE = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*(?:=|:\s)(.*)$/;
const MOST = 10_000;

/**
 * Later lines win. Single quotes keep everything, double quotes know \n and \" and variables, bare values know variables and end
 * at ` #`. A quoted value may span lines.
 *
 * @param known variables that values may name besides those before them in the file.
 * @param raw values are taken as they are (`format: raw`).
 */
export function parseEnvFile(text: string, known: ReadonlyMap<string, string> = new Map(), raw = false): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  for (let index = 0; index < lines.length && values.size < MOST; index++) {
    const match = LINE.exec(lines[index] as string);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    let written = match[2].trimStart();
    const quote = raw ? undefined : /^["']/.exec(written)?.[0];
    while (quote !== undefined && closing(written, quote) < 0 && index + 1 < lines.length) written += `\n${lines[++index] as string}`;
    const scope = { get: (name: string) => values.get(name) ?? known.get(name) } as ReadonlyMap<string, string>;
    values.set(match[1], valueOf(written, quote, raw, scope));
  }
  return values;
}

function valueOf(written: string, quote: string | undefined, raw: boolean, scope: ReadonlyMap<string, string>): string {
  if (raw) return written;
  const end = quote === undefined ? -1 : closing(written, quote);
  if (quote === undefined || end < 0) return interpolate(written.replace(/(^|\s)#.*$/, '').trim(), scope).text;
  const inner = written.slice(1, end);
  if (quote === "'") return inner;
  const unescaped = inner.replace(/\\([nrt"\\])/g, (_, char: string) => ({ n: '\n', r: '\r', t: '\t' })[char] ?? char);
  return interpolate(unescaped, scope).text;
}

function closing(text: string, quote: string): number {
  for (let at = 1; at < text.length; at++) {
    if (quote === '"' && text[at] === '\\') at += 1;
    else if (text[at] === quote) return at;
  }
  return -1;
}
