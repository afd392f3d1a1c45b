/**
 * The one place where secrets are masked in text that leaves the process (R27): log lines, error texts, audit rows.
 * It is a safety net. Who builds a text still must not put a secret into it.
 */

const MASK = '***';

/**
 * Every pattern works on plain text and inside a JSON string, so none of them runs over a quote or a backslash
 * (PEM blocks excepted: they end at their own END line).
 */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----[\s\S]*?(?:-----END \1-----|$)/g, `-----BEGIN $1-----${MASK}`],
  [/AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]+/gi, `AGE-SECRET-KEY-${MASK}`],
  // To the last @ before the path: a password may itself hold an @.
  [/(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/?#"'\\<>]*@/gi, `$1${MASK}@`],
  [/\b((?:proxy-)?authorization"?\s*[:=]\s*"?)(?:[a-z]+\s+)?[^\s"'\\,;]+/gi, `$1${MASK}`],
  [/\b(bearer|basic)(\s+)[a-z0-9._~+/=-]{8,}/gi, `$1$2${MASK}`],
  [/([?&](?:access_token|private_token|token|password|secret|signature|key)=)[^&\s"'\\#]+/gi, `$1${MASK}`],
  [/("(?:[a-z_-]*(?:password|passphrase|secret|token)|private_?key|api_?key|cookie|set-cookie)"\s*:\s*")(?:[^"\\]|\\.)+/gi, `$1${MASK}`],
  [/\b(tg[bos]_)[A-Za-z0-9_-]{20,}/g, `$1${MASK}`],
  [/\b(gh[pousr]_|github_pat_|glpat-|xox[abposr]-|npm_|dckr_pat_)[A-Za-z0-9_-]{8,}/g, `$1${MASK}`],
  [/\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*/g, MASK],
];

/**
 * Masks what looks like a secret. `extra`: secrets known by value (at least 4 characters long, so that a trivial
 * one does not blank out the text) or patterns with the `g` flag.
 */
export function scrub(text: string, extra: readonly (string | RegExp)[] = []): string {
  let result = text;
  for (const one of extra) {
    if (typeof one === 'string') {
      if (one.length >= 4) result = result.replaceAll(one, MASK);
    } else {
      result = result.replaceAll(one, MASK);
    }
  }
  for (const [pattern, replacement] of PATTERNS) result = result.replace(pattern, replacement);
  return result;
}
