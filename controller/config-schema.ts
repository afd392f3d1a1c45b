/** Checks a configuration against schemas/controller-config.schema.json and fills in the defaults that stand there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject } from 'ajv/dist/2020.js';
import type { PathSchema } from './config-environment.ts';
import { packageRoot } from './package-root.ts';

export interface SchemaFault {
  readonly path: readonly (string | number)[];
  /** The key that should not be there. */
  readonly key?: string;
  readonly message: string;
}

export function configSchema(): PathSchema & Record<string, unknown> {
  return JSON.parse(readFileSync(join(packageRoot(), 'schemas', 'controller-config.schema.json'), 'utf8')) as PathSchema & Record<string, unknown>;
}

/** Fills defaults into `value` (it is changed) and returns every fault; no text holds a value, which may be a secret (R27). */
export function checkConfig(schema: Record<string, unknown>, value: unknown): readonly SchemaFault[] {
  const ajv = new Ajv2020({ allErrors: true, useDefaults: true, verbose: true, strictTypes: false });
  const validate = ajv.compile(schema);
  if (validate(value)) return [];
  const errors = validate.errors ?? [];
  const choices = errors.filter((error) => error.keyword === 'oneOf');
  const faults = errors
    // What each branch of a choice has to say, and which `if` led where, is noise beside the choice itself.
    .filter((error) => error.keyword !== 'if' && !choices.some((choice) => choice !== error && inside(error, choice)))
    .map(faultOf);
  const seen = new Set<string>();
  return faults.filter((fault) => {
    const id = JSON.stringify(fault);
    return seen.has(id) ? false : seen.add(id) !== undefined;
  });
}

function inside(error: ErrorObject, choice: ErrorObject): boolean {
  if (error.instancePath !== choice.instancePath && !error.instancePath.startsWith(`${choice.instancePath}/`)) return false;
  // A branch that is a reference reports under the reference's own path; the instance path has to do for it.
  return error.schemaPath.startsWith(`${choice.schemaPath}/`) || error.instancePath !== choice.instancePath;
}

function faultOf(error: ErrorObject): SchemaFault {
  const path = error.instancePath.split('/').slice(1).map(unescapePointer);
  const name = path.length === 0 ? 'the configuration' : path.join('.');
  const params = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case 'additionalProperties':
      return { path, key: String(params['additionalProperty']), message: `${path.length === 0 ? '' : `${name}.`}${String(params['additionalProperty'])} is not a known key` };
    case 'required':
      return { path, message: `${name} needs ${String(params['missingProperty'])}` };
    case 'false schema':
      return { path, message: `${name} does not belong to this type` };
    case 'enum':
      return { path, message: `${name} must be one of ${(params['allowedValues'] as readonly unknown[]).join(', ')}` };
    case 'oneOf': {
      const branches = (error.schema as readonly { readonly title?: string }[]).flatMap(({ title }) => title ?? []);
      return { path, message: `${name} must be one of these: ${branches.join('; ')}` };
    }
    case 'pattern': {
      const examples = (error.parentSchema as { readonly examples?: readonly unknown[] } | undefined)?.examples;
      return { path, message: `${name} is not well formed${examples?.[0] === undefined ? '' : `; for example ${String(examples[0])}`}` };
    }
    case 'minItems':
    case 'minLength':
      return { path, message: `${name} must not be empty` };
    default:
      return { path, message: `${name} ${error.message ?? 'is not valid'}` };
  }
}

function unescapePointer(segment: string): string | number {
  return /^\d+$/.test(segment) ? Number(segment) : segment.replaceAll('~1', '/').replaceAll('~0', '~');
}
