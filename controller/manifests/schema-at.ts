/** Follows a value's path through the public schemas, to say what is allowed there. */
import { SCHEMAS } from '../../schemas/gen/documents.ts';
import type { Kind } from '../model/manifest.ts';
import { pointerSteps } from '../model/manifest.ts';

export type SchemaNode = Readonly<Record<string, unknown>>;

const SCHEMA_STEMS = {
  Team: 'team',
  Node: 'node',
  Registry: 'registry',
  Product: 'product',
  Version: 'version',
  ConfigBundle: 'config-bundle',
  Deployment: 'deployment',
  Notification: 'notification',
} as const satisfies Record<Kind, string>;

interface Cursor {
  readonly stem: string;
  readonly node: SchemaNode;
}

/** The schema of the value at `pointer`, with references resolved; null where none is known. */
export function schemaAt(kind: Kind, pointer: string): SchemaNode | null {
  let cursor = resolve({ stem: SCHEMA_STEMS[kind], node: SCHEMAS[SCHEMA_STEMS[kind]] ?? {} });
  for (const step of pointerSteps(pointer)) {
    const properties = cursor.node['properties'];
    const own = isNode(properties) && Object.hasOwn(properties, step) ? properties[step] : undefined;
    const next = own ?? (/^\d+$/.test(step) && isNode(cursor.node['items']) ? cursor.node['items'] : cursor.node['additionalProperties']);
    if (!isNode(next)) return null;
    cursor = resolve({ stem: cursor.stem, node: next });
  }
  return cursor.node;
}

/** A property's own examples and description win over those of the definition that it refers to. */
function resolve({ stem, node }: Cursor): Cursor {
  const all = node['allOf'];
  const first = Array.isArray(all) ? (all[0] as unknown) : undefined;
  const reference = node['$ref'] ?? (isNode(first) ? first['$ref'] : undefined);
  if (typeof reference !== 'string') return { stem, node };
  const [file, pointer = ''] = reference.split('#');
  const targetStem = file === '' || file === undefined ? stem : file.replace('.schema.json', '');
  let target: unknown = SCHEMAS[targetStem];
  for (const step of pointerSteps(pointer)) target = isNode(target) ? target[step] : undefined;
  if (!isNode(target)) return { stem, node };
  const inner = resolve({ stem: targetStem, node: target });
  const { allOf: _allOf, $ref: _ref, ...own } = node;
  return { stem: inner.stem, node: { ...inner.node, ...own } };
}

function isNode(value: unknown): value is SchemaNode {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
