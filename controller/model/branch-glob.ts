/**
 * Globs of branch names: `*` is any text within a step, `**` any number of steps, `?` one character; everything else is itself.
 * By hand and without regular expressions, because a glob comes from a repository and must not be able to take long.
 */

/** Time grows with the product of the two lengths, never faster. */
export function matchesGlob(glob: string, name: string): boolean {
  return matchItems(glob.split('/'), name.split('/'), (pattern) => pattern === '**', matchStep);
}

function matchStep(pattern: string, step: string): boolean {
  return matchItems([...pattern], [...step], (character) => character === '*', (wanted, found) => wanted === '?' || wanted === found);
}

/** The classic walk with one remembered wildcard: on a mismatch the last wildcard takes one item more. */
function matchItems(pattern: readonly string[], items: readonly string[], isMany: (pattern: string) => boolean, isSame: (pattern: string, item: string) => boolean): boolean {
  let at = 0;
  let wildcard = -1;
  let resume = 0;
  for (let index = 0; index < items.length; ) {
    const wanted = pattern[at];
    if (wanted !== undefined && isMany(wanted)) {
      wildcard = at;
      resume = index;
      at += 1;
    } else if (wanted !== undefined && isSame(wanted, items[index] as string)) {
      at += 1;
      index += 1;
    } else if (wildcard >= 0) {
      resume += 1;
      index = resume;
      at = wildcard + 1;
    } else {
      return false;
    }
  }
  while (at < pattern.length && isMany(pattern[at] as string)) at += 1;
  return at === pattern.length;
}
