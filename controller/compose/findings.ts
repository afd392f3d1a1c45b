/**
 * The room where compose files become manifests. What comes in is hostile: a YAML file, the files beside it, and nothing of the
 * process's own environment. What leaves is manifests and findings: each thing that could not be carried over, at its place.
 *
 * Who lives here: tree (YAML with anchors, places kept), interpolate, env-file, jail (files beside the compose file), load (include, extends,
 * profiles), merge-service, values (words, sizes, times), service and its parts (one service → one image), write (manifests).
 */
import type { Position } from '../model/problem.ts';

/** `error`: lost. `warning`: carried over with a difference. `note`: worth knowing; nothing is lost. */
export type Severity = 'error' | 'warning' | 'note';

const CODES = {
  YamlSyntax: ['error', 'Correct the YAML at this place.'],
  ComposeInvalid: ['error', 'See the compose specification for what may stand here.'],
  UnknownKey: ['error', 'Correct the spelling; the compose specification does not know the key.'],
  InterpolationSyntax: ['error', 'Write ${NAME}, ${NAME:-default} or $$ for a dollar sign.'],
  VariableUnset: ['warning', 'Set it in .env beside the compose file, or in the file that --env-file names.'],
  HandedThrough: ['note', 'Set them in .env beside the compose file, or in the file that --env-file names, if they were set where compose ran.'],
  VariableRequired: ['error', 'Set it in .env beside the compose file, or in the file that --env-file names.'],
  PathOutside: ['error', 'Only files in the directory of the compose file are read; name a directory that holds both with --within.'],
  FileMissing: ['error', 'Add the file, or take the reference out.'],
  FileUnreadable: ['error', 'Only text (UTF-8) of moderate size can be carried over.'],
  NothingChosen: ['error', 'Choose with --profile; * is all.'],
  UnknownService: ['error', 'Correct the name; there is no such service, or its profile is not active (--profile).'],
  Circle: ['error', 'Break the circle.'],
  NotCarriedOver: ['error', 'Tagboat has nothing like it; do without, or set it on the node.'],
  Differs: ['warning', 'Check that the difference is fine for you.'],
  BuildNotSupported: ['error', 'Build and push the image in CI and name it here; until then it has to be built on the node under this name.'],
  SecretToSeal: ['error', 'Seal the value with `tagboat seal` and paste the block into `secrets` of the image.'],
  DirectoryOfNode: ['error', 'Put the files on the node and mount them by an absolute path, or into an image.'],
  BecameVolume: ['warning', 'Copy what you have into the volume, or mount an absolute path of the node.'],
  NetworksMerged: ['warning', 'All images of a product share one network; split the product where they must not reach each other.'],
  OverrideAside: ['note', 'Name it after the compose file, or name the directory, if you run it along.'],
  OfTheNode: ['note', 'Make it on the node beforehand, or take a named volume; a node does not make what is missing.'],
  MayEnd: ['note', 'If it is a job, add `expectedState: { state: exited }` to the image.'],
  FileCopied: ['note', 'Change it in the manifest from now on.'],
  Renamed: ['note', 'The old name still works between the containers.'],
  NoEffect: ['note', 'Nothing has to be done.'],
  SecretInClear: ['note', 'Consider `tagboat seal`: what is in Git is no secret.'],
  GeneratedInvalid: ['error', 'Correct the written manifest.'],
} as const satisfies Record<string, readonly [Severity, string]>;

export type FindingCode = keyof typeof CODES;

/** One thing that a person should know of the import. Never the value of a variable or a secret (R27). */
export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** As the person named it: relative to where the compose file was named. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint: string;
}

const MOST = 1000;

/** Collects findings, each once: an anchor is read at many places. */
export class Findings {
  readonly #found = new Map<string, Finding>();

  add(code: FindingCode, at: Position, message: string, hint?: string): void {
    const [severity, usual] = CODES[code];
    const id = `${code} ${at.file} ${at.line} ${at.column} ${message}`;
    if (this.#found.size < MOST) this.#found.set(id, Object.freeze({ code, severity, ...at, message, hint: hint ?? usual }));
  }

  /** By place, then code. */
  sorted(): readonly Finding[] {
    return [...this.#found.values()].sort((a, b) => text(a.file, b.file) || a.line - b.line || a.column - b.column || text(a.code, b.code));
  }
}

function text(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
