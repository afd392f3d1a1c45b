/**
 * Configuration from the environment: `TAGBOAT_` and the path in capitals, `TAGBOAT_LISTENERS_HTTP_PORT`. The schema
 * says which paths exist; a variable below a known section that names none is a problem, not silently ignored.
 */

/** The part of JSON Schema that finding a path needs. */
export interface PathSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, PathSchema>>;
  readonly items?: PathSchema;
  readonly oneOf?: readonly PathSchema[];
  readonly $defs?: Readonly<Record<string, PathSchema>>;
}

export interface EnvironmentValue {
  readonly variable: string;
  readonly path: readonly (string | number)[];
  readonly value: unknown;
}

export interface FromEnvironment {
  readonly values: readonly EnvironmentValue[];
  /** Variables that look like configuration and name nothing. */
  readonly unknown: readonly string[];
}

/** Variables of the command line and of secrets that people choose a TAGBOAT_ name for are not looked at. */
export function readEnvironment(root: PathSchema, environment: Readonly<Record<string, string | undefined>>): FromEnvironment {
  const values: EnvironmentValue[] = [];
  const unknown: string[] = [];
  const sections = Object.keys(root.properties ?? {}).map(capitals);
  for (const variable of Object.keys(environment).filter((name) => name.startsWith('TAGBOAT_')).sort()) {
    const text = environment[variable];
    if (text === undefined) continue;
    const rest = variable.slice('TAGBOAT_'.length);
    const found = resolve(root, root, rest);
    if (found !== undefined) values.push({ variable, path: found.path, value: convert(found.type, text) });
    else if (sections.some((section) => rest.startsWith(`${section}_`))) unknown.push(variable);
  }
  return { values, unknown };
}

/** Lays the values over what the file says. The longest paths come last, so that a section and a value in it can both be given. */
export function overlay(file: unknown, values: readonly EnvironmentValue[]): unknown {
  let result = file;
  for (const { path, value } of [...values].sort((a, b) => a.path.length - b.path.length)) result = put(result, path, value);
  return result;
}

function put(at: unknown, path: readonly (string | number)[], value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (typeof step === 'number') {
    const list = Array.isArray(at) ? [...(at as unknown[])] : [];
    list[step] = put(list[step], rest, value);
    return Array.from(list, (item) => item ?? {});
  }
  const map = typeof at === 'object' && at !== null && !Array.isArray(at) ? (at as Record<string, unknown>) : {};
  return { ...map, [step]: put(map[step], rest, value) };
}

interface Leaf {
  readonly path: readonly (string | number)[];
  readonly type: string;
}

function resolve(root: PathSchema, schema: PathSchema, rest: string): Leaf | undefined {
  if (schema.$ref !== undefined) {
    const target = root.$defs?.[schema.$ref.slice('#/$defs/'.length)];
    return target === undefined ? undefined : resolve(root, target, rest);
  }
  for (const branch of schema.oneOf ?? []) {
    const found = resolve(root, branch, rest);
    if (found !== undefined) return found;
  }
  if (rest === '') {
    if (schema.type === 'array') return schema.items?.type === 'string' ? { path: [], type: 'list' } : undefined;
    return schema.type === undefined || schema.type === 'object' ? undefined : { path: [], type: schema.type };
  }
  if (schema.items !== undefined) {
    const match = /^(\d{1,3})(?:_(.+))?$/.exec(rest);
    const found = match === null ? undefined : resolve(root, schema.items, match[2] ?? '');
    return found === undefined ? undefined : { path: [Number(match?.[1]), ...found.path], type: found.type };
  }
  for (const [key, inner] of Object.entries(schema.properties ?? {})) {
    const name = capitals(key);
    if (rest !== name && !rest.startsWith(`${name}_`)) continue;
    const found = resolve(root, inner, rest.slice(name.length + 1));
    if (found !== undefined) return { path: [key, ...found.path], type: found.type };
  }
  return undefined;
}

/** What cannot be converted stays text; the schema then says what is wrong with it. */
function convert(type: string, text: string): unknown {
  if (type === 'integer' && /^\d{1,15}$/.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  if (type === 'list') return text.split(',').map((item) => item.trim()).filter((item) => item !== '');
  return text;
}

function capitals(key: string): string {
  return key.replaceAll(/([A-Z])/g, '_$1').toUpperCase();
}
