/** What Tagboat writes on every object of a target; after a crash ownership is read back from it. Pure. */
import { createHash } from 'node:crypto';
import type { ContainerConfig, TargetImage, TargetSpec } from '../../../schemas/gen/types.ts';

export const LABEL = {
  team: 'tagboat.dev/team',
  deployment: 'tagboat.dev/deployment',
  prefix: 'tagboat.dev/prefix',
  image: 'tagboat.dev/image',
  /** The name of the workload; with prefix and image it is what selects its pods. */
  container: 'tagboat.dev/container',
  /** The attempt that applied the object last. Never on a pod: an attempt that changes nothing restarts nothing. */
  attempt: 'tagboat.dev/attempt',
  /** Of the pod template: pods that carry another one are of an older rollout. */
  hash: 'tagboat.dev/spec-hash',
} as const;

export const ANNOTATION = {
  product: 'tagboat.dev/product',
  version: 'tagboat.dev/version',
  /** On a namespace that Tagboat made, and so may remove. */
  made: 'tagboat.dev/made-namespace',
} as const;

const VALUE = /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;

/** A team's name may hold what a label may not; then a digest stands for it. */
export function labelValue(text: string): string {
  return VALUE.test(text) ? text : `sha256-${createHash('sha256').update(text).digest('hex').slice(0, 40)}`;
}

export function targetLabels(target: Pick<TargetSpec, 'team' | 'deployment' | 'prefix'>): Record<string, string> {
  return { [LABEL.team]: labelValue(target.team), [LABEL.deployment]: target.deployment, [LABEL.prefix]: target.prefix };
}

/** The workload's own name: the same one that a container has on Docker behind the prefix. */
export function workloadName(image: TargetImage): string {
  return image.config.name ?? image.name;
}

export function selectorOf(spec: TargetSpec, image: TargetImage): Record<string, string> {
  return { [LABEL.prefix]: spec.prefix, [LABEL.image]: image.name, [LABEL.container]: workloadName(image) };
}

type Part = 'deployment' | 'service' | 'ingress';

/** Labels of an object of one image; those of the manifest never stand in for our own. */
export function imageLabels(spec: TargetSpec, image: TargetImage, attemptId: bigint, part?: Part): Record<string, string> {
  return { ...manifestLabels(image.config, part), ...targetLabels(spec), ...selectorOf(spec, image), [LABEL.attempt]: String(attemptId) };
}

export function manifestLabels(config: ContainerConfig, part?: Part): Record<string, string> {
  return { 'app.kubernetes.io/managed-by': 'tagboat', ...texts(config.labels), ...(part === undefined ? {} : texts(config.kubernetes?.labels?.[part])) };
}

export function manifestAnnotations(config: ContainerConfig, part: Part): Record<string, string> {
  return texts(config.kubernetes?.annotations?.[part]);
}

export function versionAnnotations(spec: TargetSpec): Record<string, string> {
  return { [ANNOTATION.product]: spec.product, [ANNOTATION.version]: spec.version };
}

export function texts(map: Readonly<Record<string, unknown>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(map ?? {}).map(([key, value]) => [key, String(value)]));
}

/** Eight characters that stand for the content; two contents of one name differ in them. */
export function shortHash(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 10);
}

/** JSON with sorted keys: the order of keys in a manifest means nothing. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** A name of ours with an ending, cut so that the whole is a DNS label. */
export function derivedName(name: string, ending: string): string {
  return `${name.slice(0, 62 - ending.length).replace(/-+$/, '')}-${ending}`;
}
