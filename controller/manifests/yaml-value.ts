/**
 * YAML tree → plain value. Duplicate keys are found here in linear time; scalars that the schemas call text are taken as
 * they are written, so that `VERSION: 1.10` stays `1.10`.
 */
import { isMap, isPair, isScalar, isSeq } from 'yaml';
import type { Node, Scalar } from 'yaml';
import { isStorable } from '../storable.ts';
import type { YamlFault } from './compose-yaml.ts';
import { MANIFEST_LIMITS } from './limits.ts';

/** Maps whose values are text. */
const TEXT_MAPS: ReadonlySet<string> = new Set(['environment', 'labels', 'annotations', 'options', 'loadBalancerAnnotations', 'sysctls', 'extraHosts']);
const TEXT_LISTS: ReadonlySet<string> = new Set(['command', 'args', 'groups', 'securityOptions', 'ids', 'servers', 'search']);
const TEXT_SCALARS: ReadonlySet<string> = new Set(['cpu', 'memory', 'size', 'uploadLimit', 'user', 'shmSize', 'content', 'mode', 'hostname', 'stopSignal']);
/** Its keys are image names, which mean nothing here: an image may be called `labels`. */
const NAMES: ReadonlySet<string> = new Set(['images']);
/** Escapes can write what no row, no variable of a process and no object of a cluster can hold. */
const UNSTORABLE = 'a text holds a NUL character or half of a surrogate pair';
/** Keys that would reach into an object's prototype. */
const FORBIDDEN: ReadonlySet<string> = new Set(['__proto__']);

export interface YamlValue {
  readonly value: unknown;
  readonly faults: readonly YamlFault[];
}

/** Converts a document's contents. Faults: duplicate keys, keys that are no scalars, texts that nothing can hold, too deep. */
export function toValue(root: Node | null): YamlValue {
  const faults: YamlFault[] = [];
  return { value: convert(root, { text: false, isName: false, depth: 0, key: '' }, faults), faults };
}

interface Where {
  /** Scalars here are text. */
  readonly text: boolean;
  /** `key` is a name that people chose. */
  readonly isName: boolean;
  readonly key: string;
  readonly depth: number;
}

function convert(node: unknown, where: Where, faults: YamlFault[]): unknown {
  if (isScalar(node)) {
    const value = scalarValue(node, where.text || (!where.isName && TEXT_SCALARS.has(where.key)));
    if (typeof value === 'string' && !isStorable(value)) faults.push(fault('YamlSyntax', node, UNSTORABLE));
    return value;
  }
  if (where.depth > MANIFEST_LIMITS.depth) {
    if (faults.at(-1)?.code !== 'YamlTooDeep') faults.push(fault('YamlTooDeep', node, `values are nested deeper than ${MANIFEST_LIMITS.depth} levels`));
    return null;
  }
  if ((isSeq(node) || isMap(node)) && node.items.length > MANIFEST_LIMITS.entries) {
    faults.push(fault('SchemaViolation', node, `a list or map has more than ${MANIFEST_LIMITS.entries} entries`));
    return null;
  }
  const depth = where.depth + 1;
  if (isSeq(node)) {
    const text = !where.isName && TEXT_LISTS.has(where.key);
    return node.items.map((item) => convert(item, { text: text && isScalar(item), isName: false, key: '', depth }, faults));
  }
  if (!isMap(node)) return null;
  const isName = !where.isName && NAMES.has(where.key);
  const text = where.text || (!where.isName && TEXT_MAPS.has(where.key));
  const result: Record<string, unknown> = {};
  for (const pair of node.items) {
    if (!isPair(pair)) continue;
    if (!isScalar(pair.key)) {
      faults.push(fault('YamlSyntax', pair.key ?? node, 'a key must be a plain word'));
      continue;
    }
    const key = String(scalarValue(pair.key, true) ?? '');
    if (!isStorable(key)) faults.push(fault('YamlSyntax', pair.key, UNSTORABLE));
    else if (FORBIDDEN.has(key)) faults.push(fault('YamlSyntax', pair.key, `the key ${key} is not accepted`));
    else if (Object.hasOwn(result, key)) faults.push(fault('YamlDuplicateKey', pair.key, `the key ${key.slice(0, 100)} is there twice`));
    else result[key] = convert(pair.value, { text, isName, key, depth }, faults);
  }
  return result;
}

/** Numbers and booleans as written where text is wanted; null stays null, for the schema to refuse. */
function scalarValue(node: Scalar, asText: boolean): unknown {
  if (!asText || typeof node.value === 'string' || node.value === null || node.value === undefined) return node.value ?? null;
  return node.source ?? String(node.value);
}

function fault(code: YamlFault['code'], node: unknown, message: string): YamlFault {
  return { code, offset: (node as Node | null)?.range?.[0] ?? 0, message };
}
