/** Where values of the configuration came from: names the place of a fault, reads the files and variables that values point at. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ConfigDocument, ConfigProblem } from './config-document.ts';
import type { EnvironmentValue } from './config-environment.ts';
import { Secret } from './secret.ts';

export type ConfigPath = readonly (string | number)[];
export type RawSecret = string | { readonly env: string } | { readonly file: string };

export interface ConfigSourceOptions {
  /** Null when all comes from the environment. */
  readonly document: ConfigDocument | null;
  /** The file as people named it. */
  readonly shown: string;
  readonly fileDirectory: string;
  readonly workingDirectory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly variables: readonly EnvironmentValue[];
}

export class ConfigSource {
  readonly problems: ConfigProblem[] = [];
  readonly #options: ConfigSourceOptions;

  constructor(options: ConfigSourceOptions) {
    this.#options = options;
  }

  fault(path: ConfigPath, message: string, key?: string): void {
    const variable = this.#variable(path);
    if (variable !== undefined) this.problems.push({ file: `environment ${variable}`, line: 0, column: 0, message });
    else if (this.#options.document === null) this.problems.push({ file: 'configuration', line: 0, column: 0, message: `${message} (there is no ${this.#options.shown} here; write one, pass --config or set TAGBOAT_CONFIG)` });
    else this.problems.push({ file: this.#options.shown, ...this.#options.document.locate(path, key), message });
  }

  sorted(): readonly ConfigProblem[] {
    return [...this.problems].sort((a, b) => a.line - b.line || a.column - b.column);
  }

  /** What the file says is relative to the file; everything else to the working directory. */
  path(text: string, path: ConfigPath): string {
    const written = this.#options.document !== null && this.#variable(path) === undefined && has(this.#options.document.value, path);
    return resolve(written ? this.#options.fileDirectory : this.#options.workingDirectory, text);
  }

  secret(raw: RawSecret, path: ConfigPath): Secret {
    if (typeof raw === 'string') return new Secret(raw);
    if ('env' in raw) {
      const value = this.#options.env[raw.env];
      if (value === undefined || value === '') this.fault([...path, 'env'], `the environment variable ${raw.env} is not set`);
      return new Secret(value ?? '');
    }
    const file = this.path(raw.file, [...path, 'file']);
    try {
      const value = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
      if (value === '') this.fault([...path, 'file'], `the file ${file} is empty`);
      return new Secret(value);
    } catch (error) {
      this.fault([...path, 'file'], `the file ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
      return new Secret('');
    }
  }

  #variable(path: ConfigPath): string | undefined {
    return this.#options.variables.find((item) => item.path.length <= path.length && item.path.every((step, index) => step === path[index]))?.variable;
  }
}

function has(value: unknown, path: ConfigPath): boolean {
  let at: unknown = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !(step in at)) return false;
    at = (at as Record<string | number, unknown>)[step];
  }
  return true;
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Of a duration as the schema lets it through: `90d`. */
export function milliseconds(text: string): number {
  return Number(text.slice(0, -1)) * (UNITS[text.slice(-1)] ?? Number.NaN);
}
