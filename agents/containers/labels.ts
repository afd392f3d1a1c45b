/**
 * What Tagboat writes on the engine, and nothing else remembers: labels (they never change on a container) and names (they
 * do). After a crash all state of an attempt is read back from the two.
 */
import type { ContainerSummary } from './runtime.ts';

/** What their keys start with. */
export const OWN_LABELS = 'tagboat.dev/';

export const LABEL = {
  team: 'tagboat.dev/team',
  deployment: 'tagboat.dev/deployment',
  prefix: 'tagboat.dev/prefix',
  image: 'tagboat.dev/image',
  /** The attempt that created the container. */
  attempt: 'tagboat.dev/attempt',
  /** Of everything that the container was created from; equal hash, nothing to do. */
  hash: 'tagboat.dev/spec-hash',
  /** The repository digest, '' for an image built on the node. */
  digest: 'tagboat.dev/digest',
  /** The reference as the manifest has it. */
  reference: 'tagboat.dev/reference',
  /** `main`, or `init` for a container that runs to completion before it. */
  role: 'tagboat.dev/role',
  stopGrace: 'tagboat.dev/stop-grace',
  /** How requests from outside reach it (route.ts), as JSON; absent where they do not. */
  route: 'tagboat.dev/route',
} as const;

export function finalName(prefix: string, image: string): string {
  return `${prefix}-${image}`;
}

/** Names of containers on their way out: `.old-<attempt>-r` (ran) or `-s` (did not run), `.done-<attempt>` once the attempt is decided. */
const OLD = /^(.+)\.old-(\d+)-(r|s)$/;
const DONE = /^(.+)\.done-(\d+)$/;

export function oldName(name: string, attempt: bigint, ran: boolean): string {
  return `${name}.old-${attempt}-${ran ? 'r' : 's'}`;
}

export function doneName(name: string, attempt: bigint): string {
  return `${name}.done-${attempt}`;
}

export interface ParsedName {
  readonly place: 'final' | 'old' | 'done';
  /** The final name that it has or had. */
  readonly base: string;
  /** The attempt that set it aside; undefined for a final one. */
  readonly by: bigint | undefined;
  readonly ran: boolean;
}

export function parseName(name: string): ParsedName {
  const old = OLD.exec(name);
  if (old?.[1] !== undefined && old[2] !== undefined) return { place: 'old', base: old[1], by: BigInt(old[2]), ran: old[3] === 'r' };
  const done = DONE.exec(name);
  if (done?.[1] !== undefined && done[2] !== undefined) return { place: 'done', base: done[1], by: BigInt(done[2]), ran: false };
  return { place: 'final', base: name, by: undefined, ran: false };
}

/** Whose it is: team and prefix. Not the deployment's name, because a renamed manifest adopts its target (R10). */
export function isOurs(container: ContainerSummary, team: string, prefix: string): boolean {
  return container.labels[LABEL.team] === team && container.labels[LABEL.prefix] === prefix;
}

export function attemptOf(labels: Readonly<Record<string, string>>): bigint {
  const text = labels[LABEL.attempt] ?? '';
  return /^\d{1,20}$/.test(text) ? BigInt(text) : 0n;
}
