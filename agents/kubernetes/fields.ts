/**
 * The values of the fields that a manager owns, by readable path. The API server keeps the set of fields as a tree (`f:name`, list
 * items as `k:{"name":"web"}`, members of sets as `v:"x"`); what it fills in by default is in nobody's tree. Pure.
 */
export interface FieldSet {
  readonly [key: string]: FieldSet;
}

/** @param value the object; @param fields of `metadata.managedFields[].fieldsV1`. */
export function ownedValues(value: unknown, fields: FieldSet, path = '', into: Map<string, string> = new Map()): Map<string, string> {
  const keys = Object.keys(fields).filter((key) => key !== '.');
  if (keys.length === 0) {
    if (value !== undefined) into.set(path, typeof value === 'string' ? value : JSON.stringify(sorted(value)));
    return into;
  }
  for (const key of keys) {
    const child = fields[key] ?? {};
    if (key.startsWith('f:')) ownedValues(fieldOf(value, key.slice(2)), child, path === '' ? key.slice(2) : `${path}.${key.slice(2)}`, into);
    else if (key.startsWith('k:')) listItem(value, key, child, path, into);
    else if (key.startsWith('v:')) member(value, key, path, into);
  }
  return into;
}

/** The part of an object that a manager owns: what it would apply again. Items of lists keep their order. */
export function ownedPart(value: unknown, fields: FieldSet): unknown {
  const keys = Object.keys(fields).filter((key) => key !== '.');
  if (keys.length === 0 || value === undefined || value === null) return value;
  if (!Array.isArray(value)) {
    const owned = keys.filter((key) => key.startsWith('f:')).map((key): [string, unknown] => [key.slice(2), ownedPart(fieldOf(value, key.slice(2)), fields[key] ?? {})]);
    return Object.fromEntries(owned.filter(([, item]) => item !== undefined));
  }
  return value.flatMap((item: unknown): unknown[] => {
    const key = keys.find((one) => (one.startsWith('k:') ? matches(item, JSON.parse(one.slice(2)) as Record<string, unknown>) : one.startsWith('v:') && JSON.parse(one.slice(2)) === item));
    return key === undefined ? [] : [key.startsWith('v:') ? item : ownedPart(item, fields[key] ?? {})];
  });
}

function matches(item: unknown, key: Record<string, unknown>): boolean {
  return Object.entries(key).every(([name, text]) => fieldOf(item, name) === text);
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>)[name] : undefined;
}

function listItem(value: unknown, key: string, child: FieldSet, path: string, into: Map<string, string>): void {
  const wanted = JSON.parse(key.slice(2)) as Record<string, unknown>;
  const item = Array.isArray(value) ? value.find((one: unknown) => matches(one, wanted)) : undefined;
  const label = `${path}[${Object.values(wanted).map(String).join('/')}]`;
  if (item !== undefined && Object.keys(child).every((name) => name === '.')) into.set(label, JSON.stringify(sorted(item)));
  else ownedValues(item, child, label, into);
}

function member(value: unknown, key: string, path: string, into: Map<string, string>): void {
  const wanted: unknown = JSON.parse(key.slice(2));
  if (Array.isArray(value) && value.includes(wanted)) into.set(`${path}[${String(wanted)}]`, 'there');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sorted(item)]));
}
