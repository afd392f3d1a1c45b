/**
 * What an image itself demands of its environment: labels `org.dyrectorio.env.NAME=rule,rule…` as dyrector.io has them. Rules are a
 * type (`string`, `int`, `boolean`, `url`), `required`, `secret` (not in clear) and `default:VALUE`. Pure; no text holds a value (R27).
 */
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import type { ClearSecrets } from './runtime.ts';

const PREFIX = 'org.dyrectorio.env.';

type TypeCheck = readonly [fits: (value: string) => boolean, what: string];
const TYPES: Readonly<Record<string, TypeCheck>> = {
  string: [() => true, 'text'],
  int: [(value) => /^[+-]?\d{1,30}$/.test(value), 'a whole number'],
  boolean: [(value) => /^(true|false|1|0)$/i.test(value), 'true or false'],
  url: [(value) => URL.canParse(value), 'a URL'],
};

export interface ImageDemands {
  readonly labels: Readonly<Record<string, string>>;
  /** Names of variables that the image sets by itself. */
  readonly variables: readonly string[];
}

/** What is missing or wrong, one sentence part for each variable; empty when the image gets what it wants. */
export function unmetRules({ labels, variables }: ImageDemands, config: ContainerConfig, secrets: ClearSecrets): string[] {
  return Object.entries(labels)
    .filter(([label]) => label.startsWith(PREFIX))
    .flatMap(([label, text]) => faultOf(label.slice(PREFIX.length), rulesOf(text), variables, config, secrets) ?? [])
    .sort();
}

function rulesOf(text: string): { readonly words: ReadonlySet<string>; readonly type: TypeCheck | undefined; readonly hasDefault: boolean } {
  const words = new Set(text.split(',').map((word) => word.trim()));
  return { words, type: [...words].flatMap((word) => (Object.hasOwn(TYPES, word) ? [TYPES[word]!] : []))[0], hasDefault: [...words].some((word) => word.startsWith('default:')) };
}

function faultOf(name: string, { words, type, hasDefault }: ReturnType<typeof rulesOf>, variables: readonly string[], config: ContainerConfig, secrets: ClearSecrets): string | undefined {
  const sealed = Object.hasOwn(secrets.environment, name) ? secrets.environment[name] : undefined;
  const clear = config.environment !== undefined && Object.hasOwn(config.environment, name) ? String(config.environment[name]) : undefined;
  const value = sealed ?? clear;
  if (value === undefined) return (words.has('required') || words.has('mandatory')) && !hasDefault && !variables.includes(name) ? `${name} is required and not set` : undefined;
  if (words.has('secret') && sealed === undefined) return `${name} is a secret and stands in clear; seal it and put it under secrets`;
  return type === undefined || type[0](value) ? undefined : `${name} has to be ${type[1]}`;
}
