/** Reads the public schemas and joins their definitions, which is what the type generator wants. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type JsonSchema = { [key: string]: unknown };

/** File stem, name of the validator, name of the type that it proves. */
export const DOCUMENTS = [
  ['container-config', 'validateContainerConfig', 'ContainerConfig'],
  ['team', 'validateTeam', 'TeamManifest'],
  ['node', 'validateNode', 'NodeManifest'],
  ['registry', 'validateRegistry', 'RegistryManifest'],
  ['product', 'validateProduct', 'ProductManifest'],
  ['version', 'validateVersion', 'VersionManifest'],
  ['config-bundle', 'validateConfigBundle', 'ConfigBundleManifest'],
  ['deployment', 'validateDeployment', 'DeploymentManifest'],
  ['notification', 'validateNotification', 'NotificationManifest'],
  ['target-spec', 'validateTargetSpec', 'TargetSpec'],
] as const;

export function readSchemas(directory: string): ReadonlyMap<string, JsonSchema> {
  return new Map(DOCUMENTS.map(([stem]) => [stem, JSON.parse(readFileSync(join(directory, `${stem}.schema.json`), 'utf8')) as JsonSchema]));
}

/** Scalars that manifests may write as numbers or booleans but that are text once they are read (controller/manifests). */
const TEXT_ONCE_READ: ReadonlySet<string> = new Set(['Text', 'Quantity']);
/** What says more than a type can, or says it for editors only. */
const NOT_FOR_TYPES: ReadonlySet<string> = new Set([
  'if', 'then', 'else', 'dependentSchemas', 'propertyNames', 'pattern', 'examples', 'title', 'minItems', 'maxItems', 'minimum', 'maximum', 'minProperties', '$id', '$schema', '$defs',
]);

/** One schema with all definitions under `definitions`; every name is used once. */
export function bundleForTypes(schemas: ReadonlyMap<string, JsonSchema>): JsonSchema {
  const definitions: Record<string, unknown> = {};
  const add = (name: string, schema: unknown): void => {
    if (name in definitions) throw new Error(`two definitions are called ${name}`);
    definitions[name] = TEXT_ONCE_READ.has(name) ? { description: (schema as JsonSchema)['description'], type: 'string' } : forTypes(schema);
  };
  for (const [stem, , typeName] of DOCUMENTS) {
    const schema = schemas.get(stem) as JsonSchema;
    for (const [name, definition] of Object.entries(schema['$defs'] as JsonSchema)) add(name, definition);
    if ('properties' in schema) add(typeName, schema);
  }
  return { type: 'object', additionalProperties: false, definitions };
}

function forTypes(value: unknown, insideProperties = false): unknown {
  if (Array.isArray(value)) return value.map((item) => forTypes(item));
  if (value === null || typeof value !== 'object') return value;
  const result: JsonSchema = {};
  for (const [key, inner] of Object.entries(value)) {
    if (insideProperties) result[key] = forTypes(inner);
    else if (key === '$ref') result[key] = `#/definitions/${String(inner).split('/').at(-1)}`;
    else if (key === 'allOf' && !(inner as JsonSchema[]).every((item) => '$ref' in item)) continue;
    else if (key === 'default') result['description'] = `${String(result['description'] ?? '')} Default: ${JSON.stringify(inner)}.`.trim();
    else if (key === 'properties') result[key] = forTypes(inner, true);
    else if (key === 'type' && Array.isArray(inner) && inner.includes('integer')) result[key] = 'string';
    else if (!NOT_FOR_TYPES.has(key)) result[key] = forTypes(inner);
  }
  return result;
}
