/** `environment`, `env_file`, `labels` and `label_file`. */
import type { Draft } from './draft.ts';
import { parseEnvFile } from './env-file.ts';
import { reportFile } from './load.ts';
import type { Item } from './tree.ts';
import { itemOf } from './values.ts';
import type { Placed } from './values.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,253}$/;
/** Names of what should not stand in Git. */
const SECRET = /(^|_)(PASSWORD|PASSWD|PASS|SECRET|TOKEN|API_?KEY|PRIVATE_KEY|ACCESS_KEY|CREDENTIALS?)(_|$)/i;
/** What is no secret whatever its name: a switch, or nothing. */
const PLAIN = /^(|yes|no|true|false|on|off|[01])$/i;

/** Weaker than `environment`, whatever the order in the file; a later file is stronger than an earlier one. */
export function takeEnvFiles(draft: Draft, item: Item): void {
  const { values, findings } = draft.whole;
  for (const part of item.kind === 'list' ? item.items : [item]) {
    const long = part.kind === 'dict' ? part : undefined;
    if (long !== undefined) values.account(long, new Set(['path', 'required', 'format']));
    const pathItem = long === undefined ? part : itemOf(long, 'path');
    const requiredItem = long === undefined ? undefined : itemOf(long, 'required');
    const formatItem = long === undefined ? undefined : itemOf(long, 'format');
    const path = pathItem === undefined ? undefined : values.text(pathItem);
    if (pathItem === undefined || typeof path !== 'string' || path === '') continue;
    const text = read(draft, { value: path, at: pathItem.at, source: pathItem.source }, requiredItem === undefined || values.flag(requiredItem) !== false);
    if (text === undefined) continue;
    const raw = formatItem !== undefined && values.text(formatItem) === 'raw';
    const found = parseEnvFile(text, pathItem.source.variables, raw);
    for (const [name, value] of found) set(draft, name, value, pathItem.at);
    if (found.size > 0) findings.add('FileCopied', pathItem.at, `the variables of ${path} were copied into the manifest`);
  }
}

export function takeEnvironment(draft: Draft, item: Item): void {
  const { values, findings } = draft.whole;
  const absent: string[] = [];
  for (const [name, { value, at, source }] of values.pairs(item)) {
    // Without a value it is handed through from where compose runs.
    const known = value ?? source.variables.get(name);
    if (known !== undefined) set(draft, name, known, at);
    else absent.push(name.slice(0, 60));
  }
  if (absent.length === 0) return;
  const names = `${absent.slice(0, 5).join(', ')}${absent.length > 5 ? ` and ${absent.length - 5} more` : ''}`;
  findings.add('HandedThrough', item.at, `${names}: handed through from where compose runs and not set; the container does not get ${absent.length === 1 ? 'it' : 'them'}`);
}

function set(draft: Draft, name: string, value: string, at: Item['at']): void {
  const { findings } = draft.whole;
  if (!NAME.test(name)) return findings.add('NotCarriedOver', at, `environment: ${name.slice(0, 60)} is no name of a variable`);
  const before = draft.config.environment ?? {};
  if (value.includes('\0')) return;
  draft.config.environment = { ...before, [name]: value };
  if (!PLAIN.test(value) && SECRET.test(name) && !name.endsWith('_FILE')) findings.add('SecretInClear', at, `${name} of ${draft.service} looks like a secret and stands in the manifest in clear`);
}

export function takeLabelFiles(draft: Draft, item: Item): void {
  for (const word of draft.whole.values.words(item)) {
    const text = read(draft, word, true);
    if (text !== undefined) addLabels(draft, parseEnvFile(text, word.source.variables));
  }
}

export function takeLabels(draft: Draft, item: Item): void {
  addLabels(draft, new Map([...draft.whole.values.pairs(item)].map(([key, { value }]) => [key, value ?? ''])));
}

function addLabels(draft: Draft, labels: ReadonlyMap<string, string>): void {
  if (labels.size > 0) draft.config.labels = { ...draft.config.labels, ...Object.fromEntries(labels) };
}

function read(draft: Draft, word: Placed<string>, required: boolean): string | undefined {
  const { jail, findings } = draft.whole;
  const found = jail.look(jail.inside(word.source.base, word.value));
  if (found.kind === 'file') return found.text;
  if (required || found.kind !== 'missing') reportFile(findings, word.at, word.value, found.kind, found.kind === 'unreadable' ? found.why : '');
  return undefined;
}
