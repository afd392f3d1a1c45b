/** An image in the making, and what its parts need to know of the whole. */
import type { ContainerConfig, DockerConfig } from '../../schemas/gen/types.ts';
import type { Position } from '../model/problem.ts';
import type { Findings } from './findings.ts';
import type { Jail } from './jail.ts';
import type { Project } from './load.ts';
import type { Dict } from './tree.ts';
import type { Labels } from './units.ts';
import type { Values } from './values.ts';

/** What all services of one import share. */
export interface Whole {
  readonly project: Project;
  readonly product: string;
  readonly jail: Jail;
  readonly values: Values;
  readonly findings: Findings;
  /** Image names by service name. */
  readonly images: Labels;
  /** Volume names by the project's names; made-up volumes are in it under `service:path`. */
  readonly volumes: Labels;
  /** Directories of whoever runs compose that became volumes, by where they lie. */
  readonly directories: Map<string, MadeVolume>;
  /** Volumes in memory, and the service that had each first. */
  readonly memories: Map<string, string>;
  /** What can be settled only when every service was read. */
  readonly later: (() => void)[];
  /** Services that others wait for to end well. */
  readonly jobs: ReadonlySet<string>;
  /** Services that come to be images. */
  readonly deployable: ReadonlySet<string>;
}

export interface MadeVolume {
  readonly name: string;
  /** The path as it is written. */
  readonly value: string;
  readonly at: Position;
}

export interface Draft {
  /** Of the compose file. */
  readonly service: string;
  /** The name that it gets. */
  readonly name: string;
  readonly at: Position;
  readonly dict: Dict;
  readonly whole: Whole;
  image: string;
  readonly dependsOn: Set<string>;
  readonly config: ContainerConfig;
  readonly docker: DockerConfig;
  readonly aliases: Set<string>;
  /** Networks of the project that it is on. */
  readonly networks: Set<string>;
}

export function lost(draft: Draft, at: Position, what: string, hint?: string): void {
  draft.whole.findings.add('NotCarriedOver', at, what, hint);
}
