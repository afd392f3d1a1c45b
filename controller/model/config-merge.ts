/**
 * Merges layers of container configuration (SPEC §2): maps merge by key, lists and scalars are replaced, and every value
 * remembers its layer and place. Pure. Merging is associative, so a frozen version's layers may be merged beforehand.
 */
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import { canonicalJson } from './canonical.ts';
import type { Locate } from './manifest.ts';
import { pointerStep } from './manifest.ts';
import type { Position } from './problem.ts';

/** One container of a version with everything below the deployment's layers merged; what a freeze keeps (R8). */
export interface VersionImage {
  readonly name: string;
  readonly image: string;
  readonly registry?: string;
  /** `sha256:…`, known once the version has been deployed. */
  readonly digest?: string;
  readonly dependsOn: readonly string[];
  readonly config: ContainerConfig;
}

export interface ConfigLayer {
  /** For people: `version`, `bundle logging`, `deployment`, `override`. */
  readonly layer: string;
  /** Layers of one group are of one strength: where they differ is a conflict. Default: `layer`. */
  readonly group?: string;
  readonly config: ContainerConfig;
  /** By JSON pointer into `config`. */
  readonly position: Locate;
}

export interface Origin extends Position {
  readonly layer: string;
  /** The place of what lies inside a list, by the rest of its pointer. */
  within(rest: string): Position;
}

/** Layers of one group that set one key differently, and no stronger one that decides it. */
export interface MergeConflict {
  readonly pointer: string;
  /** Two or more, in the order of the layers. */
  readonly origins: readonly Origin[];
}

export interface MergedConfig {
  readonly config: ContainerConfig;
  /** By JSON pointer into `config`: scalars, lists as a whole, and empty maps. */
  readonly provenance: ReadonlyMap<string, Origin>;
  readonly conflicts: readonly MergeConflict[];
}

type Json = Readonly<Record<string, unknown>>;
interface Part {
  readonly layer: ConfigLayer;
  readonly value: unknown;
}

/**
 * Keys of which a layer sets at most one, together one value: a stronger layer's `http` replaces a weaker one's
 * `command`, where merging by key would leave a health check with two probes.
 */
const PROBE_KINDS = ['command', 'http', 'tcp'] as const;
const HEALTH_CHECKS: ReadonlySet<string> = new Set(['/healthCheck', '/healthCheck/start', '/healthCheck/live', '/healthCheck/ready']);

/** Merges the layers, weakest first. */
export function mergeConfig(layers: readonly ConfigLayer[]): MergedConfig {
  const provenance = new Map<string, Origin>();
  const conflicts: MergeConflict[] = [];
  const config = mergeAt('', layers.map((layer) => ({ layer, value: layer.config })), provenance, conflicts);
  return { config: (config ?? {}) as ContainerConfig, provenance, conflicts };
}

function mergeAt(pointer: string, parts: readonly Part[], provenance: Map<string, Origin>, conflicts: MergeConflict[]): unknown {
  const strongest = parts.at(-1);
  if (strongest === undefined) return undefined;
  const firstMap = parts.findLastIndex(({ value }) => !isMap(value)) + 1;
  if (firstMap === parts.length) {
    noteConflict(pointer, parts, conflicts);
    provenance.set(pointer, new LazyOrigin(pointer, strongest.layer));
    return strongest.value;
  }
  const maps = exclude(pointer, parts.slice(firstMap), conflicts);
  const result: Record<string, unknown> = {};
  for (const key of keysOf(maps)) {
    const inner = maps.flatMap(({ layer, value }) => (Object.hasOwn(value as Json, key) ? [{ layer, value: (value as Json)[key] }] : []));
    result[key] = mergeAt(`${pointer}${pointerStep(key)}`, inner, provenance, conflicts);
  }
  if (pointer !== '' && Object.keys(result).length === 0) provenance.set(pointer, new LazyOrigin(pointer, strongest.layer));
  return result;
}

function keysOf(maps: readonly Part[]): Set<string> {
  return new Set(maps.flatMap(({ value }) => Object.keys(value as Json)));
}

/** Takes out of weaker layers what a stronger one replaces although its key is another. */
function exclude(pointer: string, maps: readonly Part[], conflicts: MergeConflict[]): readonly Part[] {
  if (HEALTH_CHECKS.has(pointer)) return excludeProbes(pointer, maps, conflicts);
  // An exit code belongs to `exited` only.
  if (pointer === '/expectedState' && ((maps.at(-1) as Part).value as Json)['state'] !== 'exited') return maps.map((part) => without(part, ['exitCode']));
  return maps;
}

function excludeProbes(pointer: string, maps: readonly Part[], conflicts: MergeConflict[]): readonly Part[] {
  const kindOf = ({ value }: Part): string | undefined => PROBE_KINDS.find((kind) => Object.hasOwn(value as Json, kind));
  const decider = maps.findLast((part) => kindOf(part) !== undefined);
  if (decider === undefined) return maps;
  const kind = kindOf(decider) as string;
  const siblings = maps.filter((part) => groupOf(part) === groupOf(decider) && kindOf(part) !== undefined);
  if (siblings.some((part) => kindOf(part) !== kind)) {
    conflicts.push({ pointer, origins: siblings.map((part) => new LazyOrigin(`${pointer}/${String(kindOf(part))}`, part.layer)) });
  }
  return maps.map((part) => without(part, PROBE_KINDS.filter((other) => other !== kind)));
}

function without(part: Part, keys: readonly string[]): Part {
  return { layer: part.layer, value: Object.fromEntries(Object.entries(part.value as Json).filter(([key]) => !keys.includes(key))) };
}

function noteConflict(pointer: string, parts: readonly Part[], conflicts: MergeConflict[]): void {
  const strongest = parts.at(-1) as Part;
  const siblings = parts.filter((part) => groupOf(part) === groupOf(strongest));
  if (siblings.length < 2) return;
  if (new Set(siblings.map(({ value }) => canonicalJson(value))).size < 2) return;
  conflicts.push({ pointer, origins: siblings.map((part) => new LazyOrigin(pointer, part.layer)) });
}

function groupOf({ layer }: Part): string {
  return layer.group ?? layer.layer;
}

/** Places are found when somebody asks: that may mean reading YAML again, and a merge without problems asks for none. */
class LazyOrigin implements Origin {
  readonly layer: string;
  readonly #pointer: string;
  readonly #source: ConfigLayer;
  #place: Position | undefined;

  constructor(pointer: string, source: ConfigLayer) {
    this.layer = source.layer;
    this.#pointer = pointer;
    this.#source = source;
  }

  get file(): string {
    return this.#found().file;
  }

  get line(): number {
    return this.#found().line;
  }

  get column(): number {
    return this.#found().column;
  }

  within(rest: string): Position {
    return this.#source.position(this.#pointer + rest);
  }

  #found(): Position {
    return (this.#place ??= this.#source.position(this.#pointer));
  }
}

function isMap(value: unknown): value is Json {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
