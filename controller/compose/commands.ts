/** `command` and `entrypoint`. What compose calls so are `args` and `command` of a manifest. */
import type { Draft } from './draft.ts';
import { lost } from './draft.ts';
import type { Item } from './tree.ts';
import { shellWords } from './units.ts';
import { itemOf } from './values.ts';

export function takeEntrypoint(draft: Draft, item: Item): void {
  const found = wordsOf(draft, item);
  if (found === undefined) return;
  if (!isEmpty(found)) {
    draft.config.command = found;
    return;
  }
  // Without an entry point the first word of the command is the program; a manifest says so by a command without arguments.
  const command = itemOf(draft.dict, 'command');
  const instead = command === undefined ? undefined : wordsOf(draft, command);
  if (instead !== undefined && !isEmpty(instead)) draft.config.command = instead;
  else lost(draft, item.at, 'entrypoint: an empty one, which takes away the image’s own, cannot be said', 'Write into `entrypoint` what the container is to run.');
}

export function takeCommand(draft: Draft, item: Item): void {
  const entrypoint = itemOf(draft.dict, 'entrypoint');
  const before = entrypoint === undefined ? undefined : wordsOf(draft, entrypoint);
  if (before !== undefined && isEmpty(before)) return;
  const found = wordsOf(draft, item);
  if (found === undefined) return;
  if (!isEmpty(found)) draft.config.args = found;
  else if (before === undefined) draft.whole.findings.add('NoEffect', item.at, 'command: an empty one is none, for the engine, too; the image’s own is run');
}

/** A list as it is, a text split as a shell would; undefined where there is nothing, or a quote stays open. */
function wordsOf(draft: Draft, item: Item): string[] | undefined {
  const { values, findings } = draft.whole;
  if (item.kind === 'scalar' && item.value === null) return undefined;
  const found = item.kind === 'list' ? values.words(item).map(({ value }) => value) : shellWords(values.text(item) ?? '');
  if (found === undefined) findings.add('ComposeInvalid', item.at, 'a quote stays open');
  return found;
}

function isEmpty(words: readonly string[]): boolean {
  return words.length === 0 || (words.length === 1 && words[0] === '');
}
