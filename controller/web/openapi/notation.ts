/** A short way to write JSON Schemas of OpenAPI 3.1. Pure. */

export type Schema = Readonly<Record<string, unknown>>;

const described = (schema: Schema, description: string | undefined): Schema => (description === undefined ? schema : { ...schema, description });

export const text = (description?: string): Schema => described({ type: 'string' }, description);
export const whole = (description?: string): Schema => described({ type: 'integer' }, description);
export const yes = (description?: string): Schema => described({ type: 'boolean' }, description);
export const time = (description?: string): Schema => described({ type: 'string', format: 'date-time' }, description);
export const word = (words: readonly string[], description?: string): Schema => described({ type: 'string', enum: words }, description);
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
export const list = (items: Schema, description?: string): Schema => described({ type: 'array', items }, description);
export const map = (values: Schema, description?: string): Schema => described({ type: 'object', additionalProperties: values }, description);
/** An object whose inside is said elsewhere. */
export const open = (description: string): Schema => ({ type: 'object', description });

/** Null where there is none. */
export function maybe(schema: Schema): Schema {
  const { type, description, ...rest } = schema;
  if (typeof type !== 'string') return { anyOf: [schema, { type: 'null' }] };
  const words = rest['enum'] as readonly string[] | undefined;
  return { ...rest, type: [type, 'null'], ...(words !== undefined && { enum: [...words, null] }), ...(description !== undefined && { description }) };
}

/** All properties are there, but for those named `optional`. Clients have to bear more: fields are added. */
export function object(description: string, properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema {
  return { type: 'object', description, required: Object.keys(properties).filter((name) => !optional.includes(name)), properties };
}
