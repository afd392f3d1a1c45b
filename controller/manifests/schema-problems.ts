/** The validator's errors → problems that a person can act on: one for each fault, at its place, with what is allowed. */
import type { SchemaError } from '../../schemas/gen/validators.ts';
import type { Kind } from '../model/manifest.ts';
import { pointerStep, pointerSteps } from '../model/manifest.ts';
import type { Position, Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { didYouMean } from './did-you-mean.ts';
import { schemaAt } from './schema-at.ts';
import type { SchemaNode } from './schema-at.ts';

export interface FaultyManifest {
  readonly kind: Kind;
  /** `Kind/name` where the name is known. */
  readonly object: string | undefined;
  /** `ofKey`: the place of the key instead of the value. */
  locate(pointer: string, ofKey: boolean): Position;
}

interface Fault {
  readonly pointer: string;
  readonly ofKey: boolean;
  readonly message: string;
  readonly hint?: string;
}

/** Values are never repeated in texts: one pasted at the wrong place may be a secret (R27). */
export function schemaProblems(manifest: FaultyManifest, errors: readonly SchemaError[]): Problem[] {
  const seen = new Set<string>();
  const result: Problem[] = [];
  for (const error of errors) {
    // `if` only says that a branch was taken; the branch says what is wrong itself.
    if (error.keyword === 'if' || error.keyword === 'anyOf' || error.keyword === 'not' || error.propertyName !== undefined) continue;
    const fault = faultOf(manifest.kind, error);
    const id = `${fault.pointer} ${fault.message}`;
    if (seen.has(id)) continue;
    seen.add(id);
    result.push(
      problem('SchemaViolation', manifest.locate(fault.pointer, fault.ofKey), fault.message, {
        ...(fault.hint === undefined ? {} : { hint: fault.hint }),
        ...(manifest.object === undefined ? {} : { object: manifest.object }),
      }),
    );
  }
  return result;
}

function faultOf(kind: Kind, error: SchemaError): Fault {
  const pointer = error.instancePath;
  const name = shown(pointer);
  const schema = schemaAt(kind, pointer);
  const at = { pointer, ofKey: false };
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(error.params['additionalProperty']);
      const allowed = Object.keys((schema?.['properties'] ?? {}) as SchemaNode);
      const near = didYouMean(key, allowed);
      const hint = `${near === null ? '' : `Did you mean ${near}? `}Allowed here: ${allowed.join(', ')}.`;
      return { pointer: `${pointer}${pointerStep(key)}`, ofKey: true, message: `${name} has no key ${key.slice(0, 100)}`, hint };
    }
    case 'required':
      return { ...at, message: `${name} needs ${String(error.params['missingProperty'])}`, ...exampleHint(kind, `${pointer}${pointerStep(String(error.params['missingProperty']))}`) };
    case 'false schema': {
      const key = pointerSteps(pointer).at(-1) ?? '';
      return { pointer, ofKey: true, message: falseMessage(key, error.schemaPath), hint: 'Remove one of the two.' };
    }
    case 'propertyNames': {
      const key = String(error.params['propertyName']);
      return { pointer: `${pointer}${pointerStep(key)}`, ofKey: true, message: `${key.slice(0, 100)} is no name for a key of ${name}`, hint: String(schema?.['description'] ?? 'Rename it.') };
    }
    case 'enum': {
      const allowed = (error.params['allowedValues'] as readonly unknown[]).map(String);
      return { ...at, message: `${name} must be one of ${allowed.join(', ')}`, hint: `Allowed here: ${allowed.join(', ')}.` };
    }
    case 'const':
      return { ...at, message: `${name} must be ${String(error.params['allowedValue'])}`, hint: `Write ${String(error.params['allowedValue'])}.` };
    case 'type': {
      const types = error.params['type'];
      const wanted = Array.isArray(types) ? types.map(typeWord).join(' or ') : typeWord(String(types));
      return { ...at, message: `${name} must be ${wanted}`, ...exampleHint(kind, pointer) };
    }
    case 'pattern':
      return { ...at, message: `${name} is not well formed`, ...exampleHint(kind, pointer) };
    case 'minItems':
    case 'minProperties':
      return { ...at, message: `${name} must not be empty`, ...exampleHint(kind, pointer) };
    case 'maxItems':
      return { ...at, message: `${name} must not have more than ${String(error.params['limit'])} items` };
    default:
      return { ...at, message: `${name} ${error.message ?? 'is not valid'}`, ...exampleHint(kind, pointer) };
  }
}

/** The schemas say `false` for keys that exclude each other; the schema path names the other one. */
function falseMessage(key: string, schemaPath: string): string {
  const other = /\/dependentSchemas\/(\w+)\//.exec(schemaPath)?.[1];
  if (other !== undefined) return `${key} and ${other} exclude each other`;
  const reasons: Readonly<Record<string, string>> = {
    source: 'source is for volumes of type bind',
    exitCode: 'exitCode is for the state exited',
    incremental: 'a simple product has no incremental versions (R5)',
    rolling: 'a simple product follows the team\'s branch (R5)',
  };
  return reasons[key] ?? `${key} does not belong here`;
}

function exampleHint(kind: Kind, pointer: string): { hint?: string } {
  const schema = schemaAt(kind, pointer);
  if (schema === null) return {};
  const description = typeof schema['description'] === 'string' ? schema['description'] : '';
  const example = (schema['examples'] as readonly unknown[] | undefined)?.[0];
  const text = `${description}${example === undefined ? '' : ` For example ${JSON.stringify(example)}.`}`.trim();
  return text === '' ? {} : { hint: text };
}

function typeWord(type: string): string {
  const words: Readonly<Record<string, string>> = { object: 'a map', array: 'a list', string: 'text', integer: 'a whole number', number: 'a number', boolean: 'true or false' };
  return words[type] ?? type;
}

/** `/spec/images/0/name` as people write it: `spec.images[0].name`. */
function shown(pointer: string): string {
  const steps = pointerSteps(pointer);
  if (steps.length === 0) return 'the manifest';
  return steps.map((step) => step.slice(0, 100)).map((step, index) => (/^\d+$/.test(step) ? `[${step}]` : index === 0 ? step : `.${step}`)).join('');
}
