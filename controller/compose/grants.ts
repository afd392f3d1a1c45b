/** `configs` and `secrets`: what a service is granted of the project's. */
import type { Position } from '../model/problem.ts';
import { addFile, clean } from './container-files.ts';
import type { Draft } from './draft.ts';
import { lost } from './draft.ts';
import { reportFile } from './load.ts';
import type { Item } from './tree.ts';
import { itemOf } from './values.ts';

const GRANT_KEYS: ReadonlySet<string> = new Set(['source', 'target', 'uid', 'gid', 'mode']);

interface Grant {
  readonly source: string;
  readonly target: string | undefined;
  readonly mode: string | undefined;
  readonly at: Position;
}

function grants(draft: Draft, item: Item): Grant[] {
  const { values, findings } = draft.whole;
  return (values.list(item)?.items ?? []).flatMap((part) => {
    if (part.kind !== 'dict') return values.words(part).map(({ value, at }) => ({ source: value, target: undefined, mode: undefined, at }));
    values.account(part, GRANT_KEYS);
    const text = (key: string): string | undefined => {
      const found = itemOf(part, key);
      return found === undefined ? undefined : (values.text(found) ?? undefined);
    };
    const source = text('source');
    for (const key of ['uid', 'gid']) if (!['0', undefined].includes(text(key))) lost(draft, part.at, `${key}: files belong to root`);
    if (source === undefined) {
      findings.add('ComposeInvalid', part.at, 'a source is missing');
      return [];
    }
    return [{ source, target: text('target'), mode: text('mode'), at: part.at }];
  });
}

export function takeConfigs(draft: Draft, item: Item): void {
  const { project, findings } = draft.whole;
  for (const { source, target = `/${source}`, mode, at } of grants(draft, item)) {
    const entry = project.configs.get(source);
    if (entry === undefined) {
      findings.add('ComposeInvalid', at, `the config ${source.slice(0, 60)} is not declared under \`configs\``);
      continue;
    }
    const content = configText(draft, entry.item, at);
    const octal = mode === undefined ? undefined : /^0?o?([0-7]{3})$/.exec(mode)?.[1];
    if (mode !== undefined && octal === undefined) lost(draft, at, 'mode: permissions are three octal digits');
    if (content !== undefined) addFile(draft, at, source, clean(target.startsWith('/') ? target : `/${target}`), content, octal === undefined ? undefined : `0${octal}`);
  }
}

function configText(draft: Draft, item: Item, at: Position): string | undefined {
  const { values, findings, jail } = draft.whole;
  const dict = values.dict(item);
  const get = (key: string): Item | undefined => (dict === undefined ? undefined : itemOf(dict, key));
  const content = get('content');
  if (content !== undefined) return values.text(content) ?? undefined;
  const file = get('file');
  const path = file === undefined ? undefined : values.word(file);
  if (file !== undefined && path !== undefined) {
    const found = jail.look(jail.inside(file.source.base, path));
    if (found.kind === 'file') return found.text;
    reportFile(findings, file.at, path, found.kind, found.kind === 'unreadable' ? found.why : '');
    return undefined;
  }
  const variable = get('environment');
  const name = variable === undefined ? undefined : values.word(variable);
  if (variable !== undefined && name !== undefined) {
    const value = variable.source.variables.get(name);
    if (value === undefined) findings.add('VariableUnset', variable.at, `the variable ${name} is not set`);
    return value;
  }
  lost(draft, at, 'configs: one that lives elsewhere (external) cannot be read');
  return undefined;
}

/** What is secret never gets into a manifest, not even from a file that lies beside it. */
export function takeSecrets(draft: Draft, item: Item): void {
  const { project, findings } = draft.whole;
  for (const { source, target, mode, at } of grants(draft, item)) {
    if (!project.secrets.has(source)) findings.add('ComposeInvalid', at, `the secret ${source.slice(0, 60)} is not declared under \`secrets\``);
    const path = target === undefined ? `/run/secrets/${source}` : target.startsWith('/') ? target : `/run/secrets/${target}`;
    const key = source.toUpperCase().replace(/[^A-Z0-9_]+/g, '_');
    findings.add('SecretToSeal', at, `the secret ${source} of ${draft.service} was not copied`, `Seal it with \`tagboat seal --name ${key} --node NODE\`, paste what it prints into \`secrets\` of the image ${draft.name}, and add \`file: ${path}\`${mode === undefined ? '' : ` and \`mode: "${mode.slice(0, 10)}"\``}.`);
  }
}
