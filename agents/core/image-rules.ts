/**
 * What an image itself demands of its environment: labels `org.dyrectorio.env.NAME=rule,rule…` as dyrector.io has them. Rules are a
 * type (`string`, `int`, `boolean`, `url`), `required`, `secret` (not in clear) and `default:VALUE`. Pure; no text holds a value (R27).
 */
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import { AttemptFailure } from './attempt-failure.ts';

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

export interface DemandingImage {
  readonly name: string;
  readonly demands: ImageDemands;
  readonly config: ContainerConfig;
  /** Opened secrets that become variables, by name. */
  readonly sealed: Readonly<Record<string, string>>;
}

/** Better said before anything is touched than by a container that crashes. Throws AttemptFailure `EnvironmentIncomplete`. */
export function refuseUnmetRules(images: readonly DemandingImage[]): void {
  const unmet = images.flatMap(({ name, demands, config, sealed }) => unmetRules(demands, config, sealed).map((text) => `${name}: ${text}`));
  if (unmet.length > 0) throw new AttemptFailure('EnvironmentIncomplete', `an image's own rules (labels org.dyrectorio.env.*) are not met: ${unmet.join('; ')}; nothing was touched`);
}

/** What is missing or wrong, one sentence part for each variable; empty when the image gets what it wants. */
export function unmetRules({ labels, variables }: ImageDemands, config: ContainerConfig, secrets: DemandingImage['sealed']): string[] {
  return Object.entries(labels)
    .filter(([label]) => label.startsWith(PREFIX))
    .flatMap(([label, text]) => faultOf(label.slice(PREFIX.length), rulesOf(text), variables, config, secrets) ?? [])
    .sort();
}

function rulesOf(text: string): { readonly words: ReadonlySet<string>; readonly type: TypeCheck | undefined; readonly hasDefault: boolean } {
  const words = new Set(text.split(',').map((word) => word.trim()));
  return { words, type: [...words].flatMap((word) => (Object.hasOwn(TYPES, word) ? [TYPES[word]!] : []))[0], hasDefault: [...words].some((word) => word.startsWith('default:')) };
}

function faultOf(name: string, { words, type, hasDefault }: ReturnType<typeof rulesOf>, variables: readonly string[], config: ContainerConfig, secrets: DemandingImage['sealed']): string | undefined {
  const sealed = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
  const clear = config.environment !== undefined && Object.hasOwn(config.environment, name) ? String(config.environment[name]) : undefined;
  const value = sealed ?? clear;
  if (value === undefined) return (words.has('required') || words.has('mandatory')) && !hasDefault && !variables.includes(name) ? `${name} is required and not set` : undefined;
  if (words.has('secret') && sealed === undefined) return `${name} is a secret and stands in clear; seal it and put it under secrets`;
  return type === undefined || type[0](value) ? undefined : `${name} has to be ${type[1]}`;
}
