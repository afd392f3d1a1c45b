/** Every field that the schema of the container configuration knows, as a path: `ports[].protocol`, `docker.files{}.mode`. */
import { SCHEMAS } from '../../schemas/gen/documents.ts';

type Schema = Readonly<Record<string, unknown>>;

const DEFINITIONS = (SCHEMAS['container-config'] as Schema)['$defs'] as Readonly<Record<string, Schema>>;

/** Leaves only: a field with fields of its own is as good as those. `[]` are a list's items, `{}` a map's values. */
export function schemaFields(): string[] {
  return [...fieldsOf(DEFINITIONS['ContainerConfig'] as Schema, '')].sort();
}

function* fieldsOf(schema: Schema, path: string): Generator<string> {
  const resolved = resolve(schema);
  const properties = resolved['properties'] as Readonly<Record<string, Schema>> | undefined;
  if (properties !== undefined) {
    for (const [key, inner] of Object.entries(properties)) yield* fieldsOf(inner, path === '' ? key : `${path}.${key}`);
  } else if (isSchema(resolved['items']) && isGroup(resolved['items'])) yield* fieldsOf(resolved['items'], `${path}[]`);
  else if (isSchema(resolved['additionalProperties']) && isGroup(resolved['additionalProperties'])) yield* fieldsOf(resolved['additionalProperties'], `${path}{}`);
  else yield path;
}

/** Has it fields, at whatever depth? */
function isGroup(schema: Schema): boolean {
  const resolved = resolve(schema);
  return ['properties', 'items', 'additionalProperties'].some((key) => isSchema(resolved[key]));
}

function resolve(schema: Schema): Schema {
  const [first] = (schema['allOf'] as readonly Schema[] | undefined) ?? [];
  const reference = (schema['$ref'] ?? (schema['properties'] === undefined ? first?.['$ref'] : undefined)) as string | undefined;
  const name = reference === undefined ? undefined : /^#\/\$defs\/(\w+)$/.exec(reference)?.[1];
  return name === undefined ? schema : resolve(DEFINITIONS[name] as Schema);
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
