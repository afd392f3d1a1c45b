/** What a reader remembers from one reading to the next, so that only what changed is worked out again. */
import { canonicalJson } from '../model/canonical.ts';
import type { Manifest, ManifestSet } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';

interface Remembered {
  readonly inputs: readonly unknown[];
  readonly value: unknown;
}

/**
 * Values by room and name, valid while their inputs are the same objects. Manifests are such objects: an unchanged blob is
 * never parsed again, so it gives the very same manifest.
 */
export class Memory {
  readonly #rooms = new Map<string, Map<string, Remembered>>();
  readonly #below: Memory | undefined;

  /** `below`: a memory that is asked, too, and never written; for what is only looked at and not taken over. */
  constructor(below?: Memory) {
    this.#below = below;
  }

  /** The value of before if every input is identical to that of before; else a new one. */
  of<T>(room: string, name: string, inputs: readonly unknown[], make: () => T): T {
    for (const found of this.#candidates(room, name)) if (found.inputs.length === inputs.length && found.inputs.every((input, index) => input === inputs[index])) return found.value as T;
    const value = make();
    this.#keep(room, name, { inputs, value });
    return value;
  }

  async once<T>(room: string, name: string, key: string, make: () => Promise<T>): Promise<T> {
    for (const found of this.#candidates(room, name)) if (found.inputs[0] === key) return found.value as T;
    const value = await make();
    this.#keep(room, name, { inputs: [key], value });
    return value;
  }

  /** The object of before if it is equal to this one, so that comparing by identity is enough. */
  same<T>(name: string, value: T): T {
    for (const found of this.#candidates('same', name)) if (canonicalJson(found.value) === canonicalJson(value)) return found.value as T;
    this.#keep('same', name, { inputs: [], value });
    return value;
  }

  /** Problems of a deployment, while all that it names is what it was. */
  problems(deployment: Manifest<'Deployment'>, set: ManifestSet, recipients: readonly string[] | undefined, check: () => readonly Problem[]): readonly Problem[] {
    return this.of('problems', deployment.name, [deployment, recipients, ...namedBy(deployment, set)], check);
  }

  /** Keeps only these names of a room. */
  forgetOthers(room: string, names: { has(name: string): boolean }): void {
    const all = this.#rooms.get(room);
    for (const name of [...(all?.keys() ?? [])]) if (!names.has(name)) all?.delete(name);
  }

  #candidates(room: string, name: string): Remembered[] {
    const own = this.#rooms.get(room)?.get(name);
    const below = this.#below === undefined ? [] : this.#below.#candidates(room, name);
    return own === undefined ? below : [own, ...below];
  }

  #keep(room: string, name: string, value: Remembered): void {
    const all = this.#rooms.get(room) ?? new Map<string, Remembered>();
    this.#rooms.set(room, all);
    all.set(name, value);
  }
}

/** Every manifest that the check of a deployment looks at, in a fixed order; undefined where one is missing. */
function namedBy({ spec }: Manifest<'Deployment'>, set: ManifestSet): unknown[] {
  const { Product, Node, Version, ConfigBundle, Deployment, Registry } = set.byKind;
  const version = Version.get(spec.product);
  return [
    Product.get(spec.product),
    Node.get(spec.node),
    version,
    ...(version?.spec.bundles ?? []).map((name) => ConfigBundle.get(name)),
    ...(spec.bundles ?? []).map((name) => ConfigBundle.get(name)),
    ...(spec.dependsOn ?? []).map((name) => Deployment.has(name)),
    ...(version?.spec.images ?? []).map(({ registry }) => registry !== undefined && Registry.get(registry)),
  ];
}
