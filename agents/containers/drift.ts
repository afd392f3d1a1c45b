/** What was right after the success against what is now, field by field (R24). Pure. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import type { Drift } from '../core/engine.ts';
import type { ContainerDetails } from './runtime.ts';

/** The picture that the core keeps for us, by container name. JSON. */
export interface Baseline {
  readonly version: 1;
  readonly containers: Readonly<Record<string, BaselineContainer>>;
}

export interface BaselineContainer {
  readonly id: string;
  /** Of what it was created from. */
  readonly hash: string;
  readonly settings: unknown;
}

export function isBaseline(value: unknown): value is Baseline {
  return typeof value === 'object' && value !== null && (value as { version?: unknown }).version === 1;
}

const SECRET = '(secret)';

/** Settings as they may be kept and shown: values that came from `secrets` never are (R27). */
export function shownSettings(settings: unknown, secretKeys: ReadonlySet<string>): unknown {
  if (secretKeys.size === 0) return settings;
  const { config, ...rest } = settings as { config?: { env?: Record<string, string> } };
  const env = Object.fromEntries(Object.entries(config?.env ?? {}).map(([key, value]) => [key, secretKeys.has(key) ? SECRET : value]));
  return { ...rest, config: { ...config, env } };
}

export function secretKeysOf(spec: TargetSpec, imageName: string): ReadonlySet<string> {
  return new Set(Object.keys(spec.images.find((image) => image.name === imageName)?.config.secrets ?? {}));
}

export function driftOfSettings(container: string, before: BaselineContainer, now: ContainerDetails, secretKeys: ReadonlySet<string>): Drift[] {
  const expected = flatten(shownSettings(before.settings, secretKeys));
  const actual = flatten(shownSettings(now.settings, secretKeys));
  const fields = [...new Set([...expected.keys(), ...actual.keys()])].sort();
  return fields.flatMap((field) => {
    const was = expected.get(field) ?? '';
    const is = actual.get(field) ?? '';
    return was === is ? [] : [{ container, field, expected: clip(was), actual: clip(is) }];
  });
}

/** Paths to leaves; a list is one leaf, because the place in it is nobody's name. */
function flatten(value: unknown, path = '', into: Map<string, string> = new Map()): Map<string, string> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, item] of Object.entries(value)) flatten(item, path === '' ? key : `${path}.${key}`, into);
  } else if (value !== undefined) {
    into.set(path, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return into;
}

function clip(text: string): string {
  return text.length <= 500 ? text : `${text.slice(0, 499)}…`;
}
