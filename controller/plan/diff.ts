/** The differences between what serves and what will, field by field, for people and for the plan hash. */
import { canonicalJson } from '../model/canonical.ts';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { maskSecrets, maskWhole } from './mask.ts';
import type { FieldChange } from './types.ts';

/** Lists longer than this are cut for display; the rest is in the record. */
const LONGEST_VALUE = 200;

/**
 * Changes from one spec to the other, ordered by image and path. `null` as `from` means that nothing serves: then only
 * the images are listed, since every field would be new.
 */
export function diffSpecs(from: TargetSpec | null, to: TargetSpec): FieldChange[] {
  const before = new Map((from?.images ?? []).map((image) => [image.name, image]));
  const changes: FieldChange[] = [];
  for (const image of to.images) {
    const old = before.get(image.name);
    before.delete(image.name);
    if (old === undefined) {
      changes.push({ image: image.name, path: 'image', from: null, to: image.image });
      continue;
    }
    if (old.image !== image.image) changes.push({ image: image.name, path: 'image', from: old.image, to: image.image });
    if (image.digest !== undefined && old.digest !== image.digest) {
      changes.push({ image: image.name, path: 'digest', from: old.digest ?? null, to: image.digest });
    }
    diffValues(image.name, 'dependsOn', old.dependsOn, image.dependsOn, changes);
    diffValues(image.name, 'config', old.config, image.config, changes);
  }
  for (const [name, old] of before) changes.push({ image: name, path: 'image', from: old.image, to: null });
  return changes;
}

function diffValues(image: string, path: string, from: unknown, to: unknown, changes: FieldChange[]): void {
  if (canonicalJson(from ?? null) === canonicalJson(to ?? null)) return;
  if (isMap(from) && isMap(to)) {
    for (const key of [...new Set([...Object.keys(from), ...Object.keys(to)])].sort()) {
      diffValues(image, `${path}.${key}`, ownOf(from, key), ownOf(to, key), changes);
    }
    return;
  }
  changes.push({ image, path, from: show(path, from), to: show(path, to) });
}

/** A variable may be called `constructor`, which every object has. */
function ownOf(map: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Secrets show a digest of their ciphertext and nothing else (R27), also inside a list, which is shown whole. */
function show(path: string, value: unknown): string | null {
  if (value === undefined) return null;
  if (path.split('.').includes('secrets') && !/\.(file|mode)$/.test(path)) return maskWhole(value);
  const text = typeof value === 'string' ? value : canonicalJson(maskSecrets(value));
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}
